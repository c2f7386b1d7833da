"""Areas and lengths in the report, against PROJ's geodesics and bare arithmetic."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pyproj
import pytest
import shapely

from marinemap.extraction.geometry.wkb import to_column
from marinemap.extraction.projection.measure import Measure
from tests.extraction.layers import run, unpack, write_layer

GEOD = pyproj.Geod(ellps="WGS84")
DISC = shapely.Point(8, 50).buffer(3, 64)
RING = DISC.difference(shapely.Point(8, 50).buffer(1, 64))
LINE = shapely.LineString([(0, 50), (3, 52), (5, 51)])


@pytest.mark.parametrize(
    "geometry",
    [
        DISC,
        RING,
        shapely.MultiPolygon([RING, shapely.box(30, -5, 31, 5)]),
        shapely.GeometryCollection([shapely.Point(0, 0), DISC]),
    ],
    ids=["disc", "hole", "parts", "collection"],
)
def test_area_is_that_on_the_ellipsoid(geometry: shapely.Geometry) -> None:
    found = Measure(pyproj.CRS(4326)).of(to_column(np.array([geometry], object)))
    # Geodesics lie beside the straight edges; between corners so close by next to nothing.
    dense = shapely.segmentize(geometry, 0.002)
    expected, _ = GEOD.geometry_area_perimeter(shapely.orient_polygons(dense))
    assert found.area_m2 == pytest.approx(expected, rel=1e-9)
    assert found.length_m == 0


def test_whole_world_has_the_area_of_the_ellipsoid() -> None:
    found = Measure(pyproj.CRS(4326)).of(to_column(np.array([shapely.box(-180, -90, 180, 90)])))
    # WGS 84 (NGA.STND.0036, table 3.5): the radius of the sphere of equal area is 6371007.1809 m.
    assert found.area_m2 == pytest.approx(4 * np.pi * 6371007.1809**2, rel=1e-10)


def test_length_is_that_on_the_ellipsoid_and_points_have_none() -> None:
    column = to_column(np.array([LINE, shapely.Point(1, 1)], object))
    found = Measure(pyproj.CRS(4326)).of(column)
    expected = GEOD.geometry_length(shapely.segmentize(LINE, 0.002))
    assert found.length_m == pytest.approx(expected, rel=1e-8)
    assert found.area_m2 == 0


def test_plane_is_measured_in_metres_whatever_its_unit() -> None:
    square = to_column(np.array([shapely.box(5e6, 5e6, 5e6 + 10, 5e6 + 20)]))
    assert Measure(pyproj.CRS(3035)).of(square).area_m2 == pytest.approx(200, rel=1e-9)
    # EPSG:2263 counts in feet of the US survey: 1200/3937 m.
    assert Measure(pyproj.CRS(2263)).of(square).area_m2 == pytest.approx(
        200 * (1200 / 3937) ** 2, rel=1e-9
    )


def test_readme_and_report_say_how_much_there_is(tmp_path: Path) -> None:
    source = write_layer(tmp_path / "sea.gpkg", [shapely.box(-5, 1, 1, 2), shapely.box(2, 1, 3, 2)])
    result = run(source, tmp_path, crs="EPSG:3857")
    folder = unpack(result)
    # Two squares of a degree each: 111,319.49 m wide; 111,353.6 m high, for y grows polewards.
    expected = 2 * 111_319.4908 * (222_684.2085 - 111_325.1429)
    (report,) = json.loads((folder / "report.json").read_text())["layers"]
    assert report["area_m2"] == pytest.approx(expected, rel=1e-8)
    assert (report["length_m"], report["measured"]) == (0, "in the plane of the CRS")
    readme = (folder / "README.txt").read_text()
    assert re.search(r"^  Area:         24,792\.[89] km2 in the plane of the CRS$", readme, re.M)


def test_readme_names_a_geodatabase_once(tmp_path: Path) -> None:
    source = write_layer(tmp_path / "sea.gpkg", [DISC])
    folder = unpack(run(source, tmp_path, area=[0, 40, 10, 60], format="filegdb"))
    readme = (folder / "README.txt").read_text()
    assert re.search(r"^  Files:        sea\.gdb/$", readme, re.M)
