"""Features are asked for by place where their edges run: straight in the layer's own CRS."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyproj
import pytest
import shapely
from django.test import Client

from marinemap.catalogue.registration import register
from tests.extraction.layers import write_layer

pytestmark = pytest.mark.django_db
NewClient = Callable[..., Client]

# Edges of 3,000 km: an outline, a line north of it, a collection, and a square of 2 km.
LINE = shapely.LineString([(3e6, 3.6e6), (6e6, 3.6e6)])
OUTLINE = shapely.box(3e6, 1.5e6, 6e6, 3.5e6)
SMALL = shapely.box(4.4e6, 2.4e6, 4.402e6, 2.402e6)
SEAM = shapely.LineString([(3e6, 9e6), (6e6, 9e6)])
TO_DEGREES = pyproj.Transformer.from_crs("EPSG:3035", "OGC:CRS84", always_xy=True)


@pytest.fixture
def ask(tmp_path: Path, new_client: NewClient) -> Callable[..., set[str]]:
    names = ["line", "outline", "small", "beyond the pole"]
    rows = [LINE, OUTLINE, SMALL, SEAM]
    source = write_layer(tmp_path / "long.gpkg", rows, {"name": names}, crs="EPSG:3035")
    register("long", source)

    def found(**query: str) -> set[str]:
        answer = new_client().get("/api/collections/long/items", {"f": "json", **query})
        assert answer.status_code == 200, answer.content
        return {each["properties"]["name"] for each in answer.json()["features"]}

    return found


def around(x: float, y: float, degrees: float = 1e-4) -> str:
    """Return a box in degrees of a few metres about a position of the layer."""
    east, north = TO_DEGREES.transform(x, y)
    return (
        ",".join(f"{at:.6f}" for at in (east - degrees, north - degrees))
        + ","
        + ",".join(f"{at:.6f}" for at in (east + degrees, north + degrees))
    )


@pytest.mark.parametrize("share", [0.1, 0.5, 0.77])
def test_long_edge_is_found_where_it_runs(ask: Callable[..., set[str]], share: float) -> None:
    x = 3e6 + 3e6 * share
    on_line, within, without = around(x, 3.6e6), around(x, 3.499e6), around(x, 3.501e6)
    for box, expected in ((on_line, {"line"}), (within, {"outline"}), (without, set())):
        assert ask(bbox=box) == expected
        assert ask(filter=f"S_INTERSECTS(geometry, BBOX({box}))") == expected
        rest = ask(filter=f"S_DISJOINT(geometry, BBOX({box}))")
        assert rest == {"line", "outline", "small", "beyond the pole"} - expected
        assert ask(filter=f"NOT S_INTERSECTS(geometry, BBOX({box}))") == rest
        polygon = f"POLYGON({_ring(box)})"
        expected_within = {"outline"} if expected == {"outline"} else set()
        assert ask(filter=f"S_CONTAINS(geometry, {polygon})") == expected_within


def _ring(box: str) -> str:
    west, south, east, north = box.split(",")
    corners = [(west, south), (east, south), (east, north), (west, north), (west, south)]
    return "(" + ", ".join(" ".join(corner) for corner in corners) + ")"


def test_feature_equals_what_is_answered_of_it(
    ask: Callable[..., set[str]], new_client: Any
) -> None:
    """Corners are compared where sameness is asked for: an edge has no other ones to send."""
    items = new_client().get("/api/collections/long/items", {"f": "json"}).json()["features"]
    (outline,) = [each for each in items if each["properties"]["name"] == "outline"]
    args = [{"property": "geometry"}, outline["geometry"]]
    same = json.dumps({"op": "s_equals", "args": args})
    assert ask(**{"filter": same, "filter-lang": "cql2-json"}) == {"outline"}


@pytest.mark.parametrize("longitudes", [(-175, 20, 175), (20, 175, 185), (-185, -175, 20)])
def test_box_beyond_180_finds_what_lies_there_whichever_way_it_counts(
    tmp_path: Path, new_client: NewClient, longitudes: tuple[float, ...]
) -> None:
    """Of a layer that ends at 180 what lies at -175 was missing from a box of 170 to 190, and of
    one that counts on to 190 what lies at 185 from a box of -180 to -170."""
    points = [shapely.Point(x, 5) for x in longitudes]
    names = [str((x + 180) % 360 - 180) for x in longitudes]
    register("sea", write_layer(tmp_path / "sea.gpkg", points, {"name": names}))
    for box, expected in {
        "170,0,190,9": {"175", "-175"},
        "170,0,-170,9": {"175", "-175"},
        "-190,0,-170,9": {"175", "-175"},
        "-180,0,-170,9": {"-175"},
        "180,0,190,9": {"-175"},
        "170,0,180,9": {"175"},
        "10,0,30,9": {"20"},
        "370,0,390,9": {"20"},
        "-180,0,180,9": {"175", "-175", "20"},
        "0,0,360,9": {"175", "-175", "20"},
        "-540,0,540,9": {"175", "-175", "20"},
        "30,0,160,9": set(),
    }.items():
        answer = new_client().get("/api/collections/sea/items", {"f": "json", "bbox": box})
        found = [each["properties"]["name"] for each in answer.json()["features"]]
        assert sorted(found) == sorted(expected), box
    swapped = {"bbox": "0,170,9,190", "bbox-crs": "http://www.opengis.net/def/crs/EPSG/0/4326"}
    answer = new_client().get("/api/collections/sea/items", {"f": "json", **swapped})
    assert answer.json()["numberReturned"] == 2
