"""Clipping: what passes untouched, what is cut, what is left out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely

from marinemap.extraction.areas.clip import Clipped, Clipper
from marinemap.extraction.geometry.wkb import to_column, to_geometries

AREA = shapely.box(0, 0, 10, 10)


def clip(geometries: list[Any], area: Any = AREA) -> Clipped:
    return Clipper(area).clip(to_column(np.array(geometries, dtype=object)))


def cut(geometry: Any, area: Any = AREA) -> Any:
    kept = to_geometries(clip([geometry], area).column)
    return kept[0] if len(kept) else None


@pytest.mark.parametrize(
    "wkt",
    [
        "POLYGON ((1 1, 2 1, 2 2, 1 1))",
        "POLYGON ((3 1, 2 2, 1 1, 3 1), (2.5 1.2, 1.5 1.2, 2 1.5, 2.5 1.2))",
        "MULTIPOLYGON (((1 1, 2 1, 2 2, 1 1)), ((5 5, 6 5, 6 6, 5 5)))",
        "LINESTRING (1 1, 9 9, 1 9)",
        "MULTILINESTRING ((1 1, 2 2), (3 3, 4 4))",
        "POINT (5 5)",
        "MULTIPOINT (1 1, 2 2)",
        "POLYGON Z ((1 1 7, 2 1 8, 2 2 9, 1 1 7))",
        "LINESTRING Z (1 1 5, 2 2 -5)",
    ],
)
def test_geometry_inside_passes_coordinate_for_coordinate(wkt: str) -> None:
    geometry = shapely.from_wkt(wkt)
    kept = cut(geometry)
    assert kept.wkb == geometry.wkb


@pytest.mark.parametrize(
    ("wkt", "expected"),
    [
        ("POLYGON ((5 5, 15 5, 15 15, 5 15, 5 5))", "POLYGON ((5 5, 10 5, 10 10, 5 10, 5 5))"),
        ("POLYGON ((-5 -5, 15 -5, 15 15, -5 15, -5 -5))", AREA.wkt),
        (AREA.wkt, AREA.wkt),
        ("LINESTRING (5 5, 15 5)", "LINESTRING (5 5, 10 5)"),
        (
            "LINESTRING (-5 5, 5 5, 5 15, 6 15, 6 5)",
            "MULTILINESTRING ((0 5, 5 5, 5 10), (6 10, 6 5))",
        ),
        ("MULTIPOINT (5 5, 15 5)", "POINT (5 5)"),
        ("LINESTRING (0 0, 10 0)", "LINESTRING (0 0, 10 0)"),
        ("POINT (10 5)", "POINT (10 5)"),
    ],
)
def test_geometry_on_the_edge_is_cut_to_the_area(wkt: str, expected: str) -> None:
    assert shapely.equals(cut(shapely.from_wkt(wkt)), shapely.from_wkt(expected))


@pytest.mark.parametrize(
    "wkt",
    [
        "POLYGON ((20 20, 21 20, 21 21, 20 20))",
        "POINT (10.000001 5)",
        "LINESTRING (20 0, 20 10)",
        "POLYGON EMPTY",
        "POINT EMPTY",
        "LINESTRING EMPTY",
    ],
)
def test_geometry_outside_or_empty_is_left_out(wkt: str) -> None:
    assert cut(shapely.from_wkt(wkt)) is None


@pytest.mark.parametrize(
    "wkt",
    [
        "POLYGON ((10 2, 12 2, 12 4, 10 4, 10 2))",
        "POLYGON ((10 10, 12 10, 12 12, 10 10))",
        "LINESTRING (10 5, 15 5)",
        "LINESTRING (5 15, 10 10, 15 5)",
    ],
    ids=["polygon shares an edge", "polygon shares a corner", "line ends there", "line grazes it"],
)
def test_geometry_that_only_touches_the_area_is_left_out(wkt: str) -> None:
    assert cut(shapely.from_wkt(wkt)) is None


def test_parts_of_a_lower_dimension_are_left_out_of_a_cut() -> None:
    # A square in the area, joined by a corridor outside to a square that shares its edge.
    bridge = "POLYGON ((8 1, 11 1, 11 6, 10 6, 10 5, 10 3, 10.5 3, 10.5 2, 8 2, 8 1))"
    kept = cut(shapely.from_wkt(bridge))
    assert kept.geom_type == "Polygon"
    assert shapely.equals(kept, shapely.box(8, 1, 10, 2))


def test_several_polygons_besides_a_line_stay_one_multipolygon() -> None:
    comb = shapely.union_all(
        [
            shapely.box(8, 1, 12, 2),
            shapely.box(8, 3, 12, 4),
            shapely.box(10, 5, 12, 6),
            shapely.box(11, 1, 12, 6),
        ]
    )
    kept = cut(comb)
    assert kept.geom_type == "MultiPolygon"
    assert shapely.equals(kept, shapely.union(shapely.box(8, 1, 10, 2), shapely.box(8, 3, 10, 4)))


def test_hole_of_the_area_stays_empty() -> None:
    area = AREA.difference(shapely.box(4, 4, 6, 6))
    assert cut(shapely.box(4.5, 4.5, 5.5, 5.5), area) is None
    assert cut(shapely.box(3, 3, 7, 7), area).area == pytest.approx(16 - 4)


def test_hole_of_a_feature_stays_empty() -> None:
    ring = shapely.box(5, 5, 15, 15).difference(shapely.box(6, 6, 14, 14))
    # An L of width 1 whose arms are 5 long.
    assert cut(ring).area == pytest.approx(9)


def test_parts_of_an_area_in_pieces_all_count() -> None:
    area = shapely.union(shapely.box(0, 0, 1, 1), shapely.box(5, 0, 6, 1))
    kept = cut(shapely.LineString([(-1, 0.5), (7, 0.5)]), area)
    assert kept.geom_type == "MultiLineString"
    assert kept.length == pytest.approx(2)


def test_height_at_the_cut_is_that_of_the_line_there() -> None:
    kept = cut(shapely.from_wkt("LINESTRING Z (5 5 0, 15 5 100)"))
    # Half the way, half the height; GEOS interpolates along the edge.
    assert shapely.get_coordinates(kept, include_z=True).tolist() == [[5, 5, 0], [10, 5, 50]]


def test_invalid_geometry_on_the_edge_is_repaired_and_counted() -> None:
    bow_tie = shapely.from_wkt("POLYGON ((8 0, 12 4, 12 0, 8 4, 8 0))")
    sound = shapely.box(9, 5, 11, 6)
    clipped = clip([bow_tie, sound])
    assert clipped.repaired == 1
    # The left of two triangles of base 4 and height 2 that meet at (10, 2).
    kept = to_geometries(clipped.column)
    assert kept[0].area == pytest.approx(4)
    assert kept[0].is_valid


@pytest.mark.parametrize(
    "wkt",
    [
        # GEOS fails to cut the first, and cuts the second without a word to a wrong area.
        "MULTIPOLYGON (((-5 2, 15 8, 15 2, -5 8, -5 2)))",
        "MULTIPOLYGON (((5 2, 15 2, 15 9, 5 9, 5 2)), ((6 4, 8 4, 8 7, 6 7, 6 4)))",
    ],
)
def test_huge_invalid_geometry_is_repaired_like_a_small_one(wkt: str) -> None:
    plain = shapely.from_wkt(wkt)
    rings = [part.exterior for part in plain.geoms]
    # Ring by ring, for segmentize mends a polygon that is not valid.
    parts = [shapely.Polygon(shapely.segmentize(ring, 0.0004).coords) for ring in rings]
    huge = shapely.MultiPolygon(parts)
    assert shapely.get_num_coordinates(huge) > 50_000
    small, clipped = clip([plain]), clip([huge])
    assert clipped.repaired == small.repaired == 1
    pieces = to_geometries(pa.concat_arrays([small.column, clipped.column]))
    assert shapely.is_valid(pieces).all()
    # Corners added along a slanted side lie off it by the rounding of their coordinates.
    assert shapely.area(pieces[1]) == pytest.approx(shapely.area(pieces[0]), rel=1e-9)


def test_huge_geometry_on_the_edge_is_cut() -> None:
    clipped = clip([shapely.segmentize(shapely.box(5, 5, 15, 15), 0.0005)])
    assert clipped.repaired == 0
    assert shapely.equals(to_geometries(clipped.column)[0], shapely.box(5, 5, 10, 10))


@pytest.mark.parametrize("west", [3.0, 8.0], ids=["inside", "on the edge"])
def test_polygon_with_a_coordinate_that_is_no_number_is_left_out_and_counted(west: float) -> None:
    ring = [(west, 1), (west + 4, 1), (math.nan, 3), (west, 5), (west, 1)]
    with np.errstate(invalid="ignore"):
        broken = shapely.Polygon(ring)
    clipped = clip([shapely.box(1, 1, 2, 2), broken])
    assert clipped.rows.tolist() == [0]
    assert (clipped.not_finite, clipped.repaired) == (1, 0)


def test_every_dimension_is_kept_and_missing_geometries_are_left_out() -> None:
    present = [shapely.Point(5, 5), shapely.LineString([(1, 1), (2, 2)]), shapely.box(1, 1, 2, 2)]
    clipped = clip([None, *present])
    assert clipped.rows.tolist() == [1, 2, 3]
    assert list(to_geometries(clipped.column)) == present


def test_no_geometries_give_none() -> None:
    assert len(clip([]).column) == 0
