"""An area drawn upon a grid of cells by arithmetic on arrays, in time linear in its corners.

GEOS compares each cell with every edge at its height: a comb of 20,000 teeth took a minute.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from marinemap.extraction.geometry.surface import edges_of

OUTSIDE, EDGE, INSIDE = 0, 1, 2
# An edge belongs to each cell that it comes so close to, in cells: far more than is lost where
# crossings are rounded.
_SLACK_CELLS = 4e-6
# At most so many crossings of edges and columns are looked at at a time, and in all.
_SLICE, _MOST_CROSSINGS = 200_000, 4_000_000

Array = np.ndarray[Any, Any]


def rasterised(area: Any, level: int) -> Array:
    """Return which cells over an area's box lie inside, outside or on the edge of it.

    Parameters
    ----------
    area : shapely Polygon or MultiPolygon
        Valid.
    level : int
        There are at most ``2 ** level`` cells a side; fewer where long edges cross so many that
        it would take long.

    Returns
    -------
    array of int, shape (side, side)
        By row, from the south, and column. INSIDE and OUTSIDE are certain, EDGE is not.
    """
    begins, ends = _edges(area)
    while level and _crossings(begins, ends, 1 << level) > _MOST_CROSSINGS:
        level -= 1
    side = 1 << level
    begins, ends = begins * side, ends * side
    on_edge = np.zeros((side + 1, side), np.int64)
    crossed = np.zeros((side + 1, side + 1), np.int64)
    steep = np.abs(ends - begins) @ [1, -1] <= 0
    for part in _slices(begins[steep], ends[steep]):
        on_edge += _touched(*part, side)
        crossed += _crossed_by_steep(*part, side)
    across = np.zeros((side + 1, side), np.int64)
    for part in _slices(begins[~steep][:, ::-1], ends[~steep][:, ::-1]):
        across += _touched(*part, side)
        crossed += _crossed_by_flat(*part, side)
    edge = (on_edge.cumsum(axis=0)[:side] > 0) | (across.cumsum(axis=0)[:side] > 0).T
    # West of a cell that no edge touches lie an odd number of edges if it is inside.
    west = crossed[:side].cumsum(axis=1)[:, :side] - crossed[:side, :side]
    cells = np.where(west % 2 == 1, INSIDE, OUTSIDE).astype(np.int8)
    cells[edge] = EDGE
    return cells


def _edges(area: Any) -> tuple[Array, Array]:
    """Return the ends of each edge, in shares of the area's box."""
    begins, ends = edges_of(area)
    minx, miny, maxx, maxy = area.bounds
    low, size = np.array([minx, miny]), np.array([maxx - minx, maxy - miny])
    return (begins - low) / size, (ends - low) / size


def _crossings(begins: Array, ends: Array, side: int) -> int:
    return int((np.abs(ends - begins).min(axis=1) * side + 1).sum())


def _slices(begins: Array, ends: Array) -> Iterator[tuple[Array, Array]]:
    """Yield edges, some at a time, by how many columns they cross."""
    if len(begins) == 0:
        return
    total = (np.abs(ends[:, 0] - begins[:, 0]) + 2).cumsum()
    cuts = np.flatnonzero(np.diff(total // _SLICE)) + 1
    for first, last in zip([0, *cuts.tolist()], [*cuts.tolist(), len(begins)], strict=True):
        yield begins[first:last], ends[first:last]


def _by_columns(begins: Array, ends: Array, side: int, slack: float) -> tuple[Array, ...]:
    """Divide steep edges by columns: the column of each piece and the y at its two ends."""
    turned = begins[:, 0] > ends[:, 0]
    west = np.where(turned[:, None], ends, begins)
    east = np.where(turned[:, None], begins, ends)
    first = np.clip(np.floor(west[:, 0] - slack), 0, side).astype(np.int64)
    last = np.clip(np.floor(east[:, 0] + slack), 0, side).astype(np.int64)
    counts = last - first + 1
    edge = np.repeat(np.arange(len(first)), counts)
    column = np.arange(len(edge)) - np.repeat(counts.cumsum() - counts - first, counts)
    width = np.maximum(east[:, 0] - west[:, 0], np.finfo(float).tiny)
    low, high = column - slack, column + 1 + slack
    # The ends as they are, for a product with a slope without end would be none of them.
    with np.errstate(over="ignore", invalid="ignore"):
        slope = (east[:, 1] - west[:, 1]) / width
        enters, leaves = (
            west[edge, 1] + (border - west[edge, 0]) * slope[edge] for border in (low, high)
        )
    begin = np.where(low <= west[edge, 0], west[edge, 1], enters)
    end = np.where(high >= east[edge, 0], east[edge, 1], leaves)
    bounds = np.sort(np.stack([west[edge, 1], east[edge, 1]]), axis=0)
    return column, np.clip(begin, *bounds), np.clip(end, *bounds)


def _touched(begins: Array, ends: Array, side: int) -> Array:
    """Count where runs of touched cells begin in their column, less where they end."""
    column, begin, end = _by_columns(begins, ends, side, _SLACK_CELLS)
    low = np.clip(np.floor(np.minimum(begin, end) - _SLACK_CELLS), 0, side - 1).astype(np.int64)
    high = np.clip(np.floor(np.maximum(begin, end) + _SLACK_CELLS), 0, side - 1).astype(np.int64)
    column = np.minimum(column, side - 1)
    return _counted(low, column, side + 1, side) - _counted(high + 1, column, side + 1, side)


def _crossed_by_steep(begins: Array, ends: Array, side: int) -> Array:
    """Count where runs of crossed middles of rows begin in their column, less where they end.

    Summed up later along the column: here by their own sum, row by row.
    """
    column, begin, end = _by_columns(begins, ends, side, 0.0)
    low = np.clip(np.ceil(np.minimum(begin, end) - 0.5), 0, side).astype(np.int64)
    high = np.clip(np.ceil(np.maximum(begin, end) - 0.5), 0, side).astype(np.int64)
    runs = _counted(low, column, side + 1, side + 1) - _counted(high, column, side + 1, side + 1)
    found: Array = runs.cumsum(axis=0)
    return found


def _crossed_by_flat(begins: Array, ends: Array, side: int) -> Array:
    """Count the edges across the middle of each row, by column; x and y come turned about."""
    low = np.ceil(np.minimum(begins[:, 0], ends[:, 0]) - 0.5).astype(np.int64)
    high = np.ceil(np.maximum(begins[:, 0], ends[:, 0]) - 0.5).astype(np.int64)
    counts = high - low
    edge = np.repeat(np.arange(len(low)), counts)
    row = np.arange(len(edge)) - np.repeat(counts.cumsum() - counts - low, counts)
    way = (ends - begins)[edge]
    x = begins[edge, 1] + (row + 0.5 - begins[edge, 0]) / way[:, 0] * way[:, 1]
    column = np.clip(np.floor(x), 0, side).astype(np.int64)
    return _counted(row, column, side + 1, side + 1)


def _counted(rows: Array, columns: Array, height: int, width: int) -> Array:
    found = np.bincount(rows * width + columns, minlength=height * width)
    return found.reshape(height, width)
