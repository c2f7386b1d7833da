"""A grid over the area of interest that tells at once which boxes lie inside or outside of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from marinemap.extraction.geometry.raster import EDGE, INSIDE, OUTSIDE, rasterised

# Cells touched by a box are widened by this share of a cell, so that a rounded division never
# puts a box into fewer cells than it touches.
_SLACK_CELLS = 1e-6
_COVER_LEVEL = 4
# A grid has far fewer than 2 ** 32 cells.
_OUTSIDE_SHIFT = 32
_INSIDE_MASK = (1 << _OUTSIDE_SHIFT) - 1

Array = np.ndarray[Any, Any]
Box = tuple[float, float, float, float]


class AreaGrid:
    """Square cells over an area's box, each wholly inside, wholly outside or on the edge.

    Parameters
    ----------
    area : shapely Polygon or MultiPolygon
        Valid.
    level : int
        The grid has at most ``2 ** level`` cells a side.
    """

    def __init__(self, area: Any, level: int) -> None:
        minx, miny, maxx, maxy = area.bounds
        self._origin = np.array([minx, miny])
        self._size = np.array([maxx - minx, maxy - miny])
        self._cells = rasterised(area, level)
        # Two sums in one number, so that a box's corners are looked up once.
        inside = _running_sum(self._cells == INSIDE, frame=False)
        outside = _running_sum(self._cells == OUTSIDE, frame=True)
        self._sums = inside + (outside << _OUTSIDE_SHIFT)

    def classify(self, boxes: Array) -> Array:
        """Return INSIDE, OUTSIDE or EDGE for each box.

        INSIDE means properly inside (no point of the box lies on the area's edge), OUTSIDE that
        they share no point; EDGE leaves it open.

        Parameters
        ----------
        boxes : array of float, shape (n, 4)
            (minx, miny, maxx, maxy) in the area's CRS. Those with NaN are EDGE.
        """
        count = len(self._cells)
        # Each row of four is one side of all boxes: numpy is slow along an axis of two.
        sides = np.ascontiguousarray(boxes.T)
        origin, size = (np.tile(pair, 2)[:, None] for pair in (self._origin, self._size))
        # A damaged file may hold numbers so large that their differences overflow.
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = (sides - origin) / (size / count)
        finite = np.isfinite(scaled).all(axis=0)
        scaled[:, ~finite] = 0
        scaled[:2] -= _SLACK_CELLS
        scaled[2:] += _SLACK_CELLS
        corners = np.clip(np.floor(scaled), -1, count).astype(np.int64)
        # The running sums have a frame of outside cells, hence the one.
        x0, y0 = corners[:2] + 1
        x1, y1 = corners[2:] + 2
        sums = _sum_within(self._sums, x0, y0, x1, y1)
        cells = (x1 - x0) * (y1 - y0)
        result = np.full(len(boxes), EDGE, np.int8)
        result[(sums & _INSIDE_MASK) == cells] = INSIDE
        result[(sums >> _OUTSIDE_SHIFT) == cells] = OUTSIDE
        result[~finite] = EDGE
        return result

    def touches(self, boxes: Array) -> Array:
        """Tell which boxes, as in ``classify``, may share a point with the area."""
        touching: Array = self.classify(boxes) != OUTSIDE
        return touching

    def cover(self) -> list[Box]:
        """Return boxes that together hold the area, fewer and fuller than its one box."""
        count = min(len(self._cells), 1 << _COVER_LEVEL)
        block = len(self._cells) // count
        touched = (self._cells.reshape(count, block, count, block) != OUTSIDE).any(axis=(1, 3))
        cell = self._size / count
        boxes = []
        for row in range(count):
            for first, last in _runs(touched[row]):
                low = self._origin + cell * [first, row]
                high = self._origin + cell * [last + 1, row + 1]
                boxes.append((*(low - cell * 1e-6), *(high + cell * 1e-6)))
        return [(float(a), float(b), float(c), float(d)) for a, b, c, d in boxes]


def _running_sum(flags: Array, *, frame: bool) -> Array:
    """Return sums over all cells below and left of each corner, within a frame of one cell."""
    framed = np.pad(flags, 1, constant_values=frame)
    sums = framed.cumsum(axis=0, dtype=np.int64).cumsum(axis=1, dtype=np.int64)
    return np.pad(sums, ((1, 0), (1, 0)))


def _sum_within(sums: Array, x0: Array, y0: Array, x1: Array, y1: Array) -> Array:
    flat, width = sums.ravel(), sums.shape[1]
    south, north = y0 * width, y1 * width
    total: Array = (
        flat.take(north + x1)
        - flat.take(south + x1)
        - flat.take(north + x0)
        + flat.take(south + x0)
    )
    return total


def _runs(flags: Array) -> list[tuple[int, int]]:
    """Return the first and last index of each run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]
