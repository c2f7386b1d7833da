"""A request that is sent again with its ``Idempotency-Key`` makes no second job."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from marinemap.jobs import repeats
from marinemap.jobs.models import Job, RequestKey
from tests.api.conftest import BROWSER, Post, run
from tests.api.test_jobs import ECHO, assert_problem

pytestmark = pytest.mark.django_db
NewClient = Callable[..., Client]
OTHER = {"inputs": {"message": "another"}}


@pytest.fixture
def send(post: Post) -> Callable[..., Any]:
    """Send a request to echo with a key."""

    def with_key(client: Client, body: Any = ECHO, key: str = "a key", **options: Any) -> Any:
        return post(client, body, "echo", headers={"Idempotency-Key": key}, **options)

    return with_key


@pytest.mark.parametrize("keeps_cookies", [True, False])
def test_same_key_and_body_is_the_same_job(
    new_client: NewClient, send: Callable[..., Any], keeps_cookies: bool
) -> None:
    client = new_client()
    first = send(client)
    again = send(client if keeps_cookies else new_client())
    assert (first.status_code, again.status_code) == (201, 201)
    assert again["Location"] == first["Location"]
    assert again.json()["jobID"] == str(Job.objects.get().pk)
    # Also when it is ready, and to who shows a cookie by now.
    run(again.json()["jobID"])
    assert send(client).json()["status"] == "successful"
    assert Job.objects.count() == 1


def test_another_body_is_refused_and_both_are_named(
    new_client: NewClient, send: Callable[..., Any]
) -> None:
    client = new_client(BROWSER)
    send(client, key="first of all")
    job_id = send(client).json()["jobID"]
    problem = assert_problem(send(client, OTHER), 409)
    assert (problem["field"], problem["value"]) == ("Idempotency-Key", "a key")
    assert job_id in problem["detail"] and problem["detail"].count("SHA-256") == 2
    assert Job.objects.count() == 2


def test_id_of_a_job_is_not_told_to_who_guesses_a_key(
    new_client: NewClient, send: Callable[..., Any]
) -> None:
    job_id = send(new_client()).json()["jobID"]
    assert job_id not in assert_problem(send(new_client(), OTHER), 409)["detail"]


def test_key_of_one_is_nothing_to_another(new_client: NewClient, send: Callable[..., Any]) -> None:
    clients = [new_client(), new_client(BROWSER), new_client(BROWSER)]
    jobs = {send(client).json()["jobID"] for client in clients}
    jobs.add(send(new_client(), REMOTE_ADDR="203.0.113.7").json()["jobID"])
    assert len(jobs) == Job.objects.count() == 4


def test_who_gives_a_key_again_gets_nobodys_cookie(
    new_client: NewClient, send: Callable[..., Any]
) -> None:
    assert send(new_client()).cookies
    assert not send(new_client()).cookies


def test_job_that_is_bound_to_a_cookie_is_not_given_without(
    new_client: NewClient, send: Callable[..., Any]
) -> None:
    client = new_client()
    first = send(client)
    assert client.get(first["Location"]).status_code == 200
    assert send(new_client())["Location"] != first["Location"]
    assert send(client)["Location"] == first["Location"]


def test_key_counts_for_a_day(new_client: NewClient, send: Callable[..., Any]) -> None:
    client = new_client()
    first = send(client)
    RequestKey.objects.update(created_at=timezone.now() - timedelta(hours=23, minutes=59))
    assert repeats.forget_old() == 0
    assert send(client)["Location"] == first["Location"]
    RequestKey.objects.update(created_at=timezone.now() - timedelta(hours=24))
    assert send(client, OTHER).status_code == 201
    assert repeats.forget_old() == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\t", "é"])
def test_key_that_is_none_is_refused(
    new_client: NewClient, send: Callable[..., Any], key: str
) -> None:
    assert assert_problem(send(new_client(), key=key), 400)["field"] == "Idempotency-Key"
    assert not Job.objects.exists()


def test_description_has_the_key(new_client: NewClient) -> None:
    paths = new_client().get("/api/openapi.json").json()["paths"]
    execution = next(at for path, at in paths.items() if path.endswith("/execution"))["post"]
    declared = {each["name"]: each for each in execution["parameters"]}
    assert declared["Idempotency-Key"]["schema"]["maxLength"] == 255
    assert "409" in execution["responses"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("bodies", [(ECHO,), (ECHO, OTHER)], ids=["one body", "two bodies"])
def test_two_at_once_are_one_job(
    new_client: NewClient, send: Callable[..., Any], bodies: tuple[Any, ...]
) -> None:
    for _ in range(5):
        key, answers = str(uuid.uuid4()), []
        barrier = threading.Barrier(4)

        def ask(number: int, at: Any = (key, answers, barrier)) -> None:
            key, answers, barrier = at
            barrier.wait(120)
            try:
                answers.append(send(new_client(), bodies[number % len(bodies)], key))
            finally:
                connection.close()

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(180)
        statuses = sorted(answer.status_code for answer in answers)
        assert statuses == ([201] * 4 if len(bodies) == 1 else [201, 201, 409, 409])
        assert len({json.loads(a.content)["jobID"] for a in answers if a.status_code == 201}) == 1
        assert Job.objects.filter(keys__key=key).count() == 1
    assert Job.objects.count() == 5
