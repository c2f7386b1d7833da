"""A database or a disk that is away for a while delays a job, and never fails it."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from django.db import OperationalError, connection, connections, transaction

from marinemap.catalogue.models import Layer
from marinemap.catalogue.registration import register
from marinemap.celery import app
from marinemap.errors import UnavailableError
from marinemap.extraction import FORMATS, Prefix, Remote, allow_prefixes
from marinemap.extraction.remote import ranges, states
from marinemap.jobs import pulse, results, runs, submission, tasks
from marinemap.jobs.conf import job_settings
from marinemap.jobs.models import Job
from marinemap.jobs.owners import Sender
from marinemap.jobs.states import JobStatus
from marinemap.jobs.tasks import run_job
from marinemap.tasks import outages
from tests.extraction.layers import write_layer
from tests.jobs.conftest import AREA, OWNER, Messages, no_new_threads
from tests.range_server import RangeServer, running_server
from tests.running_site import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

only_sqlite = pytest.mark.skipif(
    "connection.vendor != 'sqlite'", reason="PostgreSQL has no lock of the whole database"
)


class Lock:
    """The database's file, locked by somebody else until something is logged."""

    def __init__(self, path: str, release_at: str) -> None:
        self._path, self._release_at = path, release_at
        self._taken, self._released = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._hold, daemon=True)

    def take(self) -> None:
        self._thread.start()
        assert self._taken.wait(120)

    def _hold(self) -> None:
        with closing(sqlite3.connect(self._path, timeout=120, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            self._taken.set()
            self._released.wait(240)

    def emit(self, record: logging.LogRecord) -> None:
        if self._release_at in record.getMessage():
            self._released.set()

    @property
    def was_felt(self) -> bool:
        return self._released.is_set()


@pytest.fixture
def impatient(transactional_db: None) -> Iterator[None]:
    """Let a lock be an error after a moment; a site waits 30 s for it."""
    options = connections["default"].settings_dict["OPTIONS"]
    before, options["timeout"] = options.get("timeout"), 0.05
    connection.close()
    yield
    options["timeout"] = before
    connection.close()


@contextmanager
def locked(release_at: str, logger: logging.Logger) -> Iterator[Lock]:
    lock = Lock(connection.settings_dict["NAME"], release_at)
    handler = logging.Handler()
    handler.emit = lock.emit  # type: ignore[method-assign]
    logger.addHandler(handler)
    try:
        yield lock
    finally:
        logger.removeHandler(handler)
        lock._released.set()
        lock._thread.join(120)


def run(job: Job) -> str:
    return str(run_job.apply(args=[str(job.pk)]).get())


@only_sqlite
def test_job_starts_and_ends_once_the_lock_is_gone(impatient: None) -> None:
    job = submission.submit("echo", {"message": "x"}, Sender(OWNER))
    with locked("Trying again in", outages.logger) as lock:
        lock.take()
        assert run(job) == "successful"
        assert lock.was_felt
    assert Job.objects.get().attempt == 1


@only_sqlite
def test_progress_that_cannot_be_written_fails_no_job(impatient: None) -> None:
    job = submission.submit("echo", {"message": "x", "pause": 4}, Sender(OWNER))
    with locked("could not tell its progress", pulse.logger) as lock:

        def lock_once_it_runs() -> None:
            try:
                # Its folder is made when all that it needs has been read.
                wait_for(lambda: list(job_settings().work.glob(f"{job.pk}*")), "the run's start")
            finally:
                connection.close()
            lock.take()

        other = threading.Thread(target=lock_once_it_runs)
        other.start()
        assert run(job) == "successful"
        other.join(120)
        assert lock.was_felt
    assert Job.objects.get().attempt == 1


@only_sqlite
def test_database_that_goes_while_a_process_reads_it_puts_the_job_off(
    reefs: Layer, impatient: None, messages: Messages
) -> None:
    asked = {"layers": ["reefs"], "area": AREA}
    job = submission.submit("extract", asked, Sender(OWNER))
    started = runs.start(job.pk, is_redelivered=False)
    assert started is not None
    messages()
    error = OperationalError("database is locked")
    assert tasks._end_without_result(started, error) == "put off"
    put_off = Job.objects.get()
    assert (put_off.status, put_off.put_off) == (JobStatus.ACCEPTED, 1)
    assert len(messages()) == 1
    assert run(job) == "successful"


def test_queue_that_takes_no_message_delays_putting_off(job_to_put_off: Job) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE broker_messages RENAME TO lost")

    def bring_back() -> None:
        assert noticed.wait(120)
        with closing(connection.cursor()) as cursor:
            cursor.execute("ALTER TABLE lost RENAME TO broker_messages")
        connection.close()

    noticed = threading.Event()
    handler = logging.Handler()
    handler.emit = lambda record: noticed.set()  # type: ignore[method-assign,assignment]
    outages.logger.addHandler(handler)
    other = threading.Thread(target=bring_back)
    other.start()
    try:
        assert runs.put_off(job_to_put_off, "no room", is_own_doing=False) == "put off"
    finally:
        outages.logger.removeHandler(handler)
        other.join(180)
    assert Job.objects.get().status == JobStatus.ACCEPTED


@only_sqlite
def test_request_to_a_locked_database_is_refused_as_a_passing_thing(impatient: None) -> None:
    with locked("never", outages.logger) as lock:
        lock.take()
        with pytest.raises(UnavailableError, match="send it again"):
            submission.submit("echo", {"message": "x"}, Sender(OWNER))
    assert not Job.objects.exists()


def test_patience_within_a_transaction_is_the_callers(transactional_db: None) -> None:
    calls = []

    def fail() -> None:
        calls.append(1)
        raise OperationalError("gone")

    with pytest.raises(OperationalError), transaction.atomic():
        outages.patiently(fail)
    with pytest.raises(OperationalError):
        outages.patiently(fail, seconds=0.5)
    assert len(calls) > 3


@only_sqlite
def test_result_of_a_task_is_stored_once_the_lock_is_gone(impatient: None) -> None:
    with locked("A result waits", results.logger) as lock:
        lock.take()
        app.backend.store_result("a-task", [1, 2], "SUCCESS")
        assert lock.was_felt
    assert app.AsyncResult("a-task").result == [1, 2]


@pytest.fixture
def job_to_put_off(transactional_db: None, messages: Messages) -> Job:
    job = submission.submit("echo", {"message": "x"}, Sender(OWNER))
    started = runs.start(job.pk, is_redelivered=False)
    assert started is not None
    return started


def extract(format_: str = "shapefile") -> Job:
    inputs = {"layers": ["reefs"], "area": AREA, "format": format_}
    return submission.submit("extract", inputs, Sender(OWNER))


def test_full_disk_delays_a_job_as_often_as_it_takes(
    reefs: Layer, small_disk: Callable[[str], Path], settings: Any, messages: Messages
) -> None:
    disk = small_disk("4m")
    settings.MARINEMAP_MIN_FREE_MB = "1"
    filler = disk / "filler"
    filler.write_bytes(b"\0" * 3_500_000)
    job = extract()
    for number in range(5):
        assert run(job) == "put off"
        told = Job.objects.get()
        assert (told.status, told.put_off) == (JobStatus.ACCEPTED, number + 1)
        assert told.message == "Waiting for another try: the server's disk is full."
    filler.unlink()
    assert run(job) == "successful"


def test_machine_without_threads_delays_a_job(messages: Messages) -> None:
    job = submission.submit("echo", {"message": "x"}, Sender(OWNER))
    with no_new_threads():
        assert run(job) == "put off"
    told = Job.objects.get()
    assert (told.status, told.put_off) == (JobStatus.ACCEPTED, 0)
    assert told.message.startswith("Waiting for another try: the server had too few threads")
    assert run(job) == "successful"


def test_disk_that_runs_full_during_a_run_delays_the_job(
    reefs: Layer, small_disk: Callable[[str], Path], settings: Any
) -> None:
    disk = small_disk("4m")
    settings.MARINEMAP_MIN_FREE_MB = "0.02"
    filler = disk / "filler"
    # Room for the run to begin, and for little of what it writes.
    filler.write_bytes(b"\0" * (4 * 1024 * 1024 - 30_000))
    job = extract()
    assert run(job) == "put off"
    filler.unlink()
    assert run(job) == "successful"
    assert not list((disk / "work").iterdir())


@pytest.mark.parametrize("name", FORMATS)
def test_job_that_needs_more_room_than_there_is_fails_with_that_reason(
    reefs: Layer, small_disk: Callable[[str], Path], settings: Any, name: str
) -> None:
    """GDAL does not say that the disk is full, and once the run's files are gone it is not."""
    small_disk("24k" if name in ("shapefile", "geopackage", "filegdb") else "4k")
    settings.MARINEMAP_MIN_FREE_MB = "0"
    job = extract(name)
    states = [run(job) for _ in range(3)]
    assert states == ["put off", "put off", "failed"], Job.objects.get().message
    failed = Job.objects.get()
    assert "the disk ran full" in failed.message
    assert failed.attempt == 3


def test_folder_that_cannot_be_used_delays_a_job(home: Path) -> None:
    home.mkdir()
    in_the_way = home / "artifacts"
    in_the_way.write_text("a file where a folder belongs")
    job = submission.submit("echo", {"message": "x"}, Sender(OWNER))
    assert run(job) == "put off"
    in_the_way.unlink()
    assert run(job) == "successful"


def lose_results(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Remove the folder of results, as a share that goes, when a run knows where to write."""
    find, left = tasks.artifact_path, iter(range(times))

    def find_and_lose(job: Job) -> Path:
        found = find(job)
        if next(left, None) is not None:
            found.parent.rmdir()
        return found

    monkeypatch.setattr(tasks, "artifact_path", find_and_lose)


def test_folder_that_goes_during_a_run_delays_the_job(
    reefs: Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_results(monkeypatch, times=1)
    job = extract()
    assert run(job) == "put off"
    told = Job.objects.get().message
    assert told == "Waiting for another try: a folder on the server was gone."
    assert run(job) == "successful"


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RangeServer]:
    """A server of which the site has the layer ``far``, a FlatGeobuf."""
    monkeypatch.setattr(states, "_KNOWN_SECONDS", 0.0)
    monkeypatch.setattr(ranges, "_PAUSES_SECONDS", (0.0, 0.0, 0.0))
    with running_server(tmp_path) as server:
        squares = shapely.box(np.arange(10), 40, np.arange(10) + 0.5, 41)
        write_layer(server.folder / "far.fgb", squares, driver="FlatGeobuf")
        allow_prefixes([Prefix.parse(f"{server.address}/")], 10)
        register("far", Remote.parse(f"{server.address}/far.fgb"))
        yield server
        allow_prefixes([])


@pytest.mark.parametrize(
    ("kind", "details", "words"),
    [
        ("status", {"status": 503}, "the server of far.fgb answers 503"),
        (
            "cut",
            {"after": 1},
            "the server of far.fgb is away, silent, or ended its answer too soon",
        ),
    ],
    ids=["away", "amid the run"],
)
def test_layer_on_a_server_that_goes_away_delays_the_job(
    far: RangeServer, kind: str, details: dict[str, Any], words: str
) -> None:
    """Its owner was told that "the site lacks something"."""
    asked = {"layers": ["far"], "area": AREA}
    job = submission.submit("extract", asked, Sender(OWNER))
    far.fail(kind, **details)
    assert run(job) == "put off"
    assert Job.objects.get().message == f"Waiting for another try: {words}."
    far.mend()
    assert run(job) == "successful"


def test_folder_that_is_gone_in_each_run_fails_the_job_in_the_end(
    reefs: Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_results(monkeypatch, times=3)
    job = extract()
    assert [run(job) for _ in range(3)] == ["put off", "put off", "failed"]
    assert "a folder on the server was gone each time" in Job.objects.get().message
