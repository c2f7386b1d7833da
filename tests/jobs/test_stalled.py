"""Jobs that nothing would run any more are queued again, and no others."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from celery import current_app
from django.utils import timezone
from kombu import Connection

from marinemap.jobs import lifecycle, runs, stalled, submission
from marinemap.jobs.clock import Pace
from marinemap.jobs.models import Job
from marinemap.jobs.owners import Sender
from marinemap.jobs.states import JobStatus
from tests.jobs.conftest import OWNER, Messages, age, begin

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def first_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test be a process of its own."""
    monkeypatch.setattr(stalled, "_pace", Pace(), raising=False)


def test_job_of_a_dead_run_is_queued_again(job: Job, messages: Messages) -> None:
    begin(job)
    messages()
    age(job, 50)
    assert stalled.requeue_stalled() == [str(job.pk)]
    assert Job.objects.get().status == JobStatus.ACCEPTED
    assert [message["arguments"] for message in messages()] == [[str(job.pk)]]
    assert begin(job).attempt == 2


def test_job_of_a_dead_run_is_queued_again_after_the_clock_was_set_back(
    job: Job, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(job)
    messages()
    # Its last sign of life was an hour ahead of the clock that is right.
    age(job, -3600)
    assert stalled.requeue_stalled() == []
    monkeypatch.setattr(stalled, "_SILENT", timedelta(0))
    monkeypatch.setitem(stalled._PATIENCE, False, timedelta(0))
    assert stalled.requeue_stalled() == [str(job.pk)]


def test_run_on_a_machine_whose_clock_is_behind_is_not_called_dead(
    job: Job, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = timezone.now
    with monkeypatch.context() as other_machine:
        other_machine.setattr(timezone, "now", lambda: right() - timedelta(hours=1))
        running = begin(job)
        assert runs.start(job.pk, is_redelivered=False) is None
        assert stalled.requeue_stalled() == []
        runs.report(running, 5, "Reading.")
        runs.keep_alive(running)
    messages()
    assert stalled.requeue_stalled() == []
    assert runs.is_current(running)


def test_dead_run_is_found_by_a_machine_whose_clock_is_behind(
    job: Job, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(job)
    messages()
    age(job, 50)
    right = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: right() - timedelta(hours=1))
    assert stalled.requeue_stalled() == [str(job.pk)]


def test_runs_are_given_a_round_to_show_life_when_the_clock_has_jumped(
    job: Job, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(job)
    messages()
    assert stalled.requeue_stalled() == []
    right = stalled.database_now
    monkeypatch.setattr(stalled, "database_now", lambda: right() + timedelta(hours=1))
    assert stalled.requeue_stalled() == []
    # It gave none.
    assert stalled.requeue_stalled() == [str(job.pk)]


def test_lost_message_is_found_after_the_clock_was_set_back(job: Job, messages: Messages) -> None:
    messages()
    age(job, -3600)
    assert stalled.requeue_stalled() == [str(job.pk)]


def test_job_that_a_clock_put_off_that_was_ahead_is_queued_again(
    job: Job, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages()
    right = timezone.now
    with monkeypatch.context() as before:
        before.setattr(timezone, "now", lambda: right() + timedelta(days=10))
        runs.put_off(begin(job), "the disk is full", is_own_doing=False)
    assert stalled.requeue_stalled() == [str(job.pk)]
    assert stalled.requeue_stalled() == []
    # Beside the message that is due at its time one that is due at once.
    assert [message["eta"] is None for message in messages()] == [False, True]


def test_job_of_a_living_run_is_left_alone(job: Job, messages: Messages) -> None:
    begin(job)
    messages()
    assert stalled.requeue_stalled() == []
    assert messages() == []


def test_silent_run_whose_message_is_held_is_given_time(messages: Messages) -> None:
    job = begin(submission.submit("echo", {"message": "x"}, Sender(OWNER)))
    age(job, 200)
    assert stalled.requeue_stalled() == []
    age(job, 400)
    assert stalled.requeue_stalled() == [str(job.pk)]
    assert len(messages()) == 2


def test_waiting_job_whose_message_was_lost_is_queued_again(job: Job, messages: Messages) -> None:
    messages()
    assert stalled.requeue_stalled() == []
    age(job, 20)
    assert stalled.requeue_stalled() == [str(job.pk)]
    assert stalled.requeue_stalled() == []
    assert len(messages()) == 1


def test_lost_message_is_found_while_another_job_runs(job: Job, messages: Messages) -> None:
    running = begin(submission.submit("echo", {"message": "other"}, Sender(OWNER)))
    messages()
    age(job, 20)
    runs.keep_alive(running)
    assert stalled.requeue_stalled() == [str(job.pk)]


def test_waiting_jobs_are_not_queued_again_however_slow_the_rate(messages: Messages) -> None:
    jobs = [submission.submit("echo", {"message": "x"}, Sender(OWNER)) for _ in range(3)]
    for _ in range(5):
        for job in jobs:
            age(job, 1000)
        assert stalled.requeue_stalled() == []
    assert len(messages()) == 3


def test_job_that_ended_meanwhile_is_not_queued_again(job: Job, messages: Messages) -> None:
    messages()
    lifecycle.dismiss(Job.objects.get())
    assert not lifecycle.queue_again(job)
    assert messages() == []


def test_run_that_showed_life_meanwhile_keeps_its_job(job: Job, messages: Messages) -> None:
    """Whoever looks for the dead may be stopped itself between the look and what it does."""
    running = begin(job)
    messages()
    age(job, 50)
    seen = Job.objects.get()
    runs.keep_alive(running)
    assert not lifecycle.queue_again(seen)
    assert runs.is_current(running)
    assert messages() == []


class TestBrokerThatCannotBeAsked:
    """RabbitMQ and Redis tell neither where a message is nor whether it is there."""

    @pytest.fixture(autouse=True)
    def in_memory(self, job: Job, monkeypatch: pytest.MonkeyPatch) -> Connection:
        connection = Connection("memory://")
        monkeypatch.setattr(current_app, "connection_or_acquire", lambda: connection, raising=True)
        return connection

    def test_job_is_sent_again_each_ten_minutes_at_most(self, job: Job, messages: Messages) -> None:
        messages()
        age(job, 500)
        assert stalled.requeue_stalled() == []
        age(job, 700)
        assert stalled.requeue_stalled() == [str(job.pk)]
        assert stalled.requeue_stalled() == []

    def test_no_job_is_sent_again_while_the_rate_explains_the_wait(
        self, job: Job, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        task: Any = current_app.tasks[stalled.RUN_JOB]
        monkeypatch.setattr(task, "rate_limit", "1/h")
        age(job, 3600)
        assert stalled.requeue_stalled() == []
        age(job, 3 * 3600)
        assert stalled.requeue_stalled() == [str(job.pk)]
