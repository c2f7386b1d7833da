"""Areas and features that hypothesis makes up: all types, slivers, shared edges, all over Earth."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import shapely
from hypothesis import assume
from hypothesis import strategies as st

PLACES = [(0, 0), (-179, 5), (178, -60), (30, 80), (2, 1), (-70, -33)]


@st.composite
def stars(draw: st.DrawFn, corners: int = 40) -> Any:
    """A star-shaped polygon, sometimes with a hole, anywhere on the globe."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    count = draw(st.integers(3, corners))
    angles = np.sort(random.uniform(0, 2 * math.pi, count))
    radius = draw(st.sampled_from([0.001, 0.1, 1.0, 8.0]))
    radii = radius * random.uniform(0.2, 1.0, count)
    x, y = draw(st.sampled_from(PLACES))
    ring = np.column_stack([x + radii * np.cos(angles), y + radii * np.sin(angles)])
    polygon = sound(ring)
    assume(polygon.area > 1e-12)
    if draw(st.booleans()):
        hole = polygon.representative_point().buffer(radius * 0.05, 3)
        polygon = polygon.difference(hole)
    return polygon


@st.composite
def areas(draw: st.DrawFn) -> Any:
    """One to four polygons, joined: with parts, with holes, some beyond 180 degrees."""
    parts = draw(st.lists(stars(200), min_size=1, max_size=4))
    area = shapely.union_all(parts)
    assume(area.area > 1e-9)
    # Wider than the world is refused.
    assume(area.bounds[2] - area.bounds[0] <= 360)
    return area


@st.composite
def pierced_areas(draw: st.DrawFn) -> Any:
    """Many squares in rows, each with a hole: an area of many parts."""
    x, y = draw(st.sampled_from(PLACES))
    side = draw(st.integers(2, 12))
    width = draw(st.sampled_from([0.01, 0.3]))
    column, row = (each.ravel() for each in np.meshgrid(np.arange(side), np.arange(side)))
    low = np.column_stack([x + column * width, y + row * width])
    outer = shapely.box(*low.T, *(low + 0.8 * width).T)
    inner = shapely.box(*(low + 0.3 * width).T, *(low + 0.5 * width).T)
    return shapely.union_all(shapely.difference(outer, inner))


@st.composite
def features(draw: st.DrawFn, area: Any, *, collections: bool = False) -> Any:
    """A feature of any type near the area, some sharing its edges, some slivers."""
    minx, miny, maxx, maxy = area.bounds
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    size = max(maxx - minx, maxy - miny)
    count = draw(st.integers(4, 30))
    reach = size * draw(st.sampled_from([0.002, 0.05, 0.5, 1.5]))
    middle = np.array([random.uniform(minx, maxx), random.uniform(miny, maxy)])
    points = middle + random.uniform(-reach, reach, (count, 2))
    angles = np.sort(random.uniform(0, 2 * math.pi, count))[:, None]
    ring = middle + reach * random.uniform(0.3, 1, (count, 1)) * np.hstack(
        [np.cos(angles), np.sin(angles)]
    )
    choices = {
        "polygon": lambda: sound(ring),
        "donut": lambda: sound(ring).difference(shapely.Point(middle).buffer(reach / 20, 2)),
        "pair": lambda: shapely.multipolygons(
            [
                shapely.box(*(middle - reach), *(middle - reach / 2)),
                shapely.box(*middle, *(middle + reach)),
            ]
        ),
        "sliver": lambda: shapely.box(*middle, middle[0] + reach, middle[1] + reach * 1e-6),
        "shared": lambda: shapely.intersection(
            area, shapely.box(*(middle - reach), *(middle + reach))
        ),
        "line": lambda: shapely.LineString(points),
        "lines": lambda: shapely.MultiLineString([points[:2], points[2:]]),
        "point": lambda: shapely.Point(points[0]),
        "points": lambda: shapely.MultiPoint(points),
        "vertex": lambda: shapely.Point(shapely.get_coordinates(area)[0]),
        "collection": lambda: shapely.geometrycollections(
            [shapely.Point(points[0]), shapely.LineString(points), sound(ring)]
        ),
    }
    if not collections:
        del choices["collection"]
    feature = choices[draw(st.sampled_from(sorted(choices)))]()
    assume(not feature.is_empty and feature.is_valid)
    assume(collections or feature.geom_type != "GeometryCollection")
    return feature


def sound(ring: Any) -> Any:
    """Return the polygon of a ring, or what lies around it where it crosses itself."""
    polygon = shapely.Polygon(ring)
    return polygon if polygon.is_valid else polygon.convex_hull


def of_dimension(geometry: Any, dimension: int) -> Any:
    """Return the parts of a dimension as one geometry, None where there are none."""
    parts = shapely.get_parts(shapely.get_parts(geometry))
    parts = parts[(shapely.get_dimensions(parts) == dimension) & ~shapely.is_empty(parts)]
    return shapely.union_all(parts) if len(parts) else None


def rounding(geometry: Any) -> float:
    """Return what the last digit of a crossing may move, as a share of a geometry's area.

    At 179 degrees it is 3e-14, three nanometres; for a square of 50 m that is a share of 1e-9. The
    same crossing may be rounded in two ways, by two computations or along two pieces of an edge.
    """
    last_digit = float(np.spacing(np.abs(geometry.bounds).max()))
    return 4 * last_digit * float(geometry.length / geometry.area)
