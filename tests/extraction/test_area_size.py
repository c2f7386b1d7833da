"""How large an area is: against geodesics, and against what is known of the whole globe."""

from __future__ import annotations

import pyproj
import pytest
import shapely

from marinemap.extraction import area_km2

GLOBE_KM2 = 510_065_621.724


@pytest.mark.parametrize(
    ("box", "share"),
    [
        ((-180, -90, 180, 90), 1),
        ((-180, 0, 180, 90), 1 / 2),
        # Beyond 180 degrees, and a year's turns round the globe away from it.
        ((90, -90, 270, 90), 1 / 2),
        ((350, -90, 351, 90), 1 / 360),
    ],
)
def test_parts_of_the_globe_have_their_share(
    box: tuple[float, float, float, float], share: float
) -> None:
    assert area_km2(shapely.box(*box)) == pytest.approx(GLOBE_KM2 * share, rel=1e-9)


@pytest.mark.parametrize("latitude", [0, 38, -60, 84])
def test_small_polygon_is_as_large_as_geodesics_say(latitude: float) -> None:
    # Edges of a kilometre: between straight lines and geodesics lies nothing.
    polygon = shapely.Point(20, latitude).buffer(0.05, quad_segs=64)
    hole = shapely.Point(20, latitude).buffer(0.01)
    pierced = polygon.difference(hole)
    geodesic, _ = pyproj.Geod(ellps="WGS84").geometry_area_perimeter(pierced)
    assert area_km2(pierced) == pytest.approx(abs(geodesic) / 1e6, rel=1e-6)


def test_parts_are_added_up() -> None:
    parts = [shapely.box(0, 0, 1, 1), shapely.box(5, 5, 6, 6)]
    both = area_km2(shapely.MultiPolygon(parts))
    assert both == pytest.approx(sum(map(area_km2, parts)))
