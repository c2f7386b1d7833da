"""How many SQL queries each route takes: stated here, and the same however many rows there are.

What the queue is asked for the places of waiting jobs comes on top, on a connection of its own:
one question for a whole page.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from marinemap.catalogue.models import Layer
from marinemap.jobs.models import Job, JobDocuments
from tests.api.conftest import BROWSER, Post, run

pytestmark = pytest.mark.django_db
NewClient = Callable[..., Client]

# Of a program without cookies. A layer is one query, its neighbours in the catalogue none.
QUERIES = {
    "/api/": 0,
    "/api/conformance": 0,
    "/api/processes": 0,
    "/api/processes/echo": 0,
    "/api/processes/extract": 1,
    "/api/collections": 1,
    "/api/collections/reefs": 1,
    "/api/collections/reefs/queryables": 1,
    "/api/collections/reefs/items?limit=100": 1,
    "/api/collections/reefs/items?filter=reef_id<5": 1,
    "/api/collections/reefs/items?name=x": 2,
    "/api/collections/reefs/items/1": 1,
    "/api/areas?q=sea": 1,
    "/api/tileMatrixSets": 0,
    "/api/jobs": 1,
    "/api/jobs/{job}": 1,
    "/api/jobs/{job}/results": 3,
}


@pytest.fixture
def ask(reefs: Layer, new_client: NewClient, post: Post, settings: Any) -> Callable[[str], int]:
    """Count the queries of an address, asked by the program that made a job."""
    client = new_client(BROWSER)
    answer = post(client, {"inputs": {"message": "a"}}, "echo")
    job_id = answer.json()["jobID"]
    run(job_id)
    # The first look at a job binds it to its cookie, and at a layer makes it of its row.
    client.get(f"/api/jobs/{job_id}")
    client.get("/api/collections/reefs")

    def count(address: str) -> int:
        with CaptureQueriesContext(
            connection,
        ) as seen:
            response = client.get(address.replace("{job}", job_id))
        assert response.status_code == 200, response.content
        return len(seen)

    count.owner = Job.objects.get().owner  # type: ignore[attr-defined] # what else is of the test
    return count


@pytest.mark.parametrize(("address", "count"), QUERIES.items())
def test_queries_of_a_route(ask: Callable[[str], int], address: str, count: int) -> None:
    assert ask(address) == count


def test_layer_is_read_again_once_it_has_changed(ask: Callable[[str], int], reefs: Layer) -> None:
    Layer.objects.filter(pk="reefs").update(description="Others.")
    assert [ask("/api/collections/reefs/items/1") for _ in range(3)] == [2, 1, 1]


def test_queries_do_not_grow_with_rows(
    ask: Any, marine_gpkg: Path, reefs: Layer, new_client: NewClient
) -> None:
    before = {address: ask(address) for address in QUERIES}
    for number in range(20):
        reefs.pk = f"layer-{number}"
        reefs.save(force_insert=True)
    made = [Job(process_id="echo", owner=ask.owner, is_owner_known=True) for _ in range(100)]
    Job.objects.bulk_create(made)
    JobDocuments.objects.bulk_create(JobDocuments(job=job, inputs={}) for job in made)
    assert {address: ask(address) for address in QUERIES} == before
