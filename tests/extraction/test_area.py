"""Areas: what is taken, what is repaired, what is refused and how."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import shapely

from marinemap.errors import RequestError
from marinemap.extraction import parse_area
from marinemap.extraction.areas.geojson import MAX_VERTICES

SQUARE = [[0, 40], [2, 40], [2, 42], [0, 42], [0, 40]]
FAR_SQUARE = [[5, 40], [6, 40], [6, 41], [5, 41], [5, 40]]
POLYGON = {"type": "Polygon", "coordinates": [SQUARE]}
BOW_TIE = {"type": "Polygon", "coordinates": [[[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]]}


def polygon(*rings: Any) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": list(rings)}


def feature(geometry: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": {"type": "Point"}, "geometry": geometry}


def same_place(area: Any, expected: Any) -> bool:
    """Tell whether two areas cover the same surface, whatever their corners' order."""
    found = area.degrees_within_180
    return area.geometry.is_valid and found.is_valid and shapely.equals(found, expected)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(POLYGON, id="polygon"),
        pytest.param({"type": "MultiPolygon", "coordinates": [[SQUARE]]}, id="multipolygon"),
        pytest.param(feature(POLYGON), id="feature"),
        pytest.param(
            {"type": "FeatureCollection", "features": [feature(POLYGON)]}, id="feature collection"
        ),
        pytest.param(
            {"type": "GeometryCollection", "geometries": [POLYGON]}, id="geometry collection"
        ),
        pytest.param(polygon(SQUARE[:-1]), id="ring left open"),
        pytest.param(polygon([[x, y, 7] for x, y in SQUARE]), id="heights are passed over"),
        pytest.param(shapely.box(0, 40, 2, 42).__geo_interface__, id="Python's geo interface"),
        pytest.param([0, 40, 2, 42], id="bounds"),
        pytest.param((0.0, 40.0, 2.0, 42.0), id="bounds as a tuple"),
        pytest.param({"bbox": [0, 40, 2, 42]}, id="bbox"),
        pytest.param({"bbox": [0, 40, -5, 2, 42, 5]}, id="bbox with heights"),
    ],
)
def test_every_way_to_describe_a_square_gives_the_square(value: Any) -> None:
    area = parse_area(value)
    assert same_place(area, shapely.box(0, 40, 2, 42))
    assert area.notes == ()
    assert area.bounds_4326 == (0, 40, 2, 42)


def test_features_without_geometry_are_passed_over() -> None:
    collection = {"type": "FeatureCollection", "features": [feature(None), feature(POLYGON)]}
    assert same_place(parse_area(collection), shapely.box(0, 40, 2, 42))


def test_hole_is_kept() -> None:
    hole = [[0.5, 40.5], [1.5, 40.5], [1.5, 41.5], [0.5, 41.5], [0.5, 40.5]]
    assert parse_area(polygon(SQUARE, hole)).geometry.area == pytest.approx(4 - 1)


def test_separate_features_become_one_multipolygon() -> None:
    collection = {
        "type": "FeatureCollection",
        "features": [feature(POLYGON), feature(polygon(FAR_SQUARE))],
    }
    area = parse_area(collection)
    assert area.geometry.geom_type == "MultiPolygon"
    assert area.geometry.area == pytest.approx(4 + 1)


def test_overlapping_features_count_once_and_are_no_mistake() -> None:
    shifted = [[x + 1, y] for x, y in SQUARE]
    area = parse_area({"type": "MultiPolygon", "coordinates": [[SQUARE], [shifted]]})
    assert same_place(area, shapely.box(0, 40, 3, 42))
    assert area.notes == ()


def test_bow_tie_is_repaired_with_a_note() -> None:
    area = parse_area(BOW_TIE)
    # Two triangles of base 2 and height 1 that meet at (1, 1).
    assert area.geometry.is_valid
    assert area.geometry.area == pytest.approx(2)
    assert "repaired" in area.notes[0]


def test_parsing_what_was_given_again_gives_the_same_area() -> None:
    for value in (BOW_TIE, [170, -20, -170, -10], {"bbox": [0, 0, 1, 1], "crs": "EPSG:4258"}):
        area = parse_area(value)
        again = parse_area(area.given)
        assert shapely.equals(again.geometry, area.geometry)
        assert (again.notes, again.crs) == (area.notes, area.crs)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param([170, -20, -170, -10], id="west larger than east"),
        pytest.param([170, -20, 190, -10], id="east beyond 180"),
        pytest.param([-190, -20, -170, -10], id="west beyond -180"),
        pytest.param(
            polygon([[170, -20], [190, -20], [190, -10], [170, -10], [170, -20]]), id="polygon"
        ),
    ],
)
def test_area_beyond_180_degrees_is_cut_there(value: Any) -> None:
    expected = shapely.union(shapely.box(170, -20, 180, -10), shapely.box(-180, -20, -170, -10))
    assert same_place(parse_area(value), expected)


def test_map_dragged_once_round_gives_the_same_place() -> None:
    dragged = polygon([[x + 360, y] for x, y in SQUARE])
    assert same_place(parse_area(dragged), shapely.box(0, 40, 2, 42))


def test_whole_world_is_an_area() -> None:
    assert same_place(parse_area([-180, -90, 180, 90]), shapely.box(-180, -90, 180, 90))


def test_bounds_may_name_a_projected_crs() -> None:
    # EPSG:3857 runs from 0 to 20037508.34 m for 0 to 180 degrees east, and 0 m is the equator.
    half_world_m = math.pi * 6_378_137
    area = parse_area({"bbox": [0, 0, half_world_m / 2, 1000], "crs": "EPSG:3857"})
    west, south, east, _ = area.bounds_4326
    # 1e-9 degrees, a tenth of a millimetre: what double precision leaves of a projection.
    assert (west, south, east) == pytest.approx((0, 0, 90), abs=1e-9)


def circle(positions: int, x: float = 0) -> list[list[float]]:
    """Return a closed ring of so many positions round (x, 0)."""
    angles = np.linspace(0, 2 * np.pi, positions)
    ring = np.column_stack([x + 10 * np.cos(angles), 10 * np.sin(angles)])
    ring[-1] = ring[0]
    return ring.tolist()


def test_most_corners_allowed_is_allowed() -> None:
    area = parse_area(polygon(circle(MAX_VERTICES)))
    assert len(area.geometry.exterior.coords) == MAX_VERTICES


def test_more_corners_are_refused_with_the_limit() -> None:
    halves = [[circle(MAX_VERTICES // 2)], [circle(MAX_VERTICES // 2 + 1, 50)]]
    with pytest.raises(RequestError, match="500,000 are allowed") as caught:
        parse_area({"type": "MultiPolygon", "coordinates": halves})
    assert caught.value.hint


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = POLYGON
    for _ in range(depth):
        value = {"type": "GeometryCollection", "geometries": [value]}
    return value


def test_five_levels_of_collections_are_taken() -> None:
    assert same_place(parse_area(nested(5)), shapely.box(0, 40, 2, 42))


@pytest.mark.parametrize(
    "crs",
    [
        {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::3035"}},
        {"type": "link", "properties": {"href": "http://example.org/crs", "type": "ogcwkt"}},
        {"type": "name", "properties": {"name": ["OGC:CRS84"]}},
        "EPSG:3035",
    ],
)
@pytest.mark.parametrize("is_within", [False, True])
def test_geojson_of_another_crs_is_refused(crs: Any, is_within: bool) -> None:
    """It was passed over, and the area lay elsewhere."""
    ring = [[0, 0], [1, 0], [1, 1], [0, 0]]
    polygon = {"type": "Polygon", "coordinates": [ring]}
    given = {"type": "Feature", "geometry": polygon | {"crs": crs}}
    with pytest.raises(RequestError, match="CRS of its own") as caught:
        parse_area(given if is_within else polygon | {"crs": crs})
    assert caught.value.field == "area.crs"


@pytest.mark.parametrize("name", ["urn:ogc:def:crs:OGC:1.3:CRS84", None])
def test_geojson_may_name_the_crs_that_it_has(name: str | None) -> None:
    crs = {"type": "name", "properties": {"name": name}} if name else None
    ring = [[0, 0], [1, 0], [1, 1], [0, 0]]
    area = parse_area({"type": "Polygon", "coordinates": [ring], "crs": crs})
    assert area.geometry.area == 0.5


@pytest.mark.parametrize("depth", [6, 100_000])
def test_deeper_collections_are_refused(depth: int) -> None:
    with pytest.raises(RequestError, match="nested more than 5 deep"):
        parse_area(nested(depth))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param(None, "not an area", id="null"),
        pytest.param(7, "not an area", id="number"),
        pytest.param("POLYGON ((0 0, 1 0, 1 1, 0 0))", "not an area", id="WKT"),
        pytest.param(True, "not an area", id="boolean"),
        pytest.param([], "four numbers", id="empty list"),
        pytest.param([1, 2, 3], "four numbers", id="three bounds"),
        pytest.param([1, 2, 3, "4"], "four numbers", id="text for a bound"),
        pytest.param([0, 0, True, 1], "four numbers", id="boolean for a bound"),
        pytest.param({"bbox": None}, "four numbers", id="bbox is null"),
        pytest.param({"bbox": "0,0,1,1"}, "four numbers", id="bbox is text"),
        pytest.param([0, 0, math.nan, 1], "not a finite number", id="bound is NaN"),
        pytest.param([0, 0, math.inf, 1], "not a finite number", id="bound is infinite"),
        pytest.param([1, 1, 1, 2], "no surface", id="west equals east"),
        pytest.param([0, 2, 1, 1], "no surface", id="south above north"),
        pytest.param([0, 0, 1, 91], "off the globe", id="bound beyond the pole"),
        pytest.param([-900, 0, 900, 1], "off the globe", id="bounds twice round"),
        pytest.param([-200, 0, 200, 1], "off the globe", id="bounds wider than the world"),
        pytest.param({}, "GeoJSON without a 'type' is not an area", id="empty object"),
        pytest.param({"type": "Polygon"}, "empty", id="no coordinates"),
        pytest.param(polygon(), "empty", id="no rings"),
        pytest.param({"type": "MultiPolygon", "coordinates": []}, "empty", id="no polygons"),
        pytest.param({"type": "FeatureCollection", "features": []}, "empty", id="no features"),
        pytest.param({"type": "FeatureCollection"}, "empty", id="no list of features"),
        pytest.param(feature(None), "empty", id="feature without geometry"),
        pytest.param({"type": "Point", "coordinates": [1, 2]}, "'?Point'? is not", id="point"),
        pytest.param(
            {"type": "LineString", "coordinates": [[0, 0], [1, 1]]},
            "'?LineString'? is not",
            id="line",
        ),
        pytest.param(
            {"type": "GeometryCollection", "geometries": [POLYGON, {"type": "Point"}]},
            "'?Point'? is not",
            id="point among polygons",
        ),
        pytest.param({"type": "Circle"}, "'?Circle'? is not", id="no such type"),
        pytest.param({"type": {"a": 1}}, "is not an area", id="type is an object"),
        pytest.param(
            {"type": "GeometryCollection", "geometries": [1]}, "not GeoJSON", id="number as member"
        ),
        pytest.param(feature("x"), "not GeoJSON", id="text as geometry"),
        pytest.param(polygon([]), "not rings", id="empty ring"),
        pytest.param({"type": "Polygon", "coordinates": SQUARE}, "not rings", id="ring too few"),
        pytest.param({"type": "Polygon", "coordinates": {"0": 1}}, "not rings", id="no list"),
        pytest.param({"type": "Polygon", "coordinates": "x"}, "not rings", id="text"),
        pytest.param({"type": "MultiPolygon", "coordinates": [1]}, "not rings", id="number"),
        pytest.param(polygon([[0], [1], [2], [0]]), "not rings", id="positions of one number"),
        pytest.param(polygon([[0, 0], [1], [1, 1], [0, 0]]), "not rings", id="ragged positions"),
        pytest.param(polygon([[0, "a"], [1, 0], [1, 1]]), "not rings", id="word in a position"),
        pytest.param(polygon([{"x": 1}, {"x": 2}]), "not rings", id="positions are objects"),
        pytest.param(polygon(SQUARE, None), "not rings", id="hole is null"),
        pytest.param(polygon([[0, 0], [1, 1]]), "three corners", id="ring of two corners"),
        pytest.param(polygon([[0, 0], [1, 1], [0, 0]]), "three corners", id="closed, two corners"),
        pytest.param(
            polygon([[0, 0], [1, math.nan], [1, 1], [0, 0]]), "not a finite number", id="NaN"
        ),
        pytest.param(
            polygon([[0, 0], [math.inf, 0], [1, 1], [0, 0]]), "not a finite number", id="Infinity"
        ),
        pytest.param(
            polygon([[0, 0], [None, 0], [1, 1], [0, 0]]), "not a finite number", id="null number"
        ),
        pytest.param(
            polygon([[0, 0], [0, 91], [1, 1], [0, 0]]), "off the globe", id="beyond the pole"
        ),
        pytest.param(
            polygon([[0, 0], [541, 0], [1, 1], [0, 0]]), "off the globe", id="too far round"
        ),
        pytest.param(
            polygon([[-500, 0], [500, 0], [500, 1], [-500, 0]]), "off the globe", id="too wide"
        ),
        pytest.param(
            polygon([[500_000, 5_000_000], [500_100, 5_000_000], [500_000, 5_000_100]]),
            "off the globe",
            id="metres for degrees",
        ),
        pytest.param(
            polygon([[0, 0], [1, 1], [2, 2], [0, 0]]), "no surface", id="corners on one line"
        ),
        pytest.param(polygon([[1, 1]] * 4), "no surface", id="corners on one point"),
    ],
)
def test_what_is_no_area_is_refused_with_the_reason(value: Any, reason: str) -> None:
    with pytest.raises(RequestError, match=reason) as caught:
        parse_area(value, field="outline")
    assert caught.value.field == "outline"


@pytest.mark.parametrize("crs", ["EPSG:999999", "+proj=longlat", 3857, None])
def test_bounds_in_no_known_crs_are_refused(crs: Any) -> None:
    with pytest.raises(RequestError) as caught:
        parse_area({"bbox": [0, 0, 1, 1], "crs": crs})
    assert caught.value.field == "area.crs"


def test_message_quotes_a_huge_value_in_short() -> None:
    with pytest.raises(RequestError) as caught:
        parse_area("x" * 1_000_000)
    assert len(caught.value.value or "") <= 80
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "area",
    [
        {"type": "Polygon", "coordinates": [[[0, 0], [10**400, 0], [1, 1]]]},
        [0, 0, 10**400, 1],
        {"bbox": [-1e300, -1e300, 1e300, 1e300], "crs": "EPSG:3857"},
        {"bbox": [500000, 0, 400000, 100], "crs": "EPSG:3857"},
        [170, 0, -200, 10],
        {"type": "Polygon", "coordinates": [[["0", "0"], ["1", "0"], ["1", "1"]]]},
    ],
)
def test_bad_number_is_refused(area: Any) -> None:
    with pytest.raises(RequestError):
        assert parse_area(area).bounds_4326
