"""Many requests at once: all or nothing, followed and cancelled together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from marinemap.catalogue.models import Layer
from marinemap.jobs.models import Callback, Job
from tests.api.conftest import AREA, BROWSER, run
from tests.api.test_jobs import assert_problem

pytestmark = pytest.mark.django_db
NewClient = Callable[..., Client]
ECHO = {"process": "echo", "inputs": {"message": "hello"}}
EXTRACT = {"process": "extract", "inputs": {"layers": ["reefs"], "area": AREA}}


def send(client: Client, requests: Any, **options: Any) -> Any:
    body = requests if isinstance(requests, dict) else {"requests": requests}
    return client.post("/api/batches", body, content_type="application/json", **options)


def echoes(count: int) -> list[dict[str, Any]]:
    return [{"process": "echo", "inputs": {"message": str(n)}} for n in range(count)]


def test_each_request_becomes_a_job_in_its_place(reefs: Layer, new_client: NewClient) -> None:
    client = new_client(BROWSER)
    made = send(client, [ECHO, EXTRACT, *echoes(3)])
    assert made.status_code == 201
    batch = made.json()
    assert made["Location"].endswith(f"/api/batches/{batch['batchID']}")
    assert (batch["total"], batch["completed"], batch["succeeded"]) == (5, 0, 0)
    assert [job["processID"] for job in batch["jobs"]] == ["echo", "extract"] + ["echo"] * 3
    assert len({job["jobID"] for job in batch["jobs"]}) == 5
    for job in batch["jobs"]:
        assert client.get(f"/api/jobs/{job['jobID']}").json()["status"] == "accepted"
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM broker_messages")
        assert cursor.fetchone()[0] >= 5


def test_batch_tells_how_far_it_is_with_the_results_so_far(
    reefs: Layer, new_client: NewClient
) -> None:
    client = new_client(BROWSER)
    made = send(client, [EXTRACT, *echoes(2)])
    address, ids = made["Location"], [job["jobID"] for job in made.json()["jobs"]]
    run(ids[0])
    client.delete(f"/api/jobs/{ids[1]}")
    answer = client.get(address)
    batch = answer.json()
    counted = [batch[name] for name in ("total", "completed", "succeeded", "dismissed", "failed")]
    assert counted == [3, 2, 1, 1, 0]
    assert int(answer["Retry-After"]) >= 1
    (link,) = [each for each in batch["jobs"][0]["links"] if each["rel"].endswith("/results")]
    result = client.get(link["href"])
    assert b"".join(result.streaming_content).startswith(b"PK")
    # A poll that finds nothing new is cheap.
    assert client.get(address, headers={"If-None-Match": answer["ETag"]}).status_code == 304
    run(ids[2])
    answer = client.get(address)
    assert (answer.json()["completed"], "Retry-After" in answer) == (3, False)


def test_dismissing_a_batch_dismisses_each_job(reefs: Layer, new_client: NewClient) -> None:
    client = new_client(BROWSER)
    made = send(client, [EXTRACT, *echoes(2)])
    run(made.json()["jobs"][0]["jobID"])
    batch = client.delete(made["Location"]).json()
    assert (batch["completed"], batch["succeeded"], batch["dismissed"]) == (3, 1, 2)
    assert not Job.objects.exclude(artifact="").exists()
    assert run(made.json()["jobs"][1]["jobID"]).status == "dismissed"


def test_large_batch_is_dismissed_by_as_few_statements_as_a_small_one(
    new_client: NewClient,
) -> None:
    """A thousand took a transaction each, and held a thread of the web server meanwhile."""
    client = new_client(BROWSER)
    asked = []
    # The first binds the cookie to whoever shows it.
    for count in (1, 2, 60):
        address = send(client, echoes(count))["Location"]
        with CaptureQueriesContext(connection) as seen:
            batch = client.delete(address).json()
        assert (batch["total"], batch["dismissed"]) == (count, count)
        assert [job["status"] for job in batch["jobs"]] == ["dismissed"] * count
        asked.append(len(seen))
    assert asked[1] == asked[2] <= 12


@pytest.mark.django_db(transaction=True)
def test_messages_of_a_batch_that_is_dismissed_are_taken_back(new_client: NewClient) -> None:
    client = new_client(BROWSER)
    kept, gone = (send(client, echoes(count)) for count in (2, 5))
    client.delete(gone["Location"])
    with connection.cursor() as cursor:
        cursor.execute("SELECT correlation_id FROM broker_messages")
        left = {name for (name,) in cursor.fetchall()}
    of_kept, of_gone = ({job["jobID"] for job in made.json()["jobs"]} for made in (kept, gone))
    # Messages of other tests that committed may lie there as well.
    assert left & (of_kept | of_gone) == of_kept


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"process": "ecko", "inputs": {}}, "body.requests.2.process"),
        ({"process": "echo", "inputs": {"massage": "x"}}, "body.requests.2.massage"),
        ({"process": "echo"}, "body.requests.2.message"),
        ({"inputs": {}}, "body.requests.2"),
        ({"process": "estimate", "inputs": {}}, "body.requests.2.process"),
        (ECHO | {"requests": [ECHO]}, "body.requests.2.requests"),
        (ECHO | {"mode": "sync"}, "body.requests.2.mode"),
        (ECHO | {"outputs": {"nothing": {}}}, "body.requests.2.nothing"),
        (
            ECHO | {"subscriber": {"successUri": "http://127.0.0.1/"}},
            "body.requests.2.subscriber.successUri",
        ),
        (
            {"process": "echo", "inputs": {"message": {"href": "http://example.org/"}}},
            "body.requests.2.inputs.message",
        ),
        ("echo", "body.requests.2"),
    ],
)
def test_one_wrong_request_keeps_nothing_and_is_named(
    new_client: NewClient, wrong: Any, field: str
) -> None:
    refused = send(new_client(), [*echoes(2), wrong])
    assert assert_problem(refused, 400)["field"] == field
    assert not Job.objects.exists()


def test_batch_takes_whom_to_tell_of_all_of_it(new_client: NewClient) -> None:
    addresses = {end: f"https://receiver.example.org/{end}" for end in ("successUri", "failedUri")}
    made = send(new_client(), {"requests": echoes(2), "subscriber": addresses})
    assert made.status_code == 201
    kept = Callback.objects.values_list("uri", "status", "is_of_batch", "job__place_in_batch")
    assert set(kept) == {
        ("https://receiver.example.org/successUri", "successful", True, 0),
        ("https://receiver.example.org/failedUri", "failed", True, 0),
    }


@pytest.mark.parametrize(
    ("subscriber", "field"),
    [
        ({"successUri": "http://127.0.0.1/"}, "subscriber.successUri"),
        ({"inProgressUri": "https://receiver.example.org/"}, "body.subscriber.inProgressUri"),
        ("https://receiver.example.org/", "body.subscriber"),
    ],
)
def test_batch_that_nobody_can_be_told_of_is_refused(
    new_client: NewClient, subscriber: Any, field: str
) -> None:
    refused = send(new_client(), {"requests": echoes(2), "subscriber": subscriber})
    assert assert_problem(refused, 400)["field"] == field
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    "body", [{"requests": []}, {"requests": {}}, {}, {"requests": [ECHO], "x": 1}, {"request": []}]
)
def test_body_that_is_no_batch_is_refused(new_client: NewClient, body: Any) -> None:
    assert assert_problem(send(new_client(), body), 400)["field"].startswith("body")


def test_size_of_a_batch_is_bounded(new_client: NewClient, settings: Any) -> None:
    settings.MARINEMAP_MAX_BATCH = "3"
    assert send(new_client(), echoes(3)).status_code == 201
    assert "more than the 3" in assert_problem(send(new_client(), echoes(4)), 400)["detail"]
    assert_problem(send(new_client(), echoes(1_001)), 400)
    assert Job.objects.count() == 3


def test_batch_waits_whole_or_not_at_all(new_client: NewClient, settings: Any) -> None:
    settings.MARINEMAP_MAX_WAITING_PERSON = "5"
    client = new_client(BROWSER)
    assert send(client, echoes(3)).status_code == 201
    refused = send(client, echoes(3))
    problem = assert_problem(refused, 429)
    # The limit, what was asked, what would fit.
    assert all(word in problem["detail"] for word in ("5", "3", "2 more"))
    assert int(refused["Retry-After"]) >= 1
    assert Job.objects.count() == 3
    assert send(client, echoes(2)).status_code == 201


def test_time_of_a_batch_is_that_of_one_request(
    reefs: Layer, new_client: NewClient, settings: Any
) -> None:
    settings.MARINEMAP_LOOK_SECONDS = 0
    refused = send(new_client(), [EXTRACT, EXTRACT])
    assert "1 of 2" in assert_problem(refused, 400)["detail"]
    assert not Job.objects.exists()


def test_batch_is_its_makers_only(new_client: NewClient) -> None:
    mine = new_client(BROWSER)
    address = send(mine, [ECHO])["Location"]
    assert mine.get(address).status_code == 200
    signed_in = new_client(BROWSER)
    signed_in.force_login(User.objects.create_user("diver"))
    for other in (new_client(), new_client(BROWSER), signed_in):
        assert_problem(other.get(address), 404)
        assert_problem(other.delete(address), 404)
    assert mine.get(address).status_code == 200
    assert Job.objects.get().status == "accepted"


def test_address_of_a_batch_is_the_key_to_it_until_its_cookie_is_shown(
    new_client: NewClient,
) -> None:
    mine = new_client()
    made = send(mine, echoes(2))
    address, job = made["Location"], made.json()["jobs"][1]["jobID"]
    assert new_client().get(address).status_code == 200
    assert_problem(new_client(BROWSER).get(address), 404)
    # Whichever is looked at, all of it is the cookie's from then on.
    assert mine.get(f"/api/jobs/{job}").status_code == 200
    assert_problem(new_client().get(address), 404)
    for each in made.json()["jobs"]:
        assert_problem(new_client().get(f"/api/jobs/{each['jobID']}"), 404)


@pytest.mark.parametrize(
    "batch_id", ["1", "x" * 5_000, "%00", "4c643cbd-61fa-4492-bef4-fa1d400656b9"]
)
def test_unknown_batch_is_not_found(new_client: NewClient, batch_id: str) -> None:
    assert_problem(new_client().get(f"/api/batches/{batch_id}"), 404)


def test_page_of_another_site_may_neither_make_nor_dismiss(new_client: NewClient) -> None:
    client = new_client(BROWSER)
    address = send(client, [ECHO])["Location"]
    cross = {"Sec-Fetch-Site": "cross-site"}
    assert_problem(send(client, [ECHO], headers=cross), 403)
    assert_problem(client.delete(address, headers=cross), 403)
    assert [job.status for job in Job.objects.all()] == ["accepted"]


def test_queries_of_a_poll_do_not_grow_with_the_batch(
    new_client: NewClient, django_assert_max_num_queries: Any
) -> None:
    client = new_client(BROWSER)
    address = send(client, echoes(40))["Location"]
    with django_assert_max_num_queries(6):
        assert client.get(address).json()["total"] == 40


KEYED = {"Idempotency-Key": "a key"}


@pytest.mark.parametrize("keeps_cookies", [True, False])
def test_batch_that_is_sent_again_with_its_key_is_the_same(
    new_client: NewClient, keeps_cookies: bool
) -> None:
    client = new_client()
    first = send(client, echoes(3), headers=KEYED)
    again = send(client if keeps_cookies else new_client(), echoes(3), headers=KEYED)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again["Location"] == first["Location"]
    assert [job["jobID"] for job in again.json()["jobs"]] == [
        job["jobID"] for job in first.json()["jobs"]
    ]
    assert Job.objects.count() == 3


def test_key_of_a_batch_comes_with_no_other_request(new_client: NewClient) -> None:
    client = new_client(BROWSER)
    send(client, echoes(2), headers=KEYED)
    problem = assert_problem(send(client, echoes(3), headers=KEYED), 409)
    assert (problem["field"], problem["value"]) == ("Idempotency-Key", "a key")
    alone = {"inputs": ECHO["inputs"], "mode": "async"}
    path = "/api/processes/echo/execution"
    assert_problem(client.post(path, alone, "application/json", headers=KEYED), 409)
    assert Job.objects.count() == 2
    assert send(client, [ECHO, {"process": "nope"}], headers=KEYED).status_code == 409
    refused = {"Idempotency-Key": "another"}
    assert send(client, [ECHO, {"process": "nope"}], headers=refused).status_code == 400
    # Nothing was made of it, so the key is free.
    assert send(client, echoes(1), headers=refused).status_code == 201


def test_batch_that_is_bound_to_a_cookie_is_not_given_without(new_client: NewClient) -> None:
    mine = new_client()
    first = send(mine, echoes(2), headers=KEYED)
    job = first.json()["jobs"][1]["jobID"]
    assert mine.get(f"/api/jobs/{job}").status_code == 200
    assert send(new_client(), echoes(2), headers=KEYED)["Location"] != first["Location"]
    assert send(mine, echoes(2), headers=KEYED)["Location"] == first["Location"]


@pytest.mark.django_db(transaction=True)
def test_same_batch_twice_at_once_is_made_once(new_client: NewClient) -> None:
    answers: list[Any] = []
    barrier = threading.Barrier(4)

    def ask() -> None:
        barrier.wait(120)
        try:
            answers.append(send(new_client(), echoes(3), headers=KEYED))
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(180)
    assert [answer.status_code for answer in answers] == [201] * 4
    assert len({answer["Location"] for answer in answers}) == 1
    assert Job.objects.count() == 3
    # Its messages would wait before those of other tests.
    new_client().delete(answers[0]["Location"])
