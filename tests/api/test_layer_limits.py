"""What a layer gives one request at most: told before, refused with what would fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from marinemap.catalogue.models import Layer
from marinemap.jobs.models import Job
from tests.api.conftest import AREA, Post, run
from tests.api.test_jobs import assert_problem

NewClient = Callable[..., Client]
REQUEST = {"inputs": {"layers": ["reefs"], "area": AREA}}
# Of 5 by 5 degrees at 40 to 45 degrees north.
AREA_KM2 = 227_000


@pytest.mark.parametrize(
    ("limit", "most", "words"),
    [
        ("most_area_km2", 100_000, ["area of 100,000 km² at most", "this has 22", "44% of it"]),
        ("most_corners", 4, ["area of 4 corners at most", "this has 5"]),
        ("most_features", 2, ["2 features at most", "of it would fit"]),
    ],
)
def test_refusal_says_limit_and_what_would_fit(
    reefs: Layer, new_client: NewClient, post: Post, limit: str, most: int, words: list[str]
) -> None:
    Layer.objects.filter(pk="reefs").update(**{limit: most})
    problem = assert_problem(post(new_client(), REQUEST), 400)
    assert problem["field"] == "inputs.area" or problem["field"] == "area"
    assert "layer 'reefs' gives" in problem["detail"]
    assert all(each in problem["detail"] for each in words), problem["detail"]
    assert "smaller" in problem["hint"]
    assert not Job.objects.exists()
    Layer.objects.filter(pk="reefs").update(**{limit: most * 1000})
    assert post(new_client(), REQUEST).status_code == 201


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ({"most_area_km2": 100_000}, "ein Gebiet von höchstens 100.000 km²; dieses hat 22"),
        ({"most_corners": 4}, "ein Gebiet von höchstens 4 Ecken; dieses hat 5"),
        ({"most_features": 2}, "höchstens 2 Objekte"),
    ],
)
def test_refusal_is_in_the_readers_language_throughout(
    reefs: Layer, new_client: NewClient, post: Post, limit: dict[str, int], words: str
) -> None:
    Layer.objects.filter(pk="reefs").update(**limit)
    refused = post(new_client(), REQUEST, headers={"Accept-Language": "de"})
    assert words in assert_problem(refused, 400)["detail"]


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ({"most_features": 2}, "of layer 'reefs' has over 2 features, the most that the layer"),
        ({"most_area_km2": 5}, "layer 'reefs' gives an area of 5 km² at most"),
        ({"most_corners": 4}, "layer 'reefs' gives an area of 4 corners at most"),
    ],
)
def test_limits_hold_in_the_run_as_well(
    reefs: Layer, new_client: NewClient, post: Post, limit: dict[str, int], words: str
) -> None:
    made = post(new_client(), REQUEST).json()
    # The data, or what is allowed, may be another by the time that a worker comes to it.
    Layer.objects.filter(pk="reefs").update(**limit)
    job = run(made["jobID"])
    assert job.status == "failed"
    assert words in job.message


def test_limits_are_told_with_the_layer(reefs: Layer, new_client: NewClient) -> None:
    address = "/api/collections/reefs"
    assert "limits" not in new_client().get(address).json()
    Layer.objects.filter(pk="reefs").update(most_features=9, most_megabytes=2, most_corners=500)
    told = new_client().get(address).json()["limits"]
    assert told == {"features": 9, "megabytes": 2, "corners": 500}


def test_estimate_tells_that_an_extract_would_be_refused(
    reefs: Layer, new_client: NewClient, post: Post
) -> None:
    Layer.objects.filter(pk="reefs").update(most_features=2)
    found: Any = post(new_client(), REQUEST, "estimate", headers={"Prefer": ""}).json()
    (note,) = [each for each in found["notes"] if "reefs" in each]
    assert "gives 2 features at most" in note and "would be refused" in note
    Layer.objects.filter(pk="reefs").update(most_features=None, most_area_km2=5)
    refused = post(new_client(), REQUEST, "estimate", headers={"Prefer": ""})
    assert "5 km² at most" in assert_problem(refused, 400)["detail"]
