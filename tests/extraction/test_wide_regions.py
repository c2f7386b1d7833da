"""One operation for all of a wide region: what it is worth beyond the place that it is made for."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import shapely

from marinemap.extraction import ExtractionRequest, SourceLayer, estimate
from marinemap.extraction.projection.operations import find_operation
from marinemap.extraction.projection.route import Route
from tests.extraction.layers import run, write_layer

CRS84 = pyproj.CRS("OGC:CRS84")


def beyond(notes: Any) -> list[str]:
    return [note for note in notes if "is made for that place" in note]


def metres_between(crs: str, route: Route, region: tuple[float, float, float, float]) -> Any:
    """Return how far an extract's positions lie from those of PROJ, which chooses at each."""
    west, south, east, north = region
    x, y = (
        a.ravel() for a in np.meshgrid(np.linspace(west, east, 41), np.linspace(south, north, 41))
    )
    there = pyproj.Transformer.from_crs(crs, CRS84, always_xy=True)
    ours = route.to_degrees.move(np.column_stack([x, y]))
    return pyproj.Geod(ellps="WGS84").inv(*there.transform(x, y), *ours.T)[2]


@pytest.mark.parametrize(
    ("crs", "region"),
    [
        ("EPSG:4267", (-170.0, 15.0, -55.0, 75.0)),
        ("EPSG:4230", (-10.0, 30.0, 45.0, 70.0)),
        ("EPSG:4222", (10.0, -40.0, 40.0, -15.0)),
        ("EPSG:4267", (170.0, 40.0, -120.0, 70.0)),
    ],
)
def test_region_beyond_an_operation_is_told_in_metres(
    crs: str, region: tuple[float, float, float, float]
) -> None:
    route = Route.of(CRS84, pyproj.CRS(crs), CRS84, region)
    (note,) = beyond(route.warnings)
    (told,) = re.findall(r"up to ([\d,]+) m", note)
    west, south, east, north = region
    turned = west, south, east if west < east else east + 360, north
    worst = float(metres_between(crs, route, turned).max())
    # Both look at a grid of positions, and their datums' shifts change little between these.
    assert float(told.replace(",", "")) == pytest.approx(worst, rel=0.05, abs=2)


@pytest.mark.parametrize(
    ("crs", "region"),
    [
        ("EPSG:4267", (-100.0, 35.0, -95.0, 40.0)),
        ("EPSG:27700", (-3.0, 51.0, 0.0, 53.0)),
        ("EPSG:4258", (5.0, 50.0, 10.0, 55.0)),
        ("EPSG:4326", (-180.0, -90.0, 180.0, 90.0)),
        ("EPSG:3857", (-180.0, -85.0, 180.0, 85.0)),
    ],
)
def test_region_that_an_operation_is_made_for_is_not_told(
    crs: str, region: tuple[float, float, float, float]
) -> None:
    assert not beyond(Route.of(CRS84, pyproj.CRS(crs), CRS84, region).warnings)


def test_wide_extract_and_its_estimate_tell_the_same(tmp_path: Path) -> None:
    corners = [shapely.Point(*at) for at in [(-170, 15), (-55, 75), (-100, 40)]]
    source = write_layer(tmp_path / "sea.gpkg", corners, kind="Point", crs="EPSG:4267")
    request = ExtractionRequest(
        [SourceLayer("sea", source)], [-180, -90, 180, 90], tmp_path / "out.zip", crs="EPSG:4326"
    )
    (foreseen,) = beyond(estimate(request)[0].warnings)
    result = run(source, tmp_path, [-180, -90, 180, 90], crs="EPSG:4326", full_copy=False)
    assert beyond(result.layers[0].notes) == [foreseen]


def test_operation_that_holds_the_region_goes_before_one_that_does_not() -> None:
    region = (-124.5, 26.0, -90.0, 49.0)
    found = find_operation(pyproj.CRS("EPSG:4267"), CRS84, region)
    assert found.uses
    assert found.is_made_for(np.array([region[:2], region[2:]])).all()


def test_most_accurate_operation_that_holds_the_region_is_taken() -> None:
    """PROJ is asked for whole degrees around it, for which it prefers one of 6 m that holds all."""
    region = (14.1, 48.6, 17.6, 50.1)
    found = find_operation(pyproj.CRS("EPSG:5514"), CRS84, region)
    assert (found.accuracy_m, found.is_made_for(np.array([[14.1, 48.6], [17.6, 50.1]])).all()) == (
        1.0,
        True,
    )
    # Farther south than the better ones are made for.
    farther = find_operation(pyproj.CRS("EPSG:5514"), CRS84, (14.1, 48.5, 17.6, 50.1))
    assert farther.accuracy_m == 6.0


def test_operations_are_not_shared_between_threads() -> None:
    found: list[Any] = []

    def find() -> None:
        found.append(find_operation(pyproj.CRS("EPSG:4267"), CRS84, (-100, 35, -95, 40)))

    thread = threading.Thread(target=find)
    thread.start()
    thread.join()
    find()
    (first, _), (second, _) = (operation.steps[0] for operation in found)
    assert first is not second
    assert found[0].name == found[1].name


def test_layer_far_from_where_its_crs_is_used_is_estimated(tmp_path: Path) -> None:
    # Degrees that are said to be metres of UTM lie off Africa; ETRS89 is of Europe.
    source = write_layer(
        tmp_path / "sea.gpkg", [shapely.Point(7, 52)], kind="Point", crs="EPSG:25832"
    )
    request = ExtractionRequest(
        [SourceLayer("sea", source)], [-180, -90, 180, 90], tmp_path / "out.zip"
    )
    assert estimate(request)[0].features == 1
    result = run(source, tmp_path, [-180, -90, 180, 90], full_copy=False)
    assert result.layers[0].transformation == ""
