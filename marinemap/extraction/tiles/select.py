"""How a layer is drawn at each zoom: on which grid, what by itself, what merged or thinned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from marinemap.extraction.tiles.shapes import LINE, POLYGON
from marinemap.extraction.tiles.store import WORLD_BITS, Store

# A tile is drawn 512 pixels wide.
PIXEL_BITS = 9
# On the grid of the deepest zoom a unit is 2.4 m at the equator: what is larger on the screen is
# drawn from it.
_FINEST_BITS = 24
_LEAST_BITS_AT_TOP = 12
# Half a pixel; where that makes a tile too full, one pixel, or two.
_GRIDS = (10, 9, 8)
_DEEPEST_ZOOM = 12
_FULL_POSITIONS = 20_000
_MOST_POSITIONS = 70_000
_MOST_FEATURES = 16_000
# Cutting what is large to more tiles than this takes longer than anybody waits.
_MOST_PIECES = 60_000
_LARGE_PIXELS = 24
_MOST_CROWDED_SHARE = 0.25
# What covers less in a whole tile is not missed.
_LEAST_SEEN_PIXELS = 16

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Choice:
    """What of one store a zoom shows: a grid, features by themselves, and features merged."""

    bits: int
    alone: Array
    merged: Array


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


def choose(store: Store, zoom: int, top: int) -> Choice:
    """Return how a zoom shows the features of a store."""
    nothing = np.zeros(len(store.sizes), bool)
    if zoom == top:
        return Choice(max(_LEAST_BITS_AT_TOP, _FINEST_BITS - zoom), ~nothing, nothing)
    if store.kind not in (LINE, POLYGON):
        return Choice(_GRIDS[0], ~nothing, nothing)
    which = _tile_of(store, zoom)
    for bits in _GRIDS:
        extents, costs = _costs(store, zoom, bits)
        seen = extents.max(axis=1) >= 1
        too_full = _too_full(which, costs * seen, seen)
        if not too_full.any():
            return Choice(bits, seen, _hidden(store, which, ~seen, WORLD_BITS - zoom - PIXEL_BITS))
    if too_full.mean() > _MOST_CROWDED_SHARE:
        # Two ways of drawing side by side would show the tiles' edges.
        too_full[:] = True
    is_large = extents.max(axis=1) >= (_LARGE_PIXELS << bits) >> PIXEL_BITS
    crowded = too_full & ~is_large
    if store.kind == LINE:
        return Choice(bits, seen & (~crowded | _longest(which, extents, costs)), nothing)
    return Choice(bits, seen & ~crowded, crowded)


def _hidden(store: Store, which: Array, unseen: Array, shift: int) -> Array:
    """Tell which features are too small to be seen, but cover something together.

    ``shift`` is the size of a pixel, in bits.
    """
    pixels = np.bincount(which, store.areas * unseen) / float(1 << shift) ** 2
    hidden: Array = unseen & (pixels >= _LEAST_SEEN_PIXELS)[which]
    return hidden


def _costs(store: Store, zoom: int, bits: int) -> tuple[Array, Array]:
    """Return how large each feature is on a grid, and how many positions it has there at most."""
    shift = WORLD_BITS - zoom - bits
    extents = (store.boxes[:, 2:] >> shift) - (store.boxes[:, :2] >> shift)
    return extents, np.minimum(store.sizes, 2 * extents.sum(axis=1) + 1)


def _tile_of(store: Store, zoom: int) -> Array:
    """Return a number for the tile in which each feature has its middle; they are consecutive."""
    middles = (store.boxes[:, :2].astype(np.int64) + store.boxes[:, 2:]) >> 1
    tiles = middles >> (WORLD_BITS - zoom)
    codes = tiles[:, 0] << 32 | (tiles[:, 1] & 0xFFFFFFFF)
    which: Array = np.unique(codes, return_inverse=True)[1]
    return which


def _too_full(which: Array, costs: Array, seen: Array) -> Array:
    """Tell which features lie in a tile that would hold too much."""
    positions, features = np.bincount(which, costs), np.bincount(which, seen)
    full: Array = ((positions > _MOST_POSITIONS) | (features > _MOST_FEATURES))[which]
    return full


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
    return float(np.bincount(_tile_of(store, zoom), costs).max())
