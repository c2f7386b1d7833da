"""Requests that wait are cancelled with their messages: they would be sent again otherwise."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from celery import current_app

from marinemap.errors import ServiceError
from marinemap.jobs import lifecycle
from marinemap.jobs.models import Job
from marinemap.jobs.queue import task_of
from marinemap.jobs.states import JobStatus


def cancel_waiting(queue_name: str) -> int:
    """Cancel the jobs that wait in a queue; return how many. What has begun by now goes on."""
    # Read whole: SQLite refuses to write where a list is read still, once another has written.
    waiting = list(Job.objects.filter(status=JobStatus.ACCEPTED).only("process_id"))
    here = (job for job in waiting if queue_of(job) == queue_name)
    return sum(lifecycle.cancel(job, {JobStatus.ACCEPTED}) for job in here)


def queue_of(job: Job) -> str:
    """Return the name of the queue that a job's message goes to."""
    route = current_app.amqp.router.route({}, task_of(job))
    return str(route["queue"].name)


def send_again(job_ids: Sequence[str] | None) -> int:
    """Send the messages of jobs again that wait, for a broker that may have lost them.

    One whose message was not lost runs once all the same, though the second takes a start.

    Parameters
    ----------
    job_ids : sequence of str, optional
        All that wait without it.

    Raises
    ------
    ServiceError
        If one of them is no job that waits; nothing is sent.
    """
    waiting = Job.objects.filter(status=JobStatus.ACCEPTED).order_by("created_at")
    jobs = list(waiting if job_ids is None else waiting.filter(pk__in=map(_read_id, job_ids)))
    if job_ids is not None and len(jobs) < len(set(job_ids)):
        missing = set(job_ids) - {str(job.pk) for job in jobs}
        raise ServiceError(f"no request that waits has the id {min(missing)}; nothing was sent")
    return sum(lifecycle.queue_again(job) for job in jobs)


def _read_id(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError as error:
        raise ServiceError(
            f"'{text}' is not the id of a request, such as `manage.py queue show` lists"
        ) from error
