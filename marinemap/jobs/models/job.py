"""A job, what it was asked and answered, and the keys under which it is known."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models
from django.utils import timezone

from marinemap.jobs.states import FINISHED, JobStatus
from marinemap.processes.json_pieces import PiecewiseEncoder


class Job(models.Model):
    """One person's request and its whole life; the truth about it.

    Only :mod:`marinemap.jobs.runs` and :mod:`~marinemap.jobs.lifecycle` write to it. ``attempt``
    counts the runs and fences them: what a run writes counts only while its own attempt is the
    current one. ``put_off`` counts those that ended because the site lacked something, which is
    no fault of the job's.
    Whatever may be large is in :class:`JobDocuments`.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    process_id = models.CharField(max_length=100)
    owner = models.CharField(max_length=64, db_index=True)
    is_owner_known = models.BooleanField(
        default=True,
        help_text="False while the client that made the job has shown no cookie of its own; "
        "until it does, the job's id is the key to it.",
    )
    address = models.CharField(
        max_length=64, blank=True, help_text="A digest of the network address that it came from."
    )
    status = models.CharField(max_length=10, choices=JobStatus.choices, default=JobStatus.ACCEPTED)
    batch = models.UUIDField(
        null=True, blank=True, db_index=True, help_text="The batch that it came with."
    )
    place_in_batch = models.PositiveSmallIntegerField(null=True, blank=True)
    request_id = models.CharField(
        max_length=64, blank=True, help_text="Of the HTTP request that it came with; see the logs."
    )
    layers = models.JSONField(
        default=list, blank=True, help_text="The layers of the catalogue that it reads."
    )
    progress = models.PositiveSmallIntegerField(default=0, help_text="Percent.")
    message = models.TextField(blank=True)
    attempt = models.PositiveSmallIntegerField(default=0)
    put_off = models.PositiveSmallIntegerField(default=0)
    is_unsent = models.BooleanField(
        default=False, help_text="Stored, and its message not yet taken by a broker of its own."
    )
    has_outputs = models.BooleanField(default=False)
    problem = models.JSONField(null=True, blank=True, help_text="Why it failed.")
    artifact = models.CharField(max_length=100, blank=True, help_text="A file in artifacts/.")
    artifact_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    media_type = models.CharField(max_length=100, blank=True)
    file_name = models.CharField(max_length=100, blank=True)
    reuse_key = models.CharField(
        max_length=64,
        blank=True,
        db_index=True,
        help_text="A digest of process, inputs and data: of the result, or of what is waited for.",
    )
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    alive_at = models.DateTimeField(null=True, blank=True, help_text="Last sign of the run.")
    finished_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(auto_now=True)
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["status", "created_at"], name="job_status_created"),
            models.Index(fields=["expires_at"], name="job_expires"),
            models.Index(fields=["finished_at"], name="job_finished"),
            models.Index(fields=["address", "status"], name="job_address_status"),
        ]

    def __str__(self) -> str:
        return f"{self.process_id} {self.pk} ({self.status})"

    @property
    def is_finished(self) -> bool:
        """Whether the job has reached a state that it never leaves."""
        return self.status in FINISHED


class InputsField(models.JSONField):
    """JSON that is written without holding up other threads; the same to the database."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{**options, "encoder": PiecewiseEncoder})

    def deconstruct(self) -> Any:
        """Return what migrations know of: a field of JSON."""
        name, _, args, options = super().deconstruct()
        options.pop("encoder")
        return name, "django.db.models.JSONField", args, options


class JobDocuments(models.Model):
    """What a request gave and what its run answered: megabytes, so apart from the job.

    A poll reads the job's row and progress rewrites it, twice a second; on SQLite both would
    walk through every page of what else the row holds.
    """

    job = models.OneToOneField(
        Job, on_delete=models.CASCADE, primary_key=True, related_name="documents"
    )
    inputs = InputsField()
    outputs = models.JSONField(null=True, blank=True)
    wanted = models.JSONField(
        default=dict, blank=True, help_text="In which form the results are to be answered."
    )

    class Meta:
        verbose_name_plural = "job documents"

    def __str__(self) -> str:
        return str(self.pk)


class RequestKey(models.Model):
    """The key that a request came with, so that it may be sent again; it counts for a day."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="keys")
    scope = models.CharField(max_length=80, help_text="Within whose requests the key counts.")
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=200, help_text="Process, and digest of the body.")
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key", "scope"], name="one_job_a_key")]

    def __str__(self) -> str:
        return f"{self.key}: {self.job_id}"


class JobTally(models.Model):
    """How many jobs of a process ended in a state, by how long they took; see ``tally``."""

    process_id = models.CharField(max_length=100)
    status = models.CharField(max_length=10)
    bucket = models.CharField(max_length=10, help_text="The most seconds of those counted here.")
    count = models.PositiveBigIntegerField(default=0)
    seconds = models.FloatField(default=0)
    artifact_bytes = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["process_id", "status", "bucket"], name="one_tally_a_kind"
            )
        ]

    def __str__(self) -> str:
        return f"{self.process_id} {self.status} within {self.bucket} s: {self.count}"
