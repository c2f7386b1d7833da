"""What ``datetime`` keeps of a layer's features (OGC 17-069r4, 7.15.4)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest
import shapely
from django.test import Client

from marinemap.catalogue.registration import register
from tests.extraction.layers import write_layer

NewClient = Callable[..., Client]

pytestmark = pytest.mark.django_db


def found(client: Client, when: str) -> list[int]:
    """Return the ids of what is there at a time."""
    answer = client.get("/api/collections/sea/items", {"datetime": when}).json()
    return [each["id"] for each in answer["features"]]


@pytest.mark.parametrize(
    ("when", "ids"),
    [
        ("2020-05-01", [2, 4]),
        ("2020-05-01T12:00:00Z", [2, 4]),
        ("2020-04-30/2020-05-01", [2, 4]),
        ("2020-05-02/..", [3, 4]),
        ("../2020-04-30", [1, 4]),
        ("2030-01-01/..", [4]),
        # As GDAL writes a day.
        ("2020-05-01T/..", [2, 3, 4]),
        ("../2020-05-01T", [1, 2, 4]),
    ],
)
def test_features_of_a_time_are_those_whose_day_it_meets(
    new_client: NewClient, tmp_path: Path, when: str, ids: list[int]
) -> None:
    days = [date(2020, 1, 1), date(2020, 5, 1), date(2020, 12, 31), None]
    fields = {"day": pa.array(days, pa.date32())}
    register("sea", write_layer(tmp_path / "sea.gpkg", [shapely.Point(1, 1)] * 4, fields))
    assert found(new_client(), when) == ids


def test_one_time_of_several_is_enough(new_client: NewClient, tmp_path: Path) -> None:
    noon = [datetime(2020, 1, day, 12, tzinfo=UTC) for day in (1, 2, 3)]
    fields = {
        "seen": pa.array([*noon, None], pa.timestamp("ms", "UTC")),
        "told": pa.array([None, date(2021, 1, 1), None, None], pa.date32()),
    }
    register("sea", write_layer(tmp_path / "sea.gpkg", [shapely.Point(1, 1)] * 4, fields))
    client = new_client()
    assert found(client, "2020-01-02T12:00:00Z") == [2, 4]
    assert found(client, "2020-01-02T12:00:01Z/2020-12-31") == [3, 4]
    assert found(client, "2021-01-01/..") == [2, 4]


def test_layer_without_times_has_all_at_any(new_client: NewClient, tmp_path: Path) -> None:
    register("sea", write_layer(tmp_path / "sea.gpkg", [shapely.Point(1, 1)] * 2))
    client = new_client()
    answer = client.get("/api/collections/sea/items", {"datetime": "2020-01-01"}).json()
    assert answer["numberMatched"] == 2 == len(answer["features"])
