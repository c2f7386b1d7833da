"""Where features are too many to be told apart: the outline of where they are dense."""

from __future__ import annotations

import itertools
from typing import Any

import contourpy
import numpy as np
import shapely

# A cell holds some features, so that the gaps between them do not show as holes.
_FEATURES_A_CELL = 4
_MOST_CELLS = 4_000_000
# Of what is scattered more thinly no outline would be true.
_LEAST_COVERED = 0.1
# Samples of a feature along each side of its box.
_SAMPLES = 3

Array = np.ndarray[Any, Any]


def merged(boxes: Array, areas: Array, least_cell: int) -> Array:
    """Return polygons around where features cover at least half of what is usual among them.

    Parameters
    ----------
    boxes : array of shape (n, 4)
        (minx, miny, maxx, maxy) of each feature, in units of a grid.
    areas : array
        How much each covers.
    least_cell : int
        Cells smaller than this are never needed.
    """
    low = boxes[:, :2].min(axis=0)
    extent = boxes[:, 2:].max(axis=0) - low + 1
    cell = max(least_cell, _cell(boxes), float(np.sqrt(extent.prod() / _MOST_CELLS)))
    coverage = _smooth(_coverage(boxes, areas, low, extent, cell))
    there = coverage[coverage > 0]
    if len(there) == 0:
        return np.zeros(0, object)
    contours: Any = contourpy.contour_generator(
        z=coverage, fill_type=contourpy.FillType.OuterOffset
    )
    rings, offsets = contours.filled(_level(there), np.inf)
    found = [_polygon(ring, ends) for ring, ends in zip(rings, offsets, strict=True)]
    # The grid has an empty cell on each side, and a cell's value is its middle's.
    return shapely.transform(np.array(found, object), lambda xy: (xy - 0.5) * cell + low)


def _level(coverage: Array) -> float:
    """Return how much of a cell is covered where the outline runs: half of what is usual."""
    return max(_LEAST_COVERED, min(0.5, float(np.median(coverage)) / 2))


def _cell(boxes: Array) -> float:
    """Return the size of a cell that holds some features where they are."""
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    low = middles.min(axis=0)
    # How far apart they are where they are: by the blocks that hold any.
    block = max(1.0, float(np.sqrt(np.prod(np.ptp(middles, axis=0) + 1) / len(middles))) * 8)
    blocks = ((middles - low) // block).astype(np.int64)
    # As one number each: numpy takes ten times as long to tell rows apart.
    taken = len(np.unique(blocks[:, 0] << 32 | blocks[:, 1]))
    return float(np.sqrt(taken * block**2 / len(middles) * _FEATURES_A_CELL))


def _coverage(boxes: Array, areas: Array, low: Array, extent: Array, cell: float) -> Array:
    shape = np.ceil(extent / cell).astype(int) + 2
    sizes = boxes[:, 2:] - boxes[:, :2]
    steps = (np.arange(_SAMPLES) + 0.5) / _SAMPLES
    places = []
    for share in itertools.product(steps, steps):
        cells = ((boxes[:, :2] + sizes * share - low) / cell).astype(int) + 1
        places.append(cells[:, 1] * shape[0] + cells[:, 0])
    shares = np.tile(areas / len(places), len(places))
    covered = np.bincount(np.concatenate(places), shares, int(shape.prod()))
    return np.minimum(covered.reshape(shape[1], shape[0]) / cell**2, 1.0)


def _smooth(grid: Array) -> Array:
    """Return the mean of each cell and its neighbours; the margin stays empty."""
    padded = np.pad(grid, 1)
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    smooth: Array = (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / 9
    # What lies between the outermost cells and the margin is half covered at most.
    smooth[0], smooth[-1], smooth[:, 0], smooth[:, -1] = 0, 0, 0, 0
    return smooth


def _polygon(ring: Array, offsets: Array) -> Any:
    rings = [ring[a:b] for a, b in zip(offsets[:-1], offsets[1:], strict=True)]
    return shapely.Polygon(rings[0], rings[1:])
