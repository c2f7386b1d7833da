"""Answers that are given again: as long as they hold, to who had them, and to nobody else."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import Client

from marinemap.api.kept import KeptAnswers
from marinemap.api.tokens import make_token
from marinemap.catalogue import undrawn
from marinemap.catalogue.models import Drawing, Layer
from marinemap.jobs import lifecycle
from marinemap.jobs.models import Job

Ask = Callable[..., "Answered"]


class Answered:
    """What came back, and whether the application was asked for it."""

    def __init__(self, status: str, headers: list[tuple[str, str]], body: bytes, asked: int):
        self.status, self.headers, self.body, self.asked = (
            int(status[:3]),
            dict(headers),
            body,
            asked,
        )


@pytest.fixture
def ask(db: None) -> Iterator[Ask]:
    """Ask the site through what keeps its answers."""
    # The test's connection holds the test's data.
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    asked = []
    site = WSGIHandler()

    def counting(environ: Any, start_response: Any) -> Any:
        asked.append(environ["PATH_INFO"])
        return site(environ, start_response)

    kept = KeptAnswers(counting)

    def send(path: str, method: str = "GET", **headers: str) -> Answered:
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "SERVER_NAME": "testserver",
            "SERVER_PORT": "80",
            "REMOTE_ADDR": "192.0.2.1",
            "HTTP_HOST": "testserver",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": io.StringIO(),
            **{f"HTTP_{name.upper()}": text for name, text in headers.items()},
        }
        started: list[Any] = []
        before = len(asked)
        content = kept(environ, lambda *given: started.append(given))
        body = b"".join(content)
        if hasattr(content, "close"):
            content.close()
        status, given = started[0][:2]
        return Answered(status, given, body, len(asked) - before)

    yield send
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def job(db: None) -> Job:
    """A job of a program that keeps no cookie."""
    return Job.objects.create(process_id="echo", owner="browser:a", is_owner_known=False)


def is_kept(ask: Ask, path: str, **headers: str) -> bool:
    """Ask three times: noted, made to be kept, given again."""
    return [ask(path, **headers).asked for _ in range(3)] == [1, 1, 0]


@pytest.mark.parametrize(
    "path", ["/api/", "/api/conformance", "/api/processes", "/api/collections"]
)
def test_same_question_has_the_same_answer(ask: Ask, reefs: Layer, path: str) -> None:
    first = ask(path)
    assert is_kept(ask, path, accept="application/json")
    again = [ask(path) for _ in range(2)][-1]
    assert (again.status, again.body, again.asked) == (200, first.body, 0)
    assert again.headers["ETag"] == first.headers["ETag"]


def test_answer_given_again_bears_the_id_of_its_own_request(ask: Ask, reefs: Layer) -> None:
    answers = [ask("/api/collections") for _ in range(4)]
    named = ask("/api/collections", x_request_id="the-client-s-own")
    assert answers[-1].asked == named.asked == 0
    assert len({one.headers["X-Request-ID"] for one in answers}) == 4
    assert named.headers["X-Request-ID"] == "the-client-s-own"


def test_withdrawn_layer_is_gone_at_once(ask: Ask, reefs: Layer) -> None:
    assert is_kept(ask, "/api/collections/reefs")
    assert is_kept(ask, "/api/collections")
    Layer.objects.filter(pk="reefs").update(is_published=False)
    assert ask("/api/collections/reefs").status == 404
    assert b"reefs" not in ask("/api/collections").body


def test_page_of_data_that_changed_is_made_anew(ask: Ask, reefs: Layer, marine_gpkg: Path) -> None:
    path = "/api/collections/reefs/items"
    assert is_kept(ask, path)
    os.utime(marine_gpkg, ns=(1, 1))
    assert ask(path).asked == 1
    Layer.objects.filter(pk="reefs").update(title="Other reefs")
    assert ask(path).asked == 1


def test_poll_sees_each_change_of_its_job(ask: Ask, job: Job) -> None:
    path = f"/api/jobs/{job.pk}"
    Job.objects.filter(pk=job.pk).update(status="running")
    assert is_kept(ask, path)
    Job.objects.filter(pk=job.pk).update(progress=55)
    changed = ask(path)
    assert (changed.asked, b'"progress":55' in changed.body) == (1, True)
    job.refresh_from_db()
    lifecycle.dismiss(job)
    assert b'"dismissed"' in ask(path).body
    job.delete()
    assert ask(path).status == 404


def test_who_has_the_answer_is_told_so(ask: Ask, job: Job) -> None:
    path = f"/api/jobs/{job.pk}"
    Job.objects.filter(pk=job.pk).update(status="running")
    etag = ask(path).headers["ETag"]
    assert [ask(path, if_none_match=etag).asked for _ in range(2)] == [1, 0]
    known = ask(path, if_none_match=f'"other", W/{etag}')
    assert (known.status, known.body, known.asked) == (304, b"", 0)
    assert known.headers["ETag"] == etag
    assert known.headers["Cache-Control"] == "private, no-store"
    assert "Content-Length" not in known.headers
    assert ask(path, if_none_match='"other"').status == 200
    Job.objects.filter(pk=job.pk).update(progress=1)
    assert ask(path, if_none_match=etag).status == 200


def test_place_of_a_waiting_job_is_told_anew(
    ask: Ask, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("marinemap.jobs.glance.time.monotonic", lambda: now[0])
    path = f"/api/jobs/{job.pk}"
    assert is_kept(ask, path)
    now[0] += 1
    assert ask(path).asked == 1


def test_job_that_got_an_owner_is_closed_to_others(ask: Ask, job: Job) -> None:
    path = f"/api/jobs/{job.pk}"
    Job.objects.filter(pk=job.pk).update(status="running")
    assert is_kept(ask, path)
    Job.objects.filter(pk=job.pk).update(is_owner_known=True)
    assert ask(path).status == 404


def test_drawing_that_goes_on_is_seen(ask: Ask, reefs: Layer) -> None:
    key = undrawn.key_of(reefs)
    drawing = Drawing.objects.create(layer=reefs, key="old", progress=10)
    assert is_kept(ask, "/api/collections")
    for changed, told in ({"key": key}, 10), ({"progress": 20}, 20):
        Drawing.objects.filter(pk=drawing.pk).update(**changed)
        assert b'"progress":%d' % told in ask("/api/collections").body


def test_each_client_is_answered_by_itself(ask: Ask, job: Job) -> None:
    path = f"/api/jobs/{job.pk}"
    Job.objects.filter(pk=job.pk).update(status="running")
    assert is_kept(ask, path)
    browser = ask(path, user_agent="Mozilla/5.0", sec_fetch_site="same-origin")
    assert (browser.status, browser.asked) == (404, 1)


def test_nothing_is_kept_of_who_shows_who_they_are(ask: Ask, reefs: Layer) -> None:
    reefs.is_restricted = True
    reefs.save()
    person = User.objects.create_superuser("anna")
    token, text = make_token(person, "a", ["layers:read"])
    for _ in range(3):
        shown = ask("/api/collections/reefs", authorization=f"Bearer {text}")
        assert (shown.status, shown.asked) == (200, 1)
    token.delete()
    assert ask("/api/collections/reefs", authorization=f"Bearer {text}").status == 401
    assert [ask("/api/", cookie="sessionid=x").asked for _ in range(3)] == [1, 1, 1]


def test_change_while_an_answer_is_made_is_not_missed() -> None:
    state = ["old"]

    def slow(environ: Any, start_response: Any) -> list[bytes]:
        told = state[0]
        environ["marinemap.question"] = lambda: state[0]
        # Another changes it before this answer is sent.
        state[0] = "new"
        start_response("200 OK", [("ETag", f'"{told}"')])
        return [told.encode()]

    kept = KeptAnswers(slow)
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "wsgi.url_scheme": "http"}

    def answer() -> bytes:
        return b"".join(kept(dict(environ), lambda *_: None))

    answer()
    state[0] = "old"
    assert answer() == b"old"
    assert answer() == b"new"


def test_kept_answers_take_so_much_memory_and_no_more() -> None:
    def large(environ: Any, start_response: Any) -> list[bytes]:
        environ["marinemap.question"] = lambda: True
        start_response("200 OK", [])
        return [bytes(900_000)]

    kept = KeptAnswers(large)
    for number in range(100):
        for _ in range(2):
            environ = {
                "REQUEST_METHOD": "GET",
                "PATH_INFO": f"/{number}",
                "wsgi.url_scheme": "http",
            }
            kept(environ, lambda *_: None)
    assert kept._shelf._bytes <= 32 << 20
    assert kept._shelf._bytes == sum(each.size for each in kept._shelf._answers.values())


def test_layer_is_another_as_soon_as_anything_of_it_is(
    reefs: Layer, new_client: Callable[..., Client]
) -> None:
    client, address = new_client(), "/api/collections/reefs"

    def look(**changes: object) -> Any:
        Layer.objects.filter(pk="reefs").update(**changes)
        answer = client.get(address)
        return answer.json() if answer.status_code == 200 else answer.status_code

    assert look()["title"] == reefs.title
    # Not by save(), which sets the time of the change as well.
    assert look(title="Banks")["title"] == "Banks"
    assert look(most_corners=7)["limits"] == {"corners": 7}
    assert look(trouble="gone")["trouble"]
    assert look(is_restricted=True) == 404
    assert look(is_restricted=False, is_published=False) == 404
    key = undrawn.key_of(Layer.objects.get(pk="reefs"))
    drawing = Drawing.objects.create(layer=reefs, key=key, progress=50)
    assert look(is_published=True)["drawing"] == {"progress": 50}
    drawing.delete()
    assert look()["drawing"] == {"progress": 0}
    Layer.objects.get(pk="reefs").delete()
    assert client.get(address).status_code == 404
