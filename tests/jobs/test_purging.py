"""Requests that wait are cancelled, whatever becomes of others meanwhile."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, transaction

from marinemap.jobs import submission
from marinemap.jobs.models import Job
from marinemap.jobs.owners import Sender
from marinemap.jobs.purging import cancel_waiting
from marinemap.jobs.states import JobStatus
from tests.jobs.conftest import OWNER, Messages, begin, finish, when_saved

# More than are read at once.
MANY = 300


def submitted() -> Job:
    return submission.submit("echo", {"message": "x"}, Sender(OWNER))


@pytest.mark.django_db
def test_what_ended_or_began_meanwhile_stays() -> None:
    ends, begins, newest = submitted(), submitted(), submitted()
    # The newest is cancelled first.
    with when_saved(newest, lambda: (finish(begin(ends)), begin(begins))):
        assert cancel_waiting("short") == 1
    states = dict(Job.objects.values_list("pk", "status"))
    assert states == {ends.pk: "successful", begins.pk: "running", newest.pk: "dismissed"}
    assert Job.objects.get(pk=ends.pk).artifact


def test_many_are_cancelled_while_others_write(messages: Messages) -> None:
    oldest = submitted()
    Job.objects.bulk_create(Job(process_id="extract", owner="others") for _ in range(MANY))
    newest = submitted()

    def write_elsewhere() -> None:
        writer = threading.Thread(target=_write, args=(oldest,))
        writer.start()
        writer.join()

    with when_saved(newest, lambda: transaction.on_commit(write_elsewhere)):
        assert cancel_waiting("short") == 2
    cancelled = Job.objects.filter(status=JobStatus.DISMISSED)
    assert dict(cancelled.values_list("pk", "progress")) == {oldest.pk: 1, newest.pk: 0}
    assert Job.objects.filter(status=JobStatus.ACCEPTED).count() == MANY


def _write(job: Job) -> None:
    try:
        assert Job.objects.filter(pk=job.pk).update(progress=1) == 1
    finally:
        connection.close()
