"""From a column of WKB to the records of a .shp, most of them without a geometry object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from marinemap.extraction.formats.shp_records import (
    MULTIPOINT,
    POINT,
    POLYGON,
    Parts,
    encode_records,
)
from marinemap.extraction.wkb import (
    PlainRows,
    leaves,
    other_rows,
    plain_rows,
    to_column,
    to_geometries,
)

_MAKE_MULTI: dict[int, Any] = {
    0: shapely.multipoints,
    1: shapely.multilinestrings,
    2: shapely.multipolygons,
}

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Records:
    """The records of some features, their boxes (minx, miny, maxx, maxy), the range of heights.

    ``flattened`` counts features that had heights where the file has none.
    """

    column: Any
    boxes: Array
    heights: tuple[float, float] | None
    flattened: int

    @property
    def size_bytes(self) -> int:
        """What the records add to a .shp."""
        _, offsets, _ = self.column.buffers()
        places = np.frombuffer(offsets, np.int32)
        first = self.column.offset
        return int(places[first + len(self.column)] - places[first])


def to_records(column: Any, shape_type: int, first_number: int, *, has_z: bool) -> Records:
    """Encode features of one shape type.

    Parameters
    ----------
    column : pyarrow.BinaryArray
        WKB; none is null or empty.
    shape_type : int
        POINT, POLYLINE, POLYGON or MULTIPOINT.
    first_number : int
        Of the first record, from 1.
    has_z : bool
        Whether heights are written; a position without one gets 0.
    """
    groups = list(plain_rows(column))
    rest = other_rows(len(column), groups)
    pieces = [(group.rows, _plain(group, shape_type, has_z)) for group in groups]
    if len(rest):
        pieces.append((rest, _parsed(to_geometries(column, rest), shape_type, has_z)))
    encoded = [encode_records(p, shape_type, rows + first_number) for rows, p in pieces]
    order = np.argsort(np.concatenate([rows for rows, _ in pieces]), kind="stable")
    records = pa.concat_arrays([records for records, _ in encoded])
    boxes = np.concatenate([boxes for _, boxes in encoded])
    in_order = len(pieces) == 1
    return Records(
        records if in_order else records.take(pa.array(order)),
        boxes if in_order else boxes[order],
        _heights([parts for _, parts in pieces]) if has_z else None,
        0 if has_z else sum(len(g.rows) for g in groups if g.coordinates.shape[1] == 3),
    )


def split_collections(column: Any, rows: Array) -> tuple[Array, Any]:
    """Return for each collection among the rows its parts as one geometry of each dimension.

    Returns
    -------
    rows : array of int
        Where each came from.
    column : pyarrow.BinaryArray
    """
    origins: list[int] = []
    found: list[Any] = []
    for row, collection in zip(rows, to_geometries(column, rows), strict=True):
        parts = leaves(collection)
        parts = shapely.get_parts(parts[~shapely.is_empty(parts)])
        dimensions = shapely.get_dimensions(parts)
        for dimension in np.unique(dimensions).tolist():
            origins.append(int(row))
            found.append(_MAKE_MULTI[dimension](parts[dimensions == dimension]))
    return np.array(origins, np.int64), to_column(np.array(found, object))


def _plain(group: PlainRows, shape_type: int, has_z: bool) -> Parts:
    each = np.arange(len(group.starts))
    shells = np.ones(len(group.rows), bool) if shape_type == POLYGON else None
    return Parts(_with_height(group.coordinates, has_z), group.starts, each, shells)


def _parsed(geometries: Array, shape_type: int, has_z: bool) -> Parts:
    if has_z:
        geometries = shapely.force_3d(geometries)
    # to_ragged_array asks for one type; a single is promoted where one multi is among them.
    _, coordinates, found = shapely.to_ragged_array(geometries, include_z=has_z)
    offsets: list[Array] = [np.asarray(offset, np.int64) for offset in found]
    if shape_type == POLYGON:
        return _polygons(coordinates, offsets)
    if shape_type in (POINT, MULTIPOINT):
        starts = offsets[0] if offsets else np.arange(len(coordinates) + 1)
        return Parts(coordinates, starts, np.arange(len(starts)))
    lines = offsets[1] if len(offsets) > 1 else np.arange(len(offsets[0]))
    return Parts(coordinates, offsets[0], lines)


def _polygons(coordinates: Array, offsets: list[Array]) -> Parts:
    rings, polygons = offsets[0], offsets[1]
    shells = np.zeros(len(rings) - 1, bool)
    shells[polygons[:-1]] = True
    geometries = polygons[offsets[2]] if len(offsets) > 2 else polygons
    return Parts(coordinates, rings, geometries, shells)


def _with_height(coordinates: Array, has_z: bool) -> Array:
    if has_z == (coordinates.shape[1] == 3):
        return coordinates
    if not has_z:
        return coordinates[:, :2]
    return np.column_stack([coordinates, np.zeros(len(coordinates))])


def _heights(parts: list[Parts]) -> tuple[float, float]:
    values = np.concatenate([part.coordinates[:, 2] for part in parts])
    return float(values.min()), float(values.max())
