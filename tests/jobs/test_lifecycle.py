"""The life of a job: who may begin, write, stop and end it."""

from __future__ import annotations

import threading
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from marinemap.errors import RequestError, ServiceError
from marinemap.jobs import artifacts, lifecycle, pulse, queue, repeats, runs, submission
from marinemap.jobs.models import Job, RequestKey
from marinemap.jobs.owners import Sender
from marinemap.jobs.repeats import KeyedRequest
from marinemap.jobs.states import FINISHED, JobStatus
from marinemap.processes.process import RunResult
from tests.jobs.conftest import OWNER, Messages, age, begin, finish

pytestmark = pytest.mark.django_db


def test_submitted_job_waits_and_one_message_names_it(messages: Messages) -> None:
    job = submission.submit("echo", {"message": {"value": "hello"}}, Sender(OWNER, False))
    kept = Job.objects.get()
    assert (kept.status, kept.attempt, kept.progress) == (JobStatus.ACCEPTED, 0, 0)
    assert kept.documents.inputs == {"message": "hello", "pause": 0}
    assert (kept.owner, kept.is_owner_known) == (OWNER, False)
    (message,) = messages()
    assert message["task"] == queue.RUN_SHORT_JOB
    assert message["arguments"] == [str(job.pk)]
    assert message["owner"] == OWNER


def test_refused_request_keeps_and_queues_nothing(messages: Messages) -> None:
    with pytest.raises(RequestError):
        submission.submit("echo", {"message": 7}, Sender(OWNER))
    with pytest.raises(RequestError):
        submission.submit("ecko", {}, Sender(OWNER))
    assert not Job.objects.exists()
    assert messages() == []


def test_request_that_is_rolled_back_queues_nothing(messages: Messages) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        submission.submit("echo", {"message": "x"}, Sender(OWNER))
        raise RuntimeError("rolled back")
    assert not Job.objects.exists()
    assert messages() == []


def test_job_is_bound_whose_key_was_used_again_a_day_later(job: Job) -> None:
    Job.objects.update(is_owner_known=False)
    KeyedRequest("key", "echo", "address:one").keep(job)
    RequestKey.objects.update(created_at=timezone.now() - repeats.KEPT)
    again = KeyedRequest("key", "echo", OWNER, [OWNER])
    second = submission.submit("echo", {"message": "x"}, Sender(OWNER), keyed=again)
    assert second.pk != job.pk
    lifecycle.claim_owner(Job.objects.get(pk=job.pk))
    assert Job.objects.get(pk=job.pk).is_owner_known
    assert again.find_job() == second


def test_started_job_runs_its_first_attempt(job: Job) -> None:
    started = begin(job)
    assert (started.status, started.attempt) == (JobStatus.RUNNING, 1)
    assert started.started_at and started.alive_at
    # The one by this machine's clock, the other by the database's.
    assert abs(started.started_at - started.alive_at) < timedelta(minutes=1)


def test_second_delivery_starts_no_second_run(job: Job) -> None:
    begin(job)
    assert runs.start(job.pk, is_redelivered=False) is None


@pytest.mark.django_db(transaction=True)
def test_two_deliveries_at_once_start_one_run(job: Job) -> None:
    begun: list[Job | None] = []
    together = threading.Barrier(4)

    def deliver() -> None:
        together.wait(120)
        try:
            begun.append(runs.start(job.pk, is_redelivered=False))
        finally:
            connection.close()

    threads = [threading.Thread(target=deliver) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(180)
    assert len(begun) == 4
    assert [found.attempt for found in begun if found] == [1]


def test_message_of_a_dead_worker_is_taken_over_at_once(job: Job) -> None:
    begin(job)
    assert begin(job, is_redelivered=True).attempt == 2


def test_run_without_signs_of_life_is_taken_over(job: Job) -> None:
    begin(job)
    age(job, 80)
    assert runs.start(job.pk, is_redelivered=False) is None
    age(job, 100)
    assert begin(job).attempt == 2


def test_sign_of_life_keeps_a_run(job: Job) -> None:
    started = begin(job)
    age(job, 100)
    runs.keep_alive(started)
    assert runs.start(job.pk, is_redelivered=False) is None


def test_unknown_job_starts_nothing() -> None:
    assert runs.start(uuid.uuid4(), is_redelivered=False) is None


def test_job_is_given_up_after_its_last_attempt(job: Job) -> None:
    for attempt in (1, 2, 3):
        assert begin(job, is_redelivered=True).attempt == attempt
    assert runs.start(job.pk, is_redelivered=True) is None
    given_up = Job.objects.get()
    assert given_up.status == JobStatus.FAILED
    assert "3 times" in given_up.message
    assert given_up.problem["kind"] == "ServiceError"
    assert given_up.problem["hint"]


def test_number_of_attempts_is_a_setting(job: Job, settings: Any) -> None:
    settings.MARINEMAP_MAX_ATTEMPTS = "1"
    begin(job)
    assert runs.start(job.pk, is_redelivered=True) is None
    assert Job.objects.get().status == JobStatus.FAILED


def test_progress_is_kept(job: Job) -> None:
    started = begin(job)
    runs.report(started, 40, "Clipping reefs")
    kept = Job.objects.get()
    assert (kept.progress, kept.message) == (40, "Clipping reefs")


def test_finished_run_leaves_its_archive(job: Job) -> None:
    Job.objects.update(process_id="extract")
    done = finish(begin(job))
    assert (done.status, done.progress, done.artifact_bytes) == (JobStatus.SUCCESSFUL, 100, 3)
    assert done.artifact == f"{job.pk}-1.zip"
    assert done.expires_at - done.finished_at == timedelta(days=7)
    with artifacts.open_artifact(done) as archive:
        assert archive.read() == b"zip"


def test_failed_run_tells_its_owner_why(job: Job) -> None:
    started = begin(job)
    error = RequestError("too deep", field="area", value=[1, 2], hint="Go up.")
    runs.fail(started, error)
    failed = Job.objects.get()
    assert (failed.status, failed.message) == (JobStatus.FAILED, "area: too deep")
    assert failed.problem == {
        "kind": "RequestError",
        "detail": "too deep",
        "field": "area",
        "value": "[1, 2]",
        "hint": "Go up.",
    }
    assert failed.finished_at


@pytest.mark.parametrize("write", ["report", "keep_alive", "succeed", "fail"])
@pytest.mark.parametrize("lost_by", ["takeover", "dismissal", "failure", "success"])
def test_run_that_lost_its_job_writes_nothing(job: Job, write: str, lost_by: str) -> None:
    lost = begin(job)
    if lost_by == "takeover":
        begin(job, is_redelivered=True)
    elif lost_by == "dismissal":
        lifecycle.dismiss(job)
    elif lost_by == "failure":
        runs.fail(lost, ServiceError("first"))
    else:
        finish(lost)
    before = Job.objects.values().get()
    calls: dict[str, Any] = {
        "report": lambda: runs.report(lost, 50, "ghost"),
        "keep_alive": lambda: runs.keep_alive(lost),
        "succeed": lambda: runs.succeed(lost, RunResult("ghost")),
        "fail": lambda: runs.fail(lost, ServiceError("ghost")),
    }
    with pytest.raises(runs.JobStoppedError):
        calls[write]()
    assert Job.objects.values().get() == before


def test_archive_of_a_run_that_lost_its_job_goes_and_the_other_stays(job: Job) -> None:
    slow = begin(job)
    finish(begin(job, is_redelivered=True), b"newer")
    late = artifacts.artifact_path(slow)
    late.write_bytes(b"older")
    with pytest.raises(runs.JobStoppedError):
        runs.succeed(slow, RunResult("ghost", media_type="application/zip"))
    assert not late.exists()
    with artifacts.open_artifact(Job.objects.get()) as archive:
        assert archive.read() == b"newer"


def test_waiting_job_that_is_cancelled_never_starts(job: Job) -> None:
    assert lifecycle.dismiss(job).status == JobStatus.DISMISSED
    assert runs.start(job.pk, is_redelivered=True) is None


def test_running_job_that_is_cancelled_stops_at_its_next_report(job: Job) -> None:
    started = begin(job)
    lifecycle.dismiss(job)
    with pytest.raises(runs.JobStoppedError):
        runs.report(started, 10, "on")
    assert Job.objects.get().finished_at


def test_cancelling_a_finished_job_removes_its_archive(job: Job) -> None:
    done = finish(begin(job))
    finished_at = done.finished_at
    dismissed = lifecycle.dismiss(done)
    assert (dismissed.artifact, dismissed.finished_at) == ("", finished_at)
    assert not artifacts.artifact_path(dismissed).exists()


def test_run_that_lasts_too_long_is_failed_and_can_write_no_more(job: Job) -> None:
    started = begin(job)
    age(job, 100)
    assert runs.end_overdue(job.pk, 99)
    failed = Job.objects.get()
    assert failed.status == JobStatus.FAILED
    assert "over 99 seconds" in failed.problem["detail"]
    with pytest.raises(runs.JobStoppedError):
        runs.keep_alive(started)
    assert runs.start(job.pk, is_redelivered=True) is None


def test_run_that_took_over_from_a_frozen_one_is_not_failed_for_it(job: Job) -> None:
    begin(job)
    age(job, 100)
    second = begin(job, is_redelivered=True)
    assert not runs.end_overdue(job.pk, 99)
    runs.keep_alive(second)


def test_job_that_ended_while_its_process_was_being_killed_stays_as_it_is(job: Job) -> None:
    begin(job)
    age(job, 100)
    finish(Job.objects.get())
    assert not runs.end_overdue(job.pk, 99)
    assert Job.objects.get().status == JobStatus.SUCCESSFUL


@pytest.mark.parametrize("end", ["succeed", "fail", "dismiss"])
def test_finished_job_never_starts_again(job: Job, end: str) -> None:
    started = begin(job)
    if end == "succeed":
        finish(started)
    elif end == "fail":
        runs.fail(started, ServiceError("no"))
    else:
        lifecycle.dismiss(job)
    ended = Job.objects.get()
    assert ended.is_finished
    age(job, 1000)
    assert runs.start(job.pk, is_redelivered=True) is None
    assert Job.objects.get().status == ended.status


def test_states_that_are_final_lead_nowhere() -> None:
    assert {JobStatus.SUCCESSFUL, JobStatus.FAILED, JobStatus.DISMISSED} == FINISHED


@pytest.mark.django_db(transaction=True)
def test_cancelled_run_that_tells_nothing_new_notices_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Amid a long step it did so with its next sign of life, up to 10 s later."""
    monkeypatch.setattr(pulse, "_ALIVE_EVERY_SECONDS", 3600)
    job = submission.submit("echo", {"message": "x"}, Sender(OWNER))
    started = runs.start(job.pk, is_redelivered=False)
    assert started is not None
    with pulse.Pulse(started) as signs:
        lifecycle.dismiss(job)
        assert signs._is_lost.wait(120)
