"""Which geometries of a column can be read: one that cannot does not keep the others from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from marinemap.extraction.geometry.wkb import Array, odd_heads, replaced, to_column, to_geometries


@dataclass(frozen=True)
class ReadColumn:
    """Rows of a column of WKB as geometries.

    ``column`` is the same with closed rings in these rows. ``geometries`` has None where there is
    no geometry, or none that can be read; ``unreadable`` tells of such a row why. ``closed`` are
    the rows whose rings were open.
    """

    column: Any
    geometries: Array
    closed: Array
    unreadable: Mapping[int, str]


def read_column(column: Any, rows: Array | None = None) -> ReadColumn:
    """Read a column, or some of its rows, as far as it can be read.

    Parameters
    ----------
    column : pyarrow.BinaryArray
        WKB.
    rows : array of int, optional
        In order; all by default.
    """
    rows = np.arange(len(column)) if rows is None else rows
    try:
        return ReadColumn(column, to_geometries(column, rows, closes_rings=False), rows[:0], {})
    except shapely.errors.ShapelyError:
        return _one_by_one(column, rows)


def _one_by_one(column: Any, rows: Array) -> ReadColumn:
    picked = column.take(pa.array(rows))
    data = picked.to_numpy(zero_copy_only=False).copy()
    unreadable = dict(odd_heads(picked))
    data[list(unreadable)] = None
    # NaN among the coordinates is told of later, with a count.
    with np.errstate(invalid="ignore"):
        geometries = shapely.from_wkb(data, on_invalid="ignore")
        refused = np.flatnonzero(shapely.is_missing(geometries) & (data != None))  # noqa: E711
        geometries[refused] = shapely.from_wkb(data[refused], on_invalid="fix")
    lost = shapely.is_missing(geometries[refused])
    unreadable |= {row: _why(data[row]) for row in refused[lost].tolist()}
    closed = refused[~lost]
    column = replaced(column, rows[closed], to_column(geometries[closed]))
    whys = {int(rows[row]): why for row, why in sorted(unreadable.items())}
    return ReadColumn(column, geometries, rows[closed], whys)


def _why(data: bytes) -> str:
    """Return what GEOS says of a geometry that it does not read."""
    try:
        shapely.from_wkb(data)
    except shapely.errors.ShapelyError as error:
        return str(error).strip().rpartition("Exception: ")[2]
    return "it cannot be read"
