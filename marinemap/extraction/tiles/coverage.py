"""How much of each place is covered by features that are too many to be drawn by themselves.

A place is a square of two pixels. Where it was counted once, at the deepest zoom at which the
features are drawn together, a further zoom is the mean of four places: what overlaps is not counted
twice, however small it is there.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from isal import igzip

from marinemap.extraction.tiles.generalise import following, ring_areas
from marinemap.extraction.tiles.shapes import Shapes, ranges
from marinemap.extraction.tiles.store import Store
from marinemap.extraction.tiles.world import WORLD_BITS

# Places along a tile's side.
PLACE_BITS = 8
SIDE = 1 << PLACE_BITS
# Where features overlap within one of so many parts of a place's side, they are counted twice.
_PARTS_BITS = 2
_FULL = 255
# An edge takes some hundred bytes on the way.
_POSITIONS_AT_A_TIME = 500_000

Array = np.ndarray[Any, Any]
Tile = tuple[int, int]


class Coverage:
    """The covered share of each place, of the tiles of every zoom where features are merged.

    Parameters
    ----------
    store : Store
        Of polygons.
    merged_to : array of int
        The deepest zoom at which each feature is merged, -1 if it never is; at those above it is
        as well.
    folder : Path
        Where the shares are kept.
    """

    def __init__(self, store: Store, merged_to: Array, folder: Path) -> None:
        self._folder = folder
        self._tiles: dict[int, set[Tile]] = defaultdict(set)
        for zoom in range(int(merged_to.max(initial=-1)), -1, -1):
            for column, row in {(x >> 1, y >> 1) for x, y in self._tiles[zoom + 1]}:
                self._keep(zoom, (column, row), self._of_four(zoom, column, row))
            for tile, shares in _counted(store, merged_to == zoom, zoom):
                self._keep(zoom, tile, np.minimum(self._share(zoom, *tile) + shares, 1.0))

    def tiles(self, zoom: int) -> set[Tile]:
        """Return the tiles of a zoom in which anything is covered."""
        return self._tiles[zoom]

    def around(self, zoom: int, column: int, row: int, margin: int) -> Array:
        """Return the shares of a tile and of so many places on each side of it."""
        shares = np.zeros((SIDE + 2 * margin, SIDE + 2 * margin))
        strips = ((slice(0, margin), slice(SIDE - margin, SIDE)),
                  (slice(margin, margin + SIDE), slice(0, SIDE)),
                  (slice(margin + SIDE, None), slice(0, margin)))  # fmt: skip
        for (down, (to_y, of_y)), (along, (to_x, of_x)) in itertools.product(
            enumerate(strips), enumerate(strips)
        ):
            there = self._share(zoom, column + along - 1, row + down - 1)
            shares[to_y, to_x] = there[of_y, of_x]
        return shares

    def _of_four(self, zoom: int, column: int, row: int) -> Array:
        """Return the shares of a tile as the means of those of the next zoom."""
        places = np.zeros((2 * SIDE, 2 * SIDE))
        for down, along in itertools.product((0, 1), (0, 1)):
            there = self._share(zoom + 1, 2 * column + along, 2 * row + down)
            places[down * SIDE : (down + 1) * SIDE, along * SIDE : (along + 1) * SIDE] = there
        return _means(places, 2)

    def _share(self, zoom: int, column: int, row: int) -> Array:
        if (column, row) not in self._tiles[zoom]:
            return np.zeros((SIDE, SIDE))
        file = self._file(zoom, column, row)
        content: bytes = igzip.decompress(file.read_bytes())  # type: ignore[no-untyped-call]
        return np.frombuffer(content, np.uint8).reshape(SIDE, SIDE) / _FULL

    def _keep(self, zoom: int, tile: Tile, shares: Array) -> None:
        content = np.rint(shares * _FULL).astype(np.uint8).tobytes()
        self._file(zoom, *tile).write_bytes(igzip.compress(content, 0))
        self._tiles[zoom].add(tile)

    def _file(self, zoom: int, column: int, row: int) -> Path:
        return self._folder / f"{zoom}-{column}-{row}.shares"


def _counted(store: Store, which: Array, zoom: int) -> Iterator[tuple[Tile, Array]]:
    """Yield the covered shares of the tiles that some small features lie in."""
    tile_bits = WORLD_BITS - zoom
    parts = _PARTS_BITS + PLACE_BITS
    for (column, row), features in _by_tile(store, np.flatnonzero(which), zoom):
        covered = np.zeros((1 << parts, 1 << parts))
        corner = np.array([column, row], np.int64) << tile_bits
        for some in store.some(features, _POSITIONS_AT_A_TIME):
            # The file has 32 bits for each number, too few for a product.
            shapes = dataclasses.replace(some, xy=some.xy.astype(np.int64))
            covered += rasterised(shapes, corner, tile_bits - parts, 1 << parts)
        yield (column, row), _means(np.clip(covered, 0.0, 1.0), 1 << _PARTS_BITS)


def _by_tile(store: Store, features: Array, zoom: int) -> Iterator[tuple[Tile, Array]]:
    """Yield tiles, each with the features whose boxes meet it; none is larger than a tile."""
    if len(features) == 0:
        return
    tiles = store.boxes[features].astype(np.int64) >> (WORLD_BITS - zoom)
    found = []
    for along, down in itertools.product((0, 1), (0, 1)):
        column, row = tiles[:, 0] + along, tiles[:, 1] + down
        there = (column <= tiles[:, 2]) & (row <= tiles[:, 3])
        there &= (np.minimum(column, row) >= 0) & (np.maximum(column, row) < 1 << zoom)
        found.append((row[there] << 32 | column[there], features[there]))
    codes = np.concatenate([code for code, _ in found])
    members = np.concatenate([of for _, of in found])
    # Within a tile in the order of the file, which is read so.
    order = np.lexsort((members, codes))
    codes, members = codes[order], members[order]
    edges = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(codes)]
    for begin, end in itertools.pairwise(edges):
        yield (int(codes[begin] & 0xFFFFFFFF), int(codes[begin] >> 32)), members[begin:end]


def rasterised(shapes: Shapes, corner: Array, shift: int, size: int) -> Array:
    """Return how much of each cell polygons cover, exactly; where they overlap, their sum.

    Each edge adds, to the cells that it runs through and to all those to their right, the part of
    their height that it spans: what lies left of an outline is taken off again by its other side.

    Parameters
    ----------
    shapes : Shapes
    corner : array
        Where the grid begins, in units of the world.
    shift : int
        A cell has ``2 ** shift`` units.
    size : int
        How many cells each side of the grid has.
    """
    xy = (shapes.xy - corner) / float(1 << shift)
    ends = xy[following(shapes)]
    upright = np.where((ring_areas(shapes) < 0) != shapes.holes, -1.0, 1.0)
    edges, rows, of = _divided(xy[:, 1], xy[:, 0], ends[:, 1], ends[:, 0])
    sign = np.repeat(upright, shapes.lengths)[of]
    is_near = (rows >= 0) & (rows < size) & (np.minimum(edges.b0, edges.b1) < size)
    edges, rows, sign = edges.take(is_near), rows[is_near], sign[is_near]
    edges, columns, of = _divided(edges.b0, edges.a0, edges.b1, edges.a1)
    rows, sign = rows[of], sign[of]
    heights = (edges.b0 - edges.b1) * sign
    # What lies left of the grid covers the whole row from its first cell on.
    right_of = np.where(columns < 0, 0.0, (edges.a0 + edges.a1) / 2 - columns)
    places = rows * (size + 2) + np.clip(columns, 0, size)
    count = size * (size + 2)
    steps = np.bincount(places, heights * (1 - right_of), count)
    steps += np.bincount(places + 1, heights * right_of, count)
    covered: Array = np.cumsum(steps.reshape(size, size + 2), axis=1)[:, :size]
    return covered


@dataclass(frozen=True)
class _Edges:
    """Edges from (a0, b0) to (a1, b1), a and b being x and y or the other way round."""

    a0: Array
    b0: Array
    a1: Array
    b1: Array

    def take(self, which: Array) -> _Edges:
        return _Edges(self.a0[which], self.b0[which], self.a1[which], self.b1[which])


def _divided(a0: Array, b0: Array, a1: Array, b1: Array) -> tuple[_Edges, Array, Array]:
    """Divide edges wherever a is whole; return them, the row of each along a, and whose it was."""
    low = np.floor(np.minimum(a0, a1)).astype(np.int64)
    counts = np.maximum(np.ceil(np.maximum(a0, a1)).astype(np.int64) - low, 1)
    edges, is_whole = _Edges(a0, b0, a1, b1), counts == 1
    whole, long = np.flatnonzero(is_whole), np.flatnonzero(~is_whole)
    of = np.repeat(long, counts[long])
    lines = low[of] + ranges(np.zeros(len(long), np.int64), counts[long])
    parts = edges.take(of)
    slope = (parts.b1 - parts.b0) / (parts.a1 - parts.a0)
    begins, ends = (np.clip(a, lines, lines + 1) for a in (parts.a0, parts.a1))
    parts = _Edges(
        begins,
        parts.b0 + (begins - parts.a0) * slope,
        ends,
        parts.b0 + (ends - parts.a0) * slope,
    )
    joined = (
        np.concatenate(pair)
        for pair in zip(_columns(edges.take(whole)), _columns(parts), strict=True)
    )
    return _Edges(*joined), np.append(low[whole], lines), np.append(whole, of)


def _columns(edges: _Edges) -> tuple[Array, Array, Array, Array]:
    return edges.a0, edges.b0, edges.a1, edges.b1


def _means(places: Array, parts: int) -> Array:
    side = len(places) // parts
    means: Array = places.reshape(side, parts, side, parts).mean(axis=(1, 3))
    return means
