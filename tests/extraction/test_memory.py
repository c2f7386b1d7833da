"""What a run takes of memory at its peak; `python -m benchmarks memory` has more kinds."""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import shapely

from benchmarks.memory import MOST_MEGABYTES, peak_megabytes
from marinemap.errors import DatasetError
from marinemap.extraction.geoparquet.index import BoxColumns
from marinemap.extraction.geoparquet.layer import ParquetLayer
from marinemap.extraction.memory import return_what_was_freed
from marinemap.extraction.picked import Touching
from marinemap.extraction.sources import source_format_of
from marinemap.extraction.sources.flatgeobuf_check import feature_places
from tests.extraction.layers import run, write_layer
from tests.extraction.parquet_files import write_parquet

# 128 MB.
_PAGES = 1 << 15
_MOST_MEGABYTES_LOOKED_AT = 64
_LINES, _CORNERS = 50_000, 100
_POINTS = 1_200_000


def test_large_texts_stay_within_the_memory_of_a_run(tmp_path: Path) -> None:
    # 200 MB of texts; slow, for a process makes them and another extracts them.
    assert peak_megabytes("texts", tmp_path) < MOST_MEGABYTES


def test_files_that_are_looked_through_are_not_kept_in_memory(tmp_path: Path) -> None:
    source = write_layer(
        tmp_path / "sea.fgb",
        [shapely.Point(1, 1)] * 2,
        driver="FlatGeobuf",
        layer_options={"SPATIAL_INDEX": "NO"},
    )
    with source.open("ab") as file:
        # Features of a page each, of which the check reads the lengths.
        file.write((struct.pack("<I", 4_092) + bytes(4_092)) * _PAGES)
    text = tmp_path / "sea.geojson"
    text.write_bytes((b'"' + b" " * 4_095) * _PAGES)
    assert _megabytes_of(lambda: feature_places(source)) < _MOST_MEGABYTES_LOOKED_AT
    assert _megabytes_of(lambda: source_format_of(text).look(text)) < _MOST_MEGABYTES_LOOKED_AT


def test_kml_is_held_in_memory_once(tmp_path: Path) -> None:
    # 22 MB, of which GDAL makes nine times as much; each thread that opened it held as much.
    centers = np.random.default_rng(0).uniform(1, 9, (20_000, 2))
    circles = shapely.buffer(shapely.points(centers), 0.1, quad_segs=5)
    source = write_layer(tmp_path / "sea.kml", list(circles), kind="Polygon", driver="KML")
    return_what_was_freed()
    taken = _megabytes_of(lambda: run(source, tmp_path, format="geopackage", full_copy=False))
    assert taken < 11 * source.stat().st_size / 1e6


def test_row_group_of_a_whole_file_is_not_kept_in_memory(tmp_path: Path) -> None:
    # 80 MB of lines, as pyarrow writes them: all in one group, which begins with a dictionary.
    corners = np.random.default_rng(0).uniform(0, 9, (_LINES * _CORNERS, 2))
    lines = shapely.linestrings(corners, indices=np.repeat(np.arange(_LINES), _CORNERS))
    source = write_parquet(tmp_path / "sea.parquet", lines, types=(), group_rows=_LINES)
    layer = ParquetLayer(source)
    assert _megabytes_of(lambda: sum(1 for _ in layer.stream({}))) < _MOST_MEGABYTES_LOOKED_AT


def test_boxes_of_a_row_group_are_not_kept_in_memory(tmp_path: Path) -> None:
    # 38 MB of boxes, all in one group.
    places = np.random.default_rng(0).uniform(0, 9, (_POINTS, 2))
    # One lies near, beyond the rows that are looked at first.
    places[_POINTS // 2] = 50
    points = shapely.points(places)
    source = write_parquet(
        tmp_path / "sea.parquet",
        points,
        types=(),
        boxes="double",
        group_rows=_POINTS,
        use_dictionary=False,
        compression="none",
    )
    near, found = (49.0, 49.0, 51.0, 51.0), []

    def look() -> None:
        assert BoxColumns(source).count([near]) == 1
        found.extend(ParquetLayer(source, columns=[]).stream({"where": Touching([near])}))

    # Less than the boxes would take.
    assert _megabytes_of(look) < _POINTS * 32 / 1e6
    assert [batch[batch.num_columns - 1].to_pylist() for batch in found] == [[_POINTS // 2]]


def _megabytes_of(work: Callable[[], object]) -> float:
    """Return by how much the memory of this process grows at its peak meanwhile."""
    # As proc(5) has it: the peak begins anew.
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    with suppress(DatasetError):
        work()
    return (_status("VmHWM") - before) / 1024


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))
