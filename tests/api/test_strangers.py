"""What pages of other sites and senders of odd names get."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from marinemap.catalogue.models import Layer
from marinemap.jobs.models import Job
from tests.api.conftest import AREA, Post
from tests.api.test_jobs import assert_problem

pytestmark = pytest.mark.django_db
NewClient = Callable[..., Client]
REQUEST = {"inputs": {"layers": ["reefs"], "area": AREA}}
LONG = "x" * 1_000_000


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "https://evil.testserver"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "none", "Origin": "https://evil.example"},
    ],
)
def test_page_of_another_origin_may_not_ask(
    reefs: Layer, new_client: NewClient, post: Post, headers: dict[str, str]
) -> None:
    refused = post(new_client(headers), REQUEST)
    assert (refused.status_code, refused.json()["type"]) == (
        403,
        "urn:marinemap:problem:cross-site",
    )
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://testserver"},
        # A proxy speaks HTTPS for the site.
        {"Origin": "https://testserver"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_own_page_and_programs_may(
    reefs: Layer, new_client: NewClient, post: Post, headers: dict[str, str]
) -> None:
    assert post(new_client(headers), REQUEST).status_code == 201


@pytest.mark.parametrize(
    "body",
    [
        {LONG: 1},
        {"inputs": {LONG: 1}},
        {"inputs": {"layers": [{"name": "reefs", LONG: 1}], "area": AREA}},
        {"inputs": {"layers": [LONG], "area": AREA}},
        REQUEST | {"response": LONG},
        REQUEST | {"mode": LONG},
    ],
    ids=["member", "input", "member of a layer", "layer", "response", "mode"],
)
def test_long_name_does_not_come_back(
    reefs: Layer, new_client: NewClient, post: Post, body: dict[str, object]
) -> None:
    refused = post(new_client(), body)
    assert refused.status_code == 400
    assert len(refused.content) < 2_000


@pytest.mark.parametrize("name", ["%00", "a%00b", "x" * 9_000, "..%2F..%2Fetc", "%F0%9F%90%9F"])
@pytest.mark.parametrize("path", ["", "/drawings/x.pmtiles"])
def test_odd_collection_is_not_found(
    reefs: Layer, new_client: NewClient, name: str, path: str
) -> None:
    with CaptureQueriesContext(connection) as asked:
        answer = new_client().get(f"/api/collections/{name}{path}")
    assert (answer.status_code, len(answer.content) < 2_000) == (404, True)
    # PostgreSQL takes no text with NUL, and answers by an error.
    assert not any("\0" in query["sql"] for query in asked)


@pytest.mark.parametrize("name", ["%00", "a%00b.pmtiles", "x" * 9_000, "%F0%9F%90%9F"])
def test_odd_drawing_is_not_found(reefs: Layer, new_client: NewClient, name: str) -> None:
    # PostgreSQL takes no text with NUL, and answers by an error.
    answer = new_client().get(f"/api/collections/reefs/drawings/{name}")
    assert (answer.status_code, len(answer.content) < 2_000) == (404, True)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("jobs?processID=a%00b", "processID"),
        ("jobs?processID=echo,%00", "processID"),
        ("processes?after=%00", "after"),
        ("collections/reefs/items?name=%00", "name"),
        ("areas?q=%00", "q"),
    ],
)
def test_text_that_no_database_holds_is_refused_by_name(
    reefs: Layer, new_client: NewClient, path: str, field: str
) -> None:
    problem = assert_problem(new_client().get(f"/api/{path}"), 400)
    assert problem["field"] == field and "NUL" in problem["detail"]


def test_title_that_no_database_holds_is_refused(new_client: NewClient) -> None:
    answer = new_client().post(
        "/api/areas?title=%00", b"POLYGON((0 0, 1 0, 1 1, 0 0))", "text/plain"
    )
    assert assert_problem(answer, 400)["field"] == "title"


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"mode": "within"}, "mode"),
        ({"subscriber": {"successUri": "http://127.0.0.1/"}}, "subscriber.successUri"),
        (
            {
                "subscriber": {
                    "successUri": "https://one.example/",
                    "successUrl": "https://other.example/",
                }
            },
            "subscriber.successUrl",
        ),
        ({"response": 5}, "response"),
        ({"id": {}}, "id"),
    ],
)
def test_what_nothing_would_come_of_is_refused(
    reefs: Layer, new_client: NewClient, post: Post, more: dict[str, object], field: str
) -> None:
    refused = post(new_client(), REQUEST | more)
    assert (refused.status_code, refused.json()["field"]) == (400, field)
    assert not Job.objects.exists()


@pytest.mark.parametrize("levels", [102, 300, 600, 5_000])
@pytest.mark.parametrize("member", ["area", "filter"])
def test_json_nested_deep_is_refused(
    reefs: Layer, client: Client, member: str, levels: int
) -> None:
    """Beyond some 300 levels it could not be passed to the process that looks at it: 500."""
    inputs = json.dumps({**REQUEST["inputs"], member: "HERE"})
    for opened, closed in ("[]", ('{"op": "not", "args": [', "]}")):
        body = inputs.replace('"HERE"', opened * levels + "1" + closed * levels)
        answer = client.post(
            "/api/processes/estimate/execution",
            f'{{"inputs": {body}}}',
            content_type="application/json",
        )
        assert_too_deep(answer, "body")


def test_deep_filter_of_a_page_is_refused_by_its_name(reefs: Layer, client: Client) -> None:
    deep = "[" * 300 + "]" * 300
    answer = client.get(
        "/api/collections/reefs/items", {"filter": deep, "filter-lang": "cql2-json"}
    )
    assert_too_deep(answer, "filter")


def assert_too_deep(answer: Any, field: str) -> None:
    problem = assert_problem(answer, 400)
    assert problem["field"] == field
    assert "nested more than 100 deep" in problem["detail"]
