"""The states of a job, as OGC API - Processes names them, and which of them end it."""

from __future__ import annotations

from django.db import models


class JobStatus(models.TextChoices):
    """Where a job is in its life (OGC 18-062r2, statusCode)."""

    ACCEPTED = "accepted", "waiting"
    RUNNING = "running", "running"
    SUCCESSFUL = "successful", "ready"
    FAILED = "failed", "failed"
    DISMISSED = "dismissed", "cancelled"


# Which states follow each. A running job waits again when its worker died or the site lacks
# something; a waiting one fails when it was tried too often, and is done when the same was made
# for another.
NEXT: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.ACCEPTED: frozenset(JobStatus) - {JobStatus.ACCEPTED},
    JobStatus.RUNNING: frozenset(JobStatus),
    JobStatus.SUCCESSFUL: frozenset(),
    JobStatus.FAILED: frozenset(),
    JobStatus.DISMISSED: frozenset(),
}
FINISHED = frozenset(status for status, following in NEXT.items() if not following)
UNFINISHED = frozenset(NEXT) - FINISHED
