"""Pages of other origins: those that the operator names may read, none in a person's name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from marinemap.api.routes import all_routes
from tests.api.conftest import BROWSER, Post
from tests.api.test_jobs import ECHO

pytestmark = pytest.mark.django_db
NewClient = Callable[..., Client]
ORIGIN = {"Origin": "https://maps.example.org"}
ALLOW = "Access-Control-Allow-Origin"


@pytest.mark.parametrize("address", ["/api/collections", "/api/nothing", "/api/jobs?x=1"])
def test_page_of_any_origin_may_read_answers_and_problems(
    new_client: NewClient, address: str
) -> None:
    response = new_client().get(address, headers=ORIGIN)
    assert response[ALLOW] == "*"
    assert "Content-Crs" in response["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Credentials" not in response


@pytest.mark.parametrize(
    ("origins", "expected"),
    [(["https://maps.example.org"], ORIGIN["Origin"]), (["https://other.org"], None), ([], None)],
)
def test_operator_says_which_origins(
    new_client: NewClient, settings: Any, origins: list[str], expected: str | None
) -> None:
    settings.MARINEMAP_CORS_ORIGINS = origins
    response = new_client().get("/api/collections", headers=ORIGIN)
    assert response.get(ALLOW) == expected
    assert ("Origin" in response["Vary"]) == bool(origins)


def test_answer_that_a_cache_keeps_for_all_may_be_read_by_pages_of_others(
    new_client: NewClient,
) -> None:
    own = new_client().get("/api/collections")
    other = new_client().get("/api/collections", headers=ORIGIN)
    assert "Origin" not in own["Vary"]
    assert own[ALLOW] == other[ALLOW] == "*"
    exposed = "Access-Control-Expose-Headers"
    assert own[exposed] == other[exposed]


def test_preflight_is_answered(new_client: NewClient) -> None:
    asked = ORIGIN | {"Access-Control-Request-Method": "POST"}
    response = new_client().options("/api/processes/echo/execution", headers=asked)
    assert (response.status_code, response[ALLOW]) == (204, "*")
    assert "POST" in response["Access-Control-Allow-Methods"]
    allowed = response["Access-Control-Allow-Headers"].split(", ")
    operations = [operation for route in all_routes() for operation in route.operations]
    declared = {each.name for at in operations for each in at.parameters if each.place == "header"}
    assert "Prefer" in declared <= set(allowed)
    # What goes on with a download, and names it.
    assert {"Range", "If-Range"} <= set(allowed)
    assert {"Content-Range", "Content-Disposition"} <= set(
        response["Access-Control-Expose-Headers"].split(", ")
    )


def test_pages_outside_the_api_are_not_for_others(new_client: NewClient) -> None:
    assert ALLOW not in new_client().get("/", headers=ORIGIN)


def test_page_of_another_origin_changes_nothing(new_client: NewClient, post: Post) -> None:
    cross = BROWSER | ORIGIN | {"Sec-Fetch-Site": "cross-site"}
    assert post(new_client(), ECHO, "echo", headers=cross).status_code == 403
