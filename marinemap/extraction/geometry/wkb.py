"""Columns of WKB read as arrays, without making an object of each geometry."""

from __future__ import annotations

from collections.abc import Iterator
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
WITH_Z, WITH_M = (1, 3), (2, 3)
# Bytes before the first coordinate of a geometry that is one point, one line or one ring.
HEADER_BYTES = {1: 5, 2: 9, 3: 13}
_EMPTY_BYTES = 9
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

_COLLECTION = shapely.GeometryType.GEOMETRYCOLLECTION

Array = np.ndarray[Any, Any]


def type_codes(column: Any) -> Array:
    """Return the ISO type code of each row, 0 where there is no little-endian geometry.

    Parameters
    ----------
    column : pyarrow.BinaryArray
    """
    lengths = lengths_of(column)
    rows = np.flatnonzero(lengths >= 9)
    codes = np.zeros(len(column), np.uint32)
    offsets, data = buffers_of(column)
    rows = rows[data[offsets[rows]] == _LITTLE_ENDIAN]
    raw = uint32_at(column, rows, 1)
    flags = 1000 * ((raw & _EWKB_Z) > 0) + 2000 * ((raw & _EWKB_M) > 0)
    codes[rows] = np.where(flags > 0, (raw & 0xFFFF) + flags, raw)
    return codes


def kinds(column: Any) -> Array:
    """Return the base type of each row as WKB numbers it (1 point ... 7 collection), 0 for none.

    Parameters
    ----------
    column : pyarrow.BinaryArray
    """
    bases: Array = base_of(type_codes(column))
    return bases


def dimensions(column: Any) -> tuple[Array, Array]:
    """Tell which rows have heights, and which have measures.

    Parameters
    ----------
    column : pyarrow.BinaryArray
    """
    thousands = type_codes(column) // 1000
    return np.isin(thousands, WITH_Z), np.isin(thousands, WITH_M)


def to_geometries(column: Any, rows: Array | None = None, *, closes_rings: bool = True) -> Array:
    """Return a column, or some of its rows, as shapely geometries.

    GDAL hands on rings that do not end where they begin as they are in a shapefile; they are closed
    here unless that is to be an error.

    Raises
    ------
    shapely.errors.ShapelyError
        If a geometry is broken.
    """
    picked = column if rows is None else column.take(pa.array(rows))
    for _, why in odd_heads(picked):
        raise shapely.errors.ShapelyError(why)
    # NaN among the coordinates is told of later, with a count.
    with np.errstate(invalid="ignore"):
        return _parsed(picked.to_numpy(zero_copy_only=False), closes_rings)


def replaced(column: Any, rows: Array, values: Any) -> Any:
    """Return a column with other values in some rows, which are in order.

    Parameters
    ----------
    column : pyarrow.BinaryArray
    rows : array of int
    values : pyarrow.BinaryArray
        As many as there are rows.
    """
    mask = np.zeros(len(column), bool)
    mask[rows] = True
    return pc.replace_with_mask(column, pa.array(mask), values)


def are_finite(geometries: Array) -> Array:
    """Tell which geometries have numbers only; GEOS leaves NaN out of a box without a word.

    An empty one has none that is not.
    """
    positions, owners = shapely.get_coordinates(geometries, return_index=True)
    finite = np.ones(len(geometries), bool)
    finite[owners[~np.isfinite(positions).all(axis=1)]] = False
    return finite


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


def count_nowhere(column: Any) -> int:
    """Return how many rows have no position: none at all, an empty one, or a point of NaN alone."""
    lengths = lengths_of(column)
    # Nothing but byte order, type and a count of zero.
    empty = int((lengths <= _EMPTY_BYTES).sum())
    points = np.flatnonzero((kinds(column) == 1) & (lengths >= HEADER_BYTES[1] + 16))
    if len(points) == 0:
        return empty
    offsets, data = buffers_of(column)
    at = offsets[points, None] + HEADER_BYTES[1] + np.arange(16)
    positions = np.ascontiguousarray(data[at]).view("<f8")
    return empty + int(np.isnan(positions).all(axis=1).sum())


def _parsed(data: Array, closes_rings: bool) -> Array:
    try:
        geometries: Array = shapely.from_wkb(data)
    except shapely.errors.ShapelyError:
        if not closes_rings:
            raise
        geometries = shapely.from_wkb(data, on_invalid="fix")
        if any(each is not None for each in data[shapely.is_missing(geometries)]):
            # Not for a ring alone.
            raise
    return geometries


def odd_heads(column: Any) -> Iterator[tuple[int, str]]:
    """Yield rows that are not for GEOS, and why: it takes any byte order for one of its own.

    It crashes at some 20,000 collections in one another (3.14).
    """
    offsets, data = buffers_of(column)
    some = np.flatnonzero(np.diff(offsets) > 0)
    orders = data[offsets[some]]
    for row, order in zip(some[orders > 1].tolist(), orders[orders > 1].tolist(), strict=True):
        yield row, f"its byte order is {order}"
    found = kinds(column)
    # Zero stands for what is big-endian too.
    for row in np.flatnonzero((found == 7) | (found == 0)).tolist():
        each = column[row].as_py() or b""
        count = sum(each.count(head) for head in _COLLECTION_HEADS)
        if count > _MAX_COLLECTIONS:
            yield row, f"it holds {count:,} collections; at most {_MAX_COLLECTIONS:,} are read"


def _multi_head(code: int) -> bytes:
    """Return what stands before a single geometry to make a multi of it; nothing for others."""
    if base_of(code) not in HEADER_BYTES:
        return b""
    return bytes([_LITTLE_ENDIAN]) + (code + 3).to_bytes(4, "little") + (1).to_bytes(4, "little")


def base_of(codes: Any) -> Any:
    """Return ISO type codes without what they say of heights and measures."""
    return codes % 1000


def uint32_at(column: Any, rows: Array, at: int) -> Array:
    """Return the little-endian number that begins at a byte of each of some rows."""
    offsets, data = buffers_of(column)
    # Numbers that begin at any byte, taken in one step instead of byte by byte.
    numbers = np.ndarray((max(0, len(data) - 3),), "<u4", data, strides=(1,))
    # A row too short for the number gives a value that matches no count.
    found: Array = numbers[np.minimum(offsets[rows] + at, len(numbers) - 1)]
    return found


def lengths_of(column: Any) -> Array:
    """Return how many bytes each row has."""
    return np.diff(buffers_of(column)[0])


def buffers_of(column: Any) -> tuple[Array, Array]:
    """Return the offsets (rows + 1) and bytes of a binary column, without a copy."""
    _, offsets, data = column.buffers()
    first = column.offset
    places = np.frombuffer(offsets, np.int32)[first : first + len(column) + 1].astype(np.int64)
    return places, np.frombuffer(data if data is not None else b"", np.uint8)
