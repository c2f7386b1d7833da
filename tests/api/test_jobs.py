"""A request over HTTP: made, followed, fetched, cancelled; and never another's."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models.signals import post_save
from django.test import Client
from django.utils import timezone

from marinemap.catalogue.models import Layer
from marinemap.catalogue.registration import register
from marinemap.jobs import expiry
from marinemap.jobs.models import Job, JobDocuments
from tests.api.conftest import AREA, BROWSER, Post, run

pytestmark = pytest.mark.django_db
NewClient = Callable[..., Client]
ECHO = {"inputs": {"message": "hello"}}
REQUEST = {"inputs": {"layers": ["reefs"], "area": AREA, "crs": "EPSG:3857"}}


def assert_problem(response: Any, status: int) -> dict[str, Any]:
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    # RFC 9457: the type is a URI; absolute ones mean the same wherever they are read.
    assert urlsplit(body["type"]).scheme and body["title"] and body["detail"]
    assert None not in body.values()
    return body


def test_request_is_answered_with_where_to_follow_it(
    reefs: Layer, new_client: NewClient, post: Post
) -> None:
    response = post(new_client(), REQUEST)
    assert response.status_code == 201
    info = response.json()
    job = Job.objects.get()
    assert response["Location"] == f"http://testserver/api/jobs/{job.pk}"
    assert info["jobID"] == str(job.pk)
    assert (info["processID"], info["type"], info["status"]) == ("extract", "process", "accepted")
    assert info["progress"] == 0
    assert None not in info.values()
    assert "started" not in info and "finished" not in info
    for name in ("created", "updated"):
        # RFC 3339: a date-time with its offset.
        assert datetime.fromisoformat(info[name]).utcoffset() == timedelta(0)
    assert [link["href"] for link in info["links"] if link["rel"] == "self"] == [
        response["Location"]
    ]


def test_request_becomes_an_archive(reefs: Layer, new_client: NewClient, post: Post) -> None:
    client = new_client(BROWSER)
    location = post(client, REQUEST)["Location"]
    run(location.rsplit("/", 1)[1])
    info = client.get(location).json()
    assert (info["status"], info["progress"]) == ("successful", 100)
    for earlier, later in (
        ("created", "started"),
        ("started", "finished"),
        ("finished", "expires"),
    ):
        assert datetime.fromisoformat(info[earlier]) <= datetime.fromisoformat(info[later])
    (link,) = [link for link in info["links"] if link["rel"].endswith("/results")]
    assert link["type"] == "application/zip"
    archive = client.get(link["href"])
    assert (archive.status_code, archive["Content-Type"]) == (200, "application/zip")
    assert archive["Content-Disposition"] == 'attachment; filename="reefs.zip"'
    assert "no-store" in archive["Cache-Control"]
    content = b"".join(archive.streaming_content)
    archive.close()
    assert "reefs.shp" in zipfile.ZipFile(io.BytesIO(content)).namelist()


def test_outputs_without_a_file_are_json(new_client: NewClient, post: Post) -> None:
    client = new_client()
    job_id = post(client, ECHO | {"response": "document"}, "echo").json()["jobID"]
    run(job_id)
    assert client.get(f"/api/jobs/{job_id}/results").json() == {"message": "hello", "pause": 0}


def test_what_is_about_a_job_is_kept_by_nobody_between(new_client: NewClient, post: Post) -> None:
    """A cache that is shared would show the jobs of one person to another."""
    client = new_client()
    made = post(client, ECHO, "echo")
    listed, info = client.get("/api/jobs"), client.get(made["Location"])
    dismissed = client.delete(made["Location"])
    for answer in (made, listed, info, dismissed):
        assert answer["Cache-Control"] == "private, no-store"


def test_results_of_a_waiting_job_are_not_ready(new_client: NewClient, post: Post) -> None:
    client = new_client()
    location = post(client, ECHO, "echo")["Location"]
    problem = assert_problem(client.get(f"{location}/results"), 404)
    assert problem["type"].endswith("/result-not-ready")
    assert "waiting" in problem["detail"]


def test_job_that_failed_says_why(
    new_client: NewClient, post: Post, marine_gpkg: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.gpkg"
    copy.write_bytes(marine_gpkg.read_bytes())
    register("reefs", copy, "reefs")
    client = new_client()
    location = post(client, REQUEST)["Location"]
    copy.write_bytes(b"broken")
    run(location.rsplit("/", 1)[1])
    info = client.get(location).json()
    assert info["status"] == "failed"
    assert any(link["rel"].endswith("/exceptions") for link in info["links"])
    problem = assert_problem(client.get(f"{location}/results"), 500)
    assert "copy.gpkg" in problem["detail"]
    assert "Traceback" not in str(problem)


def test_unexpected_failure_of_a_job_gives_a_reference_and_no_exception_text(
    reefs: Layer, new_client: NewClient, post: Post
) -> None:
    client = new_client()
    location = post(client, REQUEST)["Location"]
    # Inputs without their members: nothing of ours foresees that.
    JobDocuments.objects.update(inputs={})
    run(location.rsplit("/", 1)[1])
    message = client.get(location).json()["message"]
    assert "reference" in message
    assert "layers" not in message and "Error" not in message


def test_results_that_expired_are_gone(reefs: Layer, new_client: NewClient, post: Post) -> None:
    client = new_client()
    location = post(client, REQUEST)["Location"]
    run(location.rsplit("/", 1)[1])
    Job.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    expiry.expire_artifacts()
    problem = assert_problem(client.get(f"{location}/results"), 404)
    assert problem["type"].endswith("/result-not-available")
    info = client.get(location).json()
    assert not any(link["rel"].endswith("/results") for link in info["links"])


def test_waiting_job_can_be_cancelled(new_client: NewClient, post: Post) -> None:
    client = new_client()
    location = post(client, ECHO, "echo")["Location"]
    response = client.delete(location)
    assert (response.status_code, response.json()["status"]) == (200, "dismissed")
    assert run(location.rsplit("/", 1)[1]).status == "dismissed"
    assert_problem(client.get(f"{location}/results"), 404)


def test_cancelling_a_finished_job_removes_its_archive(
    reefs: Layer, new_client: NewClient, post: Post, home: Path
) -> None:
    client = new_client()
    location = post(client, REQUEST)["Location"]
    run(location.rsplit("/", 1)[1])
    assert client.delete(location).status_code == 200
    assert_problem(client.get(f"{location}/results"), 404)
    assert list((home / "artifacts").iterdir()) == []


@pytest.mark.parametrize(
    "job_id",
    ["4c643cbd-61fa-4492-bef4-fa1d400656b9", "1", "xyz", "%00", "..", "a" * 5000, "ABCDEFAB" * 4],
)
@pytest.mark.parametrize("rest", ["", "/results"])
def test_unknown_job_is_not_found(new_client: NewClient, job_id: str, rest: str) -> None:
    assert_problem(new_client().get(f"/api/jobs/{job_id}{rest}"), 404)


def may_see(client: Client, location: str) -> bool:
    """Tell whether a client sees a job, in any way; the answers must agree."""
    status = client.get(location).status_code
    listed = client.get("/api/jobs").json()["jobs"]
    if status != 200:
        assert status == client.get(f"{location}/results").status_code == 404
        assert client.delete(location).status_code == 404
        assert listed == []
    return status == 200


def test_browser_never_sees_the_job_of_another_browser(new_client: NewClient, post: Post) -> None:
    mine, other = new_client(BROWSER), new_client(BROWSER)
    location = post(mine, ECHO, "echo")["Location"]
    assert not may_see(other, location)
    post(other, ECHO, "echo")
    assert other.get(location).status_code == 404
    assert may_see(mine, location)
    assert Job.objects.filter(status="dismissed").count() == 0


@pytest.mark.parametrize(
    "headers", [{"User-Agent": "Mozilla/5.0"}, {"Sec-Fetch-Site": "none"}], ids=["agent", "fetch"]
)
def test_browser_without_a_cookie_never_sees_the_job_of_a_program(
    new_client: NewClient, post: Post, headers: dict[str, str]
) -> None:
    location = post(new_client(), ECHO, "echo")["Location"]
    assert not may_see(new_client(headers), location)


def test_program_that_keeps_no_cookie_follows_its_job_by_its_id(
    new_client: NewClient, post: Post
) -> None:
    location = post(new_client(), ECHO, "echo")["Location"]
    assert new_client().get(location).status_code == 200
    assert new_client().delete(location).status_code == 200


def test_job_whose_cookie_was_shown_is_closed_to_those_without(
    new_client: NewClient, post: Post
) -> None:
    mine = new_client()
    location = post(mine, ECHO, "echo")["Location"]
    assert mine.get(location).status_code == 200
    assert not may_see(new_client(), location)
    assert may_see(mine, location)


def test_second_job_of_a_cookie_is_closed_from_the_start(new_client: NewClient, post: Post) -> None:
    mine = new_client()
    post(mine, ECHO, "echo")
    location = post(mine, ECHO, "echo")["Location"]
    assert not may_see(new_client(), location)


def test_client_with_a_cookie_does_not_see_the_job_of_one_without(
    new_client: NewClient, post: Post
) -> None:
    location = post(new_client(), ECHO, "echo")["Location"]
    other = new_client()
    post(other, ECHO, "echo")
    assert other.get(location).status_code == 404


def test_user_sees_own_jobs_from_any_browser(new_client: NewClient, post: Post) -> None:
    user = User.objects.create_user("diver")
    one, two, stranger = new_client(BROWSER), new_client(BROWSER), new_client(BROWSER)
    one.force_login(user)
    two.force_login(user)
    stranger.force_login(User.objects.create_user("stranger"))
    location = post(one, ECHO, "echo")["Location"]
    assert may_see(two, location)
    assert not may_see(stranger, location)


def test_list_has_own_jobs_newest_first(new_client: NewClient, post: Post) -> None:
    mine, other = new_client(), new_client()
    ids = [post(mine, ECHO, "echo").json()["jobID"] for _ in range(3)]
    post(other, ECHO, "echo")
    assert [job["jobID"] for job in mine.get("/api/jobs").json()["jobs"]] == ids[::-1]


@pytest.mark.parametrize("method", ["post", "delete"])
def test_page_of_another_site_may_change_nothing(
    new_client: NewClient, post: Post, method: str
) -> None:
    client = new_client(BROWSER)
    location = post(client, ECHO, "echo")["Location"]
    cross = {"Sec-Fetch-Site": "cross-site"}
    if method == "post":
        response = post(client, ECHO, "echo", headers=cross)
    else:
        response = client.delete(location, headers=cross)
    assert_problem(response, 403)
    assert [job.status for job in Job.objects.all()] == ["accepted"]


@pytest.mark.django_db
def test_outputs_of_a_dismissed_job_are_gone(new_client, post):
    c = new_client()
    location = post(c, {"inputs": {"message": "x"}}, "echo")["Location"]
    run(location.rsplit("/", 1)[1])
    c.delete(location)
    assert_problem(c.get(location + "/results"), 404)


def test_deleting_a_failed_job_leaves_its_state_and_reason(
    reefs: Layer, new_client: NewClient, post: Post
) -> None:
    client = new_client()
    location = post(client, REQUEST)["Location"]
    JobDocuments.objects.update(inputs={})
    run(location.rsplit("/", 1)[1])
    before = client.get(location).json()
    assert client.delete(location).json()["status"] == "dismissed"
    after = client.get(location).json()
    assert after["status"] == "failed"
    assert after["message"] == before["message"]
    assert_problem(client.get(f"{location}/results"), 500)


@pytest.mark.django_db(transaction=True)
def test_job_is_stored_whatever_cannot_be_asked_afterwards(
    new_client: NewClient, post: Post
) -> None:
    def lose_the_queue(**_: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE broker_messages RENAME TO lost")

    post_save.connect(
        lambda **_: transaction.on_commit(lose_the_queue), sender=Job, weak=False, dispatch_uid="x"
    )
    try:
        response = post(new_client(), ECHO, "echo")
    finally:
        post_save.disconnect(sender=Job, dispatch_uid="x")
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE lost RENAME TO broker_messages")
            cursor.execute("DELETE FROM broker_messages")
    assert response.status_code == 201
    assert response["Location"].endswith(str(Job.objects.get().pk))
