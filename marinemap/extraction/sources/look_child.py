"""The script that opens a source first, and may die of it; see ``first_look.py``.

It is run by its path and imports nothing of ours, so that it starts in half a second. What it does
is what our process does next; what GDAL raises our process will meet itself.
"""

from __future__ import annotations

import contextlib
import resource
import sys
import warnings

import pyogrio

_CPU_SECONDS = 30
_MEMORY_BYTES = 10**9
_FEATURES = 100


def _look(path: str) -> None:
    if path.lower().endswith((".parquet", ".geoparquet")):
        _look_at_footer(path)
        return
    for layer in pyogrio.list_layers(path)[:, 0]:
        with contextlib.suppress(Exception):
            pyogrio.read_info(path, layer=layer, force_feature_count=True, force_total_bounds=True)
        with contextlib.suppress(Exception):
            pyogrio.raw.read(path, layer=layer, max_features=_FEATURES)


def _look_at_footer(path: str) -> None:
    """Look at all that a Parquet file says of its columns: Arrow 26 ends at some of it."""
    # Imported here: it takes long to import, and other files need none of it.
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(path)
    metadata.schema.to_arrow_schema()
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for place in range(row_group.num_columns):
            statistics = row_group.column(place).statistics
            if statistics is not None and statistics.has_min_max:
                _ = statistics.min, statistics.max


def _limit(kind: int, most: int) -> None:
    """Set a limit, where there is no lower one already: who started it may have less itself."""
    hard = resource.getrlimit(kind)[1]
    allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (allowed, allowed))


def _main() -> None:
    _limit(resource.RLIMIT_CPU, _CPU_SECONDS)
    _limit(resource.RLIMIT_DATA, _MEMORY_BYTES)
    _limit(resource.RLIMIT_CORE, 0)
    warnings.simplefilter("ignore")
    print("begun", flush=True)
    with contextlib.suppress(Exception):
        _look(sys.argv[1])
    print("done", flush=True)


if __name__ == "__main__":
    _main()
