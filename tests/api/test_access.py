"""Who may see what: layers for groups, and jobs, over every route of the API."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from marinemap.api.access import SCOPES, Access
from marinemap.api.routes import all_routes
from marinemap.api.tokens import make_token
from marinemap.catalogue import drawings
from marinemap.catalogue.models import Drawing, Layer
from marinemap.catalogue.registration import register
from marinemap.jobs.models import Job
from tests.api.conftest import AREA, BROWSER, Post, run
from tests.api.test_files import body
from tests.api.test_jobs import assert_problem

pytestmark = pytest.mark.django_db
NewClient = Callable[..., Client]
REQUEST = {"inputs": {"layers": ["secret"], "area": AREA}}
BOTH = {"inputs": {"layers": ["reefs", "secret"], "area": AREA}}
PLACE = "/api/collections/secret"
# Each route that a layer has; each answers who may see it, and is 404 to all others.
LAYER_ROUTES = {
    "describeCollection": "",
    "getQueryables": "/queryables",
    "getValues": "/values?field=port_id",
    "getFeatures": "/items?limit=1",
    "getFeature": "/items/1",
    "getDrawing": "/drawings/{drawing}",
    "getTileSetsList": "/tiles",
    "getTileSet": "/tiles/WebMercatorQuad",
    "getTileJson": "/tiles/WebMercatorQuad/tilejson",
    "getTile": "/tiles/WebMercatorQuad/0/0/0",
}
JOB_ROUTES = {
    "getStatus": "",
    "dismiss": "",
    "getResult": "/results",
    "getOutput": "/results/x",
    "getJobEvents": "/events",
    "getRequest": "/request",
    "getReport": "/report",
    # Of one's own: test_events.py has it.
    "getEvents": "",
    "renew": "",
    "share": "",
    "revokeShares": "",
    # For whoever has the link: test_shares.py.
    "getShared": "",
    # For whoever was written to: test_letters.py.
    "getLetters": "",
    "changeLetters": "",
}
# What is the same for everyone, but for the layers that it lists.
OPEN_ROUTES = {
    "landing": "/api/",
    "conformance": "/api/conformance",
    "openapi": "/api/openapi.json",
    "serviceDoc": "/api/openapi.html",
    "getProcesses": "/api/processes",
    "getProcess": "/api/processes/extract",
    "getCollections": "/api/collections",
    "getJobs": "/api/jobs",
    "getLimits": "/api/limits",
    "searchAreas": "/api/areas?q=sec",
    "searchCrs": "/api/crs?q=utm",
    "getTileMatrixSetsList": "/api/tileMatrixSets",
    "getTileMatrixSet": "/api/tileMatrixSets/WebMercatorQuad",
}
# What makes jobs, and batches of them: test_batches.py has whose they are.
EXECUTIONS = {"execute", "makeBatch", "uploadArea"}
BATCH_ROUTES = {"getBatch", "dismissBatch"}
# What is uploaded is its owner's, as a job is, what a layer names is that layer's: test_areas.py
# and test_named_areas.py have the rest.
UPLOAD_ROUTES = {"getArea", "removeArea"}
# For who has signed in, and no token: test_tokens.py has the rest.
ACCOUNT_ROUTES = {"getTokens", "makeToken", "revokeToken"}


@pytest.fixture
def secret(reefs: Layer, marine_gpkg: Path) -> Layer:
    """A layer for one group only, drawn."""
    group = Group.objects.create(name="surveyors")
    layer, _ = register("secret", marine_gpkg, "ports", groups=[group])
    assert list(drawings.draw_missing())
    return layer


@pytest.fixture
def people(secret: Layer, new_client: NewClient, post: Post) -> dict[str, Client]:
    """Everyone who is there: whether they may see the layer tells their name."""
    found = {"stranger": new_client(), "cookie": new_client(BROWSER)}
    post(found["cookie"], {"inputs": {"message": "hello"}}, "echo")
    for name in ("outsider", "member", "admin"):
        found[name] = new_client(BROWSER)
        found[name].force_login(User.objects.create_user(name, is_superuser=name == "admin"))
    member = User.objects.get(username="member")
    member.groups.add(Group.objects.get())
    for name, scopes in (("token", list(SCOPES)), ("blind token", ["jobs:read", "jobs:write"])):
        _, text = make_token(member, name, scopes)
        found[name] = new_client({"Authorization": f"Bearer {text}"})
    return found


# A token that is blind to layers of groups sees the job of its person, and not what is in it.
MISSING = {("blind token", ""): 200, ("blind token", "/events"): 200}
MAY_SEE = ("member", "admin", "token")


def test_every_route_has_a_rule_here() -> None:
    ruled = {*LAYER_ROUTES, *JOB_ROUTES, *OPEN_ROUTES, *EXECUTIONS, *BATCH_ROUTES, *ACCOUNT_ROUTES}
    ruled |= UPLOAD_ROUTES
    declared = {operation.id for route in all_routes() for operation in route.operations}
    assert declared == ruled


def test_rules_of_tokens_are_those_of_the_routes() -> None:
    of = {each.id: each.access for route in all_routes() for each in route.operations}
    assert {of[name] for name in LAYER_ROUTES} == {Access.LAYERS}
    assert {of[name] for name in ACCOUNT_ROUTES} == {Access.ACCOUNT}
    assert {name for name in of if of[name] is Access.WRITE_JOBS} == {
        "dismiss",
        "dismissBatch",
        "removeArea",
        "renew",
        "share",
        "revokeShares",
        *EXECUTIONS,
    }
    writing = {"dismiss", "renew", "share", "revokeShares"}
    assert {name for name in JOB_ROUTES if of[name] is Access.READ_JOBS} == {
        *JOB_ROUTES.keys() - writing - {"getShared", "getLetters", "changeLetters"}
    }


def without_name(response: Any) -> Any:
    """Return an answer without the id that was asked for, to compare it with another's."""
    return json.loads(response.content.decode().replace("secret", "ID").replace("absent", "ID"))


def read_all(response: Any) -> None:
    """Read what is streamed to its end, where its file is closed."""
    if response.streaming:
        body(response)


@pytest.mark.parametrize("operation", LAYER_ROUTES)
def test_layer_is_there_for_its_group_only(people: dict[str, Client], operation: str) -> None:
    rest = LAYER_ROUTES[operation].format(drawing=Drawing.objects.get(pk="secret").file)
    for name, person in people.items():
        response = person.get(f"{PLACE}{rest}")
        if name in MAY_SEE:
            assert response.status_code in (200, 204), name
            assert "private" in response["Cache-Control"]
            read_all(response)
        else:
            problem = assert_problem(response, 404)
            # As of one that is not there at all, and no cache keeps it for the others.
            absent = person.get(f"/api/collections/absent{rest}")
            assert without_name(response) == without_name(absent), (name, problem)
            assert response["Cache-Control"] == "no-store"


@pytest.mark.parametrize("operation", OPEN_ROUTES)
def test_nothing_names_a_layer_to_who_may_not_see_it(
    people: dict[str, Client], operation: str
) -> None:
    for name, person in people.items():
        for form in ({}, {"Accept": "text/html"}):
            response = person.get(OPEN_ROUTES[operation], headers=form)
            assert response.status_code in (200, 406), name
            if name not in MAY_SEE:
                assert b"secret" not in response.content, name
    if operation in ("getCollections", "openapi"):
        for name in MAY_SEE:
            assert b"secret" in people[name].get(OPEN_ROUTES[operation]).content


@pytest.mark.parametrize("process", ["extract", "estimate"])
@pytest.mark.parametrize("body", [REQUEST, BOTH], ids=["alone", "among others"])
def test_process_knows_a_layer_for_its_group_only(
    people: dict[str, Client], post: Post, process: str, body: dict[str, Any]
) -> None:
    absent = json.loads(json.dumps(body).replace("secret", "absent"))
    for name, person in people.items():
        response = post(person, body, process)
        if name in MAY_SEE:
            assert response.status_code in (200, 201), response.content
        else:
            assert_problem(response, 400)
            assert without_name(response) == without_name(post(person, absent, process))


def test_near_name_offers_no_hidden_layer(people: dict[str, Client], post: Post) -> None:
    near = json.loads(json.dumps(REQUEST).replace("secret", "secreta"))
    for name, person in people.items():
        told = post(person, near).content + person.get("/api/collections/secreta").content
        assert (b"'secret'" in told) == (name in MAY_SEE), name


@pytest.mark.parametrize("rest", ["", "/events", "/results", "/results/archive"])
def test_job_is_there_for_its_owner_only(people: dict[str, Client], post: Post, rest: str) -> None:
    location = post(people["member"], REQUEST)["Location"]
    run(location.rsplit("/", 1)[1])
    for name, person in people.items():
        response = person.get(f"{location}{rest}")
        is_own = name in ("member", "token")
        assert response.status_code == (200 if is_own else MISSING.get((name, rest), 404)), name
        read_all(response)
        if name not in ("member", "token", "blind token"):
            assert person.delete(location).status_code == 404
    assert Job.objects.get(pk=location.rsplit("/", 1)[1]).artifact


def test_who_leaves_the_group_has_neither_run_nor_download(
    people: dict[str, Client], post: Post
) -> None:
    member = people["member"]
    fresh = {"Cache-Control": "no-cache", "Prefer": "respond-async"}
    done, waiting = (post(member, REQUEST, headers=fresh)["Location"] for _ in range(2))
    run(done.rsplit("/", 1)[1])
    User.objects.get(username="member").groups.clear()
    assert_problem(member.get(f"{done}/results"), 404)
    job = run(waiting.rsplit("/", 1)[1])
    assert (job.status, "no layer 'secret'" in job.message) == ("failed", True)


def test_request_sent_again_does_not_fetch_what_one_may_see_no_more(
    people: dict[str, Client], post: Post
) -> None:
    headers = {"Idempotency-Key": "once", "Prefer": "respond-async"}
    location = post(people["member"], REQUEST, headers=headers)["Location"]
    run(location.rsplit("/", 1)[1])
    User.objects.get(username="member").groups.clear()
    headers["Prefer"] = "respond-sync"
    assert_problem(post(people["member"], REQUEST, headers=headers), 404)


def test_layer_that_is_closed_later_is_downloaded_no_more(
    people: dict[str, Client], post: Post
) -> None:
    body = {"inputs": {"layers": ["reefs"], "area": AREA}}
    cookie = people["cookie"]
    location = post(cookie, body)["Location"]
    run(location.rsplit("/", 1)[1])
    Layer.objects.filter(pk="reefs").update(is_restricted=True)
    problem = assert_problem(cookie.get(f"{location}/results"), 404)
    assert problem["type"].endswith("result-not-available")


@pytest.mark.parametrize("is_added_again", [False, True])
def test_layer_that_is_removed_leaves_its_results_to_who_might_see_it(
    people: dict[str, Client], post: Post, marine_gpkg: Path, is_added_again: bool
) -> None:
    member = people["member"]
    location = post(member, REQUEST)["Location"]
    run(location.rpartition("/")[2])
    href = member.post(f"{location}/share").json()["href"]
    # As the admin site removes those that are chosen there.
    Layer.objects.filter(pk="secret").delete()
    if is_added_again:
        register("secret", marine_gpkg, "coastline")
    for name in ("member", "token", "admin"):
        assert body(people[name].get(href)).startswith(b"PK"), name
    assert body(member.get(f"{location}/results")).startswith(b"PK")
    for name in ("stranger", "cookie", "outsider", "blind token"):
        assert_problem(people[name].get(href), 404)
    User.objects.get(username="member").groups.clear()
    for rest in ("results", "results/archive", "report"):
        assert_problem(member.get(f"{location}/{rest}"), 404)
    # What is asked for by then is of another layer.
    asked = post(member, REQUEST)
    assert asked.status_code == (201 if is_added_again else 400)
    if is_added_again:
        assert run(asked.json()["jobID"]).status == "successful"
        assert body(member.get(f"{asked['Location']}/results")).startswith(b"PK")


def test_layer_that_was_withdrawn_and_then_removed_gives_nothing(
    people: dict[str, Client], post: Post
) -> None:
    open_body = {"inputs": {"layers": ["reefs"], "area": AREA}}
    done = {name: post(people[name], open_body)["Location"] for name in ("cookie", "admin")}
    for location in done.values():
        run(location.rpartition("/")[2])
    Layer.objects.filter(pk="reefs").update(is_published=False)
    Layer.objects.get(pk="reefs").delete()
    for name, location in done.items():
        assert_problem(people[name].get(f"{location}/results"), 404)


def test_open_layer_that_is_removed_leaves_its_results(
    people: dict[str, Client], post: Post
) -> None:
    location = post(people["cookie"], {"inputs": {"layers": ["reefs"], "area": AREA}})["Location"]
    run(location.rpartition("/")[2])
    Layer.objects.get(pk="reefs").delete()
    assert body(people["cookie"].get(f"{location}/results")).startswith(b"PK")


def test_group_that_is_deleted_opens_no_layer(people: dict[str, Client]) -> None:
    Group.objects.all().delete()
    assert people["stranger"].get(PLACE).status_code == 404
    assert people["member"].get(PLACE).status_code == 404
    assert people["admin"].get(PLACE).status_code == 200


def test_person_who_may_no_longer_sign_in_sees_what_everyone_does(
    people: dict[str, Client],
) -> None:
    User.objects.filter(username="member").update(is_active=False)
    assert people["member"].get(PLACE).status_code == 404


def test_many_layers_cost_no_more_queries(
    people: dict[str, Client], django_assert_max_num_queries: Any, secret: Layer
) -> None:
    for number in range(20):
        secret.pk = f"secret-{number}"
        secret.save(force_insert=True)
        secret.groups.set(Group.objects.all())
    # Session, user, groups, layers.
    with django_assert_max_num_queries(4):
        assert len(people["member"].get("/api/collections").json()["collections"]) == 22
