"""Coordinate systems by name, place or code."""

from __future__ import annotations

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db


def test_coordinate_systems_are_found_and_the_fitting_ones_are_marked(client: Client) -> None:
    found = client.get("/api/crs?q=greek+grid&bbox=22.6,35.4,26,40.6&limit=3").json()["crs"]
    assert found[0] == {
        "id": "EPSG:2100",
        "title": "GGRS87 / Greek Grid",
        "place": "Greece - onshore",
        "bbox": pytest.approx([19.57, 34.88, 28.3, 41.75], abs=0.05),
        "fits": True,
    }
    assert (
        client.get("/api/crs?q=greek+grid&bbox=170,-40,-170,-30").json()["crs"][0]["fits"] is False
    )
    assert "fits" not in client.get("/api/crs?q=2100").json()["crs"][0]
    assert client.get("/api/crs?q=nothing+like+it").json()["crs"] == []


@pytest.mark.parametrize("bbox", ["1,2,3", "0,50,1,40", "0,0,361,1", "nan,0,1,1", "0,-91,1,1"])
def test_bounds_that_are_none_are_refused_by_name(client: Client, bbox: str) -> None:
    refused = client.get(f"/api/crs?bbox={bbox}")
    assert refused.status_code == 400
    assert refused.json()["field"] == "bbox"
