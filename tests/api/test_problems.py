"""What is wrong with a request, as HTTP says it."""

from __future__ import annotations

import contextlib
import gzip
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
import shapely
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from marinemap.api import mute
from marinemap.catalogue.models import Layer
from marinemap.jobs import health
from marinemap.jobs.lookout import Lookout
from marinemap.jobs.models import BeatSighting, Job, WorkerSighting
from marinemap.jobs.workers import count_alive
from tests.api.conftest import AREA, Post
from tests.api.test_jobs import assert_problem
from tests.running_site import wait_for

pytestmark = pytest.mark.django_db
NewClient = Callable[..., Client]
NUL = ', "filter": "name = \'x\\u0000\'"'
INFINITE = ', "filter": {"op": ">", "args": [{"property": "depth_m"}, 1e999]}'
AREA_TEXT = json.dumps(AREA)
BOX = '{"type": "Polygon", "coordinates": [[[0, 40], [%s, 40], [5, 45], [0, 45]]]}'


def body(layers: str = '["reefs"]', area: str = AREA_TEXT, rest: str = "") -> str:
    return f'{{"inputs": {{"layers": {layers}, "area": {area}{rest}}}}}'


@pytest.mark.parametrize(
    ("content", "field", "detail"),
    [
        pytest.param("", "body", "should be JSON", id="nothing"),
        pytest.param("layers=reefs", "body", "not JSON", id="a form"),
        pytest.param(b"\xff\xfe\xfd", "body", "not JSON", id="not text"),
        pytest.param('{"inputs": ', "body", "not JSON", id="cut JSON"),
        pytest.param("[" * 100_000, "body", "100 deep", id="deep"),
        pytest.param('{"a":' * 100_000, "body", "100 deep", id="deep objects"),
        pytest.param(body(area=BOX % "NaN"), "body", "NaN is not", id="NaN"),
        pytest.param(body(area=BOX % "-Infinity"), "body", "Infinity is not", id="Infinity"),
        pytest.param(body(area=BOX % "1e999"), "area", "not a finite", id="1e999"),
        pytest.param("[]", "body", "not a JSON object", id="list"),
        pytest.param('{"inputs": {}, "inputs": {}}', "inputs", "stands twice", id="twice"),
        pytest.param(body(rest=', "mode": "clip", "mode": "all"'), "mode", "twice", id="two modes"),
        pytest.param(
            body(area='{"type": "Polygon", "type": "Point", "coordinates": []}'),
            "type",
            "'type' stands twice",
            id="twice in the area",
        ),
        pytest.param(
            body(rest=r', "fo\u0072mat": "csv", "format": "kml"'), "format", "twice", id="escaped"
        ),
        pytest.param("7", "body", "not a JSON object", id="number"),
        pytest.param('{"input": {}}', "input", "Did you mean 'inputs'", id="unknown member"),
        pytest.param('{"inputs": []}', "inputs", "JSON object", id="inputs are a list"),
        pytest.param("{}", "layers", "the input 'layers' (", id="no inputs"),
        pytest.param('{"inputs": {"layers": ["reefs"]}}', "area", "missing", id="no area"),
        pytest.param(body(rest=', "csr": "EPSG:1"'), "csr", "Did you mean 'crs'", id="misspelt"),
        pytest.param(body('["reef"]'), "layers", "Did you mean 'reefs'", id="unknown layer"),
        pytest.param(body("[]"), "layers", "at least one", id="no layers"),
        pytest.param(body(r'["\u0000"]'), "layers", "no layer", id="NUL in a layer"),
        pytest.param(body(rest=r', "crs": "\ud800"'), "crs", "not a CRS", id="lone surrogate"),
        pytest.param(body(area=r'{"type": "\ud800"}'), "area", "not an area", id="odd type"),
        pytest.param(
            body(area='{"type": "Polygon", "coordinates": []}'), "area", "empty", id="empty area"
        ),
        pytest.param(
            body(area='{"type": "Point", "coordinates": [1, 41]}'), "area", "Point", id="point"
        ),
        pytest.param(body(area="[60, 0, 61, 1]"), "area", "outside of every", id="elsewhere"),
        pytest.param(body(area=BOX % 9999), "area", "off the globe", id="off the globe"),
        pytest.param(body(area="null"), "area", "missing", id="area is null"),
        pytest.param(body(rest=', "crs": "EPSG:999999"'), "crs", "no CRS", id="no such CRS"),
        pytest.param(body(rest=', "crs": {"a": 1}'), "crs", "not a CRS", id="CRS is an object"),
        pytest.param(body(rest=', "fromat": "csv"'), "fromat", "'format'", id="misspelt input"),
        pytest.param(body(rest=', "format": "gpkg"'), "format", "'geopackage'", id="format"),
        pytest.param(body(rest=', "mode": "cut"'), "mode", "intersects", id="mode"),
        pytest.param(body(rest=', "fields": ["nam"]'), "fields", "'name'", id="field"),
        pytest.param(body(rest=', "filter": "dept_m > 2"'), "filter", "'depth_m'", id="filter"),
        pytest.param(body(rest=NUL), "filter", "no value", id="NUL in a filter"),
        pytest.param(body(rest=INFINITE), "filter", "no value", id="infinite number in a filter"),
        pytest.param(body(rest=', "full_copy": 1'), "full_copy", "true or false", id="copy"),
    ],
)
def test_bad_request_names_field_and_what_is_allowed(
    reefs: Layer, new_client: NewClient, post: Post, content: str, field: str, detail: str
) -> None:
    problem = assert_problem(post(new_client(), content), 400)
    assert problem["field"] == field
    assert detail in problem["detail"]
    assert len(problem.get("value", "")) <= 80
    assert not Job.objects.exists()


def test_value_at_fault_is_told(reefs: Layer, new_client: NewClient, post: Post) -> None:
    problem = assert_problem(post(new_client(), body(rest=', "crs": "EPSG:999999"')), 400)
    assert problem["value"] == "EPSG:999999"
    assert "EPSG:4326" in problem["hint"]


def test_bow_tie_is_taken(reefs: Layer, new_client: NewClient, post: Post) -> None:
    bow_tie = '{"type":"Polygon","coordinates":[[[0,40],[5,45],[5,40],[0,45],[0,40]]]}'
    assert post(new_client(), body(area=bow_tie)).status_code == 201


@pytest.mark.parametrize("accept", ["*/*", "text/html"])
def test_very_many_parameters_are_refused_in_our_words(new_client: NewClient, accept: str) -> None:
    query = "&".join(f"a{number}=1" for number in range(1_001))
    answer = new_client().get(f"/api/collections?{query}", headers={"Accept": accept})
    assert answer.status_code == 400
    assert "More than 1,000 parameters are given." in answer.content.decode()
    assert ("problem+json" in answer["Content-Type"]) == (accept == "*/*")


def test_body_that_is_too_large_is_refused_with_the_limit(
    new_client: NewClient, post: Post
) -> None:
    problem = assert_problem(post(new_client(), b" " * (5 * 1024 * 1024 + 1)), 413)
    assert "5,242,880 bytes" in problem["detail"]


def test_compressed_body_is_refused_as_such(new_client: NewClient) -> None:
    packed = gzip.compress(b'{"inputs": {"layers": ["reefs"], "area": [0, 40, 5, 45]}}')
    answer = new_client().post(
        "/api/processes/extract/execution",
        packed,
        content_type="application/json",
        headers={"Content-Encoding": "gzip"},
    )
    problem = assert_problem(answer, 415)
    assert (problem["field"], problem["value"]) == ("Content-Encoding", "gzip")


@pytest.mark.django_db
def test_compressed_batch_is_refused_as_such(new_client: NewClient) -> None:
    body = gzip.compress(b'{"requests": []}')
    answer = new_client().post(
        "/api/batches", body, content_type="application/json", headers={"Content-Encoding": "gzip"}
    )
    assert answer.status_code == 415, answer.content
    assert answer.json()["field"] == "Content-Encoding"


def test_unknown_process_is_not_found(new_client: NewClient, post: Post) -> None:
    problem = assert_problem(post(new_client(), {}, "extrakt"), 404)
    assert problem["type"].endswith("/no-such-process")
    assert "'extract'" in problem["detail"]
    assert_problem(new_client().get("/api/processes/extrakt"), 404)


@pytest.mark.parametrize(
    "address", ["/api/x", "/api/jobs/", "/api/collections/reef", "/api/a/b/c", "/api/%00"]
)
def test_unknown_address_is_not_found(reefs: Layer, new_client: NewClient, address: str) -> None:
    assert_problem(new_client().get(address), 404)


@pytest.mark.parametrize(
    ("method", "address", "allowed"),
    [
        ("get", "/api/processes/extract/execution", "POST"),
        ("put", "/api/processes/extract/execution", "POST"),
        ("patch", "/api/jobs/00000000-0000-4000-8000-000000000000", "GET, HEAD, DELETE"),
    ],
)
def test_method_that_is_not_allowed_is_a_problem_with_those_that_are(
    new_client: NewClient, method: str, address: str, allowed: str
) -> None:
    response = getattr(new_client(), method)(address)
    assert_problem(response, 405)
    assert response["Allow"] == allowed


def test_client_that_asks_for_json_gets_json(new_client: NewClient) -> None:
    response = new_client().get("/api/x", headers={"Accept": "application/json"})
    assert (response.status_code, response["Content-Type"]) == (404, "application/json")


def test_unexpected_error_gives_a_reference_and_no_exception_text(
    reefs: Layer, new_client: NewClient, caplog: pytest.LogCaptureFixture
) -> None:
    # A row that no code of ours writes: its source has vanished and its CRS is no CRS.
    Layer.objects.update(source="/secret/place.gpkg", crs="nonsense")
    response = new_client().get("/api/collections/reefs")
    problem = assert_problem(response, 500)
    assert problem["reference"] in problem["detail"]
    assert problem["reference"] in caplog.text
    for secret in ("secret", "nonsense", "CRSError", "Traceback"):
        assert secret not in response.content.decode()


def test_problem_outside_the_api_is_a_page_for_browsers(new_client: NewClient) -> None:
    response = new_client().get("/nothing", headers={"Accept": "text/html,*/*;q=0.8"})
    assert response.status_code == 404
    assert response["Content-Type"].startswith("text/html")
    # Whoever did not ask for a page gets what programs read.
    assert "'/nothing'" in assert_problem(new_client().get("/nothing"), 404)["detail"]


@pytest.mark.parametrize("address", ["/api/", "/"])
def test_wrong_host_is_told_with_what_to_do(new_client: NewClient, address: str) -> None:
    client = new_client()
    problem = assert_problem(client.get(address, HTTP_HOST="evil.example"), 400)
    assert "'evil.example'" in problem["detail"] and "DJANGO_ALLOWED_HOSTS" in problem["hint"]
    person = client.get(address, HTTP_HOST="<b>.example", headers={"Accept": "text/html"})
    assert person.status_code == 400 and b"DJANGO_ALLOWED_HOSTS" in person.content
    assert b"<b>" not in person.content or "json" in person["Content-Type"]


def test_method_that_is_not_taken_is_told_with_those_that_are(new_client: NewClient) -> None:
    problem = assert_problem(new_client().get("/api/processes/extract/execution"), 405)
    assert "GET is not taken" in problem["detail"] and "it takes POST" in problem["detail"]


@pytest.mark.parametrize(
    ("inputs", "field", "words"),
    [
        ({"full_copy": "yes"}, "full_copy", "without quotes"),
        ({"area": {"href": "http://192.0.2.1/", "titel": "x"}}, "area.titel", "'title'"),
    ],
)
def test_inputs_of_newcomers_are_told_what_to_write(
    reefs: Layer, new_client: NewClient, post: Post, inputs: dict[str, Any], field: str, words: str
) -> None:
    answer = post(new_client(), {"inputs": {"layers": ["reefs"], "area": AREA} | inputs})
    problem = assert_problem(answer, 400)
    assert problem["field"] == field
    assert words in problem["detail"] + problem.get("hint", "")
    answer = post(new_client(), {"inputs": True})
    assert "'true' is not a JSON object" in assert_problem(answer, 400)["detail"]


def test_collections_describe_the_layers(reefs: Layer, new_client: NewClient) -> None:
    (listed,) = new_client().get("/api/collections").json()["collections"]
    alone = new_client().get("/api/collections/reefs").json()
    assert listed == alone
    assert (alone["id"], alone["featureCount"]) == ("reefs", 100)
    assert alone["storageCrs"] == "http://www.opengis.net/def/crs/EPSG/0/4326"
    assert alone["extent"]["spatial"]["bbox"] == [pytest.approx([0.1, 40.1, 9.9, 49.9])]
    assert None not in alone.values()
    assert reefs.source not in json.dumps(alone)
    # Until it is drawn, which tests/catalogue/test_drawings.py follows.
    assert alone["drawing"] == {"progress": 0}


def test_hidden_collection_is_not_found(reefs: Layer, new_client: NewClient) -> None:
    Layer.objects.update(is_published=False)
    assert new_client().get("/api/collections").json()["collections"] == []
    assert_problem(new_client().get("/api/collections/reefs"), 404)


def test_links_of_the_landing_page_lead_somewhere(new_client: NewClient) -> None:
    client = new_client()
    for link in client.get("/api/").json()["links"]:
        assert client.get(link["href"]).status_code == 200


def test_processes_are_described(new_client: NewClient) -> None:
    client = new_client()
    listed = client.get("/api/processes").json()["processes"]
    assert {process["id"] for process in listed} == {"extract", "estimate", "echo"}
    described = client.get("/api/processes/extract").json()
    choices = {"mode", "fields", "filter", "format", "crs", "full_copy"}
    assert set(described["inputs"]) == {"layers", "area"} | choices
    optional = {name for name, described in described["inputs"].items() if "minOccurs" in described}
    assert optional == choices
    assert described["jobControlOptions"] == ["async-execute", "dismiss"]


@pytest.mark.django_db(transaction=True)
def test_health_tells_what_is_amiss(
    new_client: NewClient, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A busy machine is no fault.
    monkeypatch.setattr(health, "_ANSWER_WITHIN_SECONDS", 60.0)
    monkeypatch.setattr(health._database, "_seconds", 60.0)
    client = new_client()

    def told() -> tuple[str, int]:
        return client.get("/healthz").json()["status"], client.get("/readyz").status_code

    assert told() == ("no worker", 503)
    now = timezone.now()
    WorkerSighting.objects.create(name="one", started_at=now, seen_at=now)
    WorkerSighting.objects.create(name="gone", started_at=now, seen_at=now - timedelta(minutes=1))
    assert told() == ("no schedule", 503)
    BeatSighting.objects.create(name="dead", seen_at=now - timedelta(minutes=1), is_holder=True)
    assert told() == ("no schedule", 503)
    BeatSighting.objects.filter(name="dead").delete()
    BeatSighting.objects.create(name="standing by", seen_at=now)
    assert told() == ("no schedule", 503)
    BeatSighting.objects.create(name="one", seen_at=now, is_holder=True)
    assert told() == ("ok", 200)
    settings.MARINEMAP_MIN_FREE_MB = "1e12"
    assert told() == ("no room", 503)
    settings.MARINEMAP_MIN_FREE_MB = "0"
    assert client.get("/healthz").json() == {
        "status": "ok",
        "database": "ok",
        "queue": "ok",
        "workers": 1,
        "disk": "ok",
        "schedule": "ok",
        "beats": 2,
    }


@pytest.mark.django_db(transaction=True)
def test_health_answers_while_the_database_is_locked(
    new_client: NewClient,
) -> None:
    client = new_client()
    with locked_by_another():
        for _ in range(3):
            begun = time.monotonic()
            answer = client.get("/healthz")
            # Far below the 30 s for which a lock is waited for.
            assert time.monotonic() - begun < 20
            assert (answer.status_code, answer.json()["status"]) == (503, "down")
            assert "no answer within 1.5 s: locked" in answer.json()["database"]
        # However many ask, one looks.
        assert [thread.name for thread in threading.enumerate()].count("health") == 1
    wait_for(lambda: client.get("/healthz").json()["database"] == "ok", "the end of the lock")


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="PostgreSQL locks no whole database")
def test_request_waits_seconds_for_a_lock(
    reefs: Layer, new_client: NewClient, post: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mute._LOCKED_SECONDS <= 5
    monkeypatch.setattr(mute, "_LOCKED_SECONDS", 0.3)
    asked = {"inputs": {"layers": ["reefs"], "area": [0, 40, 5, 45]}}
    with locked_by_another(), limited_waits():
        begun = time.monotonic()
        answer = post(new_client(), asked)
        # The connection alone would wait for 30 s at each step.
        assert time.monotonic() - begun < 20
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert post(new_client(), asked).status_code == 201


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="which can be told to be full")
def test_full_disk_of_the_database_is_told_as_such(new_client: NewClient) -> None:
    area = shapely.Point(2, 42).buffer(1, quad_segs=20_000).wkt
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")
        cursor.execute("PRAGMA page_count")
        cursor.execute(f"PRAGMA max_page_count = {cursor.fetchone()[0]}")
    try:
        answer = new_client().post("/api/areas", area, content_type="text/plain")
    finally:
        connection.close()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "is full" in answer.json()["detail"] and "make room" in answer.json()["hint"]


@contextlib.contextmanager
def limited_waits() -> Iterator[None]:
    options = connection.settings_dict["OPTIONS"]
    before = options["timeout"]
    mute.limit_waits()
    try:
        yield
    finally:
        options["timeout"] = before
        connection.close()


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has none to run out of")
def test_health_is_told_where_no_connection_is_to_be_had() -> None:
    kept = Lookout(count_alive, 20, "kept")
    kept.keep_connection()
    try:
        assert kept.ask() == 0
        with no_new_connections():
            assert kept.ask() == 0
            with pytest.raises(OperationalError):
                Lookout(count_alive, 20, "new").ask()
        with connection.cursor() as cursor:
            others = "FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
            cursor.execute(
                f"SELECT pg_terminate_backend(pid) {others}", [connection.settings_dict["NAME"]]
            )
        # As after a restart of the database.
        assert kept.ask() == 0
    finally:
        kept.end()
    wait_for(lambda: "kept" not in [each.name for each in threading.enumerate()], "its end")


@contextlib.contextmanager
def no_new_connections() -> Iterator[None]:
    """Have the database refuse them, as when all are taken: to superusers as well."""
    name = connection.ops.quote_name(connection.settings_dict["NAME"])
    with connection._nodb_cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        try:
            yield
        finally:
            cursor.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


@contextlib.contextmanager
def locked_by_another() -> Iterator[None]:
    """Have somebody else hold what every look at the site's workers needs."""
    name = connection.settings_dict["NAME"]
    connection.close()
    if connection.vendor == "sqlite":
        with contextlib.closing(sqlite3.connect(name, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            yield
        return
    with contextlib.closing(connection.copy()) as other, other.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE jobs_workersighting IN ACCESS EXCLUSIVE MODE")
        yield


def test_answers_carry_the_security_headers(new_client: NewClient) -> None:
    response: Any = new_client().get("/api/")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "DENY"
    assert "default-src 'self'" in response["Content-Security-Policy"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "content",
    [
        '{"inputs":{"layers":["\\ud800"],"area":[0,40,5,45]}}',
        '{"inputs":{"layers":["reefs"],"area":{"type":"Polygon","coordinates":[[[0,40],[1%s,40],[5,45]]]}}}'
        % ("0" * 400),
        '{"inputs":{"layers":["reefs","reefs"],"area":[0,40,5,45]}}',
    ],
    ids=["surrogate", "bigint", "twice"],
)
def test_bad_body_is_400(reefs, new_client, post, content):
    assert_problem(post(new_client(), content), 400)


@pytest.mark.django_db
def test_no_depth_of_json_is_a_500(reefs, new_client, post):
    c = new_client()
    assert {
        post(c, '{"inputs":{"layers":["reefs"],"area":%s}}' % ("[" * d + "]" * d)).status_code
        for d in range(700, 1000)
    } == {400}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "method,address,status",
    [
        ("delete", "/api/jobs/xyz", 404),
        ("post", "/api/processes", 405),
        ("put", "/api/jobs", 405),
        ("post", "/api/nothing", 404),
    ],
)
def test_csrf_does_not_hide_the_answer(new_client, method, address, status):
    assert_problem(getattr(new_client(), method)(address), status)


@pytest.mark.parametrize(
    ("address", "meant"),
    [
        ("/api/collections/", "/api/collections"),
        ("/api/processes/echo/execution/", "/api/processes/echo/execution"),
        ("/api/Collections/reefs/itmes", "/api/collections/reefs/items"),
        ("/api/job", "/api/jobs"),
        ("/api/collections/reefs/xyz", None),
        ("/api/nothing", None),
        ("/api/" + "jobs/" * 50, None),
        ("/api/job\x07", "/api/jobs"),
    ],
)
def test_address_that_is_misspelt_is_told_as_it_should_be(new_client, address, meant):
    problem = assert_problem(new_client().get(quote(address)), 404)
    nearest = f" Did you mean '{meant}'?" if meant else ""
    assert problem["detail"].partition("this address")[2] in (
        f".{nearest}",
        "; GET /api/ lists what there is",
    )
    assert problem["detail"].endswith(nearest)


@pytest.mark.parametrize("body", [b"", b" \n"])
def test_empty_body_is_told_as_that(new_client, post, body):
    problem = assert_problem(post(new_client(), body), 400)
    assert problem["detail"] == "the body is empty, and should be JSON"
    assert '"inputs"' in problem["hint"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "area", ["POLYGON((5 42,10 42,10 45,5 42))", " srid=4326;Multipolygon Z ("]
)
def test_area_as_wkt_is_told_where_to_send_it(reefs, new_client, post, area):
    body = {"inputs": {"layers": ["reefs"], "area": area}}
    problem = assert_problem(post(new_client(), body), 400)
    assert (problem["field"], problem["detail"]) == ("area", "an input takes no WKT")
    assert "POST /api/areas" in problem["hint"]


def test_wrong_host_is_a_problem(new_client):
    assert_problem(new_client().get("/api/", headers={"Host": "evil.example"}), 400)


@pytest.mark.parametrize(
    ("address", "status", "words"),
    [
        ("/api/collections/rifs", 404, "Did you mean &#x27;reefs&#x27;?"),
        ("/api/nothing", 404, "GET /api/ lists what there is."),
        ("/api/collections/reefs/items?limit=0", 400, "&#x27;0&#x27; is less than 1."),
        ("/api/collections/<b>", 404, "no collection &#x27;&lt;b&gt;&#x27;"),
    ],
)
def test_who_goes_through_the_pages_reads_an_error_as_a_page(
    reefs: Layer, new_client: NewClient, address: str, status: int, words: str
) -> None:
    browser = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
    page = new_client(browser).get(address)
    assert page.status_code == status and page["Content-Type"].startswith("text/html")
    assert words in page.content.decode() and "no-store" in page["Cache-Control"]
    german = new_client(browser | {"Accept-Language": "de"}).get(address)
    assert german["Content-Language"] == "de" and words not in german.content.decode()
    # What programs ask for is as it was.
    for accept in ("*/*", "application/problem+json", ""):
        assert assert_problem(new_client({"Accept": accept}).get(address), status)
    asked = address + ("&" if "?" in address else "?") + "f=json"
    assert new_client(browser).get(asked)["Content-Type"] == "application/problem+json"
