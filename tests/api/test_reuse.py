"""A request whose result is there already is given it, and neither job harms the other."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import shapely
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.utils import timezone

from marinemap.catalogue.models import Layer
from marinemap.catalogue.registration import register
from marinemap.errors import RequestError
from marinemap.jobs import artifacts, expiry, lifecycle, orphans, reuse, runs, shared_archives
from marinemap.jobs.models import Callback, Job
from tests.api.conftest import AREA, BROWSER, Post, run
from tests.api.test_files import body
from tests.api.test_jobs import ECHO, assert_problem

pytestmark = pytest.mark.django_db
NewClient = Callable[..., Client]
INPUTS = {"layers": ["reefs"], "area": [0, 40, 2, 42]}
REQUEST = {"inputs": INPUTS}


@pytest.fixture(autouse=True)
def shared(settings: Any) -> None:
    """Let requests be given the results of earlier ones."""
    settings.MARINEMAP_REUSE = True


@pytest.fixture
def done(reefs: Layer, new_client: NewClient, post: Post) -> Job:
    """An extract that another has asked for, and that is done."""
    return run(post(new_client(BROWSER), REQUEST).json()["jobID"])


def messages() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM broker_messages")
        return int(cursor.fetchone()[0])


def is_run(response: Any) -> bool:
    """Tell whether a request was queued, and not answered by a result that is there."""
    assert response.status_code == 201, response.content
    return bool(response.json()["status"] == "accepted")


def test_operator_has_to_allow_it(
    done: Job, new_client: NewClient, post: Post, settings: Any
) -> None:
    settings.MARINEMAP_REUSE = False
    assert is_run(post(new_client(BROWSER), REQUEST))


def test_same_request_is_done_at_once_and_takes_no_start(
    done: Job, new_client: NewClient, post: Post
) -> None:
    client, before = new_client(BROWSER), messages()
    info = post(client, REQUEST).json()
    assert (info["status"], info["progress"], info["message"]) == ("successful", 100, done.message)
    assert info["jobID"] != str(done.pk) and messages() == before
    (link,) = [each["href"] for each in info["links"] if each["rel"].endswith("/results")]
    assert len(body(client.get(link))) == done.artifact_bytes == info["size"]
    # Each has its own owner.
    assert_problem(client.get(f"/api/jobs/{done.pk}"), 404)


@pytest.mark.parametrize("ends", ["dismissed", "expired", "forgotten"])
@pytest.mark.parametrize("which", ["first", "second"])
def test_end_of_one_leaves_the_other_its_file(
    done: Job, new_client: NewClient, post: Post, home: Path, ends: str, which: str
) -> None:
    mine = new_client(BROWSER)
    second = post(mine, REQUEST).json()["jobID"]
    gone = Job.objects.get(pk=done.pk if which == "first" else second)
    if ends == "dismissed":
        # What its owner does; of the first, whose cookie is another's.
        lifecycle.dismiss(gone)
    else:
        Job.objects.filter(pk=gone.pk).update(expires_at=timezone.now())
        expiry.expire_artifacts()
    if ends == "forgotten":
        Job.objects.filter(pk=gone.pk).update(finished_at=timezone.now() - timedelta(days=400))
        assert expiry.expire_jobs() == 1
    left = Job.objects.exclude(pk=gone.pk).get()
    with artifacts.open_artifact(left) as file:
        assert file.read(2) == b"PK"
    assert [file.name for file in (home / "artifacts").iterdir()] == [left.artifact]
    # A third is given what is left.
    assert not is_run(post(new_client(BROWSER), REQUEST))


def test_old_file_is_no_orphan_while_it_is_given(
    done: Job, new_client: NewClient, post: Post, home: Path
) -> None:
    old = time.time() - 10_000
    os.utime(home / "artifacts" / done.artifact, (old, old))
    second = Job(process_id="extract", owner="x")
    # The name is there before the row is.
    assert shared_archives.link_artifact(done, second)
    assert orphans.remove_orphans() == []
    # And where the row never came, it goes in the end.
    os.utime(home / "artifacts" / done.artifact, (old, old))
    assert orphans.remove_orphans() == [f"{second.pk}-0.zip"]


@pytest.mark.parametrize(
    "changes",
    [
        {"area": [0, 40, 2, 43]},
        {"format": "geojson"},
        {"crs": "EPSG:3857"},
        {"mode": "intersects"},
        {"filter": "depth_m > 1"},
        {"fields": ["name"]},
        {"full_copy": False},
    ],
)
def test_another_request_is_run(
    done: Job, new_client: NewClient, post: Post, changes: dict[str, Any]
) -> None:
    assert is_run(post(new_client(BROWSER), {"inputs": INPUTS | changes}))


@pytest.mark.parametrize(
    "same",
    [
        {"area": [0.0, 40.0, 2.0, 42.0]},
        {"mode": "clip"},
        {"format": "shapefile"},
        {"layers": "reefs"},
        {"full_copy": True},
    ],
)
def test_same_inputs_in_other_words_are_the_same(
    done: Job, new_client: NewClient, post: Post, same: dict[str, Any]
) -> None:
    assert not is_run(post(new_client(BROWSER), {"inputs": INPUTS | same, "response": "document"}))


@pytest.mark.parametrize("header", ["no-cache", "No-Cache, x=1", "max-age=0", "no-store"])
def test_fresh_run_can_be_asked_for(
    done: Job, new_client: NewClient, post: Post, header: str
) -> None:
    client = new_client(BROWSER)
    assert is_run(post(client, REQUEST, headers={"Cache-Control": header}))
    assert not is_run(post(client, REQUEST, headers={"Cache-Control": "max-age=60"}))


def test_echo_is_always_run(new_client: NewClient, post: Post) -> None:
    run(post(new_client(BROWSER), ECHO, "echo").json()["jobID"])
    assert is_run(post(new_client(BROWSER), ECHO, "echo"))


def test_data_that_changed_are_read_also_before_the_catalogue_knows(
    new_client: NewClient, post: Post, tmp_path: Path
) -> None:
    path = tmp_path / "p.gpkg"
    write(path, [(1, 41)])
    register("reefs", path)
    run(post(new_client(BROWSER), REQUEST).json()["jobID"])
    assert not is_run(post(new_client(BROWSER), REQUEST))
    write(path, [(1, 41), (1, 41.5)])
    again = post(new_client(BROWSER), REQUEST)
    assert is_run(again)
    # Of what was refreshed during the run nobody was sure; of the next one all are.
    assert "2 features" in run(again.json()["jobID"]).message
    assert is_run(after := post(new_client(BROWSER), REQUEST))
    run(after.json()["jobID"])
    third = post(new_client(BROWSER), REQUEST).json()
    assert (third["status"], "2 features" in third["message"]) == ("successful", True)


def test_words_about_a_layer_are_part_of_its_archive(
    done: Job, new_client: NewClient, post: Post
) -> None:
    Layer.objects.update(licence="CC0")
    assert is_run(post(new_client(BROWSER), REQUEST))


def test_style_beside_a_layer_is_part_of_its_archive(
    reefs: Layer, new_client: NewClient, post: Post
) -> None:
    run(post(new_client(BROWSER), REQUEST).json()["jobID"])
    assert not is_run(post(new_client(BROWSER), REQUEST))
    style = Path(reefs.source).with_suffix(".qml")
    style.write_text("<qgis/>")
    try:
        assert is_run(post(new_client(BROWSER), REQUEST))
    finally:
        # The layer's file is that of other tests as well.
        style.unlink()


def test_result_that_lacks_a_layer_is_given_to_nobody(
    reefs: Layer, new_client: NewClient, post: Post, tmp_path: Path
) -> None:
    path = tmp_path / "p.gpkg"
    write(path, [(1, 41)])
    register("other", path)
    request = {"inputs": INPUTS | {"layers": ["reefs", "other"]}}
    waiting = post(new_client(BROWSER), request).json()["jobID"]
    content = path.read_bytes()
    path.write_bytes(b"broken")
    assert "Missing: other" in run(waiting).message
    path.write_bytes(content)
    assert Job.objects.get().reuse_key == ""
    assert is_run(post(new_client(BROWSER), request))


@pytest.mark.parametrize("gone", ["file", "short", "link", "expired", "failed", "running"])
def test_what_is_not_there_is_run(
    done: Job, new_client: NewClient, post: Post, home: Path, gone: str
) -> None:
    archive = home / "artifacts" / done.artifact
    if gone == "file":
        archive.unlink()
    elif gone == "short":
        archive.write_bytes(b"PK")
    elif gone == "link":
        archive.rename(home / "elsewhere.zip")
        archive.symlink_to(home / "elsewhere.zip")
    elif gone == "expired":
        Job.objects.update(expires_at=timezone.now())
    else:
        Job.objects.update(status=gone)
    assert is_run(post(new_client(BROWSER), REQUEST))


def test_result_of_a_layer_for_a_group_is_given_within_the_group_only(
    done: Job, new_client: NewClient, post: Post
) -> None:
    group = Group.objects.create(name="surveyors")
    Layer.objects.update(is_restricted=True)
    Layer.objects.get().groups.add(group)
    member, outsider = new_client(BROWSER), new_client(BROWSER)
    user = User.objects.create_user("member")
    user.groups.add(group)
    member.force_login(user)
    outsider.force_login(User.objects.create_user("outsider"))
    assert_problem(post(outsider, REQUEST), 400)
    assert_problem(post(new_client(), REQUEST), 400)
    info = post(member, REQUEST).json()
    assert info["status"] == "successful"
    user.groups.clear()
    assert_problem(member.get(f"/api/jobs/{info['jobID']}/results"), 404)


def test_results_are_given_so_often_a_day_only(
    done: Job, new_client: NewClient, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reuse, "_MOST_A_DAY", 3)
    clients = [new_client(BROWSER) for _ in range(5)]
    assert [is_run(post(each, REQUEST)) for each in clients] == [False] * 3 + [True] * 2
    assert not is_run(post(new_client(), REQUEST, REMOTE_ADDR="203.0.113.7"))


def test_full_queue_does_not_hold_back_what_is_there(
    done: Job, new_client: NewClient, post: Post, settings: Any
) -> None:
    settings.MARINEMAP_MAX_WAITING = "1"
    assert is_run(post(new_client(BROWSER), REQUEST, headers={"Cache-Control": "no-cache"}))
    assert post(new_client(BROWSER), ECHO, "echo").status_code == 503
    assert not is_run(post(new_client(BROWSER), REQUEST))


def test_who_wants_to_be_told_is_told(
    done: Job, new_client: NewClient, post: Post, settings: Any
) -> None:
    settings.MARINEMAP_CALLBACK_PRIVATE = True
    told = {"successUri": "http://127.0.0.1:1/done", "failedUri": "http://127.0.0.1:1/failed"}
    post(new_client(BROWSER), REQUEST | {"subscriber": told})
    due = Callback.objects.exclude(due_at=None)
    assert [each.status for each in due] == ["successful"]


def test_small_extract_is_answered_itself_at_once(
    done: Job, new_client: NewClient, post: Post
) -> None:
    answer = post(new_client(BROWSER), REQUEST, headers={"Prefer": "respond-sync"})
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/zip")
    assert body(answer).startswith(b"PK")


@pytest.mark.parametrize(
    "condition",
    [
        {"If-None-Match": "*"},
        {"If-Match": '"other"'},
        {"If-Unmodified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"},
    ],
)
def test_condition_on_a_file_does_not_lose_the_job_that_was_asked_for(
    done: Job, new_client: NewClient, post: Post, condition: dict[str, str]
) -> None:
    answer = post(new_client(BROWSER), REQUEST, headers={"Prefer": "respond-sync", **condition})
    assert answer.status_code == 200 and body(answer).startswith(b"PK")


def waiting(client: Client, post: Post, **headers: str) -> Job:
    """A job that waits, of a request like others."""
    named = {"Prefer": "respond-async", **{n.replace("_", "-"): at for n, at in headers.items()}}
    return Job.objects.get(pk=post(client, REQUEST, headers=named).json()["jobID"])


def test_same_requests_that_wait_are_done_when_one_is(
    reefs: Layer, new_client: NewClient, post: Post
) -> None:
    clients = [new_client(BROWSER) for _ in range(3)]
    first, *others = (waiting(each, post) for each in clients)
    fresh = waiting(new_client(BROWSER), post, Cache_Control="no-cache")
    run(str(first.pk))
    for other, client in zip(others, clients[1:], strict=True):
        found = Job.objects.get(pk=other.pk)
        assert (found.status, found.attempt, found.started_at) == ("successful", 0, None)
        assert body(client.get(f"/api/jobs/{other.pk}/results")).startswith(b"PK")
        # The message may be delivered all the same.
        assert run(str(other.pk)).attempt == 0
    assert Job.objects.get(pk=fresh.pk).status == "accepted"
    assert run(str(fresh.pk)).attempt == 1


@pytest.mark.parametrize("end", ["dismissed", "failed", "killed"])
def test_end_of_one_without_a_result_leaves_the_others_their_turn(
    reefs: Layer, new_client: NewClient, post: Post, end: str
) -> None:
    first, second, third = (waiting(new_client(BROWSER), post) for _ in range(3))
    begun = runs.start(first.pk, is_redelivered=False)
    assert begun is not None
    if end == "dismissed":
        lifecycle.dismiss(first)
    elif end == "failed":
        runs.fail(begun, RequestError("no"))
    # Killed: it runs for all that anybody knows.
    assert {each.status for each in Job.objects.exclude(pk=first.pk)} == {"accepted"}
    assert run(str(second.pk)).attempt == 1
    assert Job.objects.get(pk=third.pk).status == "successful"


def test_turn_finds_what_was_made_while_nobody_was_told(
    reefs: Layer, new_client: NewClient, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (waiting(new_client(BROWSER), post) for _ in range(2))
    # As of a worker that is killed between the end of its run and telling.
    with monkeypatch.context() as killed:
        killed.setattr(reuse, "_MOST_AT_ONCE", 0)
        run(str(first.pk))
    assert Job.objects.get(pk=second.pk).status == "accepted"
    found = run(str(second.pk))
    assert (found.status, found.attempt) == ("successful", 0)


def test_job_that_begins_or_is_cancelled_first_is_given_nothing(
    done: Job, new_client: NewClient, post: Post, home: Path
) -> None:
    for end in ("begun", "cancelled"):
        job = waiting(new_client(BROWSER), post, Cache_Control="no-cache")
        if end == "begun":
            assert runs.start(job.pk, is_redelivered=False)
        else:
            lifecycle.dismiss(job)
        assert not reuse.succeed_by(job, done, at_once=False)
        assert not list((home / "artifacts").glob(f"{job.pk}-*"))
    # Two that are done in the same moment give it once.
    job = waiting(new_client(BROWSER), post, Cache_Control="no-cache")
    assert [reuse.succeed_by(job, done, at_once=False) for _ in range(2)] == [True, False]
    with artifacts.open_artifact(Job.objects.get(pk=job.pk)) as file:
        assert file.read(2) == b"PK"


def test_name_that_was_taken_for_an_orphan_before_it_was_given_is_given_to_nobody(
    done: Job, new_client: NewClient, post: Post, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker may be stopped for long between the name of the file and the row."""
    job = waiting(new_client(BROWSER), post, Cache_Control="no-cache")
    give, old = shared_archives.give_artifact, time.time() - 10_000

    def give_and_stand_still(*between: Job, at_once: bool) -> str | None:
        name = give(*between, at_once=at_once)
        os.utime(home / "artifacts" / str(name), (old, old))
        assert orphans.remove_orphans() == [name]
        return name

    monkeypatch.setattr(reuse, "give_artifact", give_and_stand_still)
    assert not reuse.succeed_by(job, done, at_once=False)
    assert Job.objects.get(pk=job.pk).status == "accepted"


def test_who_left_the_group_meanwhile_is_given_nothing(
    reefs: Layer, new_client: NewClient, post: Post
) -> None:
    group = Group.objects.create(name="surveyors")
    Layer.objects.update(is_restricted=True)
    reefs.groups.add(group)
    jobs = []
    for name in ("stays", "leaves"):
        person = new_client(BROWSER)
        person.force_login(User.objects.create_user(name))
        User.objects.get(username=name).groups.add(group)
        jobs.append(waiting(person, post))
    User.objects.get(username="leaves").groups.clear()
    run(str(jobs[0].pk))
    assert Job.objects.get(pk=jobs[1].pk).status == "accepted"
    assert run(str(jobs[1].pk)).status == "failed"


def test_batch_has_what_is_there_and_runs_the_rest(done: Job, new_client: NewClient) -> None:
    asked = [{"process": "extract", "inputs": at} for at in (INPUTS, INPUTS | {"area": AREA})]
    client = new_client(BROWSER)
    for headers, succeeded in (({}, 1), ({"Cache-Control": "no-cache"}, 0)):
        batch = client.post(
            "/api/batches", {"requests": asked}, content_type="application/json", headers=headers
        ).json()
        assert (batch["total"], batch["succeeded"]) == (2, succeeded)


def write(path: Path, positions: list[tuple[float, float]]) -> None:
    path.unlink(missing_ok=True)
    pyogrio.raw.write(
        path,
        shapely.to_wkb(shapely.points(positions)),
        field_data=[np.arange(len(positions))],
        fields=["number"],
        geometry_type="Point",
        crs="EPSG:4326",
    )
