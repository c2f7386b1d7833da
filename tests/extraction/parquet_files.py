"""GeoParquet files for tests, written by pyarrow: what no writer at hand would make as well."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

SIDES = ("xmin", "ymin", "xmax", "ymax")


def squares(count: int) -> Any:
    """Return squares in rows from 0, 0, a hundredth of a degree apart; the fourth is missing."""
    side = int(np.ceil(np.sqrt(count)))
    x, y = (np.arange(count) % side) * 0.01, (np.arange(count) // side) * 0.01
    found = shapely.box(x, y, x + 0.008, y + 0.008)
    found[3] = None
    return found


def write_parquet(
    path: Path,
    geometries: Any,
    columns: dict[str, Any] | None = None,
    *,
    types: Sequence[str] = ("Polygon",),
    boxes: str = "",
    group_rows: int = 100,
    column: dict[str, Any] | None = None,
    geo: dict[str, Any] | None = None,
    geometry: Any = None,
    **options: Any,
) -> Path:
    """Write geometries and columns; ``boxes`` is the type of a column of boxes, if any.

    ``column`` and ``geo`` go over what is said of the geometries and of the file.
    """
    wkb = pa.array(shapely.to_wkb(geometries), pa.binary()) if geometry is None else geometry
    table = dict(columns or {})
    said: dict[str, Any] = {"encoding": "WKB", "geometry_types": list(types)}
    if boxes:
        bounds = shapely.bounds(geometries)
        sides = [
            pa.array(bounds[:, n], pa.type_for_alias(boxes), from_pandas=True) for n in range(4)
        ]
        table["bbox"] = pa.StructArray.from_arrays(sides, SIDES)
        said["covering"] = {"bbox": {side: ["bbox", side] for side in SIDES}}
    table["geometry"] = wkb
    stated = {
        "version": "1.1.0",
        "primary_column": "geometry",
        "columns": {"geometry": {**said, **(column or {})}},
        **(geo or {}),
    }
    whole = pa.table(table).replace_schema_metadata({"geo": json.dumps(stated)})
    pq.write_table(whole, path, row_group_size=group_rows, **options)
    return path
