"""Whether an area covers a polygon, by rational numbers: no digit is rounded."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import shapely

Point = tuple[Fraction, Fraction]
Edge = tuple[Point, Point]


def covered(area: Any, features: Any) -> Any:
    """Tell which features lie within; where GEOS differs from itself, rational numbers do."""
    once = shapely.covers(area, features)
    prepared = shapely.from_wkb(shapely.to_wkb(area))
    shapely.prepare(prepared)
    often = shapely.covers(prepared, features)
    for row in np.flatnonzero((once != often) & (shapely.get_dimensions(features) == 2)):
        once[row] = covers(area, features[row])
    return once


def covers(area: Any, polygon: Any) -> bool:
    """Tell whether no point of a valid polygon or multipolygon lies outside a valid area."""
    around = _edges(area)
    return all(_covers_part(around, _edges(part)) for part in shapely.get_parts(polygon))


def _covers_part(around: list[Edge], within: list[Edge]) -> bool:
    """Tell it of one polygon.

    Its edges are divided where they meet the area's: then each piece lies inside, outside or on
    the edge as a whole. An edge of the area that crosses none of them may still lie within.
    """
    for edge in within:
        shares = sorted({share for other in around for share in _meetings(edge, other)} | {0, 1})
        middles = [(a + b) / 2 for a, b in zip(shares, shares[1:], strict=False)]
        if any(_is_outside(_along(edge, Fraction(s)), around) for s in (*shares, *middles)):
            return False
    places = [place for a, b in around for place in (a, _along((a, b), Fraction(1, 2)))]
    if any(_is_inside(place, within) for place in places):
        return False
    # Now it is inside or outside as a whole: it may be the very hole of the area.
    return not _is_outside(_inner_point(within), around)


def _edges(geometry: Any) -> list[Edge]:
    rings = shapely.get_rings(shapely.get_parts(geometry))
    edges = []
    for ring in rings:
        corners = [(Fraction(x), Fraction(y)) for x, y in shapely.get_coordinates(ring).tolist()]
        edges += [(a, b) for a, b in zip(corners, corners[1:], strict=False) if a != b]
    return edges


def _along(edge: Edge, share: Fraction) -> Point:
    (ax, ay), (bx, by) = edge
    return ax + share * (bx - ax), ay + share * (by - ay)


def _meetings(edge: Edge, other: Edge) -> list[Fraction]:
    """Return where another edge meets one, as shares of its length."""
    (ax, ay), (bx, by) = edge
    (cx, cy), (dx, dy) = other
    if max(ax, bx) < min(cx, dx) or max(cx, dx) < min(ax, bx):
        return []
    ux, uy, vx, vy, wx, wy = bx - ax, by - ay, dx - cx, dy - cy, cx - ax, cy - ay
    turn = ux * vy - uy * vx
    if turn:
        share, of_other = (wx * vy - wy * vx) / turn, (wx * uy - wy * ux) / turn
        return [share] if 0 <= share <= 1 and 0 <= of_other <= 1 else []
    if wx * uy != wy * ux:
        return []
    length = ux * ux + uy * uy
    ends = [((x - ax) * ux + (y - ay) * uy) / length for x, y in other]
    return [end for end in ends if 0 <= end <= 1]


def _inner_point(edges: list[Edge]) -> Point:
    """Return a point between the first two edges that a line above the lowest corner crosses."""
    lowest, next_lowest = sorted({y for (_, y), _ in edges})[:2]
    y = (lowest + next_lowest) / 2
    crossed = sorted(_crossing(edge, y) for edge in edges if (edge[0][1] > y) != (edge[1][1] > y))
    return (crossed[0] + crossed[1]) / 2, y


def _crossing(edge: Edge, y: Fraction) -> Fraction:
    (ax, ay), (bx, by) = edge
    return ax + (y - ay) * (bx - ax) / (by - ay)


def _is_outside(point: Point, edges: list[Edge]) -> bool:
    return not _is_on(point, edges) and not _is_enclosed(point, edges)


def _is_inside(point: Point, edges: list[Edge]) -> bool:
    return not _is_on(point, edges) and _is_enclosed(point, edges)


def _is_on(point: Point, edges: list[Edge]) -> bool:
    x, y = point
    return any(
        min(ax, bx) <= x <= max(ax, bx)
        and min(ay, by) <= y <= max(ay, by)
        and (bx - ax) * (y - ay) == (by - ay) * (x - ax)
        for (ax, ay), (bx, by) in edges
    )


def _is_enclosed(point: Point, edges: list[Edge]) -> bool:
    """Count the edges to the right: they are odd within a valid polygon, holes or not."""
    x, y = point
    crossed = [_crossing(edge, y) > x for edge in edges if (edge[0][1] > y) != (edge[1][1] > y)]
    return sum(crossed) % 2 == 1
