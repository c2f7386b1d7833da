"""Coordinate reference systems: which names are taken, and where coordinates go."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import shapely

from marinemap.errors import RequestError
from marinemap.extraction import check_fits, crs_label, parse_crs
from marinemap.extraction.geometry.wkb import to_column, to_geometries
from marinemap.extraction.projection.reproject import Reprojection
from marinemap.extraction.projection.route import Route

# Half the earth's girth at the equator of WGS 84, metres (EPSG:3857's sphere of 6378137 m).
HALF_WORLD_M = math.pi * 6_378_137
# A micrometre: what double precision leaves of coordinates of some 1e7 m.
MICROMETRE = 1e-6
WORLD = (-180.0, -90.0, 180.0, 90.0)


def reproject(geometries: Any, source: pyproj.CRS, target: pyproj.CRS) -> Any:
    route = Route.of(parse_crs("CRS84"), source, target, WORLD)
    column = to_column(np.atleast_1d(np.array(geometries, object)))
    return to_geometries(Reprojection(route).move(column).column)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("EPSG:3857", "EPSG:3857"),
        ("epsg:3857", "EPSG:3857"),
        (" EPSG:4326 ", "EPSG:4326"),
        ("urn:ogc:def:crs:EPSG::32631", "EPSG:32631"),
        ("urn:ogc:def:crs:EPSG:9.9.1:32631", "EPSG:32631"),
        ("http://www.opengis.net/def/crs/EPSG/0/3857", "EPSG:3857"),
        ("https://www.opengis.net/def/crs/EPSG/9.9.1/3857", "EPSG:3857"),
        ("OGC:CRS84", "OGC:CRS84"),
        ("CRS84", "OGC:CRS84"),
        ("urn:ogc:def:crs:OGC:1.3:CRS84", "OGC:CRS84"),
        ("http://www.opengis.net/def/crs/OGC/1.3/CRS84", "OGC:CRS84"),
    ],
)
def test_every_form_of_a_name_gives_its_crs(text: str, code: str) -> None:
    assert crs_label(parse_crs(text)) == code


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3857",
        "EPSG:",
        "EPSG:-1",
        "EPSG:3857; DROP TABLE",
        "EPSG:12345678",
        "WGS 84",
        "+proj=merc",
        "+init=epsg:3857",
        'GEOGCS["WGS 84"]',
        "/etc/passwd",
        "http://127.0.0.1:9/crs",
        "EPSG:3857\nEPSG:4326",
        "E" * 1_000_000,
        3857,
        None,
        ["EPSG:3857"],
    ],
    ids=lambda text: repr(text)[:30],
)
def test_other_names_are_refused_with_the_form_that_is_taken(text: str) -> None:
    with pytest.raises(RequestError, match="EPSG:3857") as caught:
        parse_crs(text)
    assert caught.value.field == "crs"


def test_a_path_of_a_crs_file_is_not_opened(tmp_path: Path) -> None:
    file = tmp_path / "own.wkt"
    file.write_text(pyproj.CRS("EPSG:3857").to_wkt())
    with pytest.raises(RequestError, match="not a CRS"):
        parse_crs(str(file))


@pytest.mark.parametrize("code", ["EPSG:999999", "EPSG:0", "EPSG:000001"])
def test_code_that_does_not_exist_is_named(code: str) -> None:
    with pytest.raises(RequestError, match="there is no CRS") as caught:
        parse_crs(code)
    assert caught.value.value == code
    assert caught.value.hint


@pytest.mark.parametrize(
    ("code", "kind"), [("EPSG:5714", "Vertical CRS"), ("EPSG:4978", "Geocentric CRS")]
)
def test_crs_without_map_coordinates_is_refused(code: str, kind: str) -> None:
    with pytest.raises(RequestError, match=kind):
        parse_crs(code)


def test_crs_that_fits_the_area_is_taken() -> None:
    check_fits(parse_crs("EPSG:32631"), (1, 50, 2, 51), "crs")
    check_fits(parse_crs("EPSG:4326"), (-180, -90, 180, 90), "crs")


@pytest.mark.parametrize(
    "bounds_4326",
    [(50, 50, 51, 51), (-10, 50, -9, 51), (1, -50, 2, -40), (1, 85, 2, 86)],
    ids=["east of it", "west of it", "south of it", "north of it"],
)
def test_crs_for_elsewhere_is_refused_saying_where_it_is_for(
    bounds_4326: tuple[float, float, float, float],
) -> None:
    with pytest.raises(
        RequestError, match="is made for longitude 0.0 to 6.0, latitude 0.0 to 84.0; the"
    ) as caught:
        check_fits(parse_crs("EPSG:32631"), bounds_4326, "output")
    assert caught.value.field == "output"


@pytest.mark.parametrize(
    ("bounds_4326", "fits"),
    [((170, -45, 171, -44), True), ((-178, -45, -177, -44), True), ((0, -45, 1, -44), False)],
)
def test_area_of_use_across_180_degrees_is_understood(
    bounds_4326: tuple[float, float, float, float], fits: bool
) -> None:
    # EPSG:3851, New Zealand's continental shelf: 160.6 east to 171.2 west.
    crs = parse_crs("EPSG:3851")
    if fits:
        check_fits(crs, bounds_4326, "crs")
    else:
        with pytest.raises(RequestError):
            check_fits(crs, bounds_4326, "crs")


def test_mercator_coordinates_are_those_of_its_formula() -> None:
    latitude = 60.0
    points = shapely.points([[180, 0], [-90, latitude]])
    moved = reproject(points, parse_crs("EPSG:4326"), parse_crs("EPSG:3857"))
    # EPSG Guidance Note 7-2, Popular Visualisation Pseudo-Mercator: y = R ln tan(45° + lat/2).
    y = 6_378_137 * math.log(math.tan(math.pi / 4 + math.radians(latitude) / 2))
    expected = [[HALF_WORLD_M, 0], [-HALF_WORLD_M / 2, y]]
    assert shapely.get_coordinates(moved) == pytest.approx(np.array(expected), abs=MICROMETRE)


def test_same_crs_under_another_name_leaves_coordinates_as_they_are() -> None:
    points = shapely.points([[0.1 + 0.2, 1 / 3]])
    moved = reproject(points, parse_crs("EPSG:4326"), parse_crs("CRS84"))
    assert shapely.get_coordinates(moved).tolist() == [[0.1 + 0.2, 1 / 3]]


def test_position_without_coordinates_in_the_target_is_an_error() -> None:
    # The pole away from a conic projection's apex lies at infinity.
    pole = shapely.points([[3, -90]])
    with pytest.raises(RequestError, match="EPSG:2154") as caught:
        reproject(pole, parse_crs("EPSG:4326"), parse_crs("EPSG:2154"))
    assert caught.value.hint


def test_reprojection_bends_long_edges_and_keeps_heights() -> None:
    line = shapely.from_wkt("LINESTRING Z (-30 50 0, 30 50 60)")
    moved = reproject(np.array([line]), parse_crs("EPSG:4326"), parse_crs("EPSG:3035"))[0]
    positions = shapely.get_coordinates(moved, include_z=True)
    assert len(positions) > 2
    # Heights follow the share of the way in degrees of longitude, two metres for each.
    back = pyproj.Transformer.from_crs("EPSG:3035", "OGC:CRS84", always_xy=True)
    longitudes, _ = back.transform(positions[:, 0], positions[:, 1])
    assert positions[:, 2] == pytest.approx(np.array(longitudes) + 30, abs=1e-6)


# A line or a sliver along 180 degrees, to the micrometre by which both sides are missed.
ALONG_180 = [
    shapely.LineString([(1e-7, -1e6), (-1e-7, -2e6)]),
    shapely.LineString([(-1e-6, -1e6), (1e-6, -2e6), (-1e-6, -3e6)]),
    shapely.MultiLineString([[(1e-7, -1e6), (-1e-7, -2e6)], [(1e-7, -3e6), (-1e-7, -4e6)]]),
    shapely.Polygon([(1e-7, -1e6), (-1e-7, -2e6), (-1e-7, -1e6)]),
    shapely.Polygon([(1e-10, -5e5), (-1e-10, -5e5), (0, 0)]),
]


@pytest.mark.parametrize(("target", "end"), [("EPSG:4326", 180), ("EPSG:3857", HALF_WORLD_M)])
@pytest.mark.parametrize("geometry", ALONG_180, ids=["line", "bent", "lines", "sliver", "to pole"])
def test_what_runs_along_180_degrees_is_moved_to_there(
    geometry: Any, target: str, end: float
) -> None:
    if target == "EPSG:3857":
        # It has no pole.
        geometry = shapely.transform(geometry, lambda corners: corners - [0, 1e6])
    (moved,) = reproject(geometry, parse_crs("EPSG:3031"), parse_crs(target))
    assert moved.geom_type == geometry.geom_type
    to_target = pyproj.Transformer.from_crs("EPSG:3031", target, always_xy=True)
    _, expected = to_target.transform(*shapely.get_coordinates(geometry).T)
    x, y = shapely.get_coordinates(moved).T
    assert x == pytest.approx(np.full(len(x), end), abs=1e-4)
    assert (y.min(), y.max()) == pytest.approx((expected.min(), expected.max()))
