"""A run of a job, from its start to its end: what it writes counts while the job is its own."""

from __future__ import annotations

import logging
import uuid
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from marinemap.errors import MarineMapError, storable
from marinemap.jobs.alarms import tell_of
from marinemap.jobs.artifacts import artifact_path, remove_artifact
from marinemap.jobs.conf import job_settings
from marinemap.jobs.models import Job, JobDocuments
from marinemap.jobs.notify import announce
from marinemap.jobs.queue import publish
from marinemap.jobs.reasons import as_problem, interrupted, lacking, took_too_long
from marinemap.jobs.states import JobStatus
from marinemap.jobs.tally import count_end
from marinemap.processes.process import RunResult
from marinemap.sentences import say
from marinemap.tasks.outages import patiently

logger = logging.getLogger(__name__)

# A run gives a sign of life every few seconds; after this long without one it is dead.
STALLED_AFTER = timedelta(seconds=90)
# A job that is put off is tried again after this long, each time later.
_SHORTEST_DELAY_SECONDS, _LONGEST_DELAY_SECONDS = 15, 60
# Most of a day of trying; a site that lacks something for longer is told, not waited for.
_MOST_TIMES_PUT_OFF = 1_000


class JobStoppedError(MarineMapError):
    """The run no longer owns its job: it was cancelled, or another run took over."""


def start(job_id: uuid.UUID, *, is_redelivered: bool) -> Job | None:
    """Begin a run of a job, unless another run has it or it is finished.

    A message may be delivered more than once. Only the first delivery of a waiting job begins
    a run; a running job is taken over only when its run is dead, or when the queue says that
    it took the message from a worker that died. A database that is away is waited for.

    Returns
    -------
    Job or None
        The job with its new attempt; None if there is nothing to run.
    """
    now = timezone.now()
    return patiently(lambda: _start(job_id, is_redelivered, now))


def report(job: Job, progress: int, message: str) -> None:
    """Keep how far a run has come.

    Parameters
    ----------
    job : Job
        As :func:`start` returned it.
    progress : int
        Percent.
    message : str

    Raises
    ------
    JobStoppedError
        If the job was cancelled or another run took it over: the run should stop.
    """
    words = storable(message)
    _write(job, progress=progress, message=words, alive_at=Now(), updated_at=timezone.now())


def keep_alive(job: Job) -> None:
    """Give a sign of life of a run, by the clock that all machines share.

    Raises
    ------
    JobStoppedError
        As :func:`report` does.
    """
    _write(job, alive_at=Now())


def is_current(job: Job) -> bool:
    """Tell whether a run still owns its job."""
    return _owned(job).exists()


def succeed(
    job: Job, result: RunResult, reuse_key: str = "", artifact_bytes: int | None = None
) -> None:
    """Mark a job as done; its archive, if it has one, is in place already.

    Parameters
    ----------
    job : Job
        As :func:`start` returned it.
    result : RunResult
    reuse_key : str, optional
        Under which the archive may be given to others; see :mod:`marinemap.jobs.reuse`.
    artifact_bytes : int, optional
        Of the archive, where it is no longer on the disk.

    Raises
    ------
    JobStoppedError
        If the run lost its job meanwhile; its archive is removed.
    """
    archive = artifact_path(job)
    has_archive = result.media_type is not None
    if has_archive and artifact_bytes is None:
        artifact_bytes = archive.stat().st_size
    try:
        _end(
            job,
            result.outputs,
            status=JobStatus.SUCCESSFUL,
            progress=100,
            message=storable(result.message),
            has_outputs=not has_archive,
            artifact=archive.name if has_archive else "",
            artifact_bytes=artifact_bytes,
            media_type=result.media_type or "",
            file_name=result.file_name or "",
            reuse_key=reuse_key if has_archive else "",
        )
    except JobStoppedError:
        remove_artifact(archive.name)
        raise


def fail(job: Job, error: MarineMapError) -> None:
    """Mark a job as failed, with the reason for its owner.

    Raises
    ------
    JobStoppedError
        If the run lost its job meanwhile.
    """
    why = storable(str(error))
    _end(job, None, status=JobStatus.FAILED, message=why, problem=as_problem(error))


def put_off(job: Job, why: str, *, is_own_doing: bool) -> str:
    """Let a job wait for another try, as the site lacked something; return its state.

    Parameters
    ----------
    job : Job
        As :func:`start` returned it.
    why : str
        What was lacking, in a few words for the job's owner.
    is_own_doing : bool
        Whether the job itself used up what then was lacking: it is tried as often as one whose
        worker dies, and then fails. Others are tried for most of a day.

    Raises
    ------
    JobStoppedError
        If the run lost its job meanwhile.
    """
    is_given_up = _tries(job) >= job_settings().max_attempts if is_own_doing else False
    if is_given_up or job.put_off >= _MOST_TIMES_PUT_OFF:
        fail(job, lacking(why))
        return str(JobStatus.FAILED)
    delay_seconds = min(_SHORTEST_DELAY_SECONDS * 2**job.put_off, _LONGEST_DELAY_SECONDS)

    def write() -> None:
        with transaction.atomic():
            _write(
                job,
                status=JobStatus.ACCEPTED,
                progress=0,
                message=storable(f"Waiting for another try: {why}."),
                put_off=job.put_off + (not is_own_doing),
                updated_at=timezone.now(),
            )
            publish(job, delay_seconds=delay_seconds)

    # Where the commit was lost on the way the second try finds the job waiting: stopped, and right.
    patiently(write)
    return "put off"


def end_overdue(job_id: uuid.UUID, seconds: float) -> bool:
    """Fail a job whose run began longer ago than a run may last; tell whether there was one.

    Its process is being killed. One that was frozen for minutes may have been queued again
    meanwhile; a run that began since is left alone.

    Parameters
    ----------
    job_id : UUID
    seconds : float
        What the operator allows one run.
    """
    begun_before = timezone.now() - timedelta(seconds=seconds)
    unfinished = Job.objects.filter(pk=job_id, status__in=(JobStatus.RUNNING, JobStatus.ACCEPTED))
    with transaction.atomic():
        overdue = unfinished.select_for_update().filter(started_at__lte=begun_before)
        job = overdue.first()
        if job is None:
            return False
        _finish_failed(job, took_too_long(seconds))
    return True


def _start(job_id: uuid.UUID, is_redelivered: bool, now: datetime) -> Job | None:
    with transaction.atomic():
        locked = Job.objects.select_for_update().annotate(looked_at=Now())
        job = locked.filter(pk=job_id).first()
        if job is not None and job.status == JobStatus.RUNNING and job.started_at == now:
            # This very start was committed, and the answer lost on its way.
            return job
        if job is None or not _may_start(job, is_redelivered, job.looked_at):
            return None
        if _tries(job) >= job_settings().max_attempts:
            _finish_failed(job, interrupted(_tries(job)))
            return None
        job.status = JobStatus.RUNNING
        job.attempt += 1
        job.progress = 0
        job.message = "Starting."
        job.started_at, job.alive_at = now, job.looked_at
        job.save()
        announce(job, JobStatus.RUNNING)
    return job


def _tries(job: Job) -> int:
    """Return how many runs count: those that the site kept from working do not."""
    return job.attempt - job.put_off


def _may_start(job: Job, is_redelivered: bool, now: datetime) -> bool:
    if job.status == JobStatus.ACCEPTED:
        return True
    if job.status != JobStatus.RUNNING:
        return False
    return is_redelivered or job.alive_at is None or job.alive_at < now - STALLED_AFTER


def _owned(job: Job) -> QuerySet[Job]:
    """Return the row of a job while this run has it: the fence."""
    return Job.objects.filter(pk=job.pk, status=JobStatus.RUNNING, attempt=job.attempt)


def _write(job: Job, **columns: Any) -> None:
    if not _owned(job).update(**columns):
        raise JobStoppedError(say("the job was cancelled, or another run took it over"))


def _find_locked(job: Job, *columns: str) -> dict[str, Any] | None:
    """Return columns of a job's row, locked: an earlier try's commit may be under way still.

    Its connection was cut, and the server went on; unlocked it would be overlooked.
    """
    locked = Job.objects.select_for_update().filter(pk=job.pk)
    found: dict[str, Any] | None = locked.values(*columns).first()
    return found


def _end(job: Job, outputs: dict[str, Any] | None, **columns: Any) -> None:
    """Write the end of a run, however long the database is away."""
    now = timezone.now()
    columns |= {"finished_at": now, "updated_at": now}
    columns["expires_at"] = now + job_settings().keep_results
    # What an earlier try may have left, if its commit was done and the answer lost.
    traces = {"attempt": job.attempt, "status": columns["status"], "finished_at": now}

    def write() -> None:
        with transaction.atomic():
            if _find_locked(job, *traces) == traces:
                return
            _write(job, **columns)
            announce(job, columns["status"])
            count_end(job, columns["status"], now, columns.get("artifact_bytes") or 0)
            if outputs:
                JobDocuments.objects.filter(pk=job.pk).update(outputs=outputs)

    patiently(write)


def _finish_failed(job: Job, error: MarineMapError) -> None:
    now = timezone.now()
    job.status = JobStatus.FAILED
    job.message = storable(str(error))
    job.problem = as_problem(error)
    job.finished_at = now
    job.expires_at = now + job_settings().keep_results
    job.save()
    announce(job, JobStatus.FAILED)
    count_end(job, JobStatus.FAILED, now)
    tell_of(job, error)
