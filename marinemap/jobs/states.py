"""The states of a job, as OGC API - Processes names them, and the ways between them."""

from __future__ import annotations

from django.db import models


class JobStatus(models.TextChoices):
    """Where a job is in its life (OGC 18-062r2, statusCode)."""

    ACCEPTED = "accepted", "waiting"
    RUNNING = "running", "running"
    SUCCESSFUL = "successful", "ready"
    FAILED = "failed", "failed"
    DISMISSED = "dismissed", "cancelled"


# A running job goes back to accepted when its worker died; the attempt counts up.
TRANSITIONS: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.ACCEPTED: frozenset({JobStatus.RUNNING, JobStatus.FAILED, JobStatus.DISMISSED}),
    JobStatus.RUNNING: frozenset(
        {JobStatus.ACCEPTED, JobStatus.SUCCESSFUL, JobStatus.FAILED, JobStatus.DISMISSED}
    ),
    JobStatus.SUCCESSFUL: frozenset(),
    JobStatus.FAILED: frozenset(),
    JobStatus.DISMISSED: frozenset(),
}
FINISHED = frozenset(status for status, following in TRANSITIONS.items() if not following)
