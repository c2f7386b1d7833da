"""What a job was asked for, and what became of each layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import shapely
from django.test import Client

from marinemap.catalogue.models import Layer
from marinemap.catalogue.registration import register
from marinemap.jobs.models import Job
from tests.api.conftest import AREA, BROWSER, Post, run
from tests.api.test_jobs import ECHO, assert_problem
from tests.api.test_shares import NewClient

pytestmark = pytest.mark.django_db
REQUEST: dict[str, Any] = {"inputs": {"layers": ["reefs"], "area": AREA, "format": "csv"}}


@pytest.fixture
def owner(new_client: NewClient) -> Client:
    """Who asked."""
    return new_client(BROWSER)


@pytest.fixture
def job(owner: Client, post: Post, reefs: Layer) -> str:
    """The address of a job that waits."""
    location = str(post(owner, REQUEST)["Location"])
    owner.get(location)
    return location


def test_request_of_a_job_can_be_sent_again(owner: Client, job: str, post: Post) -> None:
    answer = owner.get(f"{job}/request")
    assert answer.status_code == 200, answer.content
    assert answer.json()["processID"] == "extract"
    inputs = answer.json()["inputs"]
    assert inputs["layers"] == ["reefs"] and inputs["format"] == "csv"
    again = post(owner, {"inputs": inputs})["Location"]
    assert owner.get(f"{again}/request").json()["inputs"] == inputs


def test_report_tells_of_each_layer_until_the_files_are_gone(owner: Client, job: str) -> None:
    assert_problem(owner.get(f"{job}/report"), 404)
    run(job.rpartition("/")[2])
    told = owner.get(f"{job}/report").json()
    assert [layer["name"] for layer in told["layers"]] == ["reefs"]
    assert told["layers"][0]["features_written"] > 0
    assert told["missing"] == told["notes"] == []
    owner.delete(job)
    assert_problem(owner.get(f"{job}/report"), 404)
    assert owner.get(f"{job}/request").status_code == 200


def test_page_of_a_report_names_fields_as_the_layer_does(
    owner: Client, post: Post, tmp_path: Path
) -> None:
    """Some are called as members of the site's documents are, such as a moment."""
    path = tmp_path / "odd.gpkg"
    names, texts = ["description", "earliestStart"], np.array(["x"], object)
    point = shapely.to_wkb(shapely.points([[2.0, 42.0]]))
    about = {"geometry_type": "Point", "crs": "EPSG:4326", "driver": "GPKG"}
    pyogrio.raw.write(path, point, [texts, texts], names, **about)
    register("odd", path)
    job = post(owner, {"inputs": {"layers": ["odd"], "area": AREA}})["Location"]
    run(job.rpartition("/")[2])
    page = owner.get(f"{job}/report?f=html", headers={"Accept-Language": "de"})
    assert page.status_code == 200, page.content
    for name in names:
        assert f"<dt>{name}</dt><dd>{name[:10]}</dd>" in page.content.decode()


def test_what_was_asked_is_told_to_nobody_else(job: str, new_client: NewClient) -> None:
    run(job.rpartition("/")[2])
    stranger = new_client(BROWSER)
    assert_problem(stranger.get(f"{job}/request"), 404)
    assert_problem(stranger.get(f"{job}/report"), 404)


def test_report_of_a_layer_that_became_private_is_gone(owner: Client, job: str) -> None:
    run(job.rpartition("/")[2])
    Layer.objects.update(is_restricted=True)
    assert_problem(owner.get(f"{job}/report"), 404)


def test_job_without_files_has_no_report(owner: Client, post: Post) -> None:
    location = post(owner, ECHO, "echo")["Location"]
    run(location.rpartition("/")[2])
    assert Job.objects.get().status == "successful"
    assert_problem(owner.get(f"{location}/report"), 404)
