"""The area that two polygons share, by arithmetic alone: no GEOS, no code of the engine.

A polygon is the sum of triangles between a point and each of its edges, those that run clockwise
counted as negative; so what two polygons share is the sum of what their triangles share. Two
triangles are convex, and share what is left of one after it is cut along the sides of the other.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import shapely

Array = np.ndarray[Any, Any]


def shared_area(one: Any, other: Any) -> float:
    """Return the area of what two polygons or multipolygons share, each part with each."""
    pairs = itertools.product(shapely.get_parts(one), shapely.get_parts(other))
    # Far from the point in which triangles meet, a double leaves too few digits for their areas:
    # a part on the other side of the globe would cost nine.
    return sum(_shared_by_parts(*pair) for pair in pairs if _boxes_meet(*pair))


def _boxes_meet(one: Any, other: Any) -> bool:
    low, high = np.array(one.bounds).reshape(2, 2)
    other_low, other_high = np.array(other.bounds).reshape(2, 2)
    return bool((low <= other_high).all() and (other_low <= high).all())


def _shared_by_parts(one: Any, other: Any) -> float:
    smaller = min(one, other, key=lambda part: part.bounds[2] - part.bounds[0])
    middle = shapely.get_coordinates(smaller).mean(axis=0)
    (first, sign), (second, other_sign) = _triangles(one, middle), _triangles(other, middle)
    total = 0.0
    for triangle, turned in zip(second, other_sign, strict=True):
        total += float((sign * turned * _shared(first, triangle)).sum())
    return total


def _triangles(polygon: Any, middle: Array) -> tuple[Array, Array]:
    """Return triangles, all counter-clockwise, shape (n, 3, 2), and the sign of each."""
    begins, ends = [], []
    for ring, turn in [(polygon.exterior, 1), *((hole, -1) for hole in polygon.interiors)]:
        corners = np.asarray(ring.coords)[:, :2] - middle
        corners = corners if _doubled(corners) * turn > 0 else corners[::-1]
        begins.append(corners[:-1])
        ends.append(corners[1:])
    begin, end = np.concatenate(begins), np.concatenate(ends)
    cross = begin[:, 0] * end[:, 1] - begin[:, 1] * end[:, 0]
    swap = (cross < 0)[:, None]
    corners = [np.zeros_like(begin), np.where(swap, end, begin), np.where(swap, begin, end)]
    some = cross != 0
    return np.stack(corners, axis=1)[some], np.sign(cross)[some]


def _doubled(corners: Array) -> float:
    x, y = corners.T
    return float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum())


def _shared(triangles: Array, by: Array) -> Array:
    """Return the areas that each of some triangles shares with one."""
    left = triangles
    for begin, end in zip(by, np.roll(by, -1, axis=0), strict=True):
        left = _cut(left, begin, end - begin)
    x, y = left[..., 0], left[..., 1]
    cross = x * np.roll(y, -1, axis=1) - np.roll(x, -1, axis=1) * y
    areas: Array = np.abs(cross.sum(axis=1)) / 2
    return areas


def _cut(shapes: Array, begin: Array, way: Array) -> Array:
    """Cut convex shapes, shape (n, corners, 2), along a line; keep what lies to its left."""
    side = way[0] * (shapes[..., 1] - begin[1]) - way[1] * (shapes[..., 0] - begin[0])
    following, other = np.roll(shapes, -1, axis=1), np.roll(side, -1, axis=1)
    crosses = (side > 0) != (other > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(crosses, side / (side - other), 0)[..., None]
    crossing = shapes + share * (following - shapes)
    count = shapes.shape[1]
    kept = np.empty((len(shapes), 2 * count, 2))
    kept[:, ::2], kept[:, 1::2] = shapes, crossing
    there = np.empty((len(shapes), 2 * count), bool)
    there[:, ::2], there[:, 1::2] = side > 0, crosses
    # A corner that is cut off takes the place of the one before it, which adds no area.
    last = np.maximum.accumulate(np.where(there, np.arange(2 * count), -1), axis=1)
    last = np.where(last < 0, last[:, -1:], last)
    filled: Array = np.take_along_axis(kept, np.maximum(last, 0)[..., None], axis=1)
    return np.where(there.any(axis=1)[:, None, None], filled, 0)
