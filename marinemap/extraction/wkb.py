"""Columns of WKB read as arrays, without making an object of each geometry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

# ISO WKB (OGC 06-103r4, section 8.2): byte order, type as uint32, counts as uint32, then
# coordinates as float64. Z adds 1000 to the type, M 2000; GDAL and old PostGIS set the two top bits
# instead.
_LITTLE_ENDIAN = 1
_EWKB_Z, _EWKB_M = 0x80000000, 0x40000000
_WITH_Z, _WITH_M = (1, 3), (2, 3)
_BASE_DIMENSION = {1: 0, 2: 1, 3: 2, 4: 0, 5: 1, 6: 2}
# Bytes before the first coordinate of a geometry that is one point, one line or one ring.
_HEADER_BYTES = {1: 5, 2: 9, 3: 13}
_MULTI_BYTES = _EMPTY_BYTES = 9
# A bound on how deep collections nest: they cannot nest deeper than there are any.
_MAX_COLLECTIONS = 1_000
_COLLECTION_HEADS = (
    b"\x01\x07\x00\x00\x00",
    b"\x01\xef\x03\x00\x00",
    b"\x01\xd7\x07\x00\x00",
    b"\x01\xbf\x0b\x00\x00",
    b"\x01\x07\x00\x00\x80",
    b"\x00\x00\x00\x00\x07",
    b"\x00\x00\x00\x03\xef",
    b"\x00\x00\x00\x07\xd7",
    b"\x00\x00\x00\x0b\xbf",
    b"\x00\x80\x00\x00\x07",
)
_LEAST_POSITIONS = {2: 2, 3: 4}
# pyarrow 26 computes a negative size for a slice without an end.
_NO_END = 2**31 - 1

_COLLECTION = shapely.GeometryType.GEOMETRYCOLLECTION

Array = np.ndarray[Any, Any]


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


def type_codes(column: Any) -> Array:
    """Return the ISO type code of each row, 0 where there is no little-endian geometry.

    Parameters
    ----------
    column : pyarrow.BinaryArray
    """
    lengths = _lengths(column)
    rows = np.flatnonzero(lengths >= 9)
    codes = np.zeros(len(column), np.uint32)
    offsets, data = _buffers(column)
    rows = rows[data[offsets[rows]] == _LITTLE_ENDIAN]
    raw = _uint32(column, rows, 1)
    flags = 1000 * ((raw & _EWKB_Z) > 0) + 2000 * ((raw & _EWKB_M) > 0)
    codes[rows] = np.where(flags > 0, (raw & 0xFFFF) + flags, raw)
    return codes


def kinds(column: Any) -> Array:
    """Return the base type of each row as WKB numbers it (1 point ... 7 collection), 0 for none.

    Parameters
    ----------
    column : pyarrow.BinaryArray
    """
    bases: Array = _base(type_codes(column))
    return bases


def dimensions(column: Any) -> tuple[Array, Array]:
    """Tell which rows have heights, and which have measures.

    Parameters
    ----------
    column : pyarrow.BinaryArray
    """
    thousands = type_codes(column) // 1000
    return np.isin(thousands, _WITH_Z), np.isin(thousands, _WITH_M)


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
        if int(_base(code)) in _BASE_DIMENSION and code // 1000 <= max(_WITH_Z):
            yield from _plain_of_code(column, rows, int(code))


def other_rows(size: int, groups: list[PlainRows]) -> Array:
    """Return the rows of a column of a given size that are in none of the groups."""
    rest = np.ones(size, bool)
    for group in groups:
        rest[group.rows] = False
    return np.flatnonzero(rest)


def to_geometries(column: Any, rows: Array | None = None) -> Array:
    """Return a column, or some of its rows, as shapely geometries.

    Raises
    ------
    shapely.errors.ShapelyError
        If a geometry is broken.
    """
    picked = column if rows is None else column.take(pa.array(rows))
    _check_nesting(picked)
    # NaN among the coordinates is told of later, with a count.
    with np.errstate(invalid="ignore"):
        geometries: Array = shapely.from_wkb(picked.to_numpy(zero_copy_only=False))
    return geometries


def promoted(column: Any) -> Any:
    """Return a column in which single points, lines and polygons are multi-geometries of one part.

    Parameters
    ----------
    column : pyarrow.BinaryArray
    """
    codes, which = np.unique(type_codes(column), return_inverse=True)
    heads = [_multi_head(int(code)) for code in codes]
    if not any(heads):
        return column
    prefixes = pa.array(heads, pa.binary()).take(pa.array(which))
    return pc.binary_join_element_wise(prefixes, column, pa.scalar(b"", pa.binary()))


def leaves(collection: Any) -> Array:
    """Return the parts of a collection that are no collections themselves, however deep."""
    parts = shapely.get_parts(collection)
    while (nested := shapely.get_type_id(parts) == _COLLECTION).any():
        parts = np.concatenate([parts[~nested], shapely.get_parts(parts[nested])])
    found: Array = parts
    return found


def to_column(geometries: Array) -> Any:
    """Return shapely geometries as a column of ISO WKB."""
    return pa.array(shapely.to_wkb(geometries, flavor="iso", byte_order=1), pa.binary())


def _check_nesting(column: Any) -> None:
    """Refuse collections in collections without end: GEOS 3.14 crashes at some 20,000 levels."""
    found = kinds(column)
    # Zero stands for what is big-endian too.
    for row in np.flatnonzero((found == 7) | (found == 0)).tolist():
        data = column[row].as_py() or b""
        count = sum(data.count(head) for head in _COLLECTION_HEADS)
        if count > _MAX_COLLECTIONS:
            raise shapely.errors.ShapelyError(
                f"it holds {count:,} collections; at most {_MAX_COLLECTIONS:,} are read"
            )


def _multi_head(code: int) -> bytes:
    """Return what stands before a single geometry to make a multi of it; nothing for others."""
    if _base(code) not in _HEADER_BYTES:
        return b""
    return bytes([_LITTLE_ENDIAN]) + (code + 3).to_bytes(4, "little") + (1).to_bytes(4, "little")


def _plain_of_code(column: Any, rows: Array, code: int) -> Iterator[PlainRows]:
    base = int(_base(code))
    has_z, has_m = code // 1000 in _WITH_Z, code // 1000 in _WITH_M
    axes = 2 + has_z + has_m
    header = _HEADER_BYTES[base if base <= 3 else base - 3] + (_MULTI_BYTES if base > 3 else 0)
    step = 8 * axes
    lengths = _lengths(column)[rows]
    fits = (lengths >= header + step) & ((lengths - header) % step == 0)
    rows = rows[fits]
    rows = rows[_has_one_part(column, rows, base, (lengths[fits] - header) // step)]
    if len(rows):
        whole = len(rows) == len(column)
        picked = column if whole else column.take(pa.array(rows))
        body = pc.binary_slice(picked, header, _NO_END)
        offsets, data = _buffers(body)
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
        ok &= _uint32(column, rows, at) == 1
        at += _MULTI_BYTES
        base -= 3
    if base == 3:
        ok &= _uint32(column, rows, at) == 1
        at += 4
    if base > 1:
        ok &= _uint32(column, rows, at) == positions
    return ok


def _base(codes: Any) -> Any:
    return codes % 1000


def _uint32(column: Any, rows: Array, at: int) -> Array:
    offsets, data = _buffers(column)
    # Numbers that begin at any byte, taken in one step instead of byte by byte.
    numbers = np.ndarray((max(0, len(data) - 3),), "<u4", data, strides=(1,))
    # A row too short for the number gives a value that matches no count.
    found: Array = numbers[np.minimum(offsets[rows] + at, len(numbers) - 1)]
    return found


def _lengths(column: Any) -> Array:
    return np.diff(_buffers(column)[0])


def _buffers(column: Any) -> tuple[Array, Array]:
    """Return the offsets (rows + 1) and bytes of a binary column, without a copy."""
    _, offsets, data = column.buffers()
    first = column.offset
    places = np.frombuffer(offsets, np.int32)[first : first + len(column) + 1].astype(np.int64)
    return places, np.frombuffer(data if data is not None else b"", np.uint8)


def count_nowhere(column: Any) -> int:
    """Return how many rows have no position: none at all, an empty one, or a point of NaN."""
    lengths = _lengths(column)
    # Nothing but byte order, type and a count of zero.
    empty = int((lengths <= _EMPTY_BYTES).sum())
    points = np.flatnonzero((kinds(column) == 1) & (lengths >= _HEADER_BYTES[1] + 16))
    if len(points) == 0:
        return empty
    offsets, data = _buffers(column)
    at = offsets[points, None] + _HEADER_BYTES[1] + np.arange(16)
    positions = np.ascontiguousarray(data[at]).view("<f8")
    return empty + int(np.isnan(positions).any(axis=1).sum())
