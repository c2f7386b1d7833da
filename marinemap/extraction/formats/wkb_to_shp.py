"""From a column of WKB to the records of a .shp, most of them without a geometry object."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from marinemap.extraction.formats.shp_records import (
    MULTIPOINT,
    NO_MEASURE,
    POINT,
    POLYGON,
    Parts,
    encode_records,
)
from marinemap.extraction.geometry.multi import as_multi
from marinemap.extraction.geometry.plain_rows import PlainRows, other_rows, plain_rows
from marinemap.extraction.geometry.wkb import dimensions, leaves, to_column, to_geometries

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Records:
    """The records of some features, their boxes (minx, miny, maxx, maxy), and what they range over.

    ``heights`` and ``measures`` are the least and the most, None where there are none.
    ``flattened`` counts features that had heights where the file has none, ``unmeasured`` the
    same of measures, ``raised`` those without heights where the file has them.
    """

    column: Any
    boxes: Array
    heights: tuple[float, float] | None
    measures: tuple[float, float] | None
    flattened: int = 0
    unmeasured: int = 0
    raised: int = 0

    @property
    def size_bytes(self) -> int:
        """What the records add to a .shp."""
        _, offsets, _ = self.column.buffers()
        places = np.frombuffer(offsets, np.int32)
        first = self.column.offset
        return int(places[first + len(self.column)] - places[first])


def to_records(
    column: Any, shape_type: int, first_number: int, *, has_z: bool, has_m: bool = False
) -> Records:
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
    has_m : bool
        Whether measures are written; a position without one gets the format's word for none.
    """
    groups = list(plain_rows(column))
    rest = other_rows(len(column), groups)
    pieces = [(group.rows, _plain(group, shape_type)) for group in groups]
    if len(rest):
        pieces.append((rest, _parsed(to_geometries(column, rest), shape_type)))
    high, measured = dimensions(column)
    raised = _without_height(pieces) if has_z else 0
    pieces = [(rows, _kept(parts, has_z, has_m)) for rows, parts in pieces]
    encoded = [encode_records(p, shape_type, rows + first_number) for rows, p in pieces]
    order = np.argsort(np.concatenate([rows for rows, _ in pieces]), kind="stable")
    records = pa.concat_arrays([records for records, _ in encoded])
    boxes = np.concatenate([boxes for _, boxes in encoded])
    in_order = len(pieces) == 1
    return Records(
        records if in_order else records.take(pa.array(order)),
        boxes if in_order else boxes[order],
        _range([parts.heights for _, parts in pieces]),
        _range([parts.measures for _, parts in pieces], above=NO_MEASURE),
        0 if has_z else int(high.sum()),
        0 if has_m else int(measured.sum()),
        raised,
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
            found.append(as_multi(parts[dimensions == dimension], dimension))
    return np.array(origins, np.int64), to_column(np.array(found, object))


def _plain(group: PlainRows, shape_type: int) -> Parts:
    each = np.arange(len(group.starts))
    shells = np.ones(len(group.rows), bool) if shape_type == POLYGON else None
    xy = group.coordinates[:, :2]
    return Parts(xy, group.starts, each, shells, group.heights, group.measures)


def _parsed(geometries: Array, shape_type: int) -> Parts:
    # to_ragged_array asks for one type; a single is promoted where one multi is among them.
    _, found, offsets = shapely.to_ragged_array(geometries, include_z=True, include_m=True)
    starts: list[Array] = [np.asarray(offset, np.int64) for offset in offsets]
    xy, heights, measures = found[:, :2], found[:, 2], found[:, 3]
    if shape_type == POLYGON:
        rings, shells, first_rings = _polygons(starts)
        return Parts(xy, rings, first_rings, shells, heights, measures)
    if shape_type in (POINT, MULTIPOINT):
        points = starts[0] if starts else np.arange(len(found) + 1)
        return Parts(xy, points, np.arange(len(points)), None, heights, measures)
    lines = starts[1] if len(starts) > 1 else np.arange(len(starts[0]))
    return Parts(xy, starts[0], lines, None, heights, measures)


def _polygons(offsets: list[Array]) -> tuple[Array, Array, Array]:
    """Return where rings begin, which of them are shells, and the first ring of each geometry."""
    rings, polygons = offsets[0], offsets[1]
    shells = np.zeros(len(rings) - 1, bool)
    shells[polygons[:-1]] = True
    return rings, shells, polygons[offsets[2]] if len(offsets) > 2 else polygons


def _kept(parts: Parts, has_z: bool, has_m: bool) -> Parts:
    """Return parts with what the file has a place for, every number finite (page 2)."""
    return dataclasses.replace(
        parts,
        heights=_filled(parts, parts.heights, 0.0) if has_z else None,
        measures=_filled(parts, parts.measures, NO_MEASURE) if has_m else None,
    )


def _filled(parts: Parts, values: Array | None, missing: float) -> Array:
    if values is None:
        return np.full(len(parts.coordinates), missing)
    found: Array = np.where(np.isfinite(values), values, missing)
    return found


def _without_height(pieces: list[tuple[Array, Parts]]) -> int:
    """Count the features of which a position has no height."""
    count = 0
    for rows, parts in pieces:
        if parts.heights is None:
            count += len(rows)
        else:
            lacking = ~np.isfinite(parts.heights)
            count += int(np.logical_or.reduceat(lacking, parts.position_starts[:-1]).sum())
    return count


def _range(values: list[Array | None], above: float = -np.inf) -> tuple[float, float] | None:
    every = [value for value in values if value is not None]
    if not every:
        return None
    joined = np.concatenate(every)
    joined = joined[joined > above]
    return (float(joined.min()), float(joined.max())) if len(joined) else None
