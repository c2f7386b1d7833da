"""However many beats run, one follows the schedule."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from marinemap.celery import app
from marinemap.jobs import belonging, lease
from marinemap.jobs.lease import ScheduleLease, count_beats, was_seen
from marinemap.jobs.models import BeatSighting
from marinemap.jobs.schedule import EditableScheduler
from tests.jobs.conftest import Messages

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def always_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask the database each time, as after the few seconds between two looks."""
    monkeypatch.setattr(lease, "_RENEW_EVERY_SECONDS", 0)


def silent_for(beat: ScheduleLease, seconds: float) -> None:
    seen_at = timezone.now() - timedelta(seconds=seconds)
    BeatSighting.objects.filter(name=beat.name).update(seen_at=seen_at)


def test_second_beat_stands_by_and_takes_over_from_a_dead_one() -> None:
    one, other = ScheduleLease(), ScheduleLease()
    assert one.is_held()
    assert not other.is_held()
    assert count_beats() == (2, True)
    silent_for(one, 20)
    assert not other.is_held()
    silent_for(one, 40)
    assert other.is_held()
    assert count_beats() == (1, True)


def test_frozen_beat_that_wakes_stands_by() -> None:
    frozen, other = ScheduleLease(), ScheduleLease()
    assert frozen.is_held()
    silent_for(frozen, 3600)
    assert other.is_held()
    assert not frozen.is_held()
    assert other.is_held()


def test_beat_from_before_the_clock_was_set_back_is_no_hindrance() -> None:
    old, new = ScheduleLease(), ScheduleLease()
    assert old.is_held()
    silent_for(old, -3600)
    assert count_beats() == (0, False)
    assert new.is_held()


def test_beat_that_ends_leaves_the_schedule_at_once() -> None:
    one, other = ScheduleLease(), ScheduleLease()
    assert one.is_held()
    one.give_up()
    assert other.is_held()


def test_of_many_beats_that_begin_at_once_one_holds() -> None:
    beats = [ScheduleLease() for _ in range(8)]
    together, held = threading.Barrier(len(beats)), []

    def begin(beat: ScheduleLease) -> None:
        try:
            together.wait(120)
            held.append(beat.is_held())
        finally:
            connection.close()

    threads = [threading.Thread(target=begin, args=[beat]) for beat in beats]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(180)
    assert sorted(held) == [False] * 7 + [True]


def test_beat_is_seen_by_its_process() -> None:
    beat = ScheduleLease()
    assert not was_seen(os.getpid())
    beat.is_held()
    assert was_seen(os.getpid())
    assert not was_seen(os.getpid() + 1)
    silent_for(beat, 60)
    assert not was_seen(os.getpid())


def tick_through(scheduler: Any) -> None:
    for _ in range(20):
        if scheduler.tick() > 0:
            return
    raise AssertionError("it never comes to an end of what is due")


def test_two_schedulers_set_off_each_task_once(messages: Messages) -> None:
    one, other = (EditableScheduler(app=app) for _ in range(2))
    for scheduler in (one, other):
        tick_through(scheduler)
    messages()
    long_ago = timezone.now() - timedelta(hours=1)
    PeriodicTask.objects.exclude(interval=None).update(last_run_at=long_ago)
    for scheduler in (one, other):
        scheduler._initial_read, scheduler._heap = True, None
        tick_through(scheduler)
    sent = [message["task"] for message in messages()]
    assert len(sent) == len(set(sent)) >= 3


def make_all_due(*schedulers: Any) -> None:
    """Let every task be due again, and the schedulers know."""
    long_ago = timezone.now() - timedelta(hours=1)
    PeriodicTask.objects.exclude(interval=None).update(last_run_at=long_ago)
    for scheduler in schedulers:
        scheduler._initial_read, scheduler._heap = True, None


def test_tasks_that_a_killed_beat_has_set_off_are_not_set_off_again(messages: Messages) -> None:
    killed, other = (EditableScheduler(app=app) for _ in range(2))
    messages()
    make_all_due(killed)
    tick_through(killed)
    assert len(messages()) >= 3
    # It had no time to write anything down.
    silent_for(killed._lease, 60)
    other._initial_read = True
    tick_through(other)
    assert messages() == []


def test_beat_that_wakes_lets_no_task_be_set_off_again(messages: Messages) -> None:
    frozen, other = (EditableScheduler(app=app) for _ in range(2))
    make_all_due(frozen)
    tick_through(frozen)
    silent_for(frozen._lease, 60)
    # Some time later all is due again.
    make_all_due(other)
    messages()
    tick_through(other)
    assert len(messages()) >= 3
    ran_at = last_runs()
    # What it would have written down before it was stopped.
    frozen.sync()
    assert last_runs() == ran_at


def last_runs() -> dict[str, Any]:
    return dict(PeriodicTask.objects.values_list("name", "last_run_at"))


def test_beat_that_is_stopped_between_its_lease_and_its_task_sends_nothing(
    messages: Messages,
) -> None:
    frozen, other = (EditableScheduler(app=app) for _ in range(2))
    make_all_due(frozen, other)
    assert frozen._lease.is_held()
    frozen.populate_heap()
    silent_for(frozen._lease, 60)
    messages()
    tick_through(other)
    assert len(messages()) >= 3
    # It goes on where it was: the lease was asked for before all that.
    frozen._lease._is_held, frozen._lease._renewed_at = True, float("inf")
    tick_through(frozen)
    assert messages() == []


def test_task_that_the_queue_did_not_take_is_set_off_later(messages: Messages) -> None:
    scheduler = EditableScheduler(app=app)
    make_all_due(scheduler)
    messages()
    with queue_away():
        assert scheduler.tick() > 0
    tick_through(scheduler)
    sent = [message["task"] for message in messages()]
    assert len(sent) == len(set(sent)) >= 3


@contextlib.contextmanager
def queue_away() -> Iterator[None]:
    rename("broker_messages", "lost")
    try:
        yield
    finally:
        rename("lost", "broker_messages")


def rename(name: str, other: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {name} RENAME TO {other}")


def test_schedule_goes_on_after_the_clock_was_set_back(messages: Messages) -> None:
    scheduler = EditableScheduler(app=app)
    tick_through(scheduler)
    # As it was left by a clock that was an hour ahead.
    ahead = timezone.now() + timedelta(hours=1)
    for entry in scheduler.schedule.values():
        entry.last_run_at = ahead
    scheduler._clock_ahead = time.time() - time.monotonic() + 3600
    scheduler._heap = [event._replace(time=event.time + 3600) for event in scheduler._heap]
    PeriodicTask.objects.exclude(interval=None).update(last_run_at=ahead)
    scheduler.tick()
    soon = time.time() + 60
    due = {event.entry.name for event in scheduler._heap if event.time < soon}
    assert {
        "clean up temporary files",
        "queue stalled jobs again",
        "draw layers that changed",
    } <= due


def test_messages_of_the_schedule_lapse_and_have_a_queue_of_their_own(messages: Messages) -> None:
    scheduler = EditableScheduler(app=app)
    messages()
    task = PeriodicTask.objects.get(name="clean up temporary files")
    assert task.expire_seconds == 30
    PeriodicTask.objects.update(last_run_at=timezone.now() - timedelta(hours=1))
    scheduler._initial_read, scheduler._heap = True, None
    tick_through(scheduler)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT queue_name, expires_at_ms IS NOT NULL FROM broker_messages"
            " WHERE task_name = 'marinemap.jobs.periodic.clean_up_temp_files'"
        )
        (row,) = cursor.fetchall()
    assert row[0] == "periodic"
    assert row[1]


def test_beat_whose_worker_has_ended_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    scheduler = EditableScheduler(app=app)
    scheduler.tick()
    # As if init had adopted this process.
    monkeypatch.setattr(belonging, "_owner_id", 1 << 30)
    with pytest.raises(SystemExit, match="has ended"):
        scheduler.tick()
