"""WGS 84 is one place by whichever name: EPSG:4326, OGC:CRS84, and what is built on them.

What is expected comes from operations of the registries that are named here one by one, not from
PROJ's choice: PROJ finds others to CRS84 than to 4326, which lead elsewhere by a metre.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import shapely

from marinemap.extraction import read_names
from marinemap.extraction.projection.operations import find_operation, horizontal
from marinemap.extraction.reading.describe import describe
from marinemap.extraction.tiles.shapes import from_geometries
from marinemap.extraction.tiles.world import WORLD_BITS, ToWorld
from tests.extraction.layers import read, run, unpack, write_layer

_EARTH = pyproj.Geod(ellps="WGS84")
_HALF_WORLD_M = 20_037_508.342789244
_NONE: list[str] = []

# A CRS, a place in degrees, and the operations on the way from its datum to WGS 84; a minus turns
# one round. None at all: the registries' parameters are zeros (WGS 84 and its realisations).
WAYS = [
    ("EPSG:4269", (-100, 40), ["EPSG:1188"]),
    ("EPSG:26914", (-99, 40), ["EPSG:1188"]),
    ("EPSG:3978", (-95, 60), ["EPSG:1188"]),
    ("EPSG:6318", (-100, 40), ["EPSG:9774"]),
    ("EPSG:6350", (-96, 37), ["EPSG:9774"]),
    ("EPSG:8252", (-97, 60), ["EPSG:9129", "EPSG:9774"]),
    ("EPSG:8237", (-97, 60), ["EPSG:9126", "-ESRI:108151"]),
    ("EPSG:4617", (-97, 60), ["EPSG:1946"]),
    ("EPSG:4258", (10, 50), ["EPSG:1149"]),
    ("EPSG:25832", (9, 52), ["EPSG:1149"]),
    ("EPSG:5652", (9, 52), ["EPSG:1149"]),
    ("EPSG:7844", (150, -30), ["EPSG:8450"]),
    ("EPSG:9309", (140, -27), ["EPSG:9459", "EPSG:8450"]),
    ("EPSG:9000", (10, 50), ["-EPSG:9757"]),
    ("EPSG:9014", (10, 50), ["EPSG:6936", "EPSG:3894"]),
    ("EPSG:9755", (10, 50), _NONE),
    ("EPSG:4230", (3, 44), ["EPSG:1275"]),
    ("EPSG:4267", (-100, 40), ["EPSG:1175"]),
    ("EPSG:27700", (-2, 54), ["EPSG:1314"]),
    ("EPSG:28992", (5, 52), ["EPSG:4833"]),
    ("EPSG:7415", (5, 52), ["EPSG:4833"]),
    ("EPSG:4149", (8, 47), ["EPSG:1766"]),
    ("EPSG:4312", (14, 47.5), ["EPSG:1618"]),
    ("EPSG:31370", (4.5, 50.5), ["EPSG:15929"]),
    ("EPSG:4745", (14, 51), ["ESRI:108071"]),
    ("EPSG:2193", (173, -41), ["EPSG:1565"]),
    ("EPSG:2053", (29, -27), ["EPSG:1505"]),
    ("EPSG:3995", (30, 80), _NONE),
    ("EPSG:4979", (10, 50), _NONE),
]


def moved_by(operations: list[str], degrees: Any) -> Any:
    """Return longitudes and latitudes, moved by operations of the registries."""
    lon, lat = degrees.T
    # Of all datums here whose operations are between geocentric positions.
    cart = pyproj.Transformer.from_pipeline(
        "+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad "
        "+step +proj=cart +ellps=GRS80"
    )
    for named in operations:
        authority, code = named.removeprefix("-").split(":")
        urn = f"urn:ogc:def:coordinateOperation:{authority}::{code}"
        operation = pyproj.Transformer.from_pipeline(urn)
        way = "INVERSE" if named.startswith("-") else "FORWARD"
        if operation.source_crs is not None and operation.source_crs.is_geocentric:
            there = operation.transform(*cart.transform(lon, lat, 0 * lon), direction=way)
            lon, lat, _ = cart.transform(*there, direction="INVERSE")
        else:
            # As the registries have them: latitude first.
            lat, lon = operation.transform(lat, lon, direction=way)
    return np.column_stack([lon, lat])


def around(place: tuple[float, float]) -> Any:
    return place + np.random.default_rng(5).uniform(-0.4, 0.4, (50, 2))


def metres(one: Any, other: Any) -> float:
    return float(np.max(_EARTH.inv(*one.T, *other.T)[2]))


@pytest.mark.parametrize(("crs", "place", "operations"), WAYS, ids=[way[0] for way in WAYS])
def test_each_datum_comes_to_one_wgs84_by_the_operation_of_the_registry(
    crs: str, place: tuple[float, float], operations: list[str]
) -> None:
    flat = horizontal(pyproj.CRS(crs))
    own = around(place)
    projected = pyproj.Transformer.from_crs(flat.geodetic_crs.to_2d(), flat, always_xy=True)
    positions = np.column_stack(projected.transform(*own.T))
    expected = moved_by(operations, own)
    west, south, east, north = place[0] - 1, place[1] - 1, place[0] + 1, place[1] + 1
    for hub in ("EPSG:4326", "OGC:CRS84"):
        operation = find_operation(flat, pyproj.CRS(hub), (west, south, east, north))
        assert metres(operation.move(positions), expected) <= 1e-3, (hub, operation.name)
    web = find_operation(flat, pyproj.CRS("EPSG:3857"), (west, south, east, north))
    degrees = web.move(positions) / _HALF_WORLD_M * 180
    degrees[:, 1] = np.degrees(2 * np.arctan(np.exp(np.radians(degrees[:, 1]))) - np.pi / 2)
    assert metres(degrees, expected) <= 1e-3, web.name


@pytest.mark.parametrize("crs", ["EPSG:4267", "EPSG:6318", "EPSG:7415", "EPSG:27700"])
def test_extract_drawing_and_names_lie_at_one_place(tmp_path: Path, crs: str) -> None:
    wide = {
        "EPSG:4267": [(-124, 30), (-70, 48)],
        "EPSG:6318": [(-124, 30), (-70, 48)],
        "EPSG:7415": [(20_000, 370_000), (270_000, 610_000)],
        "EPSG:27700": [(100_000, 50_000), (500_000, 1_000_000)],
    }[crs]
    points = [shapely.Point(*at) for at in wide]
    source = write_layer(tmp_path / "sea.gpkg", points, kind="Point", crs=crs)
    in_degrees, in_web = (
        extracted(source, tmp_path, crs=out) for out in ("EPSG:4326", "EPSG:3857")
    )
    dataset = describe(source)
    names = [box[:2] for _, _, box in read_names(dataset, "1", "number") if box]
    # Names on the map are rounded to a decimetre.
    assert np.abs(np.array(names) - in_degrees).max() <= 1e-6
    way = ToWorld.of(pyproj.CRS(dataset.crs), dataset.bounds)
    (shapes,) = from_geometries(np.array(points, object), np.arange(len(points)))
    (placed,) = way.place(shapes)
    units = (in_web * [1, -1] + _HALF_WORLD_M) / (2 * _HALF_WORLD_M) * (1 << WORLD_BITS)
    assert np.abs(placed.xy - units).max() <= 1
    if crs == "EPSG:6318":
        assert metres(in_degrees, np.array(wide, float)) <= 1e-3


def extracted(source: Path, folder: Path, crs: str) -> Any:
    result = run(source, folder, [-180, -90, 180, 90], crs=crs, full_copy=False)
    return shapely.get_coordinates(read(unpack(result) / "sea.shp")[0])
