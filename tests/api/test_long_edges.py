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
