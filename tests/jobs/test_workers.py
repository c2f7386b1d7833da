"""Which workers live, as they show themselves in the database."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.db import connection, transaction
from django.utils import timezone

from marinemap.jobs import workers
from marinemap.jobs.models import WorkerSighting
from tests.running_site import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


def begin_as(process_id: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Show a worker as another process of this machine would, under the name it has by default."""
    count = WorkerSighting.objects.count()
    monkeypatch.setattr(os, "getpid", lambda: process_id)
    workers.begin(SimpleNamespace(hostname="celery@here"))
    wait_for(lambda: WorkerSighting.objects.count() > count, "a sign of life")


def test_two_workers_of_one_name_are_two(monkeypatch: pytest.MonkeyPatch) -> None:
    begin_as(101, monkeypatch)
    begin_as(102, monkeypatch)
    assert workers.count_alive() == 2
    workers.end()
    wait_for(lambda: not threads(), "the end of the threads")


def test_worker_that_stopped_in_order_is_neither_alive_nor_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    long_ago = timezone.now() - timedelta(hours=1)
    WorkerSighting.objects.create(name="celery@here:100", started_at=long_ago, seen_at=long_ago)
    assert (workers.find_missing(), workers.is_nobody_left()) == (["celery@here"], True)
    begin_as(101, monkeypatch)
    workers.end()
    wait_for(lambda: not threads(), "the end of the thread")
    assert (workers.count_alive(), workers.find_missing()) == (0, [])
    assert not workers.is_nobody_left(), "just stopped"
    WorkerSighting.objects.filter(name="celery@here:101").update(seen_at=long_ago)
    WorkerSighting.objects.filter(name="celery@here:100").delete()
    assert (workers.find_missing(), workers.is_nobody_left()) == ([], True)


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "worker-sighting"]


@pytest.mark.parametrize("seconds", [60, -3600], ids=["silent", "from a clock that was set back"])
def test_worker_that_was_seen_long_ago_or_later_is_not_counted(seconds: float) -> None:
    seen_at = timezone.now() - timedelta(seconds=seconds)
    WorkerSighting.objects.create(name="gone", started_at=seen_at, seen_at=seen_at)
    assert workers.count_alive() == 0


@pytest.mark.skipif(connection.vendor != "sqlite", reason="what SQLite's library remembers")
def test_process_that_a_worker_forks_while_it_shows_itself_can_write() -> None:
    """The library tells a child that the file is locked for ever, which is forked amid a write."""
    begun, forked = threading.Event(), threading.Event()

    def show() -> None:
        with transaction.atomic():
            WorkerSighting.objects.create(
                name="here", started_at=timezone.now(), seen_at=timezone.now()
            )
            begun.set()
            # A fork that waits for the end of this lets it come by itself.
            forked.wait(0.5)
        connection.close()

    showing = threading.Thread(target=show)
    showing.start()
    begun.wait(120)
    reader, writer = os.pipe()
    process = os.fork()
    if process == 0:
        os.read(reader, 1)
        os._exit(0 if _can_write(Path(connection.settings_dict["NAME"])) else 1)
    forked.set()
    showing.join()
    os.write(writer, b"x")
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    os.close(reader)
    os.close(writer)


def _can_write(file: Path) -> bool:
    with closing(sqlite3.connect(file, timeout=1)) as own:
        try:
            own.execute("CREATE TABLE of_a_child (number)")
            own.execute("DROP TABLE of_a_child")
        except sqlite3.OperationalError:
            return False
        return True
