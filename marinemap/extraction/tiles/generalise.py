"""What a zoom shows of features: on its grid, without what is too small to be seen there.

Each position goes to the nearest point of the grid, wherever it belongs. What two neighbours share
they still share, so that a seamless layer stays seamless; what has no area left is not drawn, and
its place falls to its neighbours.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from marinemap.extraction.tiles.shapes import LINE, POINT, POLYGON, Shapes, ranges

Array = np.ndarray[Any, Any]


def on_grid(shapes: Shapes, shift: int) -> Shapes:
    """Return features on a grid of ``2 ** shift`` units, without what vanishes there."""
    half = (1 << shift) >> 1
    moved = dataclasses.replace(shapes, xy=(shapes.xy.astype(np.int64) + half) >> shift)
    if shapes.kind == POINT or len(shapes) == 0:
        return moved
    moved = moved.keep(_differs(moved), np.ones(len(moved.lengths), bool))
    if shapes.kind == LINE:
        return moved.keep(np.ones(len(moved.xy), bool), moved.lengths > 1)
    areas = ring_areas(moved)
    moved = _wound(moved, areas)
    # Only rings that have an area have corners.
    is_ring = areas != 0
    return moved.keep(_turns(moved) | ~np.repeat(is_ring, moved.lengths), is_ring)


def thinned(points: Shapes, cell: int) -> Shapes:
    """Return points with one of each cell of a grid; which one is chance, and always the same."""
    # A multiplicative hash: neighbours in the file are often neighbours on the map.
    rank = points.ids.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    cells = points.xy // cell
    order = np.lexsort((rank, cells[:, 1], cells[:, 0]))
    is_first = np.ones(len(order), bool)
    is_first[1:] = (np.diff(cells[order], axis=0) != 0).any(axis=1)
    return points.take(np.sort(order[is_first]))


def ring_areas(shapes: Shapes) -> Array:
    """Return twice the area of each ring, positive where it runs clockwise with y downwards."""
    if len(shapes.xy) == 0:
        return np.zeros(len(shapes.lengths), np.int64)
    begins = shapes.offsets[:-1]
    # From the ring's own corner: the products of large numbers would overflow.
    local = shapes.xy - np.repeat(shapes.xy[begins], shapes.lengths, axis=0)
    after = following(shapes)
    cross = local[:, 0] * local[after, 1] - local[after, 0] * local[:, 1]
    areas: Array = np.add.reduceat(cross, begins)
    return areas


def polygon_areas(shapes: Shapes) -> Array:
    """Return the area of each feature, holes not counted."""
    areas = np.abs(ring_areas(shapes)) * np.where(shapes.holes, -0.5, 0.5)
    result: Array = np.maximum(np.add.reduceat(areas, shapes.starts[:-1]), 0)
    return result


def _differs(shapes: Shapes) -> Array:
    """Tell which positions are another than the one before in their part."""
    before = np.roll(np.arange(len(shapes.xy)), 1)
    begins, ends = shapes.offsets[:-1], shapes.offsets[1:] - 1
    # The first of a ring comes after its last; the first of a line after none.
    before[begins] = ends if shapes.kind == POLYGON else begins
    differs: Array = (shapes.xy != shapes.xy[before]).any(axis=1)
    if shapes.kind == LINE:
        differs[begins] = True
    else:
        # A ring that is one point keeps it, so that no part is without; its area is none.
        alone = np.add.reduceat(differs, begins) == 0
        differs[begins[alone]] = True
    return differs


def _turns(rings: Shapes) -> Array:
    """Tell at which positions of rings another direction is taken."""
    after = following(rings)
    steps = rings.xy[after] - rings.xy
    onward = np.empty_like(steps)
    onward[after] = steps
    turns: Array = (onward[:, 0] * steps[:, 1] != onward[:, 1] * steps[:, 0]) | (
        (onward * steps).sum(axis=1) < 0
    )
    return turns


def _wound(shapes: Shapes, areas: Array) -> Shapes:
    """Return polygons with outer rings clockwise and inner ones against it, as tiles have them."""
    is_wrong = (areas < 0) != shapes.holes
    begins, lengths = shapes.offsets[:-1], shapes.lengths
    forth = ranges(begins, lengths)
    back = np.repeat(2 * begins + lengths - 1, lengths) - forth
    order = np.where(np.repeat(is_wrong, lengths), back, forth)
    return dataclasses.replace(shapes, xy=shapes.xy[order])


def following(shapes: Shapes) -> Array:
    """Return of each position the number of the next one in its ring."""
    after = np.arange(1, len(shapes.xy) + 1)
    after[shapes.offsets[1:] - 1] = shapes.offsets[:-1]
    return after
