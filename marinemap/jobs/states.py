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


# accepted -> running -> successful or failed; running -> accepted when its worker died, with the
# next attempt; dismissed from anywhere. A finished job never runs again.
FINISHED = frozenset({JobStatus.SUCCESSFUL, JobStatus.FAILED, JobStatus.DISMISSED})
