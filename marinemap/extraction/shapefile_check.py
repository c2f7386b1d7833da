"""Whether a shapefile is whole: GDAL reads a damaged one without a word, with features missing."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from marinemap.errors import DatasetError
from marinemap.extraction.table_check import check_table, check_values
from marinemap.extraction.table_encoding import check_encoding
from marinemap.sentences import say

_HEADER_BYTES = 100
_FILE_CODE = 9994
_BLOCK_BYTES = 1 << 24
# Shape types (Esri, ShapefileTechnical Description, 1998, page 4): with Z ten more, with M twenty.
_NULL, _POINT, _POLYLINE, _POLYGON, _MULTIPOINT, _MULTIPATCH = 0, 1, 3, 5, 8, 31
_BASES = (_POINT, _POLYLINE, _POLYGON, _MULTIPOINT)
_TYPES = {_NULL, _MULTIPATCH, *(base + more for base in _BASES for more in (0, 10, 20))}
# Boxes are copies of coordinates, but some programs write them through arithmetic of their own.
_BOX_TOLERANCE = 1e-9

Array = np.ndarray[Any, Any]


def check_headers(path: Path) -> None:
    """Compare the lengths that the files of a shapefile state with what they are.

    Raises
    ------
    DatasetError
        If one is missing, cut or damaged; the file and what is wrong are named.
    """
    shx, dbf = (_companion(path, suffix) for suffix in (".shx", ".dbf"))
    for part in (path, shx):
        stated, found = _stated_length(part), part.stat().st_size
        if stated != found:
            raise _damaged(
                part,
                say(
                    "is {found:,} bytes long but its header says {stated:,}",
                    found=found,
                    stated=stated,
                ),
            )
    if _file_type(path) not in _TYPES:
        raise _damaged(
            path, say("is of shape type {type}, which there is not", type=_file_type(path))
        )
    check_table(dbf, (shx.stat().st_size - _HEADER_BYTES) // 8)
    check_encoding(path)


def check_records(path: Path) -> int:
    """Follow the index of a shapefile to each record and look whether it is sound.

    GDAL passes over a record whose box lies elsewhere than its coordinates, gives one twice if
    the index says so, and gives no geometry where counts do not fit.

    Returns
    -------
    int
        How many features lie nowhere: they have no geometry, an empty one, or a coordinate that
        is no finite number.

    Raises
    ------
    DatasetError
        If a record is not where or what the index says, or a box does not hold its
        coordinates.
    """
    shx = _companion(path, ".shx")
    index = np.fromfile(shx, ">i4", offset=_HEADER_BYTES).reshape(-1, 2).astype(np.int64) * 2
    index = index[np.argsort(index[:, 0], kind="stable")]
    begins, ends = index[:, 0], index[:, 0] + 8 + index[:, 1]
    size = path.stat().st_size
    if ((begins < _HEADER_BYTES) | (index[:, 1] < 4) | (ends > size)).any():
        raise _damaged(shx, say("points outside of its .shp"))
    if (begins[1:] < ends[:-1]).any():
        raise _damaged(shx, say("points twice at the same place of its .shp"))
    nowhere = 0
    with path.open("rb") as file:
        for block in _blocks(begins):
            nowhere += _check_block(path, file, index[block])
    return nowhere


def check_rows(path: Path) -> None:
    """Look whether the values in a shapefile's table are of their columns' types.

    Raises
    ------
    DatasetError
        If one is not.
    """
    check_values(_companion(path, ".dbf"))


def _blocks(begins: Array) -> Iterator[slice]:
    """Yield runs of records of some megabytes each: few records may fill gigabytes."""
    number = begins // _BLOCK_BYTES
    edges = [0, *(np.flatnonzero(np.diff(number)) + 1).tolist(), len(begins)]
    for first, last in zip(edges[:-1], edges[1:], strict=True):
        if first < last:
            yield slice(first, last)


def _check_block(path: Path, file: Any, index: Array) -> int:
    start, end = int(index[0, 0]), int(index[-1].sum()) + 8
    file.seek(start)
    data = np.frombuffer(file.read(end - start) + bytes(64), np.uint8)
    at, lengths = index[:, 0] - start, index[:, 1]
    kinds = _at(data, "<i4")[at + 8]
    odd = _at(data, ">i4")[at + 4].astype(np.int64) * 2 != lengths
    odd |= (kinds != _file_type(path)) & (kinds != _NULL)
    _refuse(path, odd, say("differ from its index"))
    rows = np.flatnonzero((kinds != _NULL) & (kinds != _MULTIPATCH))
    nowhere = int((kinds == _NULL).sum())
    if len(rows) == 0:
        return nowhere
    kind = int(kinds[rows[0]])
    points, positions = _layout(path, data, at[rows], lengths[rows], kind)
    return nowhere + _check_positions(path, data, at[rows], points, positions)


def _layout(path: Path, data: Array, at: Array, lengths: Array, kind: int) -> tuple[Array, Array]:
    """Return how many points each record holds and where they begin; refuse odd counts."""
    base, family = kind % 10, kind // 10
    if base == _POINT:
        points, begins = np.ones(len(at), np.int64), at + 12
        least, optional = 20 + 8 * (family > 0), 8 * (family == 1)
        odd = (lengths != least) & (lengths != least + optional)
    else:
        parts = np.zeros(len(at), np.int64)
        if base != _MULTIPOINT:
            parts = _at(data, "<i4")[at + 44].astype(np.int64)
        has_parts = int(base != _MULTIPOINT)
        points = _at(data, "<i4")[at + 44 + 4 * has_parts].astype(np.int64)
        begins = at + 48 + 4 * has_parts + 4 * parts
        extra = 16 + 8 * points
        least = 40 + 4 * has_parts + 4 * parts + 16 * points + extra * (family == 1)
        # Measures may be left out of each type that can have them.
        odd = (lengths != least) & ~((family > 0) & (lengths == least + extra))
        odd |= (parts < 0) | (points < 0)
        _refuse(path, odd, say("do not hold the parts and points that they state"))
        odd = _odd_parts(data, at + 52, parts, points) if has_parts else odd
    _refuse(path, odd, say("do not hold the parts and points that they state"))
    return points, begins


def _odd_parts(data: Array, at: Array, parts: Array, points: Array) -> Array:
    """Tell where parts do not begin at the first point, or do not follow one another."""
    owner = np.repeat(np.arange(len(at)), parts)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(parts) - parts, parts)
    starts = _at(data, "<i4")[at[owner] + 4 * within]
    odd = np.zeros(len(at), bool)
    odd[owner[(within == 0) & (starts != 0)]] = True
    odd[owner[(starts < 0) | (starts >= np.maximum(points[owner], 1))]] = True
    odd[owner[1:][(within[1:] > 0) & (starts[1:] <= starts[:-1])]] = True
    odd |= (parts == 0) & (points > 0)
    return odd


def _check_positions(path: Path, data: Array, at: Array, points: Array, positions: Array) -> int:
    """Refuse boxes that do not hold their coordinates; count the records that lie nowhere."""
    some = np.flatnonzero(points)
    lost = len(points) - len(some)
    if len(some) == 0:
        return lost
    counts, firsts = points[some], np.cumsum(points[some]) - points[some]
    places = np.repeat(positions[some] - 16 * firsts, counts) + 16 * np.arange(counts.sum())
    coordinates = _at(data, "V16")[places].view("<f8").reshape(-1, 2)
    with np.errstate(invalid="ignore"):
        low = np.minimum.reduceat(coordinates, firsts, axis=0)
        high = np.maximum.reduceat(coordinates, firsts, axis=0)
    finite = np.isfinite(low).all(axis=1) & np.isfinite(high).all(axis=1)
    low, high = low[finite], high[finite]
    boxes = np.broadcast_to(_file_box(path), (len(low), 4))
    _refuse(path, _outside(low, high, boxes), say("lie outside of the extent in its header"))
    if _file_type(path) % 10 != _POINT:
        boxes = _at(data, "V32")[at[some[finite]] + 12].view("<f8").reshape(-1, 4)
        _refuse(path, _outside(low, high, boxes), say("lie outside of the box that they state"))
    return lost + int((~finite).sum())


def _outside(low: Array, high: Array, boxes: Array) -> Array:
    slack = _BOX_TOLERANCE * max(np.abs(low).max(initial=0), np.abs(high).max(initial=0))
    # Written so that a box of NaN holds nothing.
    within = (boxes[:, :2] <= low + slack) & (boxes[:, 2:] >= high - slack)
    outside: Array = ~within.all(axis=1)
    return outside


def _at(data: Array, dtype: str) -> Array:
    """View bytes as items that may begin at any byte."""
    size = np.dtype(dtype).itemsize
    return np.ndarray((max(0, len(data) - size + 1),), dtype, data, strides=(1,))


def _refuse(path: Path, odd: Array, what: str) -> None:
    if odd.any():
        raise _damaged(
            path, say("has {count:,} records that {what}", count=int(odd.sum()), what=what)
        )


def _header(path: Path) -> bytes:
    with path.open("rb") as file:
        head = file.read(_HEADER_BYTES)
    if len(head) < _HEADER_BYTES or struct.unpack(">i", head[:4])[0] != _FILE_CODE:
        raise DatasetError(
            say("{name} has no shapefile header", name=path.name), field="source", value=path.name
        )
    return head


def _stated_length(path: Path) -> int:
    # Bytes 24-27: the length in 16-bit words, big-endian.
    return int(struct.unpack(">I", _header(path)[24:28])[0]) * 2


def _file_type(path: Path) -> int:
    return int(struct.unpack("<i", _header(path)[32:36])[0])


def _file_box(path: Path) -> Array:
    return np.frombuffer(_header(path)[36:68], "<f8")


def _companion(path: Path, suffix: str) -> Path:
    for candidate in (path.with_suffix(suffix), path.with_suffix(suffix.upper())):
        if candidate.exists():
            return candidate
    raise DatasetError(
        say(
            "{name} has no {suffix} beside it: a shapefile is .shp, .shx and .dbf together",
            name=path.name,
            suffix=suffix,
        ),
        field="source",
        value=path.name,
        hint=say("Put the {suffix} of the same name beside it.", suffix=suffix),
    )


def _damaged(path: Path, what: str) -> DatasetError:
    return DatasetError(
        say("{name} {what}: it is cut or damaged; ask for a whole copy", name=path.name, what=what),
        field="source",
        value=path.name,
    )
