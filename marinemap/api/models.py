"""The tables of this room: tokens by which programs act for people, and links to results."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone


class PersonalToken(models.Model):
    """A token by which a program acts for a person; who revokes it deletes the row.

    The text itself is told once, when it is made: only its digest is kept. It holds 256 random
    bits, so that a plain SHA-256 cannot be searched through.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tokens"
    )
    name = models.CharField(max_length=100, help_text="What it is for, such as 'QGIS at home'.")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    begins_with = models.CharField(max_length=12, editable=False)
    scopes = models.JSONField(help_text="What it may be used for.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: never.")
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-created_at"]
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="one_token_a_name")]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.name} ({self.begins_with}...)"


class SharedResult(models.Model):
    """A link that reads one job's result, whoever has it; only a digest of its secret is kept.

    The row stays when it is revoked or over, to tell why it leads to nothing; it goes with the job.
    """

    job = models.ForeignKey("jobs.Job", on_delete=models.CASCADE, related_name="shares")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.job_id} until {self.expires_at}"
