"""A process that answers at once, over HTTP: no job is made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from marinemap.catalogue.models import Layer
from marinemap.catalogue.registration import register
from marinemap.jobs.models import Job
from tests.api.conftest import AREA, BROWSER, Post
from tests.api.test_jobs import assert_problem

pytestmark = pytest.mark.django_db
NewClient = Callable[..., Client]
REQUEST = {"inputs": {"layers": ["reefs"], "area": AREA}}


def test_estimate_is_answered_at_once_and_leaves_nothing(
    reefs: Layer, new_client: NewClient, post: Post
) -> None:
    client = new_client(BROWSER)
    response = post(client, REQUEST, "estimate")
    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"
    assert "no-store" in response["Cache-Control"]
    found = response.json()
    assert (found["features"], found["exact"]) == (25, True)
    assert not Job.objects.exists()
    assert not client.cookies


@pytest.mark.parametrize("prefer", ["respond-async", "respond-sync", "wait=1"])
def test_preference_does_not_make_it_a_job(
    reefs: Layer, new_client: NewClient, post: Post, prefer: str
) -> None:
    response = post(new_client(), REQUEST, "estimate", headers={"Prefer": prefer})
    assert response.status_code == 200
    assert not Job.objects.exists()


def test_document_has_the_output_by_its_id(reefs: Layer, new_client: NewClient, post: Post) -> None:
    raw = post(new_client(), REQUEST | {"response": "raw"}, "estimate").json()
    document = post(new_client(), REQUEST | {"response": "document"}, "estimate").json()
    assert document == {"estimate": raw}


@pytest.mark.parametrize(
    ("change", "field", "detail"),
    [
        ({"response": "dokument"}, "response", "Did you mean 'document'"),
        ({"response": ["raw"]}, "response", "no response"),
        ({"inputs": {**REQUEST["inputs"], "filter": "dept_m > 1"}}, "filter", "'depth_m'"),
        ({"inputs": {**REQUEST["inputs"], "fromat": "csv"}}, "fromat", "'format'"),
    ],
)
def test_bad_request_is_answered_as_for_a_job(
    reefs: Layer, new_client: NewClient, post: Post, change: dict[str, Any], field: str, detail: str
) -> None:
    problem = assert_problem(post(new_client(), REQUEST | change, "estimate"), 400)
    assert problem["field"] == field
    assert detail in problem["detail"]


def test_data_that_are_gone_are_told_without_their_folder(
    new_client: NewClient, post: Post, marine_gpkg: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.gpkg"
    copy.write_bytes(marine_gpkg.read_bytes())
    register("reefs", copy, "reefs")
    copy.unlink()
    problem = assert_problem(post(new_client(), REQUEST, "estimate"), 500)
    assert "no file copy.gpkg" in problem["detail"]
    assert str(tmp_path) not in str(problem)


def test_page_of_another_site_gets_no_answer(
    reefs: Layer, new_client: NewClient, post: Post
) -> None:
    cross = {"Sec-Fetch-Site": "cross-site"}
    assert_problem(post(new_client(), REQUEST, "estimate", headers=cross), 403)


def test_description_says_that_it_runs_at_once(new_client: NewClient) -> None:
    client = new_client()
    described = client.get("/api/processes/estimate").json()
    assert described["jobControlOptions"] == ["sync-execute"]
    assert described["inputs"] == client.get("/api/processes/extract").json()["inputs"]
