"""Which workers live, as they show themselves in the database."""

from __future__ import annotations

import os
import threading
from datetime import timedelta
from types import SimpleNamespace

import pytest
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
