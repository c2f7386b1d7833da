"""Layers whose fields are called as members of the API's documents are."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import shapely
from django.test import Client

from marinemap.catalogue.registration import register
from tests.extraction.layers import write_layer

NewClient = Callable[..., Client]
POINTS = [shapely.Point(1, 1), shapely.Point(2, 2)]
SCRIPT = "javascript:alert(1)"

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("where", ["/items", "/items/1"])
@pytest.mark.parametrize("name", ["href", "links", "extent", "title", "description", "id", "crs"])
def test_page_shows_each_field_by_its_name(
    new_client: NewClient, tmp_path: Path, where: str, name: str
) -> None:
    fields = {name: [SCRIPT, "other"], "depth": ["deep", "flat"]}
    register("odd", write_layer(tmp_path / "odd.gpkg", POINTS, fields))
    page = new_client().get(f"/api/collections/odd{where}?f=html")
    assert page.status_code == 200
    text = page.content.decode()
    assert f'href="{SCRIPT}' not in text
    # In the table or the list of terms, with its heading.
    assert re.search(rf"<(td|dd)>{re.escape(SCRIPT)}</\1>", text)
    assert re.search(rf"<(th scope=col|dt)>{name}</", text)
    assert "deep" in text


def test_rows_lead_to_their_features_whatever_a_field_is_called(
    new_client: NewClient, tmp_path: Path
) -> None:
    fields = {"id": ["second", "first"], "#id": ["x", "y"]}
    register("odd", write_layer(tmp_path / "odd.gpkg", POINTS, fields))
    page = new_client().get("/api/collections/odd/items?f=html").content.decode()
    assert re.findall(r"/collections/odd/items/([^?\"]+)\?f=html\"", page) == ["1", "2"]
    assert "<td>second</td>" in page
