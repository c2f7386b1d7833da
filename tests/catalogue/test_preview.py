"""Tiles for the map, decoded as a browser does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mapbox_vector_tile
import numpy as np
import pyogrio
import pytest
import shapely
from django.test import Client
from shapely.geometry import shape

from marinemap.catalogue.models import Layer
from marinemap.catalogue.preview import read_tile, tile_bounds_3857
from marinemap.catalogue.registration import register
from marinemap.errors import RequestError

pytestmark = [
    pytest.mark.django_db,
    # mapbox_vector_tile 2.2.0 calls what shapely 2.2 deprecates.
    pytest.mark.filterwarnings("ignore:The 'shapely.ops.transform:DeprecationWarning"),
]
HALF_WORLD_M = 20037508.342789244


def features(tile: bytes) -> list[dict[str, Any]]:
    (layer,) = mapbox_vector_tile.decode(tile).values()
    return list(layer["features"])


def test_whole_world_is_one_tile() -> None:
    assert tile_bounds_3857(0, 0, 0) == pytest.approx(
        (-HALF_WORLD_M, -HALF_WORLD_M, HALF_WORLD_M, HALF_WORLD_M)
    )


def test_rows_count_from_the_north_and_columns_from_the_west() -> None:
    west_north = tile_bounds_3857(1, 0, 0)
    assert west_north == pytest.approx((-HALF_WORLD_M, 0, 0, HALF_WORLD_M))


@pytest.mark.parametrize("z", range(0, 15, 7))
def test_last_tile_of_a_level_ends_at_the_edge_of_the_world(z: int) -> None:
    bounds = tile_bounds_3857(z, 2**z - 1, 2**z - 1)
    assert bounds[1:3] == pytest.approx((-HALF_WORLD_M, HALF_WORLD_M), abs=1e-6)


@pytest.mark.parametrize(
    ("z", "x", "y", "field"),
    [
        (-1, 0, 0, "tileMatrix"),
        (15, 0, 0, "tileMatrix"),
        (3, 8, 0, "tileCol"),
        (3, -1, 0, "tileCol"),
        (3, 0, 8, "tileRow"),
        (10**30, 0, 0, "tileMatrix"),
    ],
)
def test_tile_that_does_not_exist_is_refused(z: int, x: int, y: int, field: str) -> None:
    with pytest.raises(RequestError) as caught:
        tile_bounds_3857(z, x, y)
    assert caught.value.field == field


def test_tile_holds_the_features_that_lie_there(reefs: Layer) -> None:
    # Zoom 5: tiles of 11.25 degrees; column 16 starts at 0 degrees; the sea is rows 10 and 11.
    found = [f for y in (10, 11) for f in features(read_tile(reefs, 5, 16, y))]
    names = {f["properties"]["name"] for f in found}
    assert names == {f"Récif {n} 珊瑚" for n in range(100)}
    assert {f["geometry"]["type"] for f in found} <= {"Polygon", "MultiPolygon"}


def test_features_lie_in_the_tile_where_they_lie_on_the_map(tmp_path: Path, db: None) -> None:
    path = tmp_path / "point.gpkg"
    pyogrio.raw.write(
        path,
        shapely.to_wkb(shapely.points([(90, 0), (-90, 0)])),
        field_data=[np.array(["east", "west"], dtype=object)],
        fields=["name"],
        geometry_type="Point",
        crs="EPSG:4326",
    )
    layer, _ = register("points", path)
    found = {
        f["properties"]["name"]: shape(f["geometry"]).coords[0]
        for f in features(read_tile(layer, 0, 0, 0))
    }
    # A grid of 4096 over 360 degrees; the equator is its middle.
    assert found == {"east": (3072, 2048), "west": (1024, 2048)}


def test_tile_beside_the_data_is_empty(reefs: Layer) -> None:
    assert read_tile(reefs, 5, 0, 10) == b""
    assert read_tile(reefs, 14, 0, 0) == b""


def test_tile_of_an_empty_layer_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "none.gpkg"
    pyogrio.raw.write(
        path,
        shapely.to_wkb(np.array([], dtype=object)),
        field_data=[np.array([], dtype=np.int64)],
        fields=["n"],
        geometry_type="Polygon",
        crs="EPSG:4326",
    )
    assert read_tile(register("none", path)[0], 0, 0, 0) == b""


def test_tile_of_a_projected_layer_lies_where_its_features_do(tmp_path: Path) -> None:
    path = tmp_path / "utm.gpkg"
    pyogrio.raw.write(
        path,
        shapely.to_wkb(np.array([shapely.box(499_000, 4_999_000, 501_000, 5_001_000)])),
        field_data=[np.arange(1)],
        fields=["n"],
        geometry_type="Polygon",
        crs="EPSG:32631",
    )
    layer, _ = register("utm", path)
    (found,) = features(read_tile(layer, 10, 520, 367))
    assert shape(found["geometry"]).is_valid
    # 3 degrees east, 45.15 north: 0.53 of the tile's width from its west, by the tiles' formula.
    assert shape(found["geometry"]).centroid.x / 4096 == pytest.approx(
        1024 * 183 / 360 - 520, abs=0.01
    )


def test_tile_is_kept_and_the_same_again(reefs: Layer) -> None:
    assert read_tile(reefs, 5, 16, 10) == read_tile(reefs, 5, 16, 10)


def test_changed_data_change_the_tile(tmp_path: Path) -> None:
    def write(positions: list[tuple[float, float]]) -> Layer:
        path = tmp_path / "p.gpkg"
        pyogrio.raw.write(
            path,
            shapely.to_wkb(shapely.points(positions)),
            field_data=[np.arange(len(positions))],
            fields=["n"],
            geometry_type="Point",
            crs="EPSG:4326",
        )
        return register("p", path)[0]

    assert len(features(read_tile(write([(1, 1)]), 0, 0, 0))) == 1
    assert len(features(read_tile(write([(1, 1), (90, 50)]), 0, 0, 0))) == 2


def test_api_answers_tiles_and_no_content(client: Client, reefs: Layer) -> None:
    base = "/api/collections/reefs/tiles/WebMercatorQuad"
    drawn = client.get(f"{base}/5/10/16")
    assert (drawn.status_code, drawn["Content-Type"]) == (200, "application/vnd.mapbox-vector-tile")
    assert features(drawn.content)
    empty = client.get(f"{base}/5/10/0")
    assert (empty.status_code, empty.content) == (204, b"")
    for bad in ("15/0/0", "3/8/0", "3/0/8", f"{10**30}/0/0"):
        refused = client.get(f"{base}/{bad}")
        assert refused.status_code == 400
        assert refused.json()["field"].startswith("tile")
    assert client.get("/api/collections/nothing/tiles/WebMercatorQuad/0/0/0").status_code == 404


@pytest.mark.django_db
@pytest.mark.filterwarnings("ignore:The 'shapely.ops:DeprecationWarning")
def test_tile_is_of_the_layer_of_the_file_that_is_served(marine_gpkg):
    from marinemap.catalogue.preview import read_tile

    one = read_tile(register("x", marine_gpkg, "reefs")[0], 5, 16, 10)
    assert read_tile(register("x", marine_gpkg, "ports")[0], 5, 16, 10) != one
