"""Streams of events: what is told at once, to whom, and how many may be open."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from marinemap.api.events import feed as feeds
from marinemap.api.events.feed import Feed, Watch
from marinemap.api.events.limits import TooManyStreamsError, check_room
from marinemap.api.events.messages import Origin
from marinemap.api.events.refused import SignIn
from marinemap.api.identity import Owners
from marinemap.api.models import PersonalToken
from marinemap.api.tokens import make_token
from marinemap.errors import UnavailableError
from marinemap.jobs.models import Job
from marinemap.jobs.owners import owner_of_user
from tests.api.conftest import BROWSER, Post, run
from tests.api.test_jobs import ECHO, assert_problem

pytestmark = pytest.mark.django_db
NewClient = Callable[..., Client]
ORIGIN = Origin("https://maps.example.org/")


def events(response: Any) -> list[dict[str, str]]:
    """Return the events of an answer by their fields."""
    text = b"".join(response).decode()
    blocks = [block.split("\n") for block in text.split("\n\n") if block]
    return [dict(line.split(": ", 1) for line in block) for block in blocks]


class Line:
    """A connection that is open and keeps what it was sent."""

    def __init__(self) -> None:
        self.sent, self.is_open, self.is_behind = b"", True, False

    def send(self, content: bytes) -> None:
        self.sent += content

    def end(self) -> None:
        self.is_open = False

    def take(self) -> list[dict[str, Any]]:
        """Return the documents that came since the last time."""
        sent, self.sent = self.sent, b""
        lines = sent.decode().split("\n")
        return [json.loads(line[6:]) for line in lines if line.startswith("data: ")]


def test_job_is_told_as_its_status_is(new_client: NewClient, post: Post) -> None:
    client = new_client()
    location = post(client, ECHO, "echo")["Location"]
    answer = client.get(f"{location}/events")
    assert answer["Content-Type"] == "text/event-stream"
    assert (answer["X-Accel-Buffering"], answer["Cache-Control"]) == ("no", "no-store")
    greeting, event = events(answer)
    assert 2_000 <= int(greeting["retry"]) <= 5_000
    told, status = json.loads(event["data"]), client.get(location).json()
    links = {link["rel"]: link["href"] for link in status.pop("links")}
    assert {each["rel"]: each["href"] for each in told.pop("links")} == links
    for moving in ("earliestStart", "message"):
        told.pop(moving, None)
        status.pop(moving, None)
    assert told == status
    assert links["events"] == f"{location}/events"


def test_who_was_told_the_end_is_told_not_to_come_back(new_client: NewClient, post: Post) -> None:
    client = new_client()
    location = post(client, ECHO, "echo")["Location"]
    _, first = events(client.get(f"{location}/events"))
    run(location.rpartition("/")[2])
    again = events(client.get(f"{location}/events", headers={"Last-Event-ID": first["id"]}))
    assert json.loads(again[1]["data"])["status"] == "successful"
    last = {"Last-Event-ID": again[1]["id"]}
    assert client.get(f"{location}/events", headers=last).status_code == 204


@pytest.mark.parametrize("text", ["x", "1-", "-1", "9" * 200, "1-1-1", "99999999999999999-0"])
def test_odd_event_id_is_refused(new_client: NewClient, post: Post, text: str) -> None:
    client = new_client()
    location = post(client, ECHO, "echo")["Location"]
    answer = client.get(f"{location}/events", headers={"Last-Event-ID": text})
    assert assert_problem(answer, 400)["field"] == "Last-Event-ID"


def test_job_is_told_of_to_its_owner_only(new_client: NewClient, post: Post) -> None:
    owner = new_client(BROWSER)
    location = post(owner, ECHO, "echo")["Location"]
    assert owner.get(f"{location}/events").status_code == 200
    for other in (new_client(), new_client(BROWSER)):
        assert_problem(other.get(f"{location}/events"), 404)
    assert len(events(owner.get("/api/jobs/events"))) == 2
    someone = new_client(BROWSER)
    post(someone, ECHO, "echo")
    (_, event) = events(someone.get("/api/jobs/events"))
    assert json.loads(event["data"])["jobID"] not in location


def test_nobody_has_no_jobs_to_be_told_of(new_client: NewClient) -> None:
    problem = assert_problem(new_client(BROWSER).get("/api/jobs/events"), 400)
    assert "cookie" in problem["hint"]


def test_list_goes_on_where_it_was_left(new_client: NewClient, post: Post) -> None:
    client = new_client(BROWSER)
    first = post(client, ECHO, "echo").json()["jobID"]
    *_, event = events(client.get("/api/jobs/events"))
    run(first)
    second = post(client, ECHO, "echo").json()["jobID"]
    # Without an id only what goes on is told; with one also what has ended since.
    fresh = [json.loads(at["data"])["jobID"] for at in events(client.get("/api/jobs/events"))[1:]]
    assert fresh == [second]
    last = {"Last-Event-ID": event["id"]}
    told = events(client.get("/api/jobs/events", headers=last))[1:]
    assert {json.loads(at["data"])["jobID"] for at in told} == {first, second}
    assert [at["id"] for at in told] == sorted(at["id"] for at in told)


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch) -> Feed:
    """A feed whose rounds the test takes, each with a look at places."""
    monkeypatch.setattr(feeds, "_PLACES_EVERY_SECONDS", 0)
    monkeypatch.setattr(Feed, "_run", lambda self: None)
    return Feed()


def listened(client: Any, **request: Any) -> Line:
    """Return the connection on which a client is told of its jobs."""
    line = Line()
    kept = {"marinemap.keep_open": lambda heir: heir(line)}
    assert client.get("/api/jobs/events", **request, **kept).status_code == 200
    return line


def watch(**whose: Any) -> Watch:
    return Watch(ORIGIN, "me", "here", **whose)


def made(**columns: Any) -> Job:
    return Job.objects.create(process_id="echo", owner="browser:me", **columns)


def test_each_change_is_told_once_to_its_end(feed: Feed) -> None:
    job, line = made(), Line()
    feed.add(watch(job_id=job.pk), line)
    feed._tell()
    assert [each["status"] for each in line.take()] == ["accepted"]
    feed._tell()
    assert line.take() == []
    job.status, job.progress = "running", 40
    job.save()
    feed._tell()
    (told,) = line.take()
    assert (told["status"], told["progress"]) == ("running", 40)
    assert told["links"][0]["href"].startswith("https://maps.example.org/api/jobs/")
    job.status = "successful"
    job.save()
    feed._tell()
    assert [each["status"] for each in line.take()] == ["successful"]
    assert not line.is_open


def test_stream_of_a_job_that_is_removed_ends(feed: Feed) -> None:
    job, line = made(), Line()
    feed.add(watch(job_id=job.pk), line)
    job.delete()
    feed._tell()
    assert not line.is_open


def test_own_jobs_are_told_of_and_no_others(feed: Feed) -> None:
    line = Line()
    feed.add(watch(owners=Owners(("browser:me",))), line)
    job = made()
    Job.objects.create(process_id="echo", owner="browser:you")
    long_ago = made(status="successful")
    Job.objects.filter(pk=long_ago.pk).update(updated_at=timezone.now() - timedelta(hours=1))
    feed._tell()
    assert [each["jobID"] for each in line.take()] == [str(job.pk)]
    Job.objects.filter(pk=job.pk).update(status="failed", updated_at=timezone.now())
    feed._tell()
    assert [each["status"] for each in line.take()] == ["failed"]
    assert line.is_open


def test_who_has_no_jobs_keeps_nobody_from_being_told(
    feed: Feed, new_client: NewClient, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "_MOST_ROWS", 10)
    monkeypatch.setattr("marinemap.api.events.views.feed", feed)
    someone = new_client(BROWSER)
    Job.objects.filter(pk=post(someone, ECHO, "echo").json()["jobID"]).delete()
    kept = {"marinemap.keep_open": lambda heir: heir(Line())}
    answer = someone.get("/api/jobs/events", headers={"Last-Event-ID": "0-0"}, **kept)
    assert answer.status_code == 200
    long_ago = timezone.now() - timedelta(days=1)
    for _ in range(20):
        Job.objects.filter(pk=made(status="successful").pk).update(updated_at=long_ago)
    line = Line()
    feed.add(watch(owners=Owners(("browser:me",))), line)
    job = made(status="running")
    feed._tell()
    assert [each["jobID"] for each in line.take()] == [str(job.pk)]


def test_of_more_jobs_than_are_looked_at_the_latest_are_told(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "_MOST_ROWS", 10)
    waiting, one = made(), Line()
    feed.add(watch(job_id=waiting.pk), one)
    line = Line()
    feed.add(watch(owners=Owners(("browser:me",))), line)
    for _ in range(20):
        made()
    job = made(status="running")
    feed._tell()
    assert str(job.pk) in [each["jobID"] for each in line.take()]
    # It is not among those that were looked at, and waits all the same.
    assert one.is_open


@pytest.mark.parametrize("end", ["revoked", "over", "may not sign in"])
def test_stream_ends_with_the_token_that_opened_it(
    feed: Feed, new_client: NewClient, django_user_model: Any, monkeypatch: pytest.MonkeyPatch,
    end: str,
) -> None:  # fmt: skip
    """What a person asks for by other ways was told to it for up to half an hour."""
    monkeypatch.setattr("marinemap.api.events.views.feed", feed)
    user = django_user_model.objects.create_user("ann")
    lines = {}
    for name in ("stays", "ends"):
        token, text = make_token(user, name, ["jobs:read"])
        headers = {"Authorization": f"Bearer {text}"}
        lines[name] = listened(new_client(), headers=headers)
    feed._tell()
    if end == "revoked":
        token.delete()
    elif end == "over":
        PersonalToken.objects.filter(pk=token.pk).update(expires_at=timezone.now())
    else:
        django_user_model.objects.update(is_active=False)
    Job.objects.create(process_id="echo", owner=owner_of_user(user.pk))
    feed._tell()
    assert (lines["ends"].take(), lines["ends"].is_open) == ([], False)
    assert lines["stays"].is_open == (end != "may not sign in") == bool(lines["stays"].take())


@pytest.mark.parametrize("end", ["signed out", "another password", "over"])
def test_stream_ends_with_the_session_that_opened_it(
    feed: Feed, new_client: NewClient, django_user_model: Any, monkeypatch: pytest.MonkeyPatch,
    end: str,
) -> None:  # fmt: skip
    """Who had signed out was told for up to half an hour what the person asked for elsewhere."""
    monkeypatch.setattr("marinemap.api.events.views.feed", feed)
    user, other = (django_user_model.objects.create_user(name) for name in ("ann", "bob"))
    clients = [new_client(), new_client()]
    for client, person in zip(clients, (user, other), strict=True):
        client.force_login(person)
    lines = [listened(client) for client in clients]
    feed._tell()
    assert [line.is_open for line in lines] == [True, True]
    if end == "signed out":
        clients[0].logout()
    elif end == "another password":
        user.set_password("quite another")
        user.save()
    else:
        key = clients[0].session.session_key
        Session.objects.filter(pk=key).update(expire_date=timezone.now())
    Job.objects.create(process_id="echo", owner=owner_of_user(user.pk))
    feed._tell()
    assert [(line.take(), line.is_open) for line in lines] == [([], False), ([], True)]


def test_stream_ends_when_its_person_may_no_longer_sign_in(
    feed: Feed, django_user_model: Any
) -> None:
    user, line = django_user_model.objects.create_user("ann"), Line()
    feed.add(watch(owners=Owners(("browser:me",)), sign_in=SignIn(user.pk)), line)
    feed._tell()
    assert line.is_open
    django_user_model.objects.update(is_active=False)
    feed._tell()
    assert not line.is_open


def test_who_is_behind_is_told_the_latest_only(feed: Feed) -> None:
    job, line = made(status="running"), Line()
    feed.add(watch(job_id=job.pk), line)
    line.is_behind = True
    for progress in (10, 20, 30):
        job.progress = progress
        job.save()
        feed._tell()
    line.is_behind = False
    feed._tell()
    assert [each["progress"] for each in line.take()] == [30]


def test_a_round_is_one_query_however_many_are_told(
    feed: Feed, django_assert_num_queries: Any
) -> None:
    for _ in range(30):
        feed.add(watch(job_id=made(status="running").pk), Line())
    feed.add(watch(owners=Owners(("browser:me",))), Line())
    with django_assert_num_queries(1):
        feed._tell()


def test_many_people_are_told_each_of_their_own_by_one_query(
    feed: Feed, django_assert_num_queries: Any
) -> None:
    # SQLite takes 1,000 terms at most.
    lines = [Line() for _ in range(1_100)]
    for number, line in enumerate(lines):
        feed.add(watch(owners=Owners((f"browser:{number}",))), line)
    Job.objects.bulk_create(
        Job(process_id="echo", owner=f"browser:{number}", status="running")
        for number in range(1_100)
    )
    with django_assert_num_queries(1):
        feed._tell()
    assert [len(line.take()) for line in lines] == [1] * 1_100


def test_streams_are_limited_by_person_address_and_in_all(feed: Feed, settings: Any) -> None:
    settings.MARINEMAP_MAX_STREAMS_PERSON = 2
    settings.MARINEMAP_MAX_STREAMS_ADDRESS = 3
    settings.MARINEMAP_MAX_STREAMS = 4
    lines = [Line() for _ in range(4)]
    for line, (person, address) in zip(
        lines, [("a", "x"), ("a", "x"), ("b", "x"), ("c", "y")], strict=True
    ):
        feed.add(Watch(ORIGIN, person, address), line)
    with pytest.raises(TooManyStreamsError, match="2 streams of events of yours"):
        check_room(feed.open_watches(), "a", "z")
    with pytest.raises(TooManyStreamsError, match="from your network address"):
        check_room(feed.open_watches(), "d", "x")
    with pytest.raises(UnavailableError, match="4 streams"):
        check_room(feed.open_watches(), "d", "z")
    lines[0].end()
    check_room(feed.open_watches(), "a", "z")


def test_limit_is_answered_with_when_to_try_again(
    new_client: NewClient, post: Post, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MARINEMAP_MAX_STREAMS_PERSON = 1
    client = new_client()
    location = post(client, ECHO, "echo")["Location"]
    only = Feed()
    monkeypatch.setattr("marinemap.api.events.views.feed", only)
    monkeypatch.setattr(Feed, "_run", lambda self: None)
    kept = {"marinemap.keep_open": lambda heir: heir(Line())}
    assert client.get(f"{location}/events", **kept).status_code == 200
    refused = client.get(f"{location}/events", **kept)
    assert_problem(refused, 429)
    assert refused["Retry-After"] == "30"
