"""OGC API - Features, Parts 1 to 3: a test for each requirement, named after it."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pyogrio
import pytest
import shapely
from django.test import Client

from marinemap.catalogue.models import Layer
from marinemap.catalogue.registration import register
from tests.api.standards import check_feature_schema
from tests.api.test_jobs import assert_problem
from tests.api.test_ogc_processes import links_of

pytestmark = pytest.mark.django_db
NewClient = Callable[..., Client]
CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
EPSG = "http://www.opengis.net/def/crs/EPSG/0/"
# A point at each whole degree: x from 0 to 19, y from 0 to 9; the last feature lies nowhere.
XS, YS = (axis.ravel() for axis in np.meshgrid(np.arange(20.0), np.arange(10.0)))
COUNT = len(XS) + 1
SUFFIXES = {"gpkg": "GPKG", "shp": "ESRI Shapefile", "fgb": "FlatGeobuf", "geojson": "GeoJSON"}


def write_grid(path: Path, driver: str, crs: str = "EPSG:4326") -> None:
    # An index of FlatGeobuf has a place for each feature: there the last lies far away.
    last = shapely.Point(170, -80) if driver == "FlatGeobuf" else None
    points = [*shapely.points(XS, YS), last]
    options = {"geometry_type": "Point", "crs": crs, "driver": driver}
    pyogrio.raw.write(
        path,
        shapely.to_wkb(np.array(points, object)),
        field_data=[
            np.arange(COUNT),
            np.array([f"point {n:03}" for n in range(COUNT)], object),
            np.arange(COUNT).astype("datetime64[D]"),
        ],
        fields=["n", "name", "day"],
        **options,
    )


@pytest.fixture(params=SUFFIXES)
def grid(request: pytest.FixtureRequest, db: None, tmp_path: Path) -> Layer:
    """A layer of points of known places, in each kind of index that there is."""
    path = tmp_path / f"grid.{request.param}"
    write_grid(path, SUFFIXES[request.param])
    return register("grid", path)[0]


@pytest.fixture
def gpkg_grid(db: None, tmp_path: Path) -> Layer:
    write_grid(tmp_path / "grid.gpkg", "GPKG")
    return register("grid", tmp_path / "grid.gpkg")[0]


def get(client: Client, query: str = "", path: str = "/items") -> dict[str, Any]:
    response = client.get(f"/api/collections/grid{path}{query}")
    assert response.status_code == 200, response.content
    found: dict[str, Any] = response.json()
    return found


def all_pages(client: Client, query: str) -> tuple[list[int], int]:
    """Return the numbers of all features, following next, and how many pages they took."""
    address: str | None = f"/api/collections/grid/items{query}"
    seen: list[int] = []
    pages = 0
    while address:
        page = client.get(address).json()
        seen += [feature["properties"]["n"] for feature in page["features"]]
        address, pages = links_of(page).get("next"), pages + 1
    return seen, pages


def test_collections_and_collection(grid: Layer, new_client: NewClient) -> None:
    client = new_client()
    listed = client.get("/api/collections").json()
    check_feature_schema("collections", listed)
    alone = client.get("/api/collections/grid").json()
    check_feature_schema("collection", alone)
    assert listed["collections"] == [alone]
    kinds = {link["type"] for link in alone["links"] if link["rel"] == "items"}
    assert kinds == {
        "application/geo+json",
        "text/html",
        "text/csv",
        "application/flatgeobuf",
    }
    assert alone["crs"][0] == CRS84 and alone["storageCrs"] in alone["crs"]
    assert all("type" in link for link in alone["links"])


def test_fc_response(grid: Layer, new_client: NewClient) -> None:
    response = new_client().get("/api/collections/grid/items?limit=7")
    assert response["Content-Type"] == "application/geo+json"
    assert response["Content-Crs"] == f"<{CRS84}>"
    page = response.json()
    check_feature_schema("featureCollectionGeoJSON", page)
    assert page["numberReturned"] == len(page["features"]) == 7
    assert page["numberMatched"] == COUNT
    assert {"self", "alternate", "next"} <= set(links_of(page))


@pytest.mark.parametrize("limit", [1, 7, 100, 5000])
def test_fc_limit_and_links_reach_every_feature_once(
    grid: Layer, new_client: NewClient, limit: int
) -> None:
    # 201 pages of one take long, and show the same as the first twenty.
    query = f"?limit={limit}" + ("&bbox=0,0,4,2" if limit == 1 else "")
    seen, pages = all_pages(new_client(), query)
    expected = COUNT if limit > 1 else 15
    assert len(seen) == len(set(seen))
    assert set(seen) - {COUNT - 1} == (
        set(range(COUNT - 1)) if limit > 1 else {n for n in range(200) if inside(n, 0, 0, 4, 2)}
    )
    assert len(seen) in (expected, expected + 1)
    assert pages == -(-len(seen) // limit)


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("offset=0&limit=3", [0, 1, 2]),
        ("offset=195&limit=100", list(range(195, COUNT))),
        ("offset=201", []),
        ("offset=1000000000", []),
        ("offset=2&limit=2&filter=n>9", [12, 13]),
        ("offset=189&filter=n>9", [199, 200]),
        ("offset=999&filter=n>9", []),
        ("offset=3&bbox=0,0,4,0&limit=2", [3, 4]),
    ],
)
def test_offset_passes_features_over(
    grid: Layer, new_client: NewClient, query: str, numbers: list[int]
) -> None:
    page = get(new_client(), f"?{query}")
    found = [feature["properties"]["n"] for feature in page["features"]]
    if grid.path.suffix == ".fgb":
        # Its index has an order of its own.
        assert len(found) == len(numbers)
    else:
        assert found == numbers
    assert page.get("numberMatched") in (None, COUNT)


@pytest.mark.parametrize("query", ["offset=150&limit=7", "offset=150&limit=7&filter=n>=0"])
def test_pages_go_on_from_an_offset(
    gpkg_grid: Layer, new_client: NewClient, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    # A page that has no time left leads on, with what is still to be passed over.
    monkeypatch.setattr("marinemap.extraction.pages.page._MOST_SECONDS", -1.0)
    seen, _ = all_pages(new_client(), f"?{query}")
    assert seen == list(range(150, COUNT))


def test_fc_limit_is_clamped(grid: Layer, new_client: NewClient) -> None:
    assert get(new_client(), "?limit=1000000")["numberReturned"] == COUNT


def inside(n: int, west: float, south: float, east: float, north: float) -> bool:
    return bool(west <= XS[n] <= east and south <= YS[n] <= north)


@pytest.mark.parametrize(
    ("query", "bounds"),
    [
        ("bbox=2,3,5,4", (2, 3, 5, 4)),
        ("bbox=2,3,-9,5,4,9", (2, 3, 5, 4)),
        ("bbox=2.5,3.5,2.6,3.6", (2.5, 3.5, 2.6, 3.6)),
        ("bbox=-180,-90,180,90", (-180, -90, 180, 90)),
        (f"bbox=3,2,4,5&bbox-crs={EPSG}4326", (2, 3, 5, 4)),
        (f"bbox=222000,333000,557000,446000&bbox-crs={EPSG}3857", (2, 3, 5, 4)),
        ("bbox=15,0,-170,9", (15, 0, 180, 9)),
    ],
)
def test_fc_bbox_response(
    grid: Layer, new_client: NewClient, query: str, bounds: tuple[float, ...]
) -> None:
    page = get(new_client(), f"?limit=5000&{query}")
    found = {feature["properties"]["n"] for feature in page["features"]}
    assert found - {COUNT - 1} == {n for n in range(200) if inside(n, *bounds)}
    assert page["numberMatched"] == len(page["features"])


def test_fc_bbox_lets_features_pass_that_lie_nowhere(
    gpkg_grid: Layer, new_client: NewClient
) -> None:
    found = get(new_client(), "?bbox=2.5,3.5,2.6,3.6")["features"]
    assert [(each["properties"]["n"], each["geometry"]) for each in found] == [(200, None)]


@pytest.mark.parametrize(
    ("properties", "fields", "has_geometry"),
    [
        ("name", {"name"}, False),
        ("geometry,name,n", {"n", "name"}, True),
        ("geometry", set(), True),
    ],
)
def test_fields_that_are_chosen_come_alone(
    grid: Layer, new_client: NewClient, properties: str, fields: set[str], has_geometry: bool
) -> None:
    # Draft 24-019: what is not listed is left out, the geometry as well.
    query = f"?bbox=2.5,2.5,3.5,3.5&name=point%20063&properties={properties}"
    feature = get(new_client(), query)["features"][0]
    assert feature["properties"].keys() == fields
    assert bool(feature["geometry"]) == has_geometry


@pytest.mark.parametrize("form", ["csv", "flatgeobuf"])
@pytest.mark.parametrize("properties", ["name", "name,geometry"])
def test_table_of_chosen_fields(
    gpkg_grid: Layer, new_client: NewClient, tmp_path: Path, form: str, properties: str
) -> None:
    query = f"n=63&f={form}&properties={properties}"
    answer = new_client().get(f"/api/collections/grid/items?{query}")
    (tmp_path / f"page.{form}").write_bytes(answer.content)
    meta, _, _, columns = pyogrio.raw.read(tmp_path / f"page.{form}")
    assert dict(zip(meta["fields"], (column[0] for column in columns), strict=True))["name"] == (
        "point 063"
    )
    assert not {"n", "day"} & set(meta["fields"])


@pytest.mark.parametrize(
    ("query", "field", "detail"),
    [
        ("properties=nmae", "properties", "Did you mean 'name'"),
        ("properties=", "properties", "has no field ''"),
        ("bbox=1,2,3", "bbox", "fewer parts"),
        ("bbox=1,2,3,4,5", "bbox", "four"),
        ("bbox=1,2,3,x", "bbox", "not a number"),
        ("bbox=1,2,3,nan", "bbox", "finite"),
        ("bbox=1,5,3,4", "bbox", "ends before"),
        ("limit=0", "limit", "less than 1"),
        ("limit=ten", "limit", "whole number"),
        ("datetime=never", "datetime", "not a moment"),
        ("crs=EPSG:9999", "crs", "does not offer"),
        (f"bbox=0,0,1,1&bbox-crs={EPSG}27700", "bbox-crs", "does not offer"),
        (f"filter-crs={EPSG}27700", "filter-crs", "does not offer"),
        ("filter=nn>3", "filter", "Did you mean 'n'"),
        ("filter=n>", "filter", "not CQL2"),
        ("filter={}&filter-lang=cql2-json", "filter", "not a condition"),
        ("filter={&filter-lang=cql2-json", "filter", "not JSON"),
        (
            'filter={"op":"<","args":[{"property":"n"},NaN]}&filter-lang=cql2-json',
            "filter",
            "not JSON",
        ),
        ("filter-lang=cql", "filter-lang", "'cql2-text'"),
        ("nmae=x", "nmae", "Did you mean 'name'"),
        ("n=three", "n", "not a whole number"),
        ("after=x", "after", "not the end of a page"),
        ("offset=-1", "offset", "less than 0"),
    ],
)
def test_query_param_invalid_or_unknown(
    gpkg_grid: Layer, new_client: NewClient, query: str, field: str, detail: str
) -> None:
    problem = assert_problem(new_client().get(f"/api/collections/grid/items?{query}"), 400)
    assert problem["field"].startswith(field)
    assert detail in problem["detail"]


def test_f_success(grid: Layer, new_client: NewClient) -> None:
    client = new_client()
    for listed in get(client, "?limit=3")["features"]:
        alone = get(client, path=f"/items/{listed['id']}")
        check_feature_schema("featureGeoJSON", alone)
        assert {name: alone[name] for name in listed} == listed
        assert {"self", "alternate", "collection"} <= set(links_of(alone))


@pytest.mark.parametrize("feature", ["99999", "-1", "x", "1e3", "9" * 30, "9" * 5_000, "%00"])
def test_unknown_feature_is_not_found(grid: Layer, new_client: NewClient, feature: str) -> None:
    assert_problem(new_client().get(f"/api/collections/grid/items/{feature}"), 404)


@pytest.mark.parametrize(
    ("crs", "expected"),
    [
        (CRS84, [3, 2]),
        (f"{EPSG}4326", [2, 3]),
        # Spherical: 6378137 m times the longitude, and the Mercator ordinate (EPSG note 7-2).
        (f"{EPSG}3857", [333958.47, 222684.21]),
    ],
)
def test_crs_of_the_answer_and_its_axis_order(
    grid: Layer, new_client: NewClient, crs: str, expected: list[float]
) -> None:
    client = new_client()
    for place in ("bbox=3,2,3,2", "filter=n=43"):
        response = client.get(f"/api/collections/grid/items?{place}&crs={crs}")
        assert response["Content-Crs"] == f"<{crs}>"
        (found,) = [each for each in response.json()["features"] if each["geometry"]]
        assert found["geometry"]["coordinates"] == pytest.approx(expected, abs=0.01)
    alone = client.get(f"/api/collections/grid/items/{found['id']}?crs={crs}")
    assert alone.json()["geometry"] == found["geometry"]
    assert alone["Content-Crs"] == f"<{crs}>"


def test_layer_in_another_crs_is_answered_in_degrees(
    db: None, new_client: NewClient, tmp_path: Path
) -> None:
    write_grid(tmp_path / "grid.gpkg", "GPKG", "EPSG:32631")
    register("grid", tmp_path / "grid.gpkg")
    client = new_client()
    (feature,) = get(client, "?filter=n=43")["features"]
    # Metres from the origin of zone 31 N: south-west of 3 degrees east on the equator.
    assert feature["geometry"]["coordinates"] == pytest.approx([-1.4886, 0.0], abs=0.01)
    assert feature["properties"]["n"] == 43
    assert get(client, "?bbox=-2,-1,-1,1&limit=500")["numberReturned"] == COUNT


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("filter=n BETWEEN 3 AND 5", [3, 4, 5]),
        ("filter=name LIKE 'point 00%' AND NOT n IN (1,2)", [0, 3, 4, 5, 6, 7, 8, 9]),
        ("filter=day=DATE('1970-01-05')", [4]),
        ("filter=CASEI(name)=CASEI('POINT 007')", [7]),
        ("filter=n IS NULL", []),
        ('filter={"op":"<","args":[{"property":"n"},2]}&filter-lang=cql2-json', [0, 1]),
        ("n=8", [8]),
        ("name=point 008&n=8", [8]),
        ("name=point 008&n=9", []),
        ("filter=n>3&bbox=2,0,6,0", [4, 5, 6, 200]),
        ("filter=n>3&n=5&bbox=2,0,6,0", [5]),
        ("filter=n>190&limit=2", list(range(191, 201))),
    ],
)
def test_filter_and_queryables_as_parameters(
    gpkg_grid: Layer, new_client: NewClient, query: str, numbers: list[int]
) -> None:
    seen, _ = all_pages(new_client(), f"?{query}")
    assert seen == numbers


def at(x: int, y: int) -> int:
    return 20 * y + x


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("filter=S_INTERSECTS(geometry,POINT(3 2))", [at(3, 2)]),
        ("filter=s_intersects(POINT(3 2), geometry)", [at(3, 2)]),
        ("filter=S_INTERSECTS(geometry,BBOX(2.5,1.5,4.5,2.5))", [at(3, 2), at(4, 2)]),
        ("filter=S_WITHIN(geometry,POLYGON((2 2,4 2,4 3,2 3,2 2)))", []),
        ("filter=S_WITHIN(geometry,POLYGON((2 2,4.5 2,4.5 3.5,2 3.5,2 2)))&n=63", [63]),
        ("filter=S_TOUCHES(geometry,LINESTRING(0 0,5 5))", [at(0, 0), at(5, 5)]),
        ("filter=NOT S_DISJOINT(geometry,MULTIPOINT((1 1),(2 2))) AND n>30", [at(2, 2)]),
        ("filter=S_INTERSECTS(geometry,POINT(3 2)) OR n=7", [7, at(3, 2)]),
        ("filter=geometry IS NULL", [200]),
        ("filter=S_DISJOINT(geometry,BBOX(-180,-90,180,90))", []),
        ("filter=S_INTERSECTS(geometry,geometry) AND n<2", [0, 1]),
        ("filter=S_INTERSECTS(POINT(0 0),BBOX(-1,-1,1,1)) AND n<2", [0, 1]),
        # East of 18 degrees, across 180.
        ("filter=S_INTERSECTS(geometry,BBOX(18.5,0,-170,1))", [at(19, 0), at(19, 1)]),
        # The axes of the CRS, latitude first.
        (f"filter=S_INTERSECTS(geometry,POINT(2 3))&filter-crs={EPSG}4326", [at(3, 2)]),
        (f"filter=S_INTERSECTS(geometry,BBOX(2,3,2,3))&filter-crs={EPSG}4326", [at(3, 2)]),
        (
            f"filter=S_INTERSECTS(geometry,BBOX(3e5,2e5,4e5,3e5))&filter-crs={EPSG}3857",
            [at(3, 2)],
        ),
        (
            'filter={"op":"s_intersects","args":[{"property":"geometry"},'
            '{"type":"Point","coordinates":[3,2]}]}&filter-lang=cql2-json',
            [at(3, 2)],
        ),
        ("filter=S_INTERSECTS(geometry,BBOX(0,0,3,0))&bbox=2,-1,9,9", [2, 3]),
        ("filter=n * 2 %2B 1 = 9", [4]),
        ("filter=n div 50 = 3 AND n %25 50 < 2", [150, 151]),
        ("filter=n / 0 = 1 OR n ^ 2 = 81 OR -n = -5", [5, 9]),
        ("filter=n - 1 = 2 ^ 3 AND 1 = 1", [9]),
        ("filter=n = n AND name = name AND 3 > n", [0, 1, 2]),
    ],
)
def test_filter_by_place_and_by_arithmetic(
    gpkg_grid: Layer, new_client: NewClient, query: str, numbers: list[int]
) -> None:
    seen, _ = all_pages(new_client(), f"?{query}")
    assert seen == numbers


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("S_INTERSECTS(geometry,POLYGON((0 0,2 2,2 0,0 2,0 0)))", "not sound: Self-inter"),
        ("S_INTERSECTS(geometry,BBOX(0,5,3,4))", "ends before it begins"),
        ("S_INTERSECTS(geometry,n)", "a geometry is geometry"),
        ("S_INTERSECTS(geom,POINT(1 2))", "a geometry is geometry"),
        ("S_INTERSECTS(geometry)", "not 2 arguments"),
        ("geometry = 3", "'geometry' is the geometry"),
        ("S_DWITHIN(geometry,POINT(1 2),5)", "S_INTERSECTS"),
        ("name + 1 = 2", "'name' (string) cannot be compared with number"),
        ("name = n + 1", "cannot be compared with string"),
        ("DATE('x') = n", "no day or moment that there is"),
        ("DATE('x') = 1", "no value for a filter"),
        ("NULL = NULL", "no value for a filter"),
    ],
)
def test_filter_by_what_is_no_place_is_refused(
    gpkg_grid: Layer, new_client: NewClient, text: str, detail: str
) -> None:
    response = new_client().get("/api/collections/grid/items", {"filter": text})
    assert detail in assert_problem(response, 400)["detail"]


@pytest.mark.parametrize(
    ("text", "detail", "hint"),
    [
        ("name == 'x'", "from '= 'x'' on", "one sign"),
        ("n = 3 && n = 4", "from '&& n = 4' on", "AND"),
        ('name = "point 001"', "no field 'point 001'", "single quotes: 'point 001'"),
        ("CASEI(name)", "not supported as a condition", "CASEI(name) = CASEI("),
        ("ACCENTI(name)", "not supported as a condition", "ACCENTI(name) = ACCENTI("),
        ("CASEI name = 'x'", "not CQL2", "CASEI takes brackets"),
        ("n = '3'", "no value for a field of type integer", "number without quotes"),
        ("name = 3", "no value for a field of type string", "single quotes: '3'"),
        ("day = '1970-01-05'", "no value for a field of type", "DATE("),
        ("n >", "it ends too early", "depth > 20"),
        ("n = " + "9" * 5000, "a number has more than 400 digits", ""),
        (
            "S_INTERSECTS(geometry, POLYGON((0 0, 1 0, 1 1, 0 1)))",
            "not a geometry: a ring does not end where it begins",
            "",
        ),
    ],
)
def test_slips_of_newcomers_are_told_what_to_write(
    gpkg_grid: Layer, new_client: NewClient, text: str, detail: str, hint: str
) -> None:
    response = new_client().get("/api/collections/grid/items", {"filter": text})
    problem = assert_problem(response, 400)
    assert detail in problem["detail"] and hint in problem.get("hint", "")


def test_function_that_is_none_is_told_by_its_name(gpkg_grid: Layer, new_client: NewClient) -> None:
    response = new_client().get("/api/collections/grid/items", {"filter": "upper(name) = 'A'"})
    detail = assert_problem(response, 400)["detail"]
    assert detail.startswith("'upper' gives no value") and "CASEI, ACCENTI, +" in detail


@pytest.mark.parametrize(("text", "count"), [("true", 3), ("false", 0)])
def test_condition_may_be_true_or_false_by_itself(
    gpkg_grid: Layer, new_client: NewClient, text: str, count: int
) -> None:
    asked = {"filter": text, "filter-lang": "cql2-json", "limit": "3"}
    assert new_client().get("/api/collections/grid/items", asked).json()["numberReturned"] == count


def test_queryables(grid: Layer, new_client: NewClient) -> None:
    client = new_client()
    link = links_of(client.get("/api/collections/grid").json())[
        "http://www.opengis.net/def/rel/ogc/1.0/queryables"
    ]
    response = client.get(link)
    assert response["Content-Type"] == "application/schema+json"
    schema = response.json()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == link
    assert schema["properties"]["n"]["type"] == "integer"
    # FlatGeobuf knows no days but moments.
    assert schema["properties"]["day"]["format"] in ("date", "date-time")
    assert schema["additionalProperties"] is False
    place = schema["properties"]["geometry"]
    assert place["format"] == "geometry-point" and "type" not in place


def test_openapi_describes_the_items_of_each_layer_with_its_fields(
    gpkg_grid: Layer, new_client: NewClient
) -> None:
    paths = new_client().get("/api/openapi.json").json()["paths"]
    parameters = {at["name"]: at for at in paths["/collections/grid/items"]["get"]["parameters"]}
    assert {"limit", "bbox", "datetime", "n", "name", "day"} <= set(parameters)
    assert parameters["limit"]["schema"]["minimum"] == 1
    assert (parameters["bbox"]["style"], parameters["bbox"]["explode"]) == ("form", False)


def test_paging_reads_on_where_a_filter_finds_little(
    gpkg_grid: Layer, new_client: NewClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A page that has no time left ends early, empty or not, and leads on.
    monkeypatch.setattr("marinemap.extraction.pages.page._MOST_SECONDS", -1.0)
    seen, pages = all_pages(new_client(), "?filter=n IN (3, 150)&limit=10")
    assert seen == [3, 150]
    assert pages > 5


def test_pages_of_features_are_html_as_well(gpkg_grid: Layer, new_client: NewClient) -> None:
    client = new_client()
    for path in ("/items", "/items/1", "/queryables"):
        page = client.get(f"/api/collections/grid{path}", headers={"Accept": "text/html"})
        assert page["Content-Type"].startswith("text/html")
        assert "point 000" in page.content.decode() or path == "/queryables"
        # A picture without a script, of what has a place.
        assert ("<circle " in page.content.decode()) is (path != "/queryables")


def test_feature_that_the_client_has_is_not_read_again(
    gpkg_grid: Layer, new_client: NewClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = new_client()
    headers = {"If-None-Match": client.get("/api/collections/grid/items/7")["ETag"]}
    assert client.get("/api/collections/grid/items/8", headers=headers).status_code == 200
    gpkg_grid.path.rename(gpkg_grid.path.with_name("away.gpkg"))
    monkeypatch.setattr("marinemap.api.features.items.fingerprint", lambda _: gpkg_grid.fingerprint)
    assert client.get("/api/collections/grid/items/7", headers=headers).status_code == 304


def test_page_for_people_is_as_long_as_is_read(grid: Layer, new_client: NewClient) -> None:
    """A table of 5,000 features took 2.6 s to write."""
    client = new_client()
    rows = len(client.get("/api/collections/grid/items?limit=5000").json()["features"])
    page = client.get("/api/collections/grid/items?limit=5000&f=html").content.decode()
    assert page.count("/items/") == 100 < rows
    following = re.search(r'<link rel="next" href="([^"]+)"', page)
    assert following and "limit=5000" in following[1]


@pytest.mark.parametrize("query", ["limit=5000", f"limit=3&offset=2&crs={EPSG}3857", "n=3"])
def test_map_of_a_page_reads_what_its_table_has(
    grid: Layer, new_client: NewClient, query: str
) -> None:
    client = new_client()
    page = client.get(f"/api/collections/grid/items?f=html&{query}").content.decode()
    found = re.search(r'data-features="([^"]+)"', page)
    assert found
    features = client.get(unescape(found[1])).json()["features"]
    assert len(features) == page.count("/items/") > 0
    assert all(abs(x) <= 180 for each in features for x in each["geometry"]["coordinates"][:1])


def test_next_page_of_data_that_changed_is_refused(gpkg_grid: Layer, new_client: NewClient) -> None:
    client = new_client()
    first = client.get("/api/collections/grid/items?limit=3").json()
    following = links_of(first)["next"]
    assert client.get(following).json()["version"] == first["version"] == gpkg_grid.version
    with closing(sqlite3.connect(gpkg_grid.path)) as database, database:
        database.execute("DELETE FROM grid WHERE fid < 10")
    refused = client.get(following)
    assert refused.status_code == 410
    body = refused.json()
    assert body["type"] == "urn:marinemap:problem:data-changed"
    assert gpkg_grid.version in body["detail"] and "first page" in body["hint"]
    register("grid", gpkg_grid.path, "grid")
    assert client.get(following).status_code == 410
    again = client.get("/api/collections/grid/items?limit=3").json()
    assert again["version"] != first["version"]
    assert client.get(links_of(again)["next"]).status_code == 200


def test_next_page_of_the_same_data_in_a_new_file_is_given(
    gpkg_grid: Layer, new_client: NewClient
) -> None:
    client = new_client()
    following = links_of(client.get("/api/collections/grid/items?limit=3").json())["next"]
    os.utime(gpkg_grid.path)
    register("grid", gpkg_grid.path, "grid")
    assert client.get(following).status_code == 200


def test_page_that_the_client_has_is_not_sent_again(
    gpkg_grid: Layer, new_client: NewClient
) -> None:
    client = new_client()
    first = client.get("/api/collections/grid/items?limit=3")
    headers = {"If-None-Match": first["ETag"]}
    assert client.get("/api/collections/grid/items?limit=3", headers=headers).status_code == 304
    assert client.get("/api/collections/grid/items?limit=4", headers=headers).status_code == 200


def test_values_that_json_does_not_know(db: None, new_client: NewClient, tmp_path: Path) -> None:
    values = [np.nan, np.inf, 0.1]
    pyogrio.raw.write(
        tmp_path / "odd.gpkg",
        shapely.to_wkb(shapely.points([0, 1, 2], [0, 1, 2])),
        field_data=[np.array(values), np.array(["2026-01-02T03:04:05"] * 3, "datetime64[ms]")],
        fields=["real", "moment"],
        geometry_type="Point",
        crs="EPSG:4326",
    )
    register("grid", tmp_path / "odd.gpkg")
    found = [feature["properties"] for feature in get(new_client())["features"]]
    assert [each["real"] for each in found] == [None, None, 0.1]
    assert found[0]["moment"].startswith("2026-01-02T03:04:05")
    assert json.dumps(found)


def test_page_that_the_client_has_is_not_read_again(new_client: NewClient, tmp_path: Path) -> None:
    """The file is spoilt in a way that its mark does not show: who reads it fails."""
    path = tmp_path / "grid.gpkg"
    write_grid(path, "GPKG")
    register("kept", path)
    client, address = new_client(), "/api/collections/kept/items?limit=3&bbox=1,1,9,9"
    etag = client.get(address)["ETag"]
    before = path.stat()
    with path.open("r+b") as file:
        file.write(bytes(before.st_size))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    again = client.get(address, headers={"If-None-Match": etag})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", etag)
    assert again["Cache-Control"] == "public, no-cache" and "Accept" in again["Vary"]
    # Another query, another form and any are other documents.
    for other in (f"{address}&limit=4", f"{address}&f=html", f"{address}&nothing=1"):
        assert client.get(other, headers={"If-None-Match": etag}).status_code >= 400
    assert client.get(address, headers={"If-None-Match": "*"}).status_code >= 400


def test_page_is_sent_anew_when_layer_or_data_change(new_client: NewClient, tmp_path: Path) -> None:
    path = tmp_path / "grid.gpkg"
    write_grid(path, "GPKG")
    layer = register("kept", path)[0]
    client, address = new_client(), "/api/collections/kept/items?limit=3"

    def is_known(etag: str, **options: Any) -> bool:
        found = client.get(address, headers={"If-None-Match": etag}, **options)
        return bool(found.status_code == 304)

    etag = client.get(address)["ETag"]
    assert is_known(etag) and not is_known(etag, SERVER_NAME="127.0.0.1")
    layer.title = "Another title"
    layer.save()
    assert not is_known(etag)
    etag = client.get(address)["ETag"]
    assert is_known(etag)
    path.touch()
    assert not is_known(etag)


@pytest.mark.parametrize(
    ("form", "media_type"), [("csv", "text/csv"), ("flatgeobuf", "application/flatgeobuf")]
)
def test_page_as_a_file_holds_what_the_page_holds(
    gpkg_grid: Layer, new_client: NewClient, tmp_path: Path, form: str, media_type: str
) -> None:
    client, seen = new_client(), []
    address: str | None = "/api/collections/grid/items?limit=150"
    while address:
        # By the header; the next page is asked for in the same way.
        response = client.get(address, headers={"Accept": media_type})
        assert response["Content-Type"].partition(";")[0] == media_type
        assert response["Content-Crs"] == f"<{CRS84}>"
        (tmp_path / f"page.{form}").write_bytes(response.content)
        meta, _, places, fields = pyogrio.raw.read(tmp_path / f"page.{form}")
        names = list(meta["fields"])
        shapes = shapely.from_wkb(places) if form == "flatgeobuf" else None
        if shapes is None:
            shapes = [text and shapely.from_wkt(text) for text in fields[names.index("WKT")]]
        numbers = fields[names.index("n")].astype(int)
        seen += list(zip(numbers.tolist(), [s.wkt if s else None for s in shapes], strict=True))
        ids = fields[names.index("id")].astype(int).tolist()
        alone = client.get(f"/api/collections/grid/items/{ids[-1]}").json()
        assert alone["properties"]["n"] == numbers[-1]
        found = re.search(r'<([^>]+)>; rel="next"', response["Link"])
        address = found[1] if found else None
    expected = [shapely.Point(x, y).wkt for x, y in zip(XS, YS, strict=True)]
    assert seen == list(enumerate([*expected, None]))


def test_links_of_a_file_repeat_a_long_query_once(gpkg_grid: Layer, new_client: NewClient) -> None:
    client, query = new_client(), {"f": "csv", "limit": 1}
    everything = client.get("/api/collections/grid/items", query)["Link"]
    assert [everything.count(f'rel="{rel}"') for rel in ("next", "self", "alternate")] == [1, 1, 3]
    long = query | {"filter": " AND ".join(["name <> 'a long name of something'"] * 99)}
    links = client.get("/api/collections/grid/items", long)["Link"]
    # A server in front takes 4 to 8 kB of headers, a client of Python's 64 kB.
    assert 'rel="next"' in links and len(links) < 2 * len(urlencode(long))


@pytest.mark.parametrize(
    ("query", "accept", "media_type"),
    [
        ("?f=csv", "application/json", "text/csv"),
        ("?f=flatgeobuf&limit=1&filter=FALSE", "*/*", "application/flatgeobuf"),
        ("?f=csv&filter=FALSE", "", "text/csv"),
        ("", "text/csv;q=0.5, application/json;q=0.4", "text/csv"),
        ("", "*/*", "application/geo+json"),
        ("", "text/*", "text/html"),
    ],
)
def test_form_of_a_page_is_what_is_asked_for(
    gpkg_grid: Layer, new_client: NewClient, query: str, accept: str, media_type: str
) -> None:
    address = f"/api/collections/grid/items{query}"
    response = new_client().get(address, headers={"Accept": accept})
    assert (response.status_code, response["Content-Type"].partition(";")[0]) == (200, media_type)
    again = {"Accept": accept, "If-None-Match": response["ETag"]}
    assert new_client().get(address, headers=again).status_code == 304


def test_forms_of_one_page_are_no_versions_of_one_another(
    gpkg_grid: Layer, new_client: NewClient
) -> None:
    address = "/api/collections/grid/items?limit=3"
    tags = {
        new_client().get(address, headers={"Accept": kind})["ETag"]
        for kind in ("text/csv", "application/flatgeobuf", "application/geo+json", "text/html")
    }
    assert len(tags) == 4
    refused = new_client().get(address, headers={"Accept": "image/png"})
    assert "text/csv" in assert_problem(refused, 406)["detail"]


def test_axes_of_csv_are_those_of_its_crs(gpkg_grid: Layer, new_client: NewClient) -> None:
    address = f"/api/collections/grid/items?f=csv&n=43&crs={EPSG}4326"
    assert "POINT (2 3)" in new_client().get(address).content.decode()


def test_ground_of_maps_is_the_layer_that_the_operator_chose(
    grid: Layer, new_client: NewClient, settings: Any
) -> None:
    settings.MARINEMAP_BASE_LAYER = "shore"
    assert b'data-base="shore"' in new_client().get("/").content
    page = new_client().get("/api/collections/grid/items?f=html&limit=1").content
    assert b'data-land="/api/collections/shore"' in page
