"""The clip against another computation: GEOS on the whole area, one feature at a time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from marinemap.extraction.areas.clip import Clipper
from marinemap.extraction.areas.grid import AreaGrid
from marinemap.extraction.areas.local import LocalParts
from marinemap.extraction.geometry.plain_rows import plain_rows
from marinemap.extraction.geometry.raster import EDGE, INSIDE, OUTSIDE
from marinemap.extraction.geometry.wkb import promoted, to_column, to_geometries
from tests.extraction.exact import covered, covers
from tests.extraction.generated import areas, features, of_dimension, rounding
from tests.extraction.sizes import unhurried

# Relative to the area: doubles carry 16 digits, an intersection loses a few of them.
TOLERANCE = 1e-9


@pytest.mark.fuzz
@unhurried(60)
@given(st.data())
def test_clip_agrees_with_an_intersection_with_the_whole_area(data: st.DataObject) -> None:
    area = data.draw(areas())
    given_features = data.draw(st.lists(features(area), min_size=1, max_size=8))
    column = to_column(np.array(given_features, object))
    clipped = Clipper(area).clip(column)
    kept = dict(zip(clipped.rows.tolist(), to_geometries(clipped.column), strict=True))
    for row, feature in enumerate(given_features):
        dimension = int(shapely.get_dimensions(feature))
        expected = of_dimension(shapely.intersection(feature, area), dimension)
        _assert_same(kept.get(row), expected, feature, dimension)


@pytest.mark.fuzz
@unhurried(60)
@given(st.data())
def test_whole_features_are_chosen_as_geos_chooses(data: st.DataObject) -> None:
    area = data.draw(areas())
    given_features = np.array(data.draw(st.lists(features(area), min_size=1, max_size=8)), object)
    column = to_column(given_features)
    touching = Clipper(area, "intersects").clip(column)
    within = Clipper(area, "within").clip(column)
    assert (
        touching.rows.tolist() == np.flatnonzero(shapely.intersects(area, given_features)).tolist()
    )
    assert within.rows.tolist() == np.flatnonzero(covered(area, given_features)).tolist()
    assert touching.column.equals(column.take(touching.rows))


def test_corner_outside_by_the_last_digit_is_not_within() -> None:
    """GEOS asked once says that it is; asked of a prepared area, and in truth, it is not."""
    area = shapely.from_wkt("POLYGON ((2.4 3, 8.1 6.5, 7.5 2.4, 2.4 3))")
    top, side = (6, 5.2105263157894735), (5.657142857142857, 5)
    part = shapely.Polygon([top, (6, 5), side])
    assert shapely.covers(area, part)
    assert not covers(area, part)
    lower = shapely.Polygon([(6, 5.2), (6, 5), (5.7, 5)])
    assert covers(area, lower)
    kept = Clipper(area, "within").clip(to_column(np.array([part, lower], object)))
    assert kept.rows.tolist() == [1]


def test_rational_numbers_see_holes_and_shared_edges() -> None:
    """The reference itself, where it can be known by looking."""
    pierced = shapely.box(0, 0, 8, 8).difference(shapely.box(3, 3, 5, 5))
    inside = [(0, 0, 3, 8), (0, 0, 8, 3), (5, 3, 8, 5), (1, 1, 2, 2), (0, 0, 3, 3)]
    both = shapely.multipolygons([shapely.box(1, 1, 2, 2), shapely.box(3, 3, 5, 5)])
    assert not covers(pierced, both)
    outside = [(2, 2, 6, 6), (3, 3, 5, 5), (0, 0, 8, 8), (7, 7, 9, 8), (9, 9, 10, 10), (3, 4, 6, 5)]
    assert all(covers(pierced, shapely.box(*box)) for box in inside)
    assert not any(covers(pierced, shapely.box(*box)) for box in outside)


@pytest.mark.fuzz
@unhurried(60)
@given(areas(), st.integers(0, 7), st.integers(0, 2**32))
def test_grid_never_calls_a_box_inside_or_outside_that_is_not(
    area: Any, level: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    minx, miny, maxx, maxy = area.bounds
    size = np.array([maxx - minx, maxy - miny])
    low = np.array([minx, miny]) + random.uniform(-0.3, 1.2, (50, 2)) * size
    boxes = np.hstack([low, low + random.exponential(0.05, (50, 2)) * size])
    verdict = AreaGrid(area, level).classify(boxes)
    shapes = shapely.box(*boxes.T)
    assert shapely.contains_properly(area, shapes[verdict == INSIDE]).all()
    assert not shapely.intersects(area, shapes[verdict == OUTSIDE]).any()


@pytest.mark.fuzz
@unhurried(60)
@given(areas(), st.integers(0, 2**32))
def test_local_part_equals_the_area_around_a_box(area: Any, seed: int) -> None:
    random = np.random.default_rng(seed)
    minx, miny, maxx, maxy = area.bounds
    low = random.uniform([minx, miny], [maxx, maxy], (10, 2))
    boxes = np.hstack([low, low + random.uniform(0, 0.02, (10, 2)) * (maxx - minx)])
    for box, part in zip(boxes, LocalParts(area).around(boxes), strict=True):
        shape = shapely.box(*box)
        off = shapely.symmetric_difference(
            shapely.intersection(shape, part), shapely.intersection(shape, area)
        )
        assert off.area <= (TOLERANCE + rounding(shape)) * shape.area


@pytest.mark.fuzz
@unhurried(60)
@given(areas())
def test_cover_holds_the_area(area: Any) -> None:
    boxes = shapely.union_all([shapely.box(*box) for box in AreaGrid(area, 6).cover()])
    assert shapely.covers(boxes, area)


def test_no_vertex_appears_but_of_feature_area_and_crossings() -> None:
    angles = np.linspace(0, 2 * math.pi, 2_000)[:-1]
    radii = 5 + np.sin(angles * 40)
    area = shapely.Polygon(np.column_stack([radii * np.cos(angles), radii * np.sin(angles)]))
    corners = np.array([(x / 4, y / 4) for x in range(-24, 24) for y in range(-24, 24)])
    tiles = shapely.box(*corners.T, *(corners + 0.25).T)
    clipped = Clipper(area).clip(to_column(tiles))
    vertices = shapely.points(shapely.get_coordinates(to_geometries(clipped.column)))
    # Every vertex lies on an edge of a tile or of the area; a seam's corner inside a tile does
    # not. Crossings are rounded to the last digit or so.
    lines = shapely.union(shapely.boundary(area), shapely.union_all(shapely.boundary(tiles)))
    shapely.prepare(lines)
    assert shapely.dwithin(vertices, lines, 1e-12).all()
    total = shapely.area(to_geometries(clipped.column)).sum()
    assert abs(total - area.area) < TOLERANCE * area.area


def test_broken_boxes_are_left_open_by_the_grid() -> None:
    grid = AreaGrid(shapely.box(0, 0, 1, 1), 4)
    assert (
        grid.classify(np.array([[math.nan] * 4, [0.4, 0.4, math.inf, 0.5]])).tolist() == [EDGE] * 2
    )


def test_single_parts_become_multi_without_a_change_of_coordinates() -> None:
    wkts = ["POINT (1 2)", "LINESTRING Z (0 0 1, 1 1 2)", "POLYGON ((0 0, 1 0, 1 1, 0 0))"]
    wkts += ["MULTIPOINT (1 2, 3 4)", "MULTIPOLYGON (((0 0, 1 0, 1 1, 0 0)))"]
    column = to_column(np.array([shapely.from_wkt(wkt) for wkt in wkts], object))
    multis = to_geometries(promoted(column))
    assert all(multi.geom_type.startswith("Multi") for multi in multis)
    assert [shapely.get_num_geometries(m) for m in multis] == [1, 1, 1, 2, 1]
    assert shapely.equals(multis, to_geometries(column)).all()
    assert sum(len(group.rows) for group in plain_rows(column)) == 4


def _assert_same(kept: Any, expected: Any, feature: Any, dimension: int) -> None:
    measure = (lambda g: 0.0, shapely.length, shapely.area)[dimension]
    if dimension == 0:
        assert (kept is None) == (expected is None)
        assert kept is None or shapely.equals(kept, expected)
        return
    allowed = TOLERANCE * max(float(measure(feature)), 1e-300)
    if kept is None and expected is None:
        return
    if kept is None or expected is None:
        assert float(measure(kept if expected is None else expected)) <= allowed
        return
    assert kept.geom_type.removeprefix("Multi") == expected.geom_type.removeprefix("Multi")
    if dimension == 2:
        assert shapely.symmetric_difference(kept, expected).area <= allowed
    else:
        # Lines that differ by rounding share no length; their lengths and distance tell.
        assert abs(kept.length - expected.length) <= allowed
        assert shapely.hausdorff_distance(kept, expected) <= 1e-9 * max(1.0, feature.length)
