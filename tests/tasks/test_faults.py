"""Administrators are told of failures: once an hour for the same, with a count of the rest."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from billiard.exceptions import TimeLimitExceeded
from celery.signals import task_failure, task_received
from django.db import connection
from django.utils import timezone

from marinemap.errors import DatasetError, RequestError
from marinemap.jobs import alarms, runs, submission, tasks
from marinemap.jobs.models import Job
from marinemap.jobs.owners import Sender
from marinemap.jobs.states import JobStatus
from marinemap.mail.models import Letter
from marinemap.tasks import faults
from marinemap.tasks.faults import Failure, tell_admins, tell_rest
from marinemap.tasks.models import Fault

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def admins(settings: Any) -> None:
    settings.ADMINS = [("Ann", "ann@example.org")]


def fail(number: int = 1, what: str = "task dredge") -> None:
    try:
        raise ValueError(f"stone {number}")
    except ValueError as error:
        failure = Failure(what, "an id", "args: (1,)", error, f"reference {number}")
    tell_admins(lambda: failure)


def pass_an_hour() -> None:
    Fault.objects.update(told_at=timezone.now() - timedelta(minutes=61))


def texts() -> list[str]:
    return list(Letter.objects.order_by("pk").values_list("body", flat=True))


def test_same_fault_is_told_once_an_hour_with_a_count() -> None:
    for number in range(5):
        fail(number)
    (text,) = texts()
    assert "stone 0" in text and "reference 0" in text and "Traceback" in text
    pass_an_hour()
    fail(5)
    assert len(texts()) == 2
    assert texts()[1].startswith("The same failed 4 times more since") and "stone 5" in texts()[1]


def test_rest_is_told_when_the_hour_is_over() -> None:
    fail(0)
    fail(1)
    assert tell_rest() == 0
    pass_an_hour()
    assert tell_rest() == 1
    assert texts()[1].startswith("The same failed once more") and "stone 1" in texts()[1]
    pass_an_hour()
    assert tell_rest() == 0


@pytest.mark.django_db(transaction=True)
def test_task_that_was_killed_is_told_of_once_each_time() -> None:
    """Celery says so up to three times; each counted as a failure of its own."""
    task = tasks.get_shps

    def kill(task_id: str) -> None:
        error = TimeLimitExceeded(3)
        for _ in range(3):
            task_failure.send(task, task_id=task_id, exception=error, args=(), kwargs={})

    kill("one")
    pass_an_hour()
    assert (len(texts()), tell_rest()) == (1, 0)
    task_received.send(None, request=SimpleNamespace(id="one"))
    kill("one")
    pass_an_hour()
    assert (len(texts()), tell_rest()) == (2, 0)


def test_other_fault_is_told_at_once() -> None:
    fail()
    fail(what="task haul")
    assert len(texts()) == 2


def test_fault_told_before_the_clock_was_set_back_is_told_again() -> None:
    fail()
    Fault.objects.update(told_at=timezone.now() + timedelta(days=1))
    fail()
    assert len(texts()) == 2


def test_nobody_to_tell_costs_nothing(settings: Any, django_assert_num_queries: Any) -> None:
    settings.ADMINS = []
    with django_assert_num_queries(0):
        fail()


def test_old_faults_are_forgotten() -> None:
    fail()
    Fault.objects.update(failed_at=timezone.now() - timedelta(days=31))
    tell_rest()
    assert not Fault.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_database_without_room_for_a_letter_harms_no_task(caplog: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE mail_letter RENAME TO elsewhere")
    try:
        fail()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE elsewhere RENAME TO mail_letter")
    assert not texts() and not Fault.objects.exists()


def test_failed_job_is_told_with_what_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    job = submission.submit("echo", {"message": "a fault, please"}, Sender("browser:one"))

    def break_down(*_: Any) -> None:
        raise KeyError("bollard")

    monkeypatch.setattr(tasks, "find_shortage", lambda: None)
    monkeypatch.setattr(tasks, "artifact_path", break_down)
    assert tasks.run_short_job(str(job.pk)) == "failed"
    (letter,) = Letter.objects.all()
    problem = Job.objects.get(pk=job.pk).problem
    assert problem is not None
    reference = problem["detail"].rpartition(" ")[2]
    assert letter.subject == "[MarineMap] job of echo failed: 'bollard'"
    for part in (str(job.pk), reference, "a fault, please", "KeyError", "Traceback"):
        assert part in letter.body


def test_job_given_up_after_its_workers_died_is_told() -> None:
    job = submission.submit("echo", {"message": "hello"}, Sender("browser:one"))
    Job.objects.filter(pk=job.pk).update(attempt=3)
    assert runs.start(job.pk, is_redelivered=False) is None
    assert Job.objects.get(pk=job.pk).status == JobStatus.FAILED
    assert "the worker stopped 3 times" in texts()[0]


@pytest.mark.parametrize(
    ("error", "count"), [(RequestError("too large"), 0), (DatasetError("cut"), 1)]
)
def test_callers_own_mistake_is_not_told(error: Exception, count: int) -> None:
    alarms.tell_of(submission.submit("echo", {"message": "x"}, Sender("browser:one")), error)
    assert len(texts()) == count


def test_long_requests_and_tracebacks_are_cut() -> None:
    error = ValueError("y" * 50_000)
    failure = Failure("task dredge", "id", "x" * 1_000_000, error, "r")
    assert len(failure.subject) <= 200
    tell_admins(lambda: failure)
    assert len(texts()[0]) < 100_200
    assert faults.Fault.objects.get().subject
