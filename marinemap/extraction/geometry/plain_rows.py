"""Columns of WKB whose geometries are one part and one ring, read as one array of coordinates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from marinemap.extraction.geometry.wkb import (
    HEADER_BYTES,
    WITH_M,
    WITH_Z,
    Array,
    base_of,
    buffers_of,
    lengths_of,
    to_geometries,
    type_codes,
    uint32_at,
)

_BASE_DIMENSION = {1: 0, 2: 1, 3: 2, 4: 0, 5: 1, 6: 2}
_MULTI_BYTES = 9
_LEAST_POSITIONS = {2: 2, 3: 4}
# pyarrow 26 computes a negative size for a slice without an end.
_NO_END = 2**31 - 1


@dataclass(frozen=True)
class PlainRows:
    """Geometries of one part and one ring, laid end to end.

    ``rows`` are their places in the column, rising. ``coordinates`` has the shape (positions,
    2 to 4): x, y, the height and the measure where there are any; geometry ``i`` owns positions
    ``starts[i]`` to ``starts[i + 1]``.
    """

    rows: Array
    coordinates: Array
    starts: Array
    has_z: bool
    has_m: bool

    @property
    def heights(self) -> Array | None:
        """The height of each position, None where there are none."""
        return self.coordinates[:, 2] if self.has_z else None

    @property
    def measures(self) -> Array | None:
        """The measure (M) of each position, None where there are none."""
        return self.coordinates[:, -1] if self.has_m else None

    @property
    def bounds(self) -> Array:
        """The boxes (minx, miny, maxx, maxy), shape (rows, 4)."""
        firsts = self.starts[:-1]
        x = np.ascontiguousarray(self.coordinates[:, 0])
        y = np.ascontiguousarray(self.coordinates[:, 1])
        return np.column_stack(
            [
                np.minimum.reduceat(x, firsts),
                np.minimum.reduceat(y, firsts),
                np.maximum.reduceat(x, firsts),
                np.maximum.reduceat(y, firsts),
            ]
        )


def plain_rows(column: Any) -> Iterator[PlainRows]:
    """Yield the rows that are one point, one line or a polygon of one ring, by their layout.

    Multi-geometries of a single part count too. All other rows are left to the caller.

    Parameters
    ----------
    column : pyarrow.BinaryArray
    """
    codes = type_codes(column)
    for code in np.unique(codes):
        rows = np.flatnonzero(codes == code)
        if int(base_of(code)) in _BASE_DIMENSION and code // 1000 <= max(WITH_Z):
            yield from _plain_of_code(column, rows, int(code))


def other_rows(size: int, groups: list[PlainRows]) -> Array:
    """Return the rows of a column of a given size that are in none of the groups."""
    rest = np.ones(size, bool)
    for group in groups:
        rest[group.rows] = False
    return np.flatnonzero(rest)


def total_bounds(column: Any) -> Array:
    """Return the box (minx, miny, maxx, maxy) of a column of WKB; NaN where nothing lies anywhere.

    What is not plain is parsed, which takes five times as long.
    """
    groups = list(plain_rows(column))
    rest = to_geometries(column, other_rows(len(column), groups))
    boxes = [np.full((1, 4), np.nan), shapely.bounds(rest).reshape(-1, 4)]
    for group in groups:
        x, y = group.coordinates[:, 0], group.coordinates[:, 1]
        low, high = (np.fmin.reduce(x), np.fmin.reduce(y)), (np.fmax.reduce(x), np.fmax.reduce(y))
        boxes.append(np.array([[*low, *high]]))
    return joined_boxes(np.concatenate(boxes))


def joined_boxes(boxes: Array) -> Array:
    """Return the box around boxes, shape (boxes, 4), without those of nothing, which are NaN."""
    return np.concatenate([np.fmin.reduce(boxes[:, :2]), np.fmax.reduce(boxes[:, 2:])])


def _plain_of_code(column: Any, rows: Array, code: int) -> Iterator[PlainRows]:
    base = int(base_of(code))
    has_z, has_m = code // 1000 in WITH_Z, code // 1000 in WITH_M
    axes = 2 + has_z + has_m
    header = HEADER_BYTES[base if base <= 3 else base - 3] + (_MULTI_BYTES if base > 3 else 0)
    step = 8 * axes
    lengths = lengths_of(column)[rows]
    fits = (lengths >= header + step) & ((lengths - header) % step == 0)
    rows = rows[fits]
    rows = rows[_has_one_part(column, rows, base, (lengths[fits] - header) // step)]
    if len(rows):
        whole = len(rows) == len(column)
        picked = column if whole else column.take(pa.array(rows))
        body = pc.binary_slice(picked, header, _NO_END)
        offsets, data = buffers_of(body)
        values = data[offsets[0] : offsets[-1]].view("<f8").reshape(-1, axes)
        found = PlainRows(rows, values, (offsets - offsets[0]) // step, has_z, has_m)
        if _are_sound(found, base if base <= 3 else base - 3):
            yield found


def _are_sound(found: PlainRows, base: int) -> bool:
    """Tell whether no row holds what a parser would refuse: GDAL passes open rings on."""
    if base == 1:
        return bool(np.isfinite(found.coordinates).all())
    if (np.diff(found.starts) < _LEAST_POSITIONS[base]).any():
        return False
    first, last = (found.coordinates[at, :2] for at in (found.starts[:-1], found.starts[1:] - 1))
    # NaN differs from itself, which is another matter.
    return base == 2 or not ((first != last) & ~np.isnan(first)).any()


def _has_one_part(column: Any, rows: Array, base: int, positions: Array) -> Array:
    """Tell which rows have counts of one, down to the coordinates."""
    ok = np.ones(len(rows), bool)
    at = 5
    if base > 3:
        ok &= uint32_at(column, rows, at) == 1
        at += _MULTI_BYTES
        base -= 3
    if base == 3:
        ok &= uint32_at(column, rows, at) == 1
        at += 4
    if base > 1:
        ok &= uint32_at(column, rows, at) == positions
    return ok
