"""How large an area is: against geodesics, and against what is known of the whole globe."""

from __future__ import annotations

from typing import Any

import pyproj
import pytest
import shapely

from marinemap.extraction.areas.area import parse_area

GLOBE_M2 = 510_065_621.724e6


def size_of(polygon: Any) -> float:
    return parse_area(shapely.geometry.mapping(polygon)).area_m2


@pytest.mark.parametrize(
    ("box", "share"),
    [
        ((-180, -90, 180, 90), 1),
        ((-180, 0, 180, 90), 1 / 2),
        # Beyond 180 degrees.
        ((90, -90, 270, 90), 1 / 2),
        ((350, -90, 351, 90), 1 / 360),
    ],
)
def test_parts_of_the_globe_have_their_share(
    box: tuple[float, float, float, float], share: float
) -> None:
    assert size_of(shapely.box(*box)) == pytest.approx(GLOBE_M2 * share, rel=1e-9)


@pytest.mark.parametrize("latitude", [0, 38, -60, 84])
def test_small_polygon_is_as_large_as_geodesics_say(latitude: float) -> None:
    # Edges of a kilometre: between straight lines and geodesics lies nothing.
    polygon = shapely.Point(20, latitude).buffer(0.05, quad_segs=64)
    hole = shapely.Point(20, latitude).buffer(0.01)
    pierced = polygon.difference(hole)
    geodesic, _ = pyproj.Geod(ellps="WGS84").geometry_area_perimeter(pierced)
    assert size_of(pierced) == pytest.approx(abs(geodesic), rel=1e-6)


def test_area_in_a_projection_is_as_large_as_on_the_ellipsoid() -> None:
    # At 60 degrees a plane of Mercator shows four times as much.
    corner, opposite = (20.0, 60.0), (20.1, 60.1)
    mercator = pyproj.Transformer.from_crs(4326, 3857, always_xy=True)
    projected = [*mercator.transform(*corner), *mercator.transform(*opposite)]
    found = parse_area({"bbox": projected, "crs": "EPSG:3857"}).area_m2
    assert found == pytest.approx(size_of(shapely.box(*corner, *opposite)), rel=1e-9)


def test_parts_are_added_up() -> None:
    parts = [shapely.box(0, 0, 1, 1), shapely.box(5, 5, 6, 6)]
    both = size_of(shapely.MultiPolygon(parts))
    assert both == pytest.approx(sum(map(size_of, parts)))
