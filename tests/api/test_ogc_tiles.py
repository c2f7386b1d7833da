"""OGC API - Tiles over the drawing of a layer: a test for each requirement, named after it."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mapbox_vector_tile
import numpy as np
import pyogrio
import pytest
import shapely
from django.test import Client

from marinemap.catalogue.drawings import draw_missing
from marinemap.catalogue.models import Layer
from marinemap.catalogue.registration import register
from tests.api.test_jobs import assert_problem

pytestmark = pytest.mark.django_db
NewClient = Callable[..., Client]
TILES = "/api/collections/reefs/tiles"
SCHEME = f"{TILES}/WebMercatorQuad"


@pytest.fixture
def drawn(reefs: Layer, home: Any) -> Layer:
    assert list(draw_missing())
    return reefs


def test_tilesets_list_and_tileset(drawn: Layer, new_client: NewClient) -> None:
    client = new_client()
    rel = "http://www.opengis.net/def/rel/ogc/1.0/tilesets-vector"
    links = client.get("/api/collections/reefs").json()["links"]
    (address,) = [link["href"] for link in links if link["rel"] == rel]
    (summary,) = client.get(address).json()["tilesets"]
    (own,) = [link["href"] for link in summary["links"] if link["rel"] == "self"]
    tileset = client.get(own).json()
    assert {name: tileset[name] for name in summary if name != "links"} == {
        name: summary[name] for name in summary if name != "links"
    }
    assert tileset["dataType"] == "vector"
    assert tileset["crs"].endswith("/3857")
    (item,) = [link for link in tileset["links"] if link["rel"] == "item"]
    assert item["templated"] is True
    assert all(f"{{{name}}}" in item["href"] for name in ("tileMatrix", "tileRow", "tileCol"))
    for place in ("", "/tilejson"):
        page = client.get(f"{SCHEME}{place}", headers={"Accept": "text/html"})
        assert page["Content-Type"].startswith("text/html")


def test_tiling_scheme_is_the_one_of_the_tiles(drawn: Layer, new_client: NewClient) -> None:
    client = new_client()
    links = {link["rel"]: link["href"] for link in client.get("/api/").json()["links"]}
    listed = client.get(links["http://www.opengis.net/def/rel/ogc/1.0/tiling-schemes"]).json()
    (own,) = [at for at in listed["tileMatrixSets"][0]["links"] if at["rel"] == "self"]
    scheme = client.get(own["href"]).json()
    tileset = client.get(SCHEME).json()
    assert scheme["uri"] == tileset["tileMatrixSetURI"] and scheme["crs"] == tileset["crs"]
    rel = "http://www.opengis.net/def/rel/ogc/1.0/tiling-scheme"
    assert [at["href"] for at in tileset["links"] if at["rel"] == rel] == [own["href"]]
    # OGC 17-083r4, annex D.1: the first scale, and the corner of a sphere of 6378137 m.
    assert scheme["tileMatrices"][0]["scaleDenominator"] == pytest.approx(559082264.0287178)
    assert scheme["tileMatrices"][0]["pointOfOrigin"] == pytest.approx(
        [-20037508.3428, 20037508.3428]
    )
    assert scheme["tileMatrices"][3]["matrixWidth"] == 8


def test_tile_success(drawn: Layer, new_client: NewClient) -> None:
    client = new_client()
    found = client.get(f"{SCHEME}/0/0/0")
    assert found["Content-Type"] == "application/vnd.mapbox-vector-tile"
    assert found["Content-Encoding"] == "gzip"
    decoded = mapbox_vector_tile.decode(gzip.decompress(found.content))
    assert any(layer["features"] for layer in decoded.values())
    again = client.get(f"{SCHEME}/0/0/0", headers={"If-None-Match": found["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    ("asked", "is_packed"),
    [
        ("gzip, br", True),
        ("*", True),
        ("x-gzip", True),
        ("gzip;q=0.1", True),
        ("identity", False),
        ("", False),
        ("br", False),
        ("gzip;q=0, *", False),
        ("GZIP; q=0.00", False),
        ("*;q=0", False),
    ],
)
def test_tile_is_packed_for_who_takes_it(
    drawn: Layer, new_client: NewClient, asked: str, is_packed: bool
) -> None:
    client = new_client()
    packed = client.get(f"{SCHEME}/0/0/0")
    found = client.get(f"{SCHEME}/0/0/0", headers={"Accept-Encoding": asked})
    assert ("Content-Encoding" in found) == is_packed
    content = gzip.decompress(found.content) if is_packed else found.content
    assert content == gzip.decompress(packed.content)
    assert "Accept-Encoding" in found["Vary"] and "Accept-Encoding" in packed["Vary"]
    # Two forms of one tile are two to a cache.
    assert (found["ETag"] == packed["ETag"]) == is_packed
    headers = {"Accept-Encoding": asked, "If-None-Match": found["ETag"]}
    assert client.get(f"{SCHEME}/0/0/0", headers=headers).status_code == 304


def test_tile_where_nothing_lies_is_empty(
    db: None, tmp_path: Path, new_client: NewClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Tiles that are soon full, so that there is more than one zoom; all in the north-east.
    monkeypatch.setattr("marinemap.extraction.tiles.select._FULL_POSITIONS", 1_000)
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(60.0), np.arange(60.0)))
    boxes = shapely.box(10 + x / 1000, 40 + y / 1000, 10.0004 + x / 1000, 40.0004 + y / 1000)
    options = {"geometry_type": "Polygon", "crs": "EPSG:4326", "layer": "reefs"}
    path = tmp_path / "many.gpkg"
    pyogrio.raw.write(path, shapely.to_wkb(boxes), [np.arange(3600)], ["n"], **options)
    register("reefs", path)
    assert list(draw_missing())
    client = new_client()
    # Beside the reefs, and above the lowest zoom that shows any: they are small.
    assert client.get(f"{SCHEME}/tilejson").json()["minzoom"] > 1
    for place in ("1/1/0", "1/0/1"):
        response = client.get(f"{SCHEME}/{place}")
        assert (response.status_code, response.content) == (204, b"")


def test_tile_matrix_set_limits_are_where_tiles_are(drawn: Layer, new_client: NewClient) -> None:
    client = new_client()
    limits = client.get(SCHEME).json()["tileMatrixSetLimits"]
    matrices = client.get("/api/tileMatrixSets/WebMercatorQuad").json()["tileMatrices"]
    assert [at["tileMatrix"] for at in limits] == [at["id"] for at in matrices[: len(limits)]]
    for at in limits:
        zoom, row, column = at["tileMatrix"], at["maxTileRow"], at["maxTileCol"]
        asked = [(at["minTileRow"], at["minTileCol"]), (row, column)]
        found = [client.get(f"{SCHEME}/{zoom}/{y}/{x}").status_code for y, x in asked]
        assert set(found) <= {200, 204}, zoom
        for y, x in ((row + 1, column), (row, column + 1)):
            assert_problem(client.get(f"{SCHEME}/{zoom}/{y}/{x}"), 404)
    assert_problem(client.get(f"{SCHEME}/{len(limits)}/0/0"), 404)


@pytest.mark.parametrize(
    "place", ["99/0/0", "0/1/0", "0/0/1", "1/2/0", "x/0/0", "-1/0/0", "1/1e0/0"]
)
def test_tile_out_of_range_is_not_found_and_says_what_is(
    drawn: Layer, new_client: NewClient, place: str
) -> None:
    problem = assert_problem(new_client().get(f"{SCHEME}/{place}"), 404)
    assert "a number from 0 to" in problem["detail"]


def test_layer_that_is_not_drawn_has_no_tiles_yet(reefs: Layer, new_client: NewClient) -> None:
    problem = assert_problem(new_client().get(TILES), 404)
    assert "not drawn yet" in problem["detail"]


def test_layer_without_anything_to_draw_says_so(
    home: Any, tmp_path: Path, new_client: NewClient
) -> None:
    nothing = np.zeros(0, object)
    path = tmp_path / "empty.gpkg"
    pyogrio.raw.write(path, nothing, [], [], geometry_type="Point", crs="EPSG:4326")
    register("empty", path)
    assert list(draw_missing())
    problem = assert_problem(new_client().get("/api/collections/empty/tiles"), 404)
    assert "nothing of it can be drawn" in problem["detail"]


@pytest.mark.parametrize(
    ("bounds", "told"),
    [
        ([150, -20, 225, 0], [-180, -20, 180, 0]),
        ([-200, -20, -170, 0], [-180, -20, 180, 0]),
        ([150, -20, 180, 0], [150, -20, 180, 0]),
    ],
)
def test_tilejson_of_a_layer_that_counts_on_beyond_180_has_both_sides(
    drawn: Layer, new_client: NewClient, bounds: list[float], told: list[float]
) -> None:
    """Maps cut bounds at 180 degrees, and would ask for no tile of what lies beyond."""
    Layer.objects.filter(pk=drawn.pk).update(bounds_4326=bounds)
    assert new_client().get(f"{SCHEME}/tilejson").json()["bounds"] == told


def test_tilejson_leads_to_tiles(drawn: Layer, new_client: NewClient) -> None:
    client = new_client()
    found = client.get(f"{SCHEME}/tilejson").json()
    assert found["tilejson"] == "3.0.0"
    (template,) = found["tiles"]
    address = template.replace("{z}", "0").replace("{y}", "0").replace("{x}", "0")
    assert client.get(address).status_code == 200
    assert found["minzoom"] == 0 <= found["maxzoom"]
    assert found["vector_layers"]
