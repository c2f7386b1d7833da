"""Geometries of one type as arrays: positions laid end to end, and where each part begins."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from marinemap.extraction.geometry.plain_rows import other_rows, plain_rows
from marinemap.extraction.geometry.wkb import to_geometries, type_codes

_LITTLE_ENDIAN = 1
_HEAD_BYTES, _COUNT_BYTES = 5, 4
_POINT, _POLYGON = 1, 3
_MULTI = 3  # A multi-geometry's type is its part's and three.
_MULTIPOINT, _MULTILINE, _MULTIPOLYGON = 4, 5, 6

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Ragged:
    """Geometries of one type, none empty.

    ``code`` is their type as ISO WKB numbers it, ``rows`` their places in a column.
    ``coordinates`` has the shape (positions, 2 to 4): x, y, the height and the measure where
    there are any. Part ``p`` (a point, a line, a ring) owns positions ``parts[p]`` to
    ``parts[p + 1]``; ``bodies`` says the same of lines or polygons and their parts, ``geometries``
    of geometries and their bodies.
    """

    code: int
    rows: Array
    coordinates: Array
    parts: Array
    bodies: Array
    geometries: Array

    @property
    def has_edges(self) -> bool:
        """Whether they are lines or polygons."""
        return self._base not in (_POINT, _MULTIPOINT)

    @property
    def is_surface(self) -> bool:
        """Whether they are polygons."""
        return self._base in (_POLYGON, _MULTIPOLYGON)

    @property
    def rows_of_parts(self) -> Array:
        """The row of each part."""
        counts = np.diff(self.bodies[self.geometries])
        return np.repeat(self.rows, counts)

    def replaced(self, coordinates: Array, parts: Array) -> Ragged:
        """Return the same geometries with other positions in their parts."""
        return dataclasses.replace(self, coordinates=coordinates, parts=parts)

    def to_column(self) -> Any:
        """Return the geometries as a column of ISO WKB (OGC 06-103r4, section 8.2)."""
        sizes = _Sizes.of(self._base, self.coordinates.shape[1])
        begins, ends = self._places(sizes)
        data = np.zeros(int(ends[-1]) if len(ends) else 0, np.uint8)
        firsts = self.bodies[:-1]
        if sizes.part_head:
            self._put_head(data, begins - sizes.part, self.code % 1000 - _MULTI)
        if sizes.part_count:
            _put_numbers(data, begins - _COUNT_BYTES, np.diff(self.parts))
        if sizes.body:
            at = begins[firsts] - sizes.part - sizes.body
            self._put_head(data, at, _POLYGON)
            _put_numbers(data, at + _HEAD_BYTES, np.diff(self.bodies))
        tops = begins[firsts[self.geometries[:-1]]] - sizes.part - sizes.body - sizes.top
        self._put_head(data, tops, self._base)
        if sizes.top > _HEAD_BYTES:
            _put_numbers(data, tops + _HEAD_BYTES, self._top_counts())
        counts = np.diff(self.parts)
        step = sizes.position
        every = np.repeat(begins - step * self.parts[:-1], counts)
        every = every + step * np.arange(len(self.coordinates))
        flat = np.ascontiguousarray(self.coordinates, "<f8").view(f"V{step}").ravel()
        _at(data, f"V{step}")[every] = flat
        offsets = np.concatenate([tops, ends[-1:]]) if len(tops) else np.zeros(1)
        return pa.LargeBinaryArray.from_buffers(
            pa.large_binary(),
            len(self.rows),
            [None, pa.py_buffer(offsets.astype(np.int64)), pa.py_buffer(data)],
        ).cast(pa.binary())

    @property
    def _base(self) -> int:
        return self.code % 1000

    def _places(self, sizes: _Sizes) -> tuple[Array, Array]:
        """Return the byte at which each part's positions begin, and at which they end."""
        numbers = np.arange(1, len(self.parts))
        bodies = np.repeat(np.arange(1, len(self.bodies)), np.diff(self.bodies))
        of_body = np.repeat(np.arange(1, len(self.geometries)), np.diff(self.geometries))
        tops = np.repeat(of_body, np.diff(self.bodies))
        before = sizes.part * numbers + sizes.body * bodies + sizes.top * tops
        return (
            before + sizes.position * self.parts[:-1],
            before + sizes.position * self.parts[1:],
        )

    def _put_head(self, data: Array, places: Array, base: int) -> None:
        code = self.code // 1000 * 1000 + base
        head = bytes([_LITTLE_ENDIAN]) + code.to_bytes(4, "little")
        _at(data, f"V{_HEAD_BYTES}")[places] = np.frombuffer(head, f"V{_HEAD_BYTES}")[0]

    def _top_counts(self) -> Array:
        """Return what a geometry's head counts: positions, rings, or geometries within it."""
        if self._base == 2:
            return np.diff(self.parts)
        if self._base == _POLYGON:
            return np.diff(self.bodies)
        if self._base == _MULTIPOLYGON:
            return np.diff(self.geometries)
        return np.diff(self.bodies[self.geometries])


def ragged(column: Any) -> Iterator[Ragged]:
    """Yield a column's geometries by type; collections, null and empty ones are left out.

    Parameters
    ----------
    column : pyarrow.BinaryArray
        WKB.

    Raises
    ------
    shapely.errors.ShapelyError
        If a geometry is broken.
    """
    codes = type_codes(column)
    groups = list(plain_rows(column))
    for group in groups:
        code = int(codes[group.rows[0]])
        each = np.arange(len(group.starts))
        starts = np.arange(len(group.coordinates) + 1) if code % 1000 == _MULTIPOINT else None
        yield Ragged(
            code,
            group.rows,
            group.coordinates,
            group.starts if starts is None else starts,
            each,
            each,
        )
    rest = other_rows(len(column), groups)
    rest = rest[(codes[rest] % 1000 > 0) & (codes[rest] % 1000 <= _MULTIPOLYGON)]
    for code in np.unique(codes[rest]).tolist():
        yield from _parsed(column, rest[codes[rest] == code], int(code))


def _parsed(column: Any, rows: Array, code: int) -> Iterator[Ragged]:
    geometries = to_geometries(column, rows)
    some = ~(shapely.is_missing(geometries) | shapely.is_empty(geometries))
    rows, geometries = rows[some], geometries[some]
    if len(rows) == 0:
        return
    has_z, has_m = code // 1000 in (1, 3), code // 1000 in (2, 3)
    _, coordinates, offsets = shapely.to_ragged_array(geometries, include_z=has_z, include_m=has_m)
    starts = [np.asarray(offset, np.int64) for offset in offsets]
    base = code % 1000
    if base in (_POINT, _MULTIPOINT):
        each = np.arange(len(coordinates) + 1)
        starts = [each, each, starts[0] if starts else each]
    elif base in (2, _MULTILINE):
        lines = np.arange(len(starts[0]))
        starts = [starts[0], lines, starts[1] if len(starts) > 1 else lines]
    elif base == _POLYGON:
        starts = [*starts, np.arange(len(starts[1]))]
    yield Ragged(code, rows, coordinates, *starts)


@dataclass(frozen=True)
class _Sizes:
    """Bytes before each part, each body and each geometry, and of each position."""

    top: int
    body: int
    part: int
    part_head: bool
    part_count: bool
    position: int

    @classmethod
    def of(cls, base: int, axes: int) -> _Sizes:
        counted = _HEAD_BYTES + _COUNT_BYTES
        is_ring = base in (_POLYGON, _MULTIPOLYGON)
        head = base in (_MULTIPOINT, _MULTILINE)
        count = is_ring or base == _MULTILINE
        return cls(
            top=_HEAD_BYTES if base == _POINT else counted,
            body=counted if base == _MULTIPOLYGON else 0,
            part=_HEAD_BYTES * head + _COUNT_BYTES * count,
            part_head=head,
            part_count=count,
            position=8 * axes,
        )


def _put_numbers(data: Array, places: Array, numbers: Array) -> None:
    _at(data, "V4")[places] = np.ascontiguousarray(numbers, "<u4").view("V4")


def _at(data: Array, dtype: str) -> Array:
    """View bytes as items that may begin at any byte."""
    size = np.dtype(dtype).itemsize
    return np.ndarray((max(0, len(data) - size + 1),), dtype, data, strides=(1,))
