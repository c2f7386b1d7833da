"""Whether the records of a shapefile are sound, one by one: GDAL passes over what is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from marinemap.extraction.left_out import LeftOut, check_readable_share
from marinemap.extraction.sources.shapefile_check import (
    HEADER_BYTES,
    MULTIPATCH,
    MULTIPOINT,
    NULL,
    POINT,
    companion,
    file_box,
    file_type,
)
from marinemap.extraction.sources.source import damaged
from marinemap.sentences import say

_BLOCK_BYTES = 1 << 24
# Boxes are copies of coordinates, but some programs write them through arithmetic of their own.
_BOX_TOLERANCE = 1e-9
_ODD_COUNTS = "it does not hold the parts and points that it states"
_LYING_BOX = "it lies outside of the box that it states"

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Records:
    """The records of a shapefile that no extract has.

    ``nowhere`` counts those that have no geometry, an empty one, or a coordinate that is no finite
    number. ``unreadable`` tells by the number of a record, from 0, why its geometry cannot be read.
    """

    nowhere: int
    unreadable: Mapping[int, str]


def check_records(path: Path) -> Records:
    """Follow the index of a shapefile to each record and look whether it is sound.

    GDAL passes over a record whose box lies elsewhere than its coordinates, gives one twice if
    the index says so, and gives no geometry where counts do not fit.

    Raises
    ------
    DatasetError
        If a record is not where or what the index says, or lies outside of the file's extent; or if
        more than half of the geometries cannot be read.
    """
    shx = companion(path, ".shx")
    index = np.fromfile(shx, ">i4", offset=HEADER_BYTES).reshape(-1, 2).astype(np.int64) * 2
    order = np.argsort(index[:, 0], kind="stable")
    index = index[order]
    begins, ends = index[:, 0], index[:, 0] + 8 + index[:, 1]
    size = path.stat().st_size
    if ((begins < HEADER_BYTES) | (index[:, 1] < 4) | (ends > size)).any():
        raise damaged(shx, say("points outside of its .shp"))
    if (begins[1:] < ends[:-1]).any():
        raise damaged(shx, say("points twice at the same place of its .shp"))
    nowhere = 0
    unreadable: dict[int, str] = {}
    with path.open("rb") as file:
        for block in _blocks(begins):
            found = _check_block(path, file, index[block])
            nowhere += found.nowhere
            rows = order[block]
            unreadable |= {int(rows[row]): why for row, why in found.unreadable.items()}
    unreadable = dict(sorted(unreadable.items()))
    check_readable_share(path.name, LeftOut.of(unreadable), len(index))
    return Records(nowhere, unreadable)


def _blocks(begins: Array) -> Iterator[slice]:
    """Yield runs of records of some megabytes each: few records may fill gigabytes."""
    number = begins // _BLOCK_BYTES
    edges = [0, *(np.flatnonzero(np.diff(number)) + 1).tolist(), len(begins)]
    for first, last in zip(edges[:-1], edges[1:], strict=True):
        if first < last:
            yield slice(first, last)


def _check_block(path: Path, file: Any, index: Array) -> Records:
    start, end = int(index[0, 0]), int(index[-1].sum()) + 8
    file.seek(start)
    data = np.frombuffer(file.read(end - start) + bytes(64), np.uint8)
    at, lengths = index[:, 0] - start, index[:, 1]
    kinds = _at(data, "<i4")[at + 8]
    odd = _at(data, ">i4")[at + 4].astype(np.int64) * 2 != lengths
    odd |= (kinds != file_type(path)) & (kinds != NULL)
    _refuse(path, odd, say("differ from its index"))
    rows = np.flatnonzero((kinds != NULL) & (kinds != MULTIPATCH))
    nowhere = int((kinds == NULL).sum())
    if len(rows) == 0:
        return Records(nowhere, {})
    layout = _layout(data, at[rows], lengths[rows], int(kinds[rows[0]]))
    sound = rows[~layout.odd]
    placed = _place(data, at[sound], layout.points[~layout.odd], layout.begins[~layout.odd])
    lying = placed.rows[_box_lies(path, data, at[sound], placed)]
    _check_extent(path, placed, ~np.isin(placed.rows, lying))
    unreadable = dict.fromkeys(rows[layout.odd].tolist(), _ODD_COUNTS)
    unreadable |= dict.fromkeys(sound[lying].tolist(), _LYING_BOX)
    return Records(nowhere + placed.lost, unreadable)


@dataclass(frozen=True)
class _Layout:
    """Of records: how many points each has, where they begin, and whether counts do not fit."""

    points: Array
    begins: Array
    odd: Array


@dataclass(frozen=True)
class _Placed:
    """The corners of the records ``rows`` that have finite points; ``lost`` have none."""

    rows: Array
    low: Array
    high: Array
    lost: int


def _layout(data: Array, at: Array, lengths: Array, kind: int) -> _Layout:
    base, family = kind % 10, kind // 10
    if base == POINT:
        least, optional = 20 + 8 * (family > 0), 8 * (family == 1)
        odd = (lengths != least) & (lengths != least + optional)
        return _Layout(np.ones(len(at), np.int64), at + 12, odd)
    has_parts = int(base != MULTIPOINT)
    parts = _at(data, "<i4")[at + 44].astype(np.int64) * has_parts
    points = _at(data, "<i4")[at + 44 + 4 * has_parts].astype(np.int64)
    begins = at + 48 + 4 * has_parts + 4 * parts
    extra = 16 + 8 * points
    least = 40 + 4 * has_parts + 4 * parts + 16 * points + extra * (family == 1)
    # Measures may be left out of each type that can have them.
    odd = (lengths != least) & ~((family > 0) & (lengths == least + extra))
    odd |= (parts < 0) | (points < 0)
    if has_parts:
        fits = np.flatnonzero(~odd)
        odd[fits] = _odd_parts(data, at[fits] + 52, parts[fits], points[fits])
    return _Layout(points, begins, odd)


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


def _place(data: Array, at: Array, points: Array, positions: Array) -> _Placed:
    some = np.flatnonzero(points)
    if len(some) == 0:
        nothing = np.zeros((0, 2))
        return _Placed(some, nothing, nothing, len(points))
    counts, firsts = points[some], np.cumsum(points[some]) - points[some]
    places = np.repeat(positions[some] - 16 * firsts, counts) + 16 * np.arange(counts.sum())
    coordinates = _at(data, "V16")[places].view("<f8").reshape(-1, 2)
    with np.errstate(invalid="ignore"):
        low = np.minimum.reduceat(coordinates, firsts, axis=0)
        high = np.maximum.reduceat(coordinates, firsts, axis=0)
    finite = np.isfinite(low).all(axis=1) & np.isfinite(high).all(axis=1)
    return _Placed(some[finite], low[finite], high[finite], len(points) - int(finite.sum()))


def _box_lies(path: Path, data: Array, at: Array, placed: _Placed) -> Array:
    """Tell which records do not lie in the box that they state."""
    if file_type(path) % 10 == POINT:
        return np.zeros(len(placed.rows), bool)
    boxes = _at(data, "V32")[at[placed.rows] + 12].view("<f8").reshape(-1, 4)
    return _outside(placed.low, placed.high, boxes)


def _check_extent(path: Path, placed: _Placed, sound: Array) -> None:
    low, high = placed.low[sound], placed.high[sound]
    boxes = np.broadcast_to(file_box(path), (len(low), 4))
    _refuse(path, _outside(low, high, boxes), say("lie outside of the extent in its header"))


def _outside(low: Array, high: Array, boxes: Array) -> Array:
    slack = _BOX_TOLERANCE * np.abs([low, high]).max(axis=(0, 2))[:, None]
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
        raise damaged(
            path, say("has {count:,} records that {what}", count=int(odd.sum()), what=what)
        )
