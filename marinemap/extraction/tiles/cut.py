"""Which tiles a feature lies in; what is larger than a tile is cut to each."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import shapely

from marinemap.extraction.tiles.shapes import Shapes, from_geometries, joined

# A tile holds what lies so far beyond its edge (a share of its size), for strokes and dots.
_BUFFER_SHARE = 64

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class Pieces:
    """Features or parts of them, each with the tile (column, row) that it goes to."""

    shapes: Shapes
    tiles: Array

    def sorted(self) -> Pieces:
        """Return them tile by tile."""
        order = np.lexsort((self.tiles[:, 0], self.tiles[:, 1]))
        return self.take(order)

    def take(self, which: Array) -> Pieces:
        """Return some of them, in the order given."""
        return Pieces(self.shapes.take(which), self.tiles[which])


def cut(shapes: Shapes, zoom: int, bits: int) -> Iterator[Pieces]:
    """Yield what each tile of a zoom holds of features on the zoom's grid.

    Parameters
    ----------
    shapes : Shapes
    zoom : int
    bits : int
        A tile has ``2 ** bits`` units.
    """
    if len(shapes) == 0:
        return
    buffer = (1 << bits) // _BUFFER_SHARE
    boxes = shapes.boxes() + np.array([-buffer, -buffer, buffer, buffer])
    tiles = np.clip(boxes >> bits, 0, (1 << zoom) - 1)
    is_outside = (boxes[:, 2:] < 0).any(axis=1) | (boxes[:, :2] >= 1 << (zoom + bits)).any(axis=1)
    is_small = (tiles[:, 2:] - tiles[:, :2] <= 1).all(axis=1)
    whole = np.flatnonzero(is_small & ~is_outside)
    for step in ((0, 0), (1, 0), (0, 1), (1, 1)):
        there = whole[(tiles[whole, :2] + step <= tiles[whole, 2:]).all(axis=1)]
        if len(there):
            yield Pieces(shapes.take(there), tiles[there, :2] + step)
    large = np.flatnonzero(~is_small & ~is_outside)
    if len(large):
        yield from _cut_large(shapes.take(large), zoom, bits, buffer)


def _cut_large(shapes: Shapes, zoom: int, bits: int, buffer: int) -> Iterator[Pieces]:
    geometries, owners = shapes.to_geometries()
    by_kind: list[tuple[Shapes, Array]] = []
    for tile, some, of in _quarter(geometries, shapes.ids[owners], zoom, bits, buffer):
        for found in from_geometries(some, of):
            if found.kind == shapes.kind:
                by_kind.append((_rounded(found), np.tile(tile, (len(found), 1))))
    if by_kind:
        pieces, tiles = zip(*by_kind, strict=True)
        yield Pieces(joined(list(pieces)), np.concatenate(tiles))


def _rounded(shapes: Shapes) -> Shapes:
    return dataclasses.replace(shapes, xy=np.rint(shapes.xy).astype(np.int64))


def _quarter(
    geometries: Array, ids: Array, zoom: int, bits: int, buffer: int
) -> Iterator[tuple[tuple[int, int], Array, Array]]:
    """Cut into quarters, and these again, down to the tiles: a piece is cut from a larger one."""
    waiting = [(0, 0, 0, geometries, ids)]
    while waiting:
        level, column, row, some, of = waiting.pop()
        if level == zoom:
            yield (column, row), some, of
            continue
        for child in ((0, 0), (1, 0), (0, 1), (1, 1)):
            x, y = 2 * column + child[0], 2 * row + child[1]
            size = 1 << (bits + zoom - level - 1)
            west, north = x * size - buffer, y * size - buffer
            box = (west, north, west + size + 2 * buffer, north + size + 2 * buffer)
            bounds = shapely.bounds(some)
            near = (bounds[:, :2] <= box[2:]).all(axis=1) & (bounds[:, 2:] >= box[:2]).all(axis=1)
            if not near.any():
                continue
            within = _clipped(some[near], box)
            there = ~shapely.is_empty(within)
            if there.any():
                waiting.append((level + 1, x, y, within[there], of[near][there]))


def _clipped(geometries: Array, box: tuple[int, int, int, int]) -> Array:
    """Return what lies in a box. Positions on a grid may leave rings that touch themselves."""
    try:
        within: Array = shapely.clip_by_rect(geometries, *box)
    except shapely.GEOSException:
        # One of them is beyond the quick way: it is looked for by halves, and mended.
        if len(geometries) == 1:
            mended = shapely.make_valid(geometries, method="structure")
            return np.asarray(shapely.intersection(mended, shapely.box(*box)))
        half = len(geometries) // 2
        within = np.concatenate(
            [_clipped(geometries[:half], box), _clipped(geometries[half:], box)]
        )
    return within
