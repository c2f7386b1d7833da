"""How a layer is drawn at each zoom: on which grid, what by itself, what merged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from marinemap.extraction.tiles.shapes import LINE, POLYGON
from marinemap.extraction.tiles.store import Store
from marinemap.extraction.tiles.world import WORLD_BITS

# A tile is drawn 512 pixels wide.
PIXEL_BITS = 9
# On the grid of the deepest zoom a unit is 2.4 m at the equator: what is larger on the screen is
# drawn from it.
_FINEST_BITS = 24
_LEAST_BITS_AT_TOP = 12
# Half a pixel; where that makes a tile too full, one pixel.
_GRIDS = (10, 9)
_DEEPEST_ZOOM = 12
_FULL_POSITIONS = 20_000
_MOST_POSITIONS = 130_000
_MOST_FEATURES = 16_000
# Cutting what is large to more tiles than this takes longer than anybody waits.
_MOST_PIECES = 60_000
_LARGE_PIXELS = 24
# Of what is "too full": tiles so full are drawn the same way.
_MUCH_ALIKE = 0.5
_ROW_BITS = 32
# Most corners of a small shape lie in line on a coarse grid, and are left out there.
_CORNERS_A_UNIT = 1

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Plan:
    """How one store is drawn at each zoom.

    Attributes
    ----------
    bits : list of int
        The grid of each zoom: a tile has ``2 ** bits`` units.
    merging : set of int
        The zooms at which features are merged.
    merged_to : array of int
        The deepest zoom at which each feature is merged with others, -1 if it never is. At each
        further one at which features are merged it is as well, for it is smaller there.
    """

    bits: list[int]
    merging: set[int]
    merged_to: Array

    def is_merged(self, zoom: int) -> Array:
        """Tell which features are merged at a zoom."""
        if zoom not in self.merging:
            return np.zeros(len(self.merged_to), bool)
        return self.merged_to >= zoom


def top_zoom(stores: list[Store]) -> int:
    """Return the zoom whose tiles hold everything and are not too full."""
    top = 0
    for zoom in range(_DEEPEST_ZOOM + 1):
        spread = [_tiles_covered(store, zoom) for store in stores]
        if sum(float(np.minimum(tiles, 1e9).sum()) - len(tiles) for tiles in spread) > _MOST_PIECES:
            break
        top = zoom
        fullest = max(
            _fullest(store, zoom, store.sizes / tiles)
            for store, tiles in zip(stores, spread, strict=True)
        )
        if fullest <= _FULL_POSITIONS:
            break
    return top


def plan(store: Store, top: int) -> Plan:
    """Return how a store is drawn at each zoom, the deepest of which is ``top``."""
    bits = [_GRIDS[0]] * top + [max(_LEAST_BITS_AT_TOP, _FINEST_BITS - top)]
    merging, merged_to = set(), np.full(len(store.sizes), -1, np.int8)
    for zoom in range(top - 1, -1, -1):
        if store.kind in (LINE, POLYGON):
            bits[zoom], crowded = _crowded(store, zoom)
            merged_to[crowded & (merged_to < 0)] = zoom
            if crowded.any():
                merging.add(zoom)
    return Plan(bits, merging, merged_to)


def alone(store: Store, plan: Plan, zoom: int) -> Array:
    """Tell which features a zoom shows by themselves."""
    if zoom == len(plan.bits) - 1 or store.kind not in (LINE, POLYGON):
        return np.ones(len(store.sizes), bool)
    extents, costs = _costs(store, zoom, plan.bits[zoom])
    seen, merged = _seen(store, extents), plan.is_merged(zoom)
    if store.kind == LINE:
        return seen & (~merged | _longest(_tile_of(store, zoom), extents, costs))
    return seen & ~merged


def overcrowded(store: Store, zoom: int) -> Array:
    """Tell which features lie in tiles of a zoom with more than these should hold."""
    which = np.unique(_tile_of(store, zoom), return_inverse=True)[1]
    crowded: Array = np.bincount(which)[which] > _FULL_POSITIONS
    return crowded


def _crowded(store: Store, zoom: int) -> tuple[int, Array]:
    """Return a grid for a zoom, and which features are too many for it there."""
    tiles = _tile_of(store, zoom)
    codes, which = np.unique(tiles, return_inverse=True)
    for bits in _GRIDS:
        extents, costs = _costs(store, zoom, bits)
        seen = _seen(store, extents)
        fullness = _fullness(which, costs * seen, seen)
        if fullness.max() <= 1:
            return bits, np.zeros(len(which), bool)
    is_full = _with_neighbours(codes, fullness)
    return bits, is_full[which] & (extents.max(axis=1) < (_LARGE_PIXELS << bits) >> PIXEL_BITS)


def _with_neighbours(codes: Array, fullness: Array) -> Array:
    """Tell which tiles are too full, or lie beside one: what goes on there looks the same."""
    full = codes[fullness > 1]
    around = [full + (right << _ROW_BITS) + down for right in (-1, 0, 1) for down in (-1, 0, 1)]
    return np.isin(codes, np.concatenate(around)) | (fullness > _MUCH_ALIKE)


def _costs(store: Store, zoom: int, bits: int) -> tuple[Array, Array]:
    """Return how large each feature is on a grid, and how many positions it has there at most."""
    shift = WORLD_BITS - zoom - bits
    # As positions go to the grid, so that what is seen is what is left there.
    boxes = (store.boxes.astype(np.int64) + ((1 << shift) >> 1)) >> shift
    extents = boxes[:, 2:] - boxes[:, :2]
    return extents, np.minimum(store.sizes, _CORNERS_A_UNIT * extents.sum(axis=1) + 1)


def _seen(store: Store, extents: Array) -> Array:
    """Tell which features are left on a grid: polygons only where they have an area."""
    smallest: Array = extents.min(axis=1) if store.kind == POLYGON else extents.max(axis=1)
    return smallest >= 1


def _tile_of(store: Store, zoom: int) -> Array:
    """Return a number for the tile in which each feature has its middle."""
    middles = (store.boxes[:, :2].astype(np.int64) + store.boxes[:, 2:]) >> 1
    tiles = middles >> (WORLD_BITS - zoom)
    codes: Array = (tiles[:, 0] << _ROW_BITS) + tiles[:, 1]
    return codes


def _fullness(which: Array, costs: Array, seen: Array) -> Array:
    """Return how full each tile would be; above 1 it would be too full."""
    positions, features = np.bincount(which, costs), np.bincount(which, seen)
    return np.maximum(positions / _MOST_POSITIONS, features / _MOST_FEATURES)


def _longest(codes: Array, extents: Array, costs: Array) -> Array:
    """Tell which features are among the largest of their tile, as many as it can hold."""
    order = np.lexsort((-extents.max(axis=1), codes))
    held = np.cumsum(costs[order])
    is_first = np.diff(codes[order], prepend=codes[order][0] - 1) != 0
    before = (held - costs[order])[is_first]
    counts = np.diff(np.append(np.flatnonzero(is_first), len(order)))
    fits = np.zeros(len(order), bool)
    fits[order] = held - np.repeat(before, counts) <= _MOST_POSITIONS
    return fits


def _tiles_covered(store: Store, zoom: int) -> Array:
    tiles = store.boxes >> (WORLD_BITS - zoom)
    covered: Array = (tiles[:, 2:] - tiles[:, :2] + 1.0).prod(axis=1)
    return covered


def _fullest(store: Store, zoom: int, costs: Array) -> float:
    which = np.unique(_tile_of(store, zoom), return_inverse=True)[1]
    return float(np.bincount(which, costs).max())
