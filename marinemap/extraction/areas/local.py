"""The part of an area around a place, so that a small feature is not cut with a whole coast."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np

from marinemap.extraction.geometry.rectangle import OpenRings, Tangled

# A part this small is not worth dividing further: finding its quarter costs more than it saves.
_SMALL_PART_VERTICES = 512
_MARGIN_SHARE = 1e-3
# Features reach an eighth of a cell beyond it. What stands free more than that is looked at in
# vain, at each level again.
_BESIDE = 0.15
_DEEPEST_LEVEL = 16
_KEPT_PARTS = 4_096
# Sixteen bytes each.
_KEPT_CORNERS = 2_000_000
_LEVELS = _DEEPEST_LEVEL + 1
_CELLS = (_LEVELS, _LEVELS, 1 << _DEEPEST_LEVEL, 1 << _DEEPEST_LEVEL)

Array = np.ndarray[Any, Any]
_Key = tuple[int, int, int, int]


class LocalParts:
    """Parts of an area, each exact within a box.

    The area's box is halved again and again, along each side as often as a feature's box allows: a
    strip along a coast is divided by its length alone. A part belongs to one such cell, widened, so
    that a feature within it meets the area as it is: the sides of the box lie beyond the feature
    and leave no corner in the result. Edges of the area that meet the box are whole in it: two
    features that share an edge are cut at the same place, to the last bit, though different parts
    cut them.

    Only what is asked for becomes a geometry; on the way there are rings, cut in linear time.

    Parameters
    ----------
    area : shapely Polygon or MultiPolygon
        Valid.
    """

    def __init__(self, area: Any) -> None:
        self._whole = OpenRings.of(area)
        minx, miny, maxx, maxy = area.bounds
        self._origin = np.array([minx, miny])
        self._size = np.array([maxx - minx, maxy - miny])
        self._rings: OrderedDict[_Key, OpenRings] = OrderedDict()
        self._kept_corners = 0

    def around(self, boxes: Array) -> Array:
        """Return for each box (minx, miny, maxx, maxy) a geometry that equals the area in it."""
        levels, places = self._cells(boxes)
        # One number for each cell: numpy takes far longer to tell rows of four apart.
        cells = np.ravel_multi_index((*levels.T, *places.T), _CELLS)
        unique, which = np.unique(cells, return_inverse=True)
        keys = zip(*(part.tolist() for part in np.unravel_index(unique, _CELLS)), strict=True)
        parts = np.empty(len(unique), object)
        parts[:] = [self._rings_of(key).geometry for key in keys]
        chosen: Array = parts[which]
        return chosen

    def _cells(self, boxes: Array) -> tuple[Array, Array]:
        """Return the deepest levels at which each box fits, and its cell there, by x and y."""
        corners = boxes.reshape(-1, 2, 2)
        # A damaged file may hold numbers so large that their differences overflow.
        with np.errstate(over="ignore", invalid="ignore"):
            extent = (corners[:, 1] - corners[:, 0]) / self._size
            middle = (corners.mean(axis=1) - self._origin) / self._size
        # A box of at most a quarter cell reaches an eighth beyond, wherever in the cell its middle
        # lies. Smaller cells cost more than they save.
        levels = np.floor(np.log2(0.25 / np.clip(extent, 1e-12, 1e12)))
        within = np.isfinite(extent).all(axis=1) & ((middle >= 0) & (middle < 1)).all(axis=1)
        levels = np.where(within[:, None], np.clip(levels, 0, _DEEPEST_LEVEL), 0).astype(np.int64)
        middle = np.where(within[:, None], middle, 0)
        places = np.floor(middle * (1 << levels)).astype(np.int64)
        return levels, places

    def _rings_of(self, key: _Key) -> OpenRings:
        across, up, column, row = key
        if across == up == 0:
            return self._whole
        if key in self._rings:
            self._rings.move_to_end(key)
            return self._rings[key]
        halved = (
            (across - 1, up, column // 2, row)
            if across > up
            else (across, up - 1, column, row // 2)
        )
        wider = self._rings_of(halved)
        rings = wider if len(wider) <= _SMALL_PART_VERTICES else _cut(wider, self._box(key))
        self._keep(key, rings)
        return rings

    def _keep(self, key: _Key, rings: OpenRings) -> None:
        self._rings[key] = rings
        self._kept_corners += len(rings)
        while len(self._rings) > _KEPT_PARTS or self._kept_corners > _KEPT_CORNERS:
            self._kept_corners -= len(self._rings.popitem(last=False)[1])

    def _box(self, key: _Key) -> Array:
        levels, place = np.array(key[:2]), np.array(key[2:])
        cell = np.ldexp(self._size, -levels)
        low = self._origin + cell * (place - _BESIDE)
        high = self._origin + cell * (place + 1 + _BESIDE)
        return np.concatenate([low, high])


def _cut(wider: OpenRings, box: Array) -> OpenRings:
    """Return the part in a box, which is widened so that it holds its edges in full."""
    begins, ends = wider.edges
    meets = _meet(begins, ends, box)
    whole = np.concatenate([begins[meets], ends[meets], box.reshape(2, 2)])
    # Beyond the ends of edges, so that these are crossed by no side.
    margin = (box[2:] - box[:2]) * _MARGIN_SHARE
    widened = np.concatenate([whole.min(axis=0) - margin, whole.max(axis=0) + margin])
    try:
        return wider.within(widened)
    except Tangled:
        # A quarter of it has other sides.
        return wider


def _meet(begins: Array, ends: Array, box: Array) -> Array:
    """Tell which edges may meet a box, by separating axes: its sides, and across the edge."""
    low, high = np.minimum(begins, ends), np.maximum(begins, ends)
    meets: Array = np.all(low <= box[2:], axis=1) & np.all(high >= box[:2], axis=1)
    found = np.flatnonzero(meets)
    way, to = (ends - begins)[found], (box[:2] + box[2:]) / 2 - begins[found]
    # The box reaches from its middle, across an edge, by half its sides.
    reach = np.abs(way[:, ::-1]) @ ((box[2:] - box[:2]) / 2)
    off = np.abs(way[:, 0] * to[:, 1] - way[:, 1] * to[:, 0])
    meets[found] = off <= reach * (1 + 1e-9)
    return meets
