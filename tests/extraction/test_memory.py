"""What a run takes of memory at its peak; `python -m benchmarks memory` has more kinds."""

from __future__ import annotations

from pathlib import Path

from benchmarks.memory import MOST_MEGABYTES, peak_megabytes


def test_large_texts_stay_within_the_memory_of_a_run(tmp_path: Path) -> None:
    # 200 MB of texts; slow, for a process makes them and another extracts them.
    assert peak_megabytes("texts", tmp_path) < MOST_MEGABYTES
