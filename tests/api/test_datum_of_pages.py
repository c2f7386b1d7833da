"""Pages of features and extracts come to a CRS along the same datum operation."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import shapely
from django.test import Client

from marinemap.catalogue.models import Layer
from marinemap.catalogue.registration import register
from tests.extraction.layers import read, run, unpack, write_layer

pytestmark = pytest.mark.django_db
NewClient = Callable[..., Client]


def served(client: Client, layer: str, **query: str) -> list[Any]:
    answer = client.get(f"/api/collections/{layer}/items", {"f": "json", **query})
    assert answer.status_code == 200, answer.content
    return [each["geometry"] for each in json.loads(answer.content)["features"]]


def test_layer_without_any_known_operation_is_served_where_it_lies(
    tmp_path: Path, new_client: NewClient
) -> None:
    source = write_layer(
        tmp_path / "sea.gpkg", [shapely.Point(7, 52)], kind="Point", crs="EPSG:9006"
    )
    register("sea", source)
    assert Layer.objects.get(pk="sea").bounds_4326 == pytest.approx([7, 52, 7, 52], abs=1e-6)
    (found,) = served(new_client(), "sea", bbox="6,51,8,53")
    assert found["coordinates"] == pytest.approx([7, 52], abs=1e-6)


@pytest.mark.parametrize(
    ("crs", "corners"),
    [
        ("EPSG:4267", [(-170, 15), (-55, 75), (-100, 40)]),
        ("EPSG:4230", [(-9, 36), (28, 37), (3, 57)]),
        ("EPSG:27700", [(100_000, 50_000), (500_000, 1_000_000)]),
    ],
)
@pytest.mark.parametrize("code", ["4326", "3857"])
def test_page_and_extract_agree_to_the_last_digit(
    tmp_path: Path, new_client: NewClient, crs: str, corners: list[Any], code: str
) -> None:
    points = [shapely.Point(*at) for at in corners]
    source = write_layer(tmp_path / "sea.gpkg", points, kind="Point", crs=crs)
    register("sea", source)
    pages = served(new_client(), "sea", crs=f"http://www.opengis.net/def/crs/EPSG/0/{code}")
    result = run(
        source,
        tmp_path,
        [-180, -90, 180, 90],
        crs=f"EPSG:{code}",
        format="geopackage",
        full_copy=False,
    )
    (path,) = unpack(result).glob("*.gpkg")
    extracted = shapely.get_coordinates(read(path)[0])
    on_page = [each["coordinates"][:: -1 if code == "4326" else 1] for each in pages]
    digits = 9 if code == "4326" else 4
    assert [[round(n, digits) for n in at] for at in on_page] == [
        [round(n, digits) for n in at] for at in extracted.tolist()
    ]
