"""How many jobs may wait, and what a poll or a list of them costs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from marinemap.jobs.models import Job, JobDocuments
from marinemap.jobs.queue import RUN_SHORT_JOB
from marinemap.transport.database.postgresql_session import PostgresSession
from marinemap.transport.database.sqlite_session import SqliteSession
from tests.api.conftest import BROWSER, Post, run

pytestmark = pytest.mark.django_db(transaction=True)
NewClient = Callable[..., Client]
ECHO = {"inputs": {"message": "hello"}}


@pytest.fixture(autouse=True)
def queue(transactional_db: None) -> None:
    """Begin with an empty queue."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM broker_messages")


def owners_in_the_queue() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT owner FROM broker_messages ORDER BY id")
        return [row[0] for row in cursor.fetchall()]


def test_who_keeps_no_cookie_takes_turns_by_address(new_client: NewClient, post: Post) -> None:
    for _ in range(3):
        post(new_client(), ECHO, "echo", REMOTE_ADDR="192.0.2.7")
    post(new_client(), ECHO, "echo", REMOTE_ADDR="2001:db8::1")
    post(new_client(), ECHO, "echo", REMOTE_ADDR="2001:db8::2:0:0:1")
    known = new_client(BROWSER)
    for _ in range(2):
        post(known, ECHO, "echo", REMOTE_ADDR="192.0.2.7")
    turns = owners_in_the_queue()
    assert turns[0] == turns[1] == turns[2] == turns[5] == turns[6]
    assert turns[3] == turns[4] != turns[0]


@pytest.fixture
def rate(queue: None) -> Iterator[None]:
    """A rate as a worker states it: with one, owners take turns."""
    with connection.cursor() as cursor:
        row = (RUN_SHORT_JOB, "4/m", "4/m", 4, 60000, None)
        cursor.execute("INSERT INTO broker_rates VALUES (%s, %s, %s, %s, %s, %s)", row)
    yield
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM broker_rates")


def collect_cookies(new_client: NewClient, post: Post, count: int, address: str) -> list[Client]:
    """Return clients that have each shown a cookie; nothing of theirs waits."""
    clients = [new_client(BROWSER) for _ in range(count)]
    for client in clients:
        run(post(client, ECHO, "echo", REMOTE_ADDR=address).json()["jobID"])
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM broker_messages")
    return clients


def ahead_of(client: Client, answer: Any) -> int:
    return int(client.get(f"/api/jobs/{answer.json()['jobID']}").json()["ahead"])


def test_address_with_many_cookies_has_two_turns_at_most(
    rate: None, new_client: NewClient, post: Post
) -> None:
    """Each cookie was a person of its own: twenty went before one person elsewhere."""
    for client in collect_cookies(new_client, post, 20, "192.0.2.7"):
        for _ in range(3):
            post(client, ECHO, "echo", REMOTE_ADDR="192.0.2.7")
    elsewhere = new_client(BROWSER)
    assert ahead_of(elsewhere, post(elsewhere, ECHO, "echo", REMOTE_ADDR="192.0.2.8")) <= 2


def test_colleague_with_many_jobs_does_not_keep_an_office_waiting(
    rate: None, new_client: NewClient, post: Post
) -> None:
    busy, other = collect_cookies(new_client, post, 2, "192.0.2.7")
    for _ in range(10):
        post(busy, ECHO, "echo", REMOTE_ADDR="192.0.2.7")
    assert ahead_of(other, post(other, ECHO, "echo", REMOTE_ADDR="192.0.2.7")) <= 2


def test_account_has_turns_of_its_own_wherever_it_is(
    new_client: NewClient, post: Post, django_user_model: Any
) -> None:
    known = new_client(BROWSER)
    known.force_login(django_user_model.objects.create_user("ann"))
    for address in ("192.0.2.7", "192.0.2.8"):
        post(known, ECHO, "echo", REMOTE_ADDR=address)
    assert owners_in_the_queue() == [Job.objects.first().owner] * 2


def test_many_cookies_share_the_limit_of_their_address(
    new_client: NewClient, post: Post, settings: Any
) -> None:
    settings.MARINEMAP_MAX_WAITING_ADDRESS = "3"
    answers = [
        post(client, ECHO, "echo", REMOTE_ADDR="192.0.2.7").status_code
        for client in collect_cookies(new_client, post, 4, "192.0.2.7")
    ]
    assert answers == [201, 201, 201, 429]


def test_person_with_too_many_waiting_jobs_is_told_the_limit(
    new_client: NewClient, post: Post, settings: Any
) -> None:
    settings.MARINEMAP_MAX_WAITING_PERSON = "3"
    person, other = new_client(BROWSER), new_client(BROWSER)
    jobs = [post(person, ECHO, "echo") for _ in range(3)]
    refused = post(person, ECHO, "echo")
    assert refused.status_code == 429
    assert "3 of your requests wait already" in refused.json()["detail"]
    assert refused.json()["type"] == "urn:marinemap:problem:too-many-waiting"
    assert 1 <= int(refused["Retry-After"]) <= 3600
    assert post(other, ECHO, "echo").status_code == 201
    run(jobs[0].json()["jobID"])
    assert post(person, ECHO, "echo").status_code == 201
    assert Job.objects.count() == 5


def test_programs_without_cookies_share_the_limit_of_their_address(
    new_client: NewClient, post: Post, settings: Any
) -> None:
    settings.MARINEMAP_MAX_WAITING_PERSON = "3"
    for _ in range(3):
        assert post(new_client(), ECHO, "echo", REMOTE_ADDR="192.0.2.7").status_code == 201
    assert post(new_client(), ECHO, "echo", REMOTE_ADDR="192.0.2.7").status_code == 429
    assert post(new_client(), ECHO, "echo", REMOTE_ADDR="192.0.2.8").status_code == 201


def test_address_and_site_have_limits_of_their_own(
    new_client: NewClient, post: Post, settings: Any
) -> None:
    settings.MARINEMAP_MAX_WAITING_ADDRESS = "2"
    settings.MARINEMAP_MAX_WAITING = "3"
    people = [new_client(BROWSER) for _ in range(5)]
    for person in people[:2]:
        assert post(person, ECHO, "echo", REMOTE_ADDR="192.0.2.7").status_code == 201
    refused = post(people[2], ECHO, "echo", REMOTE_ADDR="192.0.2.7")
    assert "from your network address" in refused.json()["detail"]
    assert post(people[3], ECHO, "echo", REMOTE_ADDR="192.0.2.8").status_code == 201
    refused = post(people[4], ECHO, "echo", REMOTE_ADDR="192.0.2.9")
    assert refused.status_code == 503
    assert refused.json()["type"] == "urn:marinemap:problem:queue-full"
    assert "3 requests wait at this site already" in refused.json()["detail"]
    assert 1 <= int(refused["Retry-After"]) <= 3600


def test_limits_are_told_before_they_are_met(
    new_client: NewClient, post: Post, settings: Any
) -> None:
    settings.MARINEMAP_MAX_JOBS_DAY_PERSON = "7"
    settings.MARINEMAP_MAX_MB_DAY_ADDRESS = "1.5"
    person = new_client(BROWSER)
    jobs = [post(person, ECHO, "echo").json()["jobID"] for _ in range(2)]
    run(jobs[0])
    Job.objects.filter(pk=jobs[0]).update(artifact_bytes=400_000)
    post(new_client(BROWSER), ECHO, "echo")
    told = {each["id"]: each for each in person.get("/api/limits").json()["limits"]}
    figures = {name: (each["most"], each.get("used")) for name, each in told.items()}
    assert figures["waiting-person"] == (100, 1)
    assert figures["waiting-address"] == (200, 2)
    assert figures["waiting-site"] == (10_000, None)
    assert figures["day-jobs-person"] == (7, 2)
    assert figures["day-bytes-address"] == (1_500_000, 400_000)
    assert figures["run-seconds"] == (7200, None)
    assert "day-jobs-address" not in told and "run-features" not in told


def test_day_of_a_person_has_so_many_jobs(new_client: NewClient, post: Post, settings: Any) -> None:
    settings.MARINEMAP_MAX_JOBS_DAY_PERSON = "2"
    person = new_client(BROWSER)
    jobs = [post(person, ECHO, "echo").json()["jobID"] for _ in range(2)]
    # What is cancelled was asked for.
    person.delete(f"/api/jobs/{jobs[1]}", headers=BROWSER)
    first = Job.objects.filter(pk=jobs[0])
    first.update(created_at=timezone.now() - timedelta(hours=23))
    refused = post(person, ECHO, "echo")
    assert refused.status_code == 429
    body = refused.json()
    assert body["type"] == "urn:marinemap:problem:day-is-spent"
    assert "2 jobs, of 2 that may be; this would be 1 more, and 0 would fit" in body["detail"]
    # The first is a day old then.
    assert 3500 < int(refused["Retry-After"]) <= 3600
    assert post(new_client(BROWSER), ECHO, "echo").status_code == 201
    first.update(created_at=timezone.now() - timedelta(hours=25))
    assert post(person, ECHO, "echo").status_code == 201


def test_day_of_an_address_has_so_many_bytes(
    new_client: NewClient, post: Post, settings: Any
) -> None:
    settings.MARINEMAP_MAX_MB_DAY_ADDRESS = "3"
    job = post(new_client(BROWSER), ECHO, "echo", REMOTE_ADDR="192.0.2.7").json()["jobID"]
    Job.objects.filter(pk=job).update(artifact_bytes=2_900_000)
    again = post(new_client(BROWSER), ECHO, "echo", REMOTE_ADDR="192.0.2.7").json()["jobID"]
    Job.objects.filter(pk=again).update(artifact_bytes=500_000)
    refused = post(new_client(BROWSER), ECHO, "echo", REMOTE_ADDR="192.0.2.7")
    assert refused.status_code == 429
    assert "your network address asked for 3.4 MB of results, of 3.0" in refused.json()["detail"]
    assert int(refused["Retry-After"]) > 86_000
    assert post(new_client(BROWSER), ECHO, "echo", REMOTE_ADDR="192.0.2.8").status_code == 201


@pytest.fixture
def queue_statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note what the queue is asked; the real thing answers."""
    asked: list[str] = []
    for kind in (SqliteSession, PostgresSession):
        monkeypatch.setattr(kind, "run", _noting(kind.run, asked))
    return asked


def _noting(ask: Callable[..., Any], asked: list[str]) -> Callable[..., Any]:
    def note(session: Any, statement: str, **parameters: Any) -> Any:
        asked.append(statement)
        return ask(session, statement, **parameters)

    return note


def test_list_of_a_hundred_waiting_jobs_takes_three_queries(
    new_client: NewClient, post: Post, queue_statements: list[str]
) -> None:
    person = new_client(BROWSER)
    for _ in range(100):
        assert post(person, ECHO, "echo").status_code == 201
    queue_statements.clear()
    with CaptureQueriesContext(
        connection,
    ) as captured:
        jobs = person.get("/api/jobs").json()["jobs"]
    assert sorted(job["ahead"] for job in jobs) == list(range(100))
    assert len(captured) + len(queue_statements) <= 3


def test_poll_and_list_cost_the_same_for_a_large_job(new_client: NewClient, post: Post) -> None:
    small, large = new_client(BROWSER), new_client(BROWSER)
    text = "x" * (5 * 1024 * 1024 - 1000)
    for client, message in ((small, "x"), (large, text)):
        location = post(client, json.dumps({"inputs": {"message": message}}), "echo")["Location"]
        run(location.rpartition("/")[2])
        client.location = location  # type: ignore[attr-defined]
    assert len(JobDocuments.objects.get(job__owner=owner_of(large)).outputs["message"]) == len(text)
    assert cost(large) < 3 * cost(small)


def owner_of(client: Client) -> str:
    job_id = client.location.rpartition("/")[2]  # type: ignore[attr-defined]
    return str(Job.objects.get(pk=job_id).owner)


def cost(client: Client) -> float:
    """Return the processor time of a poll and a list, the least of several."""

    def once() -> float:
        start = time.process_time()
        client.get(client.location)  # type: ignore[attr-defined]
        client.get("/api/jobs")
        return time.process_time() - start

    return min(once() for _ in range(15))
