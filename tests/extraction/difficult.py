"""A layer of every difficulty that the notes on formats name, made by code."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyogrio
import shapely

ROWS = 3
# Names that some format needs itself, cannot spell, or cannot tell from another.
NAMES = ["OGC_FID", "ogc_fid", "OBJECTID", "Shape", "wkb_geometry", "geometry", "WKT", "name"]
NAMES += ["Name", 'quo"te', "a<b>&c", "x y", "1st", "SELECT", "habitat_class", "habitat_code"]
NAMES += ["Größe", "珊瑚", "description", "line\nbreak", "n" * 80]
TEXTS = ["  blanks before", "tab\tand \x01 control", "=1+1 \N{FISH} \"quoted\", 'so'; <b>"]
LONG = ["x" * 254, "é" * 200, None]


def columns() -> dict[str, Any]:
    """Return columns of each type and of each extreme."""
    kept: dict[str, Any] = {name: [f"{name[:5]} {row}" for row in range(ROWS)] for name in NAMES}
    return kept | {
        "texts": TEXTS,
        "long": LONG,
        "real": [1.7976931348623157e308, 1 / 3, float("inf")],
        "nan": [float("nan"), -0.0, 5e-324],
        "single": pa.array([0.1, -3.4e38, None], pa.float32()),
        "large": pa.array([2**63 - 1, -(2**63), None], pa.int64()),
        "small": pa.array([-(2**15), 2**15 - 1, None], pa.int16()),
        "flag": pa.array([True, False, None]),
        "day": pa.array([date(1, 1, 1), date(9999, 12, 31), None]),
        "moment": pa.array([datetime(2026, 1, 2, 3, 4, 5, 678000, UTC), None, None]),
        "local": pa.array(
            [datetime(2026, 1, 2, 3, 4, tzinfo=timezone(timedelta(hours=5)))] * 2 + [None],
            pa.timestamp("ms", "+05:00"),
        ),
        "bytes": pa.array([b"\0\xff", b"", None]),
        "empty": pa.array([None] * ROWS, pa.string()),
    }


def write_difficult(path: Path, geometries: list[Any], kind: str = "Unknown") -> Path:
    """Write geometries with all those columns as a GeoPackage, which takes the most."""
    wkb = pa.array(shapely.to_wkb(np.array(geometries, object), flavor="iso"), pa.binary())
    fields = {name: value for name, value in columns().items() if name not in ("Name", "ogc_fid")}
    # GDAL 3.12 crashes where a field has the name of this column in other letters.
    table = pa.table({**fields, "place_": wkb})
    options = {"geometry_name": "place_", "geometry_type": kind, "crs": "EPSG:4326"}
    layer = {"GEOMETRY_NAME": "the_place", "FID": "the_key"}
    pyogrio.write_arrow(table, path, driver="GPKG", layer_options=layer, **options)
    return path
