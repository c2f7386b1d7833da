"""The life of a job. Nothing else writes the state of one."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from celery import current_app
from django.db import transaction
from django.utils import timezone

from marinemap.errors import MarineMapError, ServiceError
from marinemap.jobs.artifacts import artifact_path, remove_artifact
from marinemap.jobs.conf import job_settings
from marinemap.jobs.models import Job
from marinemap.jobs.states import JobStatus
from marinemap.processes.process import RunResult, unwrap_inputs
from marinemap.processes.registry import get_process

logger = logging.getLogger(__name__)

RUN_JOB = "marinemap.jobs.tasks.run_job"
# A run gives a sign of life every few seconds; after this long without one it is dead.
STALLED_AFTER = timedelta(seconds=90)


class JobStoppedError(MarineMapError):
    """The run no longer owns its job: it was cancelled, or another run took over."""


def submit(process_id: str, inputs: Mapping[str, Any], owner: str, is_owner_known: bool) -> Job:
    """Check a request, keep it as a job, and queue it: all or nothing.

    Parameters
    ----------
    process_id : str
    inputs : mapping
        As in the body of an execute request.
    owner : str
        Whose job it is.
    is_owner_known : bool
        Whether the owner has shown a cookie or signed in; see :class:`Job`.

    Raises
    ------
    NoSuchProcessError, RequestError
        If the request would be refused; nothing is kept.
    """
    process = get_process(process_id)
    kept = process.check(unwrap_inputs(process, inputs))
    with transaction.atomic():
        job = Job.objects.create(
            process_id=process.id,
            inputs=kept,
            owner=owner,
            is_owner_known=is_owner_known,
            message="Waiting for its turn.",
        )
        _publish(job)
    return job


def start(job_id: uuid.UUID, *, is_redelivered: bool) -> Job | None:
    """Begin a run of a job, unless another run has it or it is finished.

    A message may be delivered more than once. Only the first delivery of a waiting job begins
    a run; a running job is taken over only when its run is dead, or when the queue says that
    it took the message from a worker that died.

    Returns
    -------
    Job or None
        The job with its new attempt; None if there is nothing to run.
    """
    with transaction.atomic():
        job = Job.objects.select_for_update().filter(pk=job_id).first()
        if job is None or not _may_start(job, is_redelivered):
            return None
        if job.attempt >= job_settings().max_attempts:
            _finish_failed(job, _interrupted(job))
            return None
        now = timezone.now()
        job.status = JobStatus.RUNNING
        job.attempt += 1
        job.progress = 0
        job.message = "Starting."
        job.started_at = job.alive_at = now
        job.save()
    return job


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
    now = timezone.now()
    _write(job, progress=progress, message=message, alive_at=now, updated_at=now)


def keep_alive(job: Job) -> None:
    """Give a sign of life of a run.

    Raises
    ------
    JobStoppedError
        As :func:`report` does.
    """
    _write(job, alive_at=timezone.now())


def succeed(job: Job, result: RunResult) -> None:
    """Mark a job as done; its archive, if it has one, is in place already.

    Raises
    ------
    JobStoppedError
        If the run lost its job meanwhile; its archive is removed.
    """
    archive = artifact_path(job)
    has_archive = result.media_type is not None
    now = timezone.now()
    try:
        _write(
            job,
            status=JobStatus.SUCCESSFUL,
            progress=100,
            message=result.message,
            outputs=result.outputs or None,
            artifact=archive.name if has_archive else "",
            artifact_bytes=archive.stat().st_size if has_archive else None,
            media_type=result.media_type or "",
            file_name=result.file_name or "",
            finished_at=now,
            updated_at=now,
            expires_at=now + job_settings().keep_results,
        )
    except JobStoppedError:
        archive.unlink(missing_ok=True)
        raise


def fail(job: Job, error: MarineMapError) -> None:
    """Mark a job as failed, with the reason for its owner.

    Raises
    ------
    JobStoppedError
        If the run lost its job meanwhile.
    """
    now = timezone.now()
    _write(
        job,
        status=JobStatus.FAILED,
        message=str(error),
        problem=_problem(error),
        finished_at=now,
        updated_at=now,
        expires_at=now + job_settings().keep_results,
    )


def dismiss(job: Job) -> Job:
    """Cancel a job that waits or runs, or remove the archive of a finished one.

    A run notices within a second or so and stops.
    """
    now = timezone.now()
    with transaction.atomic():
        job = Job.objects.select_for_update().get(pk=job.pk)
        artifact = job.artifact
        job.status = JobStatus.DISMISSED
        job.message = "Cancelled."
        job.artifact = ""
        job.outputs = None
        job.finished_at = job.finished_at or now
        job.expires_at = job.expires_at or now + job_settings().keep_results
        job.save()
    remove_artifact(artifact)
    return job


def claim_owner(job: Job) -> None:
    """Bind a job to the owner who has now shown the cookie that came with it."""
    Job.objects.filter(pk=job.pk).update(is_owner_known=True)


def requeue_stalled() -> list[str]:
    """Queue again the jobs whose run died or whose message was lost; return their ids.

    A second message for a job does no harm: :func:`start` lets one run have it.
    """
    now = timezone.now()
    requeued = []
    with transaction.atomic():
        dead = Job.objects.select_for_update().filter(
            status=JobStatus.RUNNING, alive_at__lt=now - STALLED_AFTER
        )
        for job in [*dead, *_forgotten(now)]:
            if job.status == JobStatus.RUNNING:
                job.message = "Interrupted; waiting for another try."
                job.status = JobStatus.ACCEPTED
            # Saved either way: the time of the update keeps the next round from doing it again.
            job.save()
            _publish(job)
            requeued.append(str(job.pk))
    return requeued


def expire() -> list[str]:
    """Remove the archives whose time is over; return their names."""
    removed = []
    over = Job.objects.filter(expires_at__lte=timezone.now()).exclude(artifact="")
    for job in over:
        name = job.artifact
        # The row first: a link to a file that is gone would be a lie.
        Job.objects.filter(pk=job.pk, artifact=name).update(
            artifact="", message="The files were removed when their time was over."
        )
        remove_artifact(name)
        removed.append(name)
    return removed


def _publish(job: Job) -> None:
    # By name: the module of tasks imports this one. The owner goes along for a queue that
    # serves owners in turn, the id so that the queue can be asked for the job's place.
    current_app.tasks[RUN_JOB].apply_async(
        args=(str(job.pk),), task_id=str(job.pk), headers={"owner": job.owner}
    )


def _may_start(job: Job, is_redelivered: bool) -> bool:
    if job.status == JobStatus.ACCEPTED:
        return True
    if job.status != JobStatus.RUNNING:
        return False
    return is_redelivered or job.alive_at is None or job.alive_at < timezone.now() - STALLED_AFTER


def _forgotten(now: datetime) -> list[Job]:
    """Return waiting jobs whose message must be lost: long unserved while nothing else runs."""
    recent = now - STALLED_AFTER
    if Job.objects.filter(status=JobStatus.RUNNING).exists():
        return []
    if Job.objects.filter(started_at__gte=recent).exists():
        return []
    return list(Job.objects.filter(status=JobStatus.ACCEPTED, updated_at__lt=recent))


def _write(job: Job, **columns: Any) -> None:
    """Write columns of a job if this run still has it: the fence."""
    written = Job.objects.filter(pk=job.pk, status=JobStatus.RUNNING, attempt=job.attempt).update(
        **columns
    )
    if not written:
        raise JobStoppedError("the job was cancelled, or another run took it over")


def _finish_failed(job: Job, error: MarineMapError) -> None:
    now = timezone.now()
    job.status = JobStatus.FAILED
    job.message = str(error)
    job.problem = _problem(error)
    job.finished_at = now
    job.expires_at = now + job_settings().keep_results
    job.save()


def _interrupted(job: Job) -> ServiceError:
    return ServiceError(
        f"the worker stopped {job.attempt} times while it ran this request; it was given up",
        hint="Ask for a smaller area; if it happens again, tell whoever runs this site.",
    )


def _problem(error: MarineMapError) -> dict[str, Any]:
    return {
        "kind": type(error).__name__,
        "detail": error.message,
        "field": error.field,
        "value": error.value,
        "hint": error.hint,
    }
