"""Which geometries of a column can be read: one that cannot does not keep the others from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from marinemap.extraction.geometry.wkb import (
    Array,
    leaves,
    odd_heads,
    replaced,
    to_column,
    to_geometries,
)

_JOINED: dict[int, Any] = {
    shapely.GeometryType.MULTIPOINT: shapely.multipoints,
    shapely.GeometryType.MULTILINESTRING: shapely.multilinestrings,
    shapely.GeometryType.MULTIPOLYGON: shapely.multipolygons,
    shapely.GeometryType.GEOMETRYCOLLECTION: shapely.geometrycollections,
}


@dataclass(frozen=True)
class ReadColumn:
    """Rows of a column of WKB as geometries.

    ``column`` is the same with closed rings in these rows. ``geometries`` has None where there is
    no geometry, or none that can be read; ``unreadable`` tells of such a row why. ``mended`` are
    the rows whose rings were open, or which had empty parts.
    """

    column: Any
    geometries: Array
    mended: Array
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


def without_empty_parts(read: ReadColumn, rows: Array) -> ReadColumn:
    """Return geometries without empty parts and rings, such as a track's segment of no point.

    A file can hold them, but shapefiles and GeoJSON have no form of them.

    Parameters
    ----------
    read : ReadColumn
    rows : array of int
        The rows that were read.
    """
    places = _with_empty_parts(read.geometries)
    if len(places) == 0:
        return read
    geometries = read.geometries.copy()
    geometries[places] = [_pruned(geometry) for geometry in geometries[places]]
    column = replaced(read.column, rows[places], to_column(geometries[places]))
    mended = np.union1d(read.mended, rows[places])
    return replace(read, column=column, geometries=geometries, mended=mended)


def _with_empty_parts(geometries: Array) -> Array:
    parts, owners = geometries, np.arange(len(geometries))
    found = []
    while len(parts):
        holed = shapely.get_num_interior_rings(parts) > 0
        rings, of_part = shapely.get_rings(parts[holed], return_index=True)
        found.append(owners[holed][of_part[shapely.is_empty(rings)]])
        several = np.isin(shapely.get_type_id(parts), list(_JOINED))
        parts, at = shapely.get_parts(parts[several], return_index=True)
        owners = owners[several][at]
        found.append(owners[shapely.is_empty(parts)])
    return np.unique(np.concatenate([np.zeros(0, np.int64), *found]))


def _pruned(geometry: Any) -> Any:
    if geometry.geom_type == "Polygon":
        holes = [ring for ring in geometry.interiors if not ring.is_empty]
        return shapely.polygons(geometry.exterior, holes or None)
    join = _JOINED.get(shapely.get_type_id(geometry))
    if join is None:
        return geometry
    parts = leaves(geometry)
    return join([_pruned(part) for part in parts[~shapely.is_empty(parts)]])


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
