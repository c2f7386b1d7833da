"""How far any task has come, by its id: jobs by their rows, others by what Celery keeps."""

from __future__ import annotations

import uuid

from celery import states

from marinemap.jobs.models import Job
from marinemap.jobs.states import JobStatus
from marinemap.tasks.progress import PROGRESS, Progress, read_progress

_STATES = {
    JobStatus.ACCEPTED: states.PENDING,
    JobStatus.RUNNING: PROGRESS,
    JobStatus.SUCCESSFUL: states.SUCCESS,
    JobStatus.FAILED: states.FAILURE,
    JobStatus.DISMISSED: states.REVOKED,
}


def find_progress(task_id: str) -> Progress:
    """Return how far a task has come; of one that nobody knows, as of one that waits.

    Parameters
    ----------
    task_id : str
        As Celery gave it, or its caller. A job's task has the job's id.

    Returns
    -------
    Progress
        Of a job in percent.
    """
    job = _find_job(task_id)
    if job is None:
        return read_progress(task_id)
    return Progress(_STATES[JobStatus(job.status)], job.progress, 100, job.message)


def _find_job(task_id: str) -> Job | None:
    try:
        return Job.objects.filter(pk=uuid.UUID(task_id)).first()
    except ValueError:
        return None
