"""The records of a .shp, made from arrays (Esri, ShapefileTechnical Description, July 1998; page
numbers below are its)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

# Shape types, page 4; with heights add ten, with measures alone twenty.
POINT, POLYLINE, POLYGON, MULTIPOINT = 1, 3, 5, 8
_Z, _M = 10, 20
_RECORD_HEADER_WORDS = 2
# Type, box, number of parts and of points come before the parts; lengths in words of 4 bytes.
_BOX_WORDS = 8
# Before the first position of a point: its type alone.
_POINT_WORDS = 1

# Any number below -1e38 means that there is no measure (page 2).
NO_MEASURE = -1.7976931348623157e308

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Parts:
    """Geometries as positions, rings and lines laid end to end.

    ``coordinates`` has the shape (positions, 2). Ring or line ``r`` owns positions
    ``ring_starts[r]`` to ``ring_starts[r + 1]``; geometry ``g`` owns rings ``geometry_starts[g]``
    to ``geometry_starts[g + 1]``. ``shells`` tells outer rings from holes; None where there are
    no polygons. ``heights`` and ``measures`` are one for each position, finite; None where the
    file has none.
    """

    coordinates: Array
    ring_starts: Array
    geometry_starts: Array
    shells: Array | None = None
    heights: Array | None = None
    measures: Array | None = None

    @property
    def position_starts(self) -> Array:
        """Where the positions of each geometry begin, and where the last one's end."""
        return self.ring_starts[self.geometry_starts]


def encode_records(parts: Parts, shape_type: int, numbers: Array) -> tuple[Any, Array]:
    """Return the records of a .shp, header and content, and the box of each.

    Parameters
    ----------
    parts : Parts
        No geometry is empty. Rings are turned as the format asks: outer ones clockwise, holes
        counter-clockwise (page 8).
    shape_type : int
        POINT, POLYLINE, POLYGON or MULTIPOINT; heights and measures are written where there
        are any.
    numbers : array of int
        The record numbers, from 1.

    Returns
    -------
    records : pyarrow.BinaryArray
    boxes : array of float, shape (geometries, 4)
        minx, miny, maxx, maxy.
    """
    boxes = _boxes(parts.coordinates, parts.position_starts)
    layout = _Layout.of(parts, shape_type)
    words = np.zeros(int(layout.records[-1]), "<i4")
    _put_record_headers(words, layout, numbers)
    if shape_type != POINT:
        _put_counts(words, layout, parts, boxes, has_parts=shape_type != MULTIPOINT)
    places = _places(layout.points, 4, parts)
    _at(words, "V16")[places] = np.ascontiguousarray(parts.coordinates[:, :2]).view("V16").ravel()
    is_point = shape_type == POINT
    if parts.heights is not None:
        _put_values(words, layout.heights, parts, parts.heights, is_point=is_point)
    if layout.measures is not None:
        _put_values(words, layout.measures, parts, _measures(parts), is_point=is_point)
    offsets = pa.py_buffer((layout.records * 4).astype(np.int32))
    return pa.BinaryArray.from_buffers(
        pa.binary(), len(numbers), [None, offsets, pa.py_buffer(words)]
    ), boxes


@dataclass(frozen=True)
class _Layout:
    """Where things lie in a block of records, in words of 4 bytes."""

    shape_type: int
    records: Array
    points: Array
    heights: Array
    measures: Array | None

    @classmethod
    def of(cls, parts: Parts, shape_type: int) -> _Layout:
        positions = np.diff(parts.position_starts)
        before = _POINT_WORDS + np.zeros(len(positions), np.int64)
        if shape_type != POINT:
            before += _BOX_WORDS + 1
        if shape_type in (POLYLINE, POLYGON):
            before += 1 + np.diff(parts.geometry_starts)
        before += _RECORD_HEADER_WORDS
        has_z = parts.heights is not None
        # A point with a height has a place for a measure, used or not (page 15).
        has_m = parts.measures is not None or (has_z and shape_type == POINT)
        # A point has its height and its measure; others a range and one each (pages 9-23).
        more = np.full(len(positions), 2) if shape_type == POINT else 4 + 2 * positions
        sizes = before + 4 * positions + more * (int(has_z) + int(has_m))
        records = np.concatenate([[0], sizes.cumsum()])
        points = records[:-1] + before
        heights = points + 4 * positions
        measures = heights + more * int(has_z) if has_m else None
        more_type = _Z if has_z else _M if has_m else 0
        return cls(shape_type + more_type, records, points, heights, measures)


def _put_record_headers(words: Array, layout: _Layout, numbers: Array) -> None:
    begins = layout.records[:-1]
    lengths = np.diff(layout.records) - _RECORD_HEADER_WORDS
    words[begins] = numbers.astype(">i4").view("<i4")
    words[begins + 1] = (lengths * 2).astype(">i4").view("<i4")
    words[begins + 2] = layout.shape_type


def _put_counts(
    words: Array, layout: _Layout, parts: Parts, boxes: Array, *, has_parts: bool
) -> None:
    begins = layout.records[:-1] + 3
    _at(words, "V32")[begins] = np.ascontiguousarray(boxes).view("V32").ravel()
    positions = np.diff(parts.position_starts)
    if not has_parts:
        words[begins + 8] = positions
        return
    counts = np.diff(parts.geometry_starts)
    words[begins + 8] = counts
    words[begins + 9] = positions
    first_rings = parts.geometry_starts[:-1]
    rings = np.arange(len(parts.ring_starts) - 1)
    places = np.repeat(begins + 10 - first_rings, counts) + rings
    words[places] = parts.ring_starts[:-1] - np.repeat(parts.position_starts[:-1], counts)


def _put_values(
    words: Array, begins: Array, parts: Parts, values: Array, *, is_point: bool
) -> None:
    """Put a height or a measure for each position, after their range where there may be many."""
    if not is_point:
        firsts = parts.position_starts[:-1]
        ranges = np.column_stack(
            [np.minimum.reduceat(values, firsts), np.maximum.reduceat(values, firsts)]
        )
        _at(words, "V16")[begins] = ranges.view("V16").ravel()
    shift = 0 if is_point else 4
    values = np.ascontiguousarray(values)
    _at(words, "V8")[_places(begins + shift, 2, parts)] = values.view("V8")


def _measures(parts: Parts) -> Array:
    if parts.measures is not None:
        return parts.measures
    return np.full(len(parts.coordinates), NO_MEASURE)


def _places(begins: Array, step: int, parts: Parts) -> Array:
    """Return the word of each position, given where each geometry's positions begin.

    A ring that must be turned is written from its end.
    """
    starts = parts.ring_starts[:-1]
    counts = np.diff(parts.ring_starts)
    rings_each = np.diff(parts.geometry_starts)
    shift = np.repeat(begins - step * parts.position_starts[:-1], rings_each)
    steps = np.where(_turned(parts), -step, step)
    firsts = np.where(steps < 0, shift + step * (starts + counts - 1), shift + step * starts)
    base = np.repeat(firsts - steps * starts, counts)
    every = np.arange(len(parts.coordinates))
    same = len(steps) > 0 and (steps == steps[0]).all()
    places: Array = base + every * (steps[0] if same else np.repeat(steps, counts))
    return places


def _turned(parts: Parts) -> Array:
    if parts.shells is None:
        return np.zeros(len(parts.ring_starts) - 1, bool)
    turned: Array = (_signed_areas(parts) > 0) == parts.shells
    return turned


def _signed_areas(parts: Parts) -> Array:
    """Twice the area of each ring, positive where it runs counter-clockwise."""
    starts = parts.ring_starts[:-1]
    counts = np.diff(parts.ring_starts)
    # Measured from the ring's own corner: far from the origin the products of a small ring
    # would drown in rounding.
    x, y = (
        parts.coordinates[:, axis] - np.repeat(parts.coordinates[starts, axis], counts)
        for axis in (0, 1)
    )
    cross = np.empty(len(x))
    cross[:-1] = x[:-1] * y[1:] - x[1:] * y[:-1]
    cross[parts.ring_starts[1:] - 1] = 0
    areas: Array = np.add.reduceat(cross, starts)
    return areas


def _boxes(coordinates: Array, starts: Array) -> Array:
    firsts = starts[:-1]
    x = np.ascontiguousarray(coordinates[:, 0])
    y = np.ascontiguousarray(coordinates[:, 1])
    return np.column_stack(
        [
            np.minimum.reduceat(x, firsts),
            np.minimum.reduceat(y, firsts),
            np.maximum.reduceat(x, firsts),
            np.maximum.reduceat(y, firsts),
        ]
    )


def _at(words: Array, dtype: str) -> Array:
    """View an array of words as items that may begin at any word."""
    size = np.dtype(dtype).itemsize // 4
    return np.ndarray((max(0, len(words) - size + 1),), dtype, words, strides=(4,))
