"""What docs/known-issues.md says of the engine is so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyogrio
import pytest
import shapely

from marinemap.extraction import FORMATS, get_format
from tests.extraction.layers import run

KNOWN_ISSUES = Path(__file__).parents[2] / "docs/known-issues.md"


@pytest.mark.parametrize("format_", FORMATS)
def test_losses_of_each_format_are_told(format_: str) -> None:
    assert f"\n**{get_format(format_).title}**" in KNOWN_ISSUES.read_text("utf-8")


@pytest.mark.parametrize(
    ("name", "driver", "counted"),
    [
        ("sea.gpkg", {"driver": "GPKG"}, 2),
        ("sea.gpkg", {"driver": "GPKG", "layer_options": {"SPATIAL_INDEX": "NO"}}, 2),
        ("sea.sqlite", {"driver": "SQLite"}, 2),
        ("sea.gdb", {"driver": "OpenFileGDB"}, 0),
        ("sea.tab", {"driver": "MapInfo File"}, 0),
    ],
    ids=["GeoPackage", "without R-tree", "SQLite", "file geodatabase", "MapInfo"],
)
def test_features_that_lie_nowhere_are_counted_as_told(
    tmp_path: Path, name: str, driver: dict[str, Any], counted: int
) -> None:
    shapes = np.array([shapely.Point(1, 1), None, shapely.Point(2, 2), None], object)
    numbers, wkb = pa.array(range(4), pa.int32()), pa.array(shapely.to_wkb(shapes), pa.binary())
    pyogrio.write_arrow(
        pa.table({"number": numbers, "shape": wkb}),
        tmp_path / name,
        geometry_name="shape",
        geometry_type="Point",
        crs="EPSG:4326",
        **driver,
    )
    (report,) = run(tmp_path / name, tmp_path).layers
    assert (report.features_written, report.without_position) == (2, counted)
