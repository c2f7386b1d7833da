"""Large inputs are written as Python writes JSON, and nobody is held up meanwhile."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from benchmarks.dear_areas import Watch
from marinemap.jobs.models import JobDocuments
from marinemap.processes.json_pieces import PiecewiseEncoder

RING = [[round(10 * math.sin(i), 7), i % 90] for i in range(480_000)]
LARGE: dict[str, Any] = {
    "ring": RING[:3_000],
    "rings": [RING[:10], RING[:2_500], [], RING[:7]],
    "text": "é\ud83d\ude00\x00" * 9_000,
    "texts": ["a" * 19_999, "b" * 20_001, "c"] * 3,
    "odd": [None, True, -0.0, 1e300, 2**70, {}, [], {"": {"z": 1, "a": [RING[:900]]}}],
    "deep": [[[[[[RING[:3_000]]]]]]],
    "objects": [{"b": n, "a": str(n)} for n in range(3_000)],
}


@pytest.mark.parametrize(
    "options",
    [{}, {"sort_keys": True, "ensure_ascii": False}, {"separators": (",", ":")}, {"indent": 1}],
    ids=str,
)
@pytest.mark.parametrize(
    "value",
    [LARGE, list(LARGE.values()), [], {}, "x", None],
    ids=lambda value: type(value).__name__,
)
def test_pieces_make_what_python_writes(value: Any, options: dict[str, Any]) -> None:
    assert json.dumps(value, cls=PiecewiseEncoder, **options) == json.dumps(value, **options)


def test_names_that_are_no_text_are_written_as_python_does() -> None:
    value = {1: RING[:3_000], None: 2}
    assert json.dumps(value, cls=PiecewiseEncoder) == json.dumps(value)


def test_largest_inputs_hold_up_no_thread_while_they_are_written() -> None:
    """By Python's own writer it is a quarter of a second."""
    inputs = {"layers": ["reefs"], "area": {"type": "Polygon", "coordinates": [RING]}}
    field = JobDocuments._meta.get_field("inputs")
    watch = Watch()
    watch.start()
    written = json.dumps(inputs, cls=field.encoder)
    watch.end()
    assert len(written) > 8_000_000
    assert watch.longest_seconds < 0.1
