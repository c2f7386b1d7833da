"""What the tests of jobs share: an empty queue, a layer, a submitted job."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.models.signals import post_save
from django.utils import timezone

from marinemap.catalogue.models import Layer
from marinemap.catalogue.registration import register
from marinemap.celery import app
from marinemap.jobs import artifacts, notify, runs, submission
from marinemap.jobs.models import Job
from marinemap.jobs.owners import Sender
from marinemap.jobs.posting import Posts
from marinemap.processes.process import RunResult
from marinemap.transport.publishing.payloads import read_payload

OWNER = "browser:one"
AREA = {"type": "Polygon", "coordinates": [[[0, 40], [5, 40], [5, 45], [0, 45], [0, 40]]]}

# More than any processor has addresses for.
_TOO_LARGE = 1 << 50

Messages = Callable[[], list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def home(settings: Any, tmp_path: Path) -> Path:
    """Give each test a home of its own."""
    settings.MARINEMAP_HOME = tmp_path / "home"
    return tmp_path / "home"


@pytest.fixture
def messages(transactional_db: None) -> Iterator[Messages]:
    """Take every message off the queue; return each one's headers, with its arguments.

    Messages are seen by others when a transaction commits, so the test itself must not be one.
    """
    empty_queue()

    def take() -> list[dict[str, Any]]:
        # From the table: a consumer would get no more than the task's rate allows.
        with connection.cursor() as cursor:
            cursor.execute("SELECT payload FROM broker_messages ORDER BY id")
            taken = [read_payload(row[0]) for row in cursor.fetchall()]
        empty_queue()
        return [{**m["headers"], "arguments": json.loads(m["body"])[0]} for m in taken]

    yield take
    empty_queue()


@pytest.fixture
def eager(transactional_db: None) -> Iterator[None]:
    """Run every task where it is called."""
    app.conf.task_always_eager = True
    yield
    app.conf.task_always_eager = False


@pytest.fixture
def posts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a test posts of its own, and its receiver time: a busy machine is no fault.

    What the test before began ends in the background.
    """
    monkeypatch.setattr(notify, "_posts", Posts())
    monkeypatch.setattr(notify, "_taken", {})
    monkeypatch.setattr(notify, "_ROUND_SECONDS", 60.0)


@pytest.fixture
def reefs(db: None, marine_gpkg: Path) -> Layer:
    """The reefs of the small sea, in the catalogue."""
    return register("reefs", marine_gpkg, "reefs")[0]


@pytest.fixture
def job(db: None) -> Job:
    """A job that waits for its turn."""
    return submission.submit("echo", {"message": "hello"}, Sender(OWNER))


def begin(job: Job, *, is_redelivered: bool = False) -> Job:
    """Start a run of a job."""
    started = runs.start(job.pk, is_redelivered=is_redelivered)
    assert started is not None
    return started


def age(job: Job, seconds: float) -> None:
    """Make a job look as if nothing had happened to it for some time."""
    then = timezone.now() - timedelta(seconds=seconds)
    Job.objects.filter(pk=job.pk).update(alive_at=then, updated_at=then, started_at=then)


def finish(job: Job, content: bytes = b"zip") -> Job:
    """End a run with an archive."""
    artifacts.artifact_path(job).write_bytes(content)
    runs.succeed(job, RunResult("Done.", media_type="application/zip", file_name="a.zip"))
    return Job.objects.get(pk=job.pk)


@contextmanager
def no_new_threads() -> Iterator[None]:
    """Let the system refuse new threads, as where it has as many as it may have."""
    before = threading.stack_size(_TOO_LARGE)
    try:
        yield
    finally:
        threading.stack_size(before)


@contextmanager
def when_saved(job: Job, act: Callable[[], object]) -> Iterator[None]:
    """Do something as soon as a job's row is written, within that transaction; once."""

    def receive(instance: Job, **_: Any) -> None:
        if instance.pk == job.pk and post_save.disconnect(receive, sender=Job):
            act()

    post_save.connect(receive, sender=Job)
    try:
        yield
    finally:
        post_save.disconnect(receive, sender=Job)


def empty_queue() -> None:
    """Remove the messages that a test has left; its rows go by themselves, these do not."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM broker_messages")
