"""OGC API - Processes Part 1, version 1.0: a test for each requirement, named after it."""

from __future__ import annotations

import email
import email.policy
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client, RequestFactory
from django.utils import timezone

from marinemap.api.processes.waiting import ended_within, turn_to_wait
from marinemap.catalogue.models import Layer
from marinemap.celery import app
from marinemap.jobs.models import Callback, Job
from tests.api.conftest import AREA, BROWSER, Post, run
from tests.api.standards import check_process_schema
from tests.api.test_jobs import assert_problem
from tests.jobs.test_notify import Receiver

pytestmark = pytest.mark.django_db
NewClient = Callable[..., Client]
SYNC = {"Prefer": ""}
OGC = "http://www.opengis.net/def/rel/ogc/1.0/"
ALL_INPUTS = {
    "message": "teststring",
    "pause": 0,
    "numbers": [1, 2],
    "extent": {"bbox": [345345345] * 4, "crs": "urn:ogc:def:crs:EPSG:6.6:4326"},
    "text": "<a/>",
    "choice": "teststring",
}


def links_of(document: dict[str, Any]) -> dict[str, str]:
    return {link["rel"]: link["href"] for link in document["links"]}


def test_landingpage_success(new_client: NewClient) -> None:
    client = new_client()
    landing = client.get("/api/").json()
    check_process_schema("landingPage", landing)
    links = links_of(landing)
    for rel in ("service-desc", "service-doc", "conformance", "data"):
        assert client.get(links[rel]).status_code == 200
    for rel in ("conformance", "processes", "job-list"):
        assert client.get(links[OGC + rel]).status_code == 200
    (description,) = [each for each in landing["links"] if each["rel"] == "service-desc"]
    assert description["type"] == "application/vnd.oai.openapi+json;version=3.0"


def test_conformance_success(new_client: NewClient) -> None:
    declared = new_client().get("/api/conformance").json()
    check_process_schema("confClasses", declared)
    assert any(uri.endswith("ogcapi-processes-1/1.0/conf/core") for uri in declared["conformsTo"])


def test_process_list_success(new_client: NewClient) -> None:
    listed = new_client().get("/api/processes").json()
    check_process_schema("processList", listed)
    assert not any({"inputs", "outputs"} & set(process) for process in listed["processes"])


def test_pl_limit_response_and_next(new_client: NewClient) -> None:
    client, seen = new_client(), []
    address: str | None = "/api/processes?limit=2"
    while address:
        page = client.get(address).json()
        assert len(page["processes"]) <= 2
        seen += [process["id"] for process in page["processes"]]
        address = links_of(page).get("next")
    assert seen == ["echo", "estimate", "extract"]
    assert len(client.get("/api/processes?limit=10000").json()["processes"]) == 3


@pytest.mark.parametrize("process", ["echo", "estimate", "extract"])
def test_process_success(new_client: NewClient, process: str) -> None:
    check_process_schema("process", new_client().get(f"/api/processes/{process}").json())


def test_who_goes_away_is_not_waited_for(db: None) -> None:
    job = Job.objects.create(process_id="extract", owner="browser:a", status="running")
    looks = iter([False, False, True])
    told = {"marinemap.is_gone": lambda: next(looks)}
    assert ended_within(RequestFactory().post("/", **told), job, 120) is None
    # It has looked so often, and no longer.
    assert list(looks) == []
    with turn_to_wait() as one, turn_to_wait() as two, turn_to_wait() as three:
        assert one and two and three


def test_default_execution_mode_is_sync(new_client: NewClient, post: Post) -> None:
    response = post(new_client(), {"inputs": {"message": "a"}}, "echo", headers=SYNC)
    assert response.status_code == 200
    assert not Job.objects.exists()


def test_auto_execution_mode_is_async_where_it_is_preferred(
    new_client: NewClient, post: Post
) -> None:
    response = post(new_client(), {"inputs": {"message": "a"}}, "echo")
    assert response.status_code == 201
    assert response["Preference-Applied"] == "respond-async"
    check_process_schema("statusInfo", response.json())
    assert new_client().get(response["Location"]).status_code == 200


@pytest.mark.parametrize(
    ("process", "prefer", "status"),
    [("extract", "", 201), ("estimate", "respond-async", 200), ("estimate", "", 200)],
)
def test_process_of_one_mode_is_run_so_whatever_is_preferred(
    reefs: Layer, new_client: NewClient, post: Post, process: str, prefer: str, status: int
) -> None:
    body = {"inputs": {"layers": ["reefs"], "area": AREA}}
    response = post(new_client(), body, process, headers={"Prefer": prefer})
    assert response.status_code == status
    assert "Preference-Applied" not in response


@pytest.fixture
def eager(transactional_db: None) -> Iterator[None]:
    """Run jobs at once, within the request that queues them."""
    app.conf.task_always_eager = True
    yield
    app.conf.task_always_eager = False


@pytest.mark.parametrize("headers", [{"Prefer": "respond-sync"}, {"Prefer": "wait=5"}])
def test_extract_is_answered_at_once_where_that_is_preferred(
    reefs: Layer, new_client: NewClient, post: Post, eager: None, headers: dict[str, str]
) -> None:
    body = {"inputs": {"layers": ["reefs"], "area": AREA}}
    response = post(new_client(BROWSER), body, headers=headers)
    assert (response.status_code, response["Content-Type"]) == (200, "application/zip")
    assert b"".join(response.streaming_content).startswith(b"PK")
    # Requirement job-results-success-sync: there is a job, and a link leads to it.
    assert re.fullmatch(r'<http://\S+/api/jobs/[\w-]+>; rel="monitor"', response["Link"])


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Prefer": "respond-sync"}, 0),
        ({"Prefer": "respond-sync, wait=0"}, 10),
        ({"Prefer": "respond-sync", "Accept": "application/json"}, 10),
        ({"Prefer": "respond-async"}, 10),
        ({"Prefer": "respond-async, wait=0"}, 10),
        ({"Prefer": ""}, 10),
    ],
)
def test_extract_that_may_not_be_waited_for_is_a_job(
    reefs: Layer,
    new_client: NewClient,
    post: Post,
    eager: None,
    settings: Any,
    headers: dict[str, str],
    seconds: int,
) -> None:
    settings.MARINEMAP_SYNC_SECONDS = seconds
    body = {"inputs": {"layers": ["reefs"], "area": AREA}}
    response = post(new_client(), body, headers=headers)
    assert response.status_code == 201
    assert "/api/jobs/" in response["Location"]


def test_extract_that_fails_while_it_is_waited_for_says_why(
    reefs: Layer, new_client: NewClient, post: Post, eager: None, settings: Any
) -> None:
    settings.MARINEMAP_MAX_RUN_FEATURES = 1.0
    body = {"inputs": {"layers": ["reefs"], "area": AREA}}
    response = post(new_client(BROWSER), body, headers={"Prefer": "respond-sync"})
    assert "the most that this site allows" in assert_problem(response, 400)["detail"]


def test_extract_that_would_start_too_late_is_a_job_at_once(
    reefs: Layer, new_client: NewClient, post: Post, settings: Any
) -> None:
    settings.MARINEMAP_SYNC_SECONDS = 1.0
    begun = time.monotonic()
    response = post(
        new_client(),
        {"inputs": {"layers": ["reefs"], "area": AREA}},
        headers={"Prefer": "respond-sync"},
    )
    assert response.status_code == 201
    assert "Preference-Applied" not in response
    # No worker is there: it is waited for as long as may be, and no longer.
    assert 0.9 < time.monotonic() - begun < 60


def test_default_execution_mode_is_what_the_description_says(
    reefs: Layer, new_client: NewClient, post: Post, eager: None, settings: Any
) -> None:
    def options() -> list[str]:
        described = new_client().get("/api/processes/extract").json()
        return list(described["jobControlOptions"])

    body = {"inputs": {"layers": ["reefs"], "area": AREA}}
    assert options() == ["async-execute", "dismiss"]
    assert post(new_client(), body, headers=SYNC).status_code == 201
    settings.MARINEMAP_SYNC_BY_DEFAULT = True
    assert options() == ["sync-execute", "async-execute", "dismiss"]
    with closing(post(new_client(), body, headers=SYNC)) as response:
        assert response.status_code == 200
    assert post(new_client(), body).status_code == 201
    # Where nothing may be waited for, it is not said to be possible.
    settings.MARINEMAP_SYNC_SECONDS = 0
    assert options() == ["async-execute", "dismiss"]


def test_echo_is_answered_by_reference_as_a_job(new_client: NewClient, post: Post) -> None:
    outputs = {"message": {"transmissionMode": "reference"}}
    body = {"inputs": {"message": "a"}, "outputs": outputs}
    client = new_client(BROWSER)
    described = client.get("/api/processes/echo").json()
    assert described["outputTransmission"] == ["value", "reference"]
    answer = client.get(finished(client, post, body) + "/results")
    assert answer.status_code == 204
    assert "/results/message>" in answer["Link"]


@pytest.mark.parametrize(
    ("prefer", "detail"),
    [
        ("respond-asynch", "Did you mean 'respond-async'"),
        ("wait=soon", "whole number of seconds"),
        ("return=full", "'minimal'"),
        ("respond-async, respond-sync", "exclude"),
    ],
)
def test_preference_that_is_wrong_is_refused_by_name(
    new_client: NewClient, post: Post, prefer: str, detail: str
) -> None:
    response = post(new_client(), {"inputs": {"message": "a"}}, "echo", headers={"Prefer": prefer})
    problem = assert_problem(response, 400)
    assert problem["field"] == "Prefer"
    assert detail in problem["detail"]


def test_preference_of_another_purpose_is_passed_by(new_client: NewClient, post: Post) -> None:
    headers = {"Prefer": "timezone=UTC, respond-async; foo=bar"}
    response = post(new_client(), {"inputs": {"message": "a"}}, "echo", headers=headers)
    assert response.status_code == 201


def test_execute_sync_raw_of_one_output(new_client: NewClient, post: Post) -> None:
    body = {"inputs": ALL_INPUTS, "outputs": {"message": {"transmissionMode": "value"}}}
    response = post(new_client(), body, "echo", headers=SYNC)
    assert (response.status_code, response.content) == (200, b"teststring")
    assert response["Content-Type"].startswith("text/plain")
    # The official suite takes any for a sign of a job.
    assert "Link" not in response


def parts_of(response: Any) -> dict[str, Any]:
    head = f"Content-Type: {response['Content-Type']}\r\n\r\n".encode()
    message = email.message_from_bytes(head + response.content, policy=email.policy.HTTP)
    return {part["Content-ID"]: part for part in message.iter_parts()}


def test_execute_sync_raw_of_several_outputs_is_multipart(
    new_client: NewClient, post: Post
) -> None:
    response = post(new_client(), {"inputs": ALL_INPUTS}, "echo", headers=SYNC)
    assert response["Content-Type"].startswith("multipart/related")
    parts = parts_of(response)
    assert set(parts) == set(ALL_INPUTS)
    assert parts["message"].get_content_type() == "text/plain"
    assert parts["message"].get_content().strip() == "teststring"
    assert parts["pause"].get_content_type() == "application/json"
    assert parts["text"].get_content_type() == "text/xml"


def test_execute_sync_document(new_client: NewClient, post: Post) -> None:
    body = {"inputs": ALL_INPUTS, "response": "document"}
    response = post(new_client(), body, "echo", headers=SYNC)
    assert response["Content-Type"] == "application/json"
    assert response.json() == ALL_INPUTS


def test_long_sync_run_is_refused_with_the_way_to_a_job(
    new_client: NewClient, post: Post, settings: Any
) -> None:
    settings.MARINEMAP_SYNC_SECONDS = 1.0
    body = {"inputs": {"message": "a", "pause": 2}}
    problem = assert_problem(post(new_client(), body, "echo", headers=SYNC), 400)
    assert "respond-async" in problem["hint"]
    assert post(new_client(), body, "echo").status_code == 201


@pytest.mark.parametrize(
    ("inputs", "field"),
    [
        ({"message": 7}, "message"),
        ({"message": {"value": 7}}, "message"),
        ({"message": "a", "pause": "5"}, "pause"),
        ({"message": "a", "numbers": ["x"]}, "numbers.0"),
        ({"message": "a", "extent": {"crs": "x"}}, "extent"),
        ({"message": "a", "text": 5}, "text"),
        ({"message": "a", "choice": []}, "choice"),
        ({"message": "a\0"}, "message"),
        ({"message": "a", "text": "\ud800"}, "text"),
        ({"message": "a", "extent": {"bbox": [1, 2, 3, 4], "crs": "\ud800"}}, "extent"),
        ({"message": "a", "extent": {"bbox": [1, 2, 3, 4], "\0": 1}}, "extent"),
        ({}, "message"),
    ],
)
def test_input_validation(
    new_client: NewClient, post: Post, inputs: dict[str, Any], field: str
) -> None:
    headers = {"Prefer": "", "Accept": "application/json"}
    response = post(new_client(), {"inputs": inputs}, "echo", headers=headers)
    assert (response.status_code, response["Content-Type"]) == (400, "application/json")
    check_process_schema("exception", response.json())
    assert response.json()["field"] == field


@pytest.mark.parametrize("prefer", ["", "respond-async"])
def test_number_beyond_all_is_refused(new_client: NewClient, post: Post, prefer: str) -> None:
    body = '{"inputs": {"message": "a", "extent": {"bbox": [1, 2, 3, 1e999]}}}'
    problem = assert_problem(post(new_client(), body, "echo", headers={"Prefer": prefer}), 400)
    assert problem["field"].startswith("extent")


def test_input_array_takes_a_single_value(new_client: NewClient, post: Post) -> None:
    body = {"inputs": {"message": "a", "numbers": 3}, "outputs": {"numbers": {}}}
    assert post(new_client(), body, "echo", headers=SYNC).json() == [3]


def test_input_inline_object_is_a_qualified_value(new_client: NewClient, post: Post) -> None:
    nested = {"value": "a", "format": {"mediaType": "text/plain"}}
    body = {"inputs": {"message": nested}, "outputs": {"message": {}}}
    assert post(new_client(), body, "echo", headers=SYNC).content == b"a"


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"value": "YQ==", "encoding": "base64"}, "message.encoding"),
        ({"value": "YQ==", "format": {"encoding": "base64"}}, "message.encoding"),
        ({"value": "a", "encodng": "utf-8"}, "message.encodng"),
    ],
)
def test_encoding_of_an_input_is_not_passed_over(
    new_client: NewClient, post: Post, value: Any, field: str
) -> None:
    body = {"inputs": {"message": value}}
    assert assert_problem(post(new_client(), body, "echo", headers=SYNC), 400)["field"] == field
    plain = {"inputs": {"message": {"value": "a", "encoding": "UTF-8"}}}
    assert post(new_client(), plain, "echo", headers=SYNC).status_code == 200


@pytest.fixture
def afar(settings: Any, tmp_path: Path) -> Iterator[str]:
    """A server of somebody else's."""
    settings.MARINEMAP_CALLBACK_PRIVATE = True
    found = Receiver(tmp_path / "notes")
    yield found.base
    found.stop()


def test_execute_inputs_by_reference(
    new_client: NewClient, post: Post, afar: str, settings: Any
) -> None:
    def ask(href: Any, **link: Any) -> Any:
        body = {"inputs": {"message": {"href": href} | link}, "outputs": {"message": {}}}
        return post(new_client(), body, "echo", headers=SYNC)

    assert ask(f"{afar}/value/200").content == b"from afar"
    assert ask(f"{afar}/value/200", type="text/plain").content == b'"from afar"'
    for href in (f"{afar}/x/404", f"{afar}/x/302", f"{afar}/large/200", "file:///etc/passwd", 7):
        assert assert_problem(ask(href), 400)["field"] == "message.href"
    settings.MARINEMAP_CALLBACK_PRIVATE = False
    assert "private network" in assert_problem(ask(f"{afar}/value/200"), 400)["detail"]


def test_stranger_does_not_learn_what_a_name_means_here(
    new_client: NewClient, post: Post, settings: Any
) -> None:
    settings.MARINEMAP_CALLBACK_PRIVATE = False
    told = set()
    # One that is known here alone, one that nobody knows.
    for name in ("localhost", "nobody.invalid"):
        body = {"inputs": {"message": {"href": f"http://{name}/"}}, "outputs": {"message": {}}}
        problem = assert_problem(post(new_client(), body, "echo", headers=SYNC), 400)
        told.add(problem["detail"].replace(name, "..."))
    assert told == {"the link cannot be followed: no host on the Internet is known by its name"}


@pytest.mark.parametrize(
    ("outputs", "field", "detail"),
    [
        ({"mesage": {}}, "mesage", "Did you mean 'message'"),
        (
            {"message": {"transmissionMode": "refrence"}},
            "outputs.message.transmissionMode",
            "'reference'",
        ),
        (
            {"message": {"transmission": "value"}},
            "outputs.message.transmission",
            "'transmissionMode'",
        ),
        (
            {"message": {"format": {"mediaType": "text/html"}}},
            "outputs.message.format.mediaType",
            "not made as",
        ),
        (
            {"message": {"format": {"encoding": "base64"}}},
            "outputs.message.format.encoding",
            "not sent as 'base64'",
        ),
        (
            {"message": {"format": {"encoding": ""}}},
            "outputs.message.format.encoding",
            "'UTF-8'",
        ),
        (
            {"message": {"format": {"schema": "https://example.org/s.xsd"}}},
            "outputs.message.format.schema",
            "schema of its own",
        ),
    ],
)
def test_output_that_is_wrong_is_refused_by_name(
    new_client: NewClient, post: Post, outputs: Any, field: str, detail: str
) -> None:
    body = {"inputs": {"message": "a"}, "outputs": outputs}
    problem = assert_problem(post(new_client(), body, "echo", headers=SYNC), 400)
    assert problem["field"] == field
    assert detail in problem["detail"]


@pytest.mark.parametrize("encoding", ["UTF-8", "utf-8"])
def test_encoding_that_an_output_has_may_be_named(
    new_client: NewClient, post: Post, encoding: str
) -> None:
    outputs = {"message": {"format": {"encoding": encoding}}}
    body = {"inputs": {"message": "\u00e4"}, "outputs": outputs}
    assert post(new_client(), body, "echo", headers=SYNC).content == "\u00e4".encode()


def test_zip_is_sent_as_it_is_and_not_otherwise(
    reefs: Layer, new_client: NewClient, post: Post
) -> None:
    def ask(encoding: str) -> Any:
        outputs = {"archive": {"format": {"encoding": encoding}}}
        inputs = {"layers": ["reefs"], "area": AREA}
        return post(new_client(), {"inputs": inputs, "outputs": outputs})

    assert ask("binary").status_code == 201
    problem = assert_problem(ask("base64"), 400)
    assert problem["field"] == "outputs.archive.format.encoding"
    assert "'binary'" in problem["detail"]


def finished(client: Client, post: Post, body: Any, process: str = "echo") -> str:
    answer = post(client, body, process)
    assert answer.status_code == 201, answer.content
    location = str(answer["Location"])
    assert run(location.rsplit("/", 1)[1]).status == "successful"
    return location


def test_job_results_have_the_form_that_was_asked_for(new_client: NewClient, post: Post) -> None:
    client = new_client()
    raw = finished(client, post, {"inputs": ALL_INPUTS})
    assert set(parts_of(client.get(f"{raw}/results"))) == set(ALL_INPUTS)
    one = finished(client, post, {"inputs": ALL_INPUTS, "outputs": {"text": {}}})
    answer = client.get(f"{one}/results")
    assert (answer["Content-Type"], answer.content) == ("text/xml; charset=utf-8", b"<a/>")
    document = finished(client, post, {"inputs": ALL_INPUTS, "response": "document"})
    assert client.get(f"{document}/results").json() == ALL_INPUTS


def test_job_results_async_raw_mixed(new_client: NewClient, post: Post) -> None:
    """A part by reference is empty, and its Content-Location leads to what it stands for."""
    client = new_client()
    by_link = {"transmissionMode": "reference"}
    outputs = {"message": by_link, "pause": {}, "text": by_link}
    done = finished(client, post, {"inputs": ALL_INPUTS, "outputs": outputs})
    parts = parts_of(client.get(f"{done}/results"))
    assert {name: part["Content-Location"] for name, part in parts.items()} == {
        "message": f"{done}/results/message",
        "pause": None,
        "text": f"{done}/results/text",
    }
    for name, value in (("message", b"teststring"), ("text", b"<a/>")):
        assert parts[name].get_content().strip() == ""
        found = client.get(parts[name]["Content-Location"])
        assert found.content == value
        assert found["Content-Type"].startswith(parts[name].get_content_type())


@pytest.mark.parametrize("response", ["raw", "document"])
def test_link_to_an_output_tells_its_type(new_client: NewClient, post: Post, response: str) -> None:
    client = new_client()
    outputs = {name: {"transmissionMode": "reference"} for name in ("message", "pause", "text")}
    body = {"inputs": ALL_INPUTS, "outputs": outputs, "response": response}
    answer = client.get(finished(client, post, body) + "/results")
    if response == "raw":
        assert "Content-Type" not in answer
        links = re.findall(r'<([^>]+)>; rel="[^"]+"; type="([^"]+)"', answer["Link"])
    else:
        links = [(link["href"], link["type"]) for link in answer.json().values()]
    told = [(type_, client.get(href)["Content-Type"].partition(";")[0]) for href, type_ in links]
    assert told == [(kind, kind) for kind in ("text/plain", "application/json", "text/xml")]


def test_html_definition(reefs: Layer, new_client: NewClient, post: Post) -> None:
    """What is answered as a page is declared so; each document of a job has one."""
    client = new_client(BROWSER)
    echo = finished(client, post, {"inputs": ALL_INPUTS, "response": "document"})
    inputs = {"layers": ["reefs"], "area": AREA}
    job = finished(client, post, {"inputs": inputs}, "extract")
    batch = {"requests": [{"process": "echo", "inputs": {"message": "a"}}]}
    made = client.post("/api/batches", batch, content_type="application/json")["Location"]
    routes = client.get("/api/openapi.json").json()["paths"]
    for method, address, route in (
        ("get", "/api/openapi.json", "/openapi.json"),
        ("get", f"{echo}/results", "/jobs/{jobId}/results"),
        ("get", f"{job}/request", "/jobs/{jobId}/request"),
        ("get", f"{job}/report", "/jobs/{jobId}/report"),
        ("post", f"{job}/renew", "/jobs/{jobId}/renew"),
        ("post", f"{job}/share", "/jobs/{jobId}/share"),
        ("delete", f"{job}/share", "/jobs/{jobId}/share"),
        ("delete", made, "/batches/{batchId}"),
        ("delete", job, "/jobs/{jobId}"),
    ):
        page = getattr(client, method)(address, headers={"Accept": "text/html"})
        assert page["Content-Type"] == "text/html; charset=utf-8", (method, address)
        declared = routes[route][method]["responses"][str(page.status_code)]["content"]
        assert "text/html" in declared, (method, address)
    shown = client.get(f"{echo}/results", headers={"Accept": "text/html"}).content.decode()
    assert "teststring" in shown and "&lt;a/&gt;" in shown


def test_extract_by_reference_leads_to_the_archive(
    reefs: Layer, new_client: NewClient, post: Post
) -> None:
    client = new_client(BROWSER)
    inputs = {"layers": ["reefs"], "area": AREA}
    outputs = {"archive": {"transmissionMode": "reference"}}
    raw = finished(client, post, {"inputs": inputs, "outputs": outputs}, "extract")
    answer = client.get(f"{raw}/results")
    assert (answer.status_code, answer.content) == (204, b"")
    address = answer["Link"].partition(">")[0].removeprefix("<")
    document = finished(client, post, {"inputs": inputs, "response": "document"}, "extract")
    (found,) = client.get(f"{document}/results").json().values()
    assert found["type"] == "application/zip"
    for href in (address, found["href"]):
        archive = client.get(href)
        assert archive["Content-Type"] == "application/zip"
        assert b"".join(archive.streaming_content).startswith(b"PK")


def test_job_exception_no_such_job(new_client: NewClient) -> None:
    for rest in ("", "/results", "/results/archive"):
        address = f"/api/jobs/4c643cbd-61fa-4492-bef4-fa1d400656b9{rest}"
        problem = assert_problem(new_client().get(address), 404)
        check_process_schema("exception", problem)
        assert problem["type"].endswith("/1.0/no-such-job")


def test_job_success_links(new_client: NewClient, post: Post) -> None:
    client = new_client()
    location = finished(client, post, {"inputs": ALL_INPUTS})
    info = client.get(location).json()
    check_process_schema("statusInfo", info)
    links = links_of(info)
    assert links["self"] == links["monitor"] == location
    assert f"{OGC}results" in links
    assert all("type" in link for link in info["links"])


def test_waiting_job_says_when_to_ask_again(new_client: NewClient, post: Post) -> None:
    client = new_client()
    location = post(client, {"inputs": {"message": "a"}}, "echo")["Location"]
    assert 1 <= int(client.get(location)["Retry-After"]) <= 30
    run(location.rsplit("/", 1)[1])
    assert "Retry-After" not in client.get(location)


@pytest.fixture
def listed(new_client: NewClient, post: Post) -> Callable[[str], list[str]]:
    """Give what a list with filters has, of jobs in every state."""
    client = new_client()
    names = ["accepted", "running", "successful", "failed", "dismissed"]
    now = timezone.now()
    for number, name in enumerate(names):
        job_id = post(client, {"inputs": {"message": name}}, "echo").json()["jobID"]
        started = now - timedelta(seconds=100) if name not in ("accepted", "dismissed") else None
        done = name in ("successful", "failed", "dismissed")
        ended = now - timedelta(seconds=70 if name == "successful" else 10) if done else None
        Job.objects.filter(pk=job_id).update(
            status=name,
            message=name,
            created_at=now - timedelta(days=number),
            started_at=started,
            finished_at=ended,
            process_id="extract" if name == "failed" else "echo",
        )

    def ask(query: str) -> list[str]:
        answer = client.get(f"/api/jobs?{query}")
        assert answer.status_code == 200, answer.content
        check_process_schema("jobList", answer.json())
        return [job["status"] for job in answer.json()["jobs"]]

    return ask


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "accepted running successful failed dismissed"),
        ("type=process", "accepted running successful failed dismissed"),
        ("processID=extract", "failed"),
        ("processID=extract&processID=none", "failed"),
        ("processID=extract,echo", "accepted running successful failed dismissed"),
        ("processID=nothing", ""),
        ("status=running", "running"),
        ("status=running&status=failed", "running failed"),
        ("status=running,failed", "running failed"),
        ("minDuration=60", "running failed"),
        ("maxDuration=60", "successful"),
        ("minDuration=20&maxDuration=95", "successful failed"),
        ("minDuration=60&status=failed", "failed"),
        ("limit=2", "accepted running"),
    ],
)
def test_job_list_filters(listed: Callable[[str], list[str]], query: str, expected: str) -> None:
    assert listed(query) == expected.split()


def test_job_list_datetime(listed: Callable[[str], list[str]]) -> None:
    now = timezone.now()
    middle = (now - timedelta(days=1, hours=12)).strftime("%Y-%m-%dT%H:%M:%SZ")
    early = (now - timedelta(days=2, hours=12)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert listed(f"datetime={middle}/..") == ["accepted", "running"]
    assert listed(f"datetime=/{early}") == ["failed", "dismissed"]
    assert listed(f"datetime={early}/{middle}") == ["successful"]
    assert listed(f"datetime={middle}") == []


def test_job_list_pages_are_stable_while_jobs_are_made(new_client: NewClient, post: Post) -> None:
    client, seen = new_client(), []
    made = [post(client, {"inputs": {"message": "a"}}, "echo").json()["jobID"] for _ in range(5)]
    # Two of one moment are told apart by their ids.
    Job.objects.filter(pk__in=made[:2]).update(created_at=timezone.now() - timedelta(hours=1))
    address: str | None = "/api/jobs?limit=2&type=process"
    while address:
        page = client.get(address).json()
        seen += [job["jobID"] for job in page["jobs"]]
        post(client, {"inputs": {"message": "meanwhile"}}, "echo")
        address = links_of(page).get("next")
    assert sorted(seen) == sorted(made)


def test_program_without_a_cookie_finds_its_jobs_listed_where_the_operator_lets_it(
    new_client: NewClient, post: Post, settings: Any
) -> None:
    job_id = post(new_client(), {"inputs": {"message": "a"}}, "echo").json()["jobID"]
    assert new_client().get("/api/jobs").json()["jobs"] == []
    settings.MARINEMAP_LIST_BY_ADDRESS = True
    assert [job["jobID"] for job in new_client().get("/api/jobs").json()["jobs"]] == [job_id]
    elsewhere = new_client().get("/api/jobs", REMOTE_ADDR="192.0.2.9")
    assert elsewhere.json()["jobs"] == []
    assert new_client(BROWSER).get("/api/jobs").json()["jobs"] == []


@pytest.mark.parametrize(
    ("process", "subscriber", "field"),
    [
        ("echo", {"sucessUri": "http://192.0.2.1/"}, "subscriber.sucessUri"),
        ("echo", {"successUri": 7}, "subscriber.successUri"),
        ("echo", {"failedUri": "ftp://example.org/"}, "subscriber.failedUri"),
        ("estimate", {"failedUri": "http://example.org/"}, "subscriber"),
    ],
)
def test_subscriber_that_nothing_would_come_of_is_refused(
    new_client: NewClient, post: Post, process: str, subscriber: Any, field: str
) -> None:
    body = {"inputs": {"message": "a"}, "subscriber": subscriber}
    assert assert_problem(post(new_client(), body, process), 400)["field"] == field


def test_callback_is_kept_with_its_job(new_client: NewClient, post: Post) -> None:
    # Both spellings of the standard's.
    subscriber = {"successUrl": "http://example.org/a", "failedUri": "https://example.org/b?k=1"}
    assert post(new_client(), {"inputs": {"message": "a"}, "subscriber": subscriber}, "echo")
    kept = dict(Callback.objects.values_list("status", "uri"))
    assert kept == {"successful": "http://example.org/a", "failed": "https://example.org/b?k=1"}


def test_job_dismiss_success(new_client: NewClient, post: Post) -> None:
    client = new_client()
    location = post(client, {"inputs": {"message": "a"}}, "echo")["Location"]
    answer = client.delete(location)
    check_process_schema("statusInfo", answer.json())
    assert (answer.status_code, answer.json()["status"]) == (200, "dismissed")
