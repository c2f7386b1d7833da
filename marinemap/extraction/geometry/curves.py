"""Curves and surfaces as the lines and polygons that shapely and most formats know."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from marinemap.extraction.geometry.wkb import kinds, replaced, to_column

# ISO WKB (OGC 06-103r4, section 8.2; ISO 13249-3): types beyond the simple features.
_POINT, _LINE, _POLYGON = 1, 2, 3
_CIRCULAR, _COMPOUND, _CURVE_POLYGON = 8, 9, 10
_MULTI_POINT, _MULTI_LINE, _MULTI_POLYGON, _COLLECTION = 4, 5, 6, 7
_MULTI_CURVE, _MULTI_SURFACE, _POLYHEDRAL, _TIN, _TRIANGLE = 11, 12, 15, 16, 17
_BEYOND = [_CIRCULAR, _COMPOUND, _CURVE_POLYGON, _MULTI_CURVE, _MULTI_SURFACE, _POLYHEDRAL]
_BEYOND += [_TIN, _TRIANGLE]
# How one begins within a collection; where a coordinate happens to look so, no harm is done.
_HEADS = [struct.pack("<BI", 1, kind + more) for kind in _BEYOND for more in (0, 1000, 2000, 3000)]
_EWKB_Z = 0x80000000
_MOST_CORNERS = 1 << 16
_DEEPEST = 32

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Straightened:
    """A column without arcs and surfaces, how many had some, and rows that cannot be read.

    ``unreadable`` tells why; the column is null there.
    """

    column: Any
    count: int
    unreadable: Mapping[int, str]


def linear(column: Any, tolerance: float) -> Straightened:
    """Return a column of WKB in which arcs are lines, and surfaces polygons.

    Parameters
    ----------
    column : pyarrow.BinaryArray
        ISO WKB.
    tolerance : float
        How far a line may run from its arc, in the units of the coordinates.
    """
    rows = np.flatnonzero(_may_be_curved(column))
    if len(rows) == 0:
        return Straightened(column, 0, {})
    made = np.full(len(rows), None)
    unreadable = {}
    for at, row in enumerate(rows.tolist()):
        try:
            made[at] = _Reader(column[row].as_py(), tolerance).geometry()
        except (struct.error, ValueError, TypeError, shapely.errors.ShapelyError) as error:
            unreadable[row] = str(error).strip()
    column = replaced(column, rows, to_column(made))
    return Straightened(column, len(rows) - len(unreadable), unreadable)


def _may_be_curved(column: Any) -> Array:
    found = kinds(column)
    curved: Array = np.isin(found, _BEYOND)
    for row in np.flatnonzero(found == _COLLECTION).tolist():
        data = column[row].as_py()
        curved[row] = any(head in data for head in _HEADS)
    return curved


class _Reader:
    """Reads one geometry of ISO WKB from its beginning to its end."""

    def __init__(self, data: bytes, tolerance: float) -> None:
        self._data = data
        self._at = 0
        self._tolerance = tolerance

    def geometry(self, depth: int = 0) -> Any:
        """Return the geometry that begins here, of linear parts."""
        if depth > _DEEPEST:
            raise ValueError(f"it is nested deeper than {_DEEPEST} levels")
        order = "<" if self._take("B")[0] == 1 else ">"
        (code,) = self._take(f"{order}I")
        if code & _EWKB_Z:
            code = (code & 0xFFFF) + 1000
        kind, dimensions = code % 1000, {0: 2, 1: 3, 2: 3, 3: 4}[code // 1000 % 4]
        if kind in (_POINT, _LINE, _CIRCULAR, _POLYGON, _TRIANGLE):
            return self._plain(kind, order, dimensions, is_measured=code // 1000 == 2)
        (count,) = self._take(f"{order}I")
        parts = [self.geometry(depth + 1) for _ in range(self._sound(count, 5))]
        return _joined(kind, parts)

    def _plain(self, kind: int, order: str, dimensions: int, *, is_measured: bool) -> Any:
        if kind == _POINT:
            return shapely.points(self._positions(order, 1, dimensions, is_measured)[0])
        (count,) = self._take(f"{order}I")
        if kind in (_LINE, _CIRCULAR):
            positions = self._positions(order, count, dimensions, is_measured)
            if kind == _CIRCULAR:
                positions = _stroked(positions, self._tolerance)
            return shapely.linestrings(positions) if len(positions) else shapely.LineString()
        rings = []
        for _ in range(self._sound(count, 4)):
            (size,) = self._take(f"{order}I")
            rings.append(self._positions(order, size, dimensions, is_measured))
        return shapely.Polygon(rings[0], rings[1:]) if rings else shapely.Polygon()

    def _positions(self, order: str, count: int, dimensions: int, is_measured: bool) -> Array:
        size = 8 * dimensions * self._sound(count, 8 * dimensions)
        found = np.frombuffer(self._data[self._at : self._at + size], f"{order}f8")
        self._at += size
        positions = found.reshape(-1, dimensions).astype(float)
        # An arc's measure does not run along it evenly; it is left out with the arc.
        return positions[:, :2] if is_measured else positions[:, :3]

    def _take(self, form: str) -> tuple[int, ...]:
        found = struct.unpack_from(form, self._data, self._at)
        self._at += struct.calcsize(form)
        return found

    def _sound(self, count: int, each: int) -> int:
        if count * each > len(self._data) - self._at:
            raise ValueError(f"it states {count:,} parts or positions in too few bytes")
        return count


def _joined(kind: int, parts: list[Any]) -> Any:
    if kind == _COMPOUND:
        return _end_to_end(parts)
    if kind == _CURVE_POLYGON:
        rings = [shapely.get_coordinates(part, include_z=part.has_z) for part in parts]
        return shapely.Polygon(rings[0], rings[1:]) if rings else shapely.Polygon()
    makers: dict[int, Any] = {
        _MULTI_POINT: shapely.MultiPoint,
        _MULTI_LINE: shapely.MultiLineString,
        _MULTI_CURVE: shapely.MultiLineString,
        _COLLECTION: shapely.GeometryCollection,
    }
    if kind in (_MULTI_POLYGON, _MULTI_SURFACE, _POLYHEDRAL, _TIN):
        return shapely.MultiPolygon(parts)
    if kind not in makers:
        raise ValueError(f"there is no geometry type {kind}")
    return makers[kind](parts)


def _end_to_end(parts: list[Any]) -> Any:
    if not parts:
        return shapely.LineString()
    has_z = any(part.has_z for part in parts)
    found = [shapely.get_coordinates(part, include_z=has_z) for part in parts]
    return shapely.linestrings(np.concatenate([found[0], *(each[1:] for each in found[1:])]))


def _stroked(positions: Array, tolerance: float) -> Array:
    """Return the corners of a circular string: each third position ends an arc (ISO 13249-3)."""
    if len(positions) == 0:
        return positions
    if len(positions) % 2 == 0:
        raise ValueError("a circular string has an even number of positions")
    arcs = [
        _arc(positions[at], positions[at + 1], positions[at + 2], tolerance)
        for at in range(0, len(positions) - 2, 2)
    ]
    return np.concatenate([positions[:1], *arcs])


def _arc(begin: Array, middle: Array, end: Array, tolerance: float) -> Array:
    """Return the corners of one arc, without its begin; middle and end are as given."""
    center = _center(begin, middle, end)
    if center is None:
        return np.stack([middle, end])
    radius = math.dist(begin[:2], center)
    if (begin[:2] == end[:2]).all():
        # A whole circle: the middle lies opposite.
        halves = [(begin, middle, math.pi), (middle, end, math.pi)]
    else:
        turn = _turn(begin, middle, end)
        halves = [
            (a, b, turn * (_angle(center, a, b) * turn % (2 * math.pi)))
            for a, b in ((begin, middle), (middle, end))
        ]
    step = 2 * math.acos(max(-1.0, 1 - min(tolerance / radius, 2)))
    return np.concatenate([_along(center, a, b, sweep, step) for a, b, sweep in halves])


def _along(center: Array, begin: Array, end: Array, sweep: float, step: float) -> Array:
    count = min(max(1, math.ceil(abs(sweep) / max(step, 1e-12))), _MOST_CORNERS)
    share = np.arange(1, count + 1) / count
    radius = math.dist(begin[:2], center)
    angle = math.atan2(begin[1] - center[1], begin[0] - center[0]) + sweep * share
    corners = np.empty((count, len(begin)))
    corners[:, 0] = center[0] + radius * np.cos(angle)
    corners[:, 1] = center[1] + radius * np.sin(angle)
    corners[:, 2:] = begin[2:] + (end[2:] - begin[2:]) * share[:, None]
    corners[-1] = end
    return corners


def _center(begin: Array, middle: Array, end: Array) -> Array | None:
    """Return the center of the circle through three positions, None where they lie in a line."""
    if (begin[:2] == end[:2]).all():
        return (begin[:2] + middle[:2]) / 2
    a, b = middle[:2] - begin[:2], end[:2] - begin[:2]
    cross = 2 * (a[0] * b[1] - a[1] * b[0])
    if abs(cross) <= 1e-14 * float(a @ a + b @ b):
        return None
    x = (b[1] * (a @ a) - a[1] * (b @ b)) / cross
    y = (a[0] * (b @ b) - b[0] * (a @ a)) / cross
    center: Array = begin[:2] + np.array([x, y])
    return center


def _turn(begin: Array, middle: Array, end: Array) -> int:
    a, b = middle[:2] - begin[:2], end[:2] - begin[:2]
    return 1 if a[0] * b[1] - a[1] * b[0] > 0 else -1


def _angle(center: Array, begin: Array, end: Array) -> float:
    a, b = begin[:2] - center, end[:2] - center
    return math.atan2(a[0] * b[1] - a[1] * b[0], float(a @ b))
