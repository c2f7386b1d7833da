"""The values of a field: what a filter can be built from, at a cost that is bounded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import shapely
from django.test import Client

from marinemap.catalogue.models import Layer
from marinemap.catalogue.registration import register
from marinemap.extraction.layers import field_values
from tests.api.test_jobs import assert_problem

pytestmark = pytest.mark.django_db
SUFFIXES = {"gpkg": "GPKG", "shp": "ESRI Shapefile", "geojson": "GeoJSON"}
KINDS = ["rock", "sand", "mud", None]


@pytest.fixture(params=SUFFIXES)
def samples(request: pytest.FixtureRequest, db: None, tmp_path: Path) -> Layer:
    """Fifty samples of the sea floor, in sources that are read in different ways."""
    path = tmp_path / f"samples.{request.param}"
    numbers = np.arange(50)
    depths = np.where(numbers % 10 == 0, np.nan, numbers * 1.5)
    kinds = [KINDS[n % 4] for n in numbers]
    days = np.datetime64("2026-01-01") + numbers // 5
    pyogrio.raw.write(
        path,
        shapely.to_wkb(shapely.points(numbers / 10, 40)),
        [depths, np.array(kinds, object), numbers % 3, days],
        ["depth", "kind", "crew", "day"],
        geometry_type="Point",
        crs="EPSG:4326",
        driver=SUFFIXES[request.param],
    )
    return register("samples", path)[0]


def values(client: Client, field: str, query: str = "") -> dict[str, Any]:
    answer = client.get(f"/api/collections/samples/values?field={field}{query}")
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def test_page_has_values_as_a_filter_takes_them(samples: Layer, client: Client) -> None:
    address = "/api/collections/samples/values?field=depth&f=html"
    page = client.get(address, headers={"Accept-Language": "de"}).content.decode()
    assert "<td>1.5</td>" in page and "<dd>73.5</dd>" in page


def test_values_are_counted_the_most_frequent_first(samples: Layer, client: Client) -> None:
    found = values(client, "kind")
    assert found["values"] == [
        {"value": "rock", "count": 13},
        {"value": "sand", "count": 13},
        {"value": "mud", "count": 12},
    ]
    told = {name: found[name] for name in ("distinct", "missing", "lookedAt", "complete")}
    assert told == {"distinct": 3, "missing": 12, "lookedAt": 50, "complete": True}
    assert values(client, "kind", "&limit=1")["values"] == found["values"][:1]
    crews = values(client, "crew")
    assert [each["value"] for each in crews["values"]] == [0, 1, 2]
    depths = values(client, "depth")
    assert (depths["minimum"], depths["maximum"], depths["missing"]) == (1.5, 73.5, 5)
    days = values(client, "day")
    assert (days["minimum"], days["maximum"], days["distinct"]) == ("2026-01-01", "2026-01-10", 10)


def test_each_value_filters_as_many_features(samples: Layer, client: Client) -> None:
    for field, wrap in {"kind": str, "crew": int, "day": lambda day: {"date": day}}.items():
        for each in values(client, field)["values"]:
            equal = {"op": "=", "args": [{"property": field}, wrap(each["value"])]}
            query = {"filter": json.dumps(equal), "filter-lang": "cql2-json"}
            page = client.get("/api/collections/samples/items", query).json()
            assert page["numberReturned"] == each["count"], each


def test_unknown_field_is_refused_with_the_nearest(samples: Layer, client: Client) -> None:
    answer = client.get("/api/collections/samples/values?field=kinds")
    problem = assert_problem(answer, 400)
    assert problem["field"] == "field" and "Did you mean 'kind'?" in problem["detail"]
    without = client.get("/api/collections/samples/values")
    assert assert_problem(without, 400)["field"] == "field"


@pytest.mark.parametrize("bound", ["_MOST_SECONDS", "_MOST_BYTES", "_MOST_DISTINCT"])
def test_what_is_too_much_to_count_is_said_to_be_a_part(
    bound: str, samples: Layer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(field_values, bound, 0)
    monkeypatch.setattr(field_values.PageSource, "rows_at_once", 20)
    found = values(client, "kind")
    assert (found["complete"], found["lookedAt"]) == (False, 20)


def test_long_texts_are_counted_but_not_listed(db: None, client: Client, tmp_path: Path) -> None:
    moments = ["2026-01-31T12:00:00Z", "2026-01-31T13:00:00+01:00", None]
    texts = ["short", "long" * 100, None]
    features = [
        {
            "type": "Feature",
            "properties": {"at": at, "text": text},
            "geometry": {"type": "Point", "coordinates": [0, 40]},
        }
        for at, text in zip(moments, texts, strict=True)
    ]
    collection = {"type": "FeatureCollection", "features": features}
    (tmp_path / "odd.geojson").write_text(json.dumps(collection))
    register("samples", tmp_path / "odd.geojson")
    found = values(client, "text")
    assert [each["value"] for each in found["values"]] == ["short"] and found["distinct"] == 2
    assert values(client, "at")["missing"] == 1
    page = client.get("/api/collections/samples/values?field=text&f=html")
    assert page.status_code == 200 and "short" in page.content.decode()


def test_theme_is_told_with_the_layer(samples: Layer, client: Client) -> None:
    address = "/api/collections/samples"
    assert "theme" not in client.get(address).json()
    Layer.objects.update(theme="Sea floor")
    assert client.get(address).json()["theme"] == "Sea floor"


def test_field_of_names_is_told_as_the_operator_chose_it(samples: Layer, client: Client) -> None:
    address = "/api/collections/samples"
    before = client.get(address)
    Layer.objects.update(name_field=samples.fields[0]["name"])
    again = client.get(address, headers={"If-None-Match": before["ETag"]})
    assert again.status_code == 200
    assert again.json()["nameField"] == samples.fields[0]["name"]


def test_who_has_the_answer_is_told_so(samples: Layer, client: Client) -> None:
    address = "/api/collections/samples/values?field=kind"
    etag = client.get(address).headers["ETag"]
    again = client.get(address, headers={"If-None-Match": etag})
    assert again.status_code == 304


def test_an_incomplete_answer_does_not_last(
    samples: Layer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = "/api/collections/samples/values?field=kind"
    with monkeypatch.context() as busy:
        busy.setattr(field_values, "_MOST_SECONDS", 0)
        busy.setattr(field_values.PageSource, "rows_at_once", 20)
        partial = client.get(address)
    assert partial.json()["complete"] is False
    again = client.get(address, headers={"If-None-Match": partial.headers["ETag"]})
    assert again.status_code == 200 and again.json()["complete"] is True
