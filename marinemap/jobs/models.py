"""The tables of this room: jobs, and the workers that were seen alive."""

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


class Callback(models.Model):
    """Whom to tell that a job has reached a state; the row goes when that was told.

    ``due_at`` is null until the job is in that state; then when to tell, or to try again.
    ``reached_at`` is when it was: it is tried for a day from then. While a job runs, its row stays
    for the next step of its progress. Of no job are those for the operator, of an ``event`` that
    ``document`` tells.
    """

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="callbacks", null=True)
    status = models.CharField(max_length=10, choices=JobStatus.choices, blank=True)
    event = models.CharField(max_length=30, blank=True)
    document = models.JSONField(null=True, blank=True)
    told_progress = models.PositiveSmallIntegerField(default=0, help_text="Percent.")
    uri = models.CharField(max_length=2_000)
    host = models.CharField(max_length=255, help_text="Of the address: hosts have turns.")
    api = models.CharField(max_length=500, help_text="Where the API is seen from outside.")
    due_at = models.DateTimeField(null=True, blank=True, db_index=True)
    reached_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.subject}: {self.named_uri}"

    @property
    def subject(self) -> str:
        """What it is about, for the log."""
        return self.event if self.job_id is None else f"job {self.job_id} is {self.status}"

    @property
    def named_uri(self) -> str:
        """The address, for the log; of the operator's, which may have a key in it, the host."""
        return self.host if self.job_id is None else self.uri

    @property
    def message_id(self) -> str:
        """By which a receiver knows what it has been told already, however often it is sent."""
        if self.job_id is None:
            return f"msg_{self.event}_{self.pk}"
        step = f"_{self.told_progress}" if self.told_progress else ""
        return f"msg_{self.job_id.hex}_{self.status}_{self.pk}{step}"


class Delivery(models.Model):
    """One try of telling somebody how a job goes, kept for a month for whoever looks after it."""

    job = models.ForeignKey(
        Job, on_delete=models.CASCADE, related_name="deliveries", null=True, blank=True
    )
    message_id = models.CharField(max_length=80, help_text="The same for each try.")
    status = models.CharField(max_length=10, choices=JobStatus.choices, blank=True)
    event = models.CharField(max_length=30, blank=True, help_text="Of the site, for its operator.")
    host = models.CharField(max_length=255)
    attempt = models.PositiveSmallIntegerField()
    outcome = models.CharField(max_length=300, help_text="What went wrong, if anything did.")
    was_taken = models.BooleanField()
    sent_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        ordering = ["-sent_at"]
        verbose_name_plural = "deliveries"

    def __str__(self) -> str:
        return f"{self.message_id} to {self.host}: {self.outcome}"


class LetterWish(models.Model):
    """That somebody wants to be written to when a job, or all of a batch, has ended.

    ``recipient`` is emptied when there is nothing more to write. ``expiry_told`` is the moment of
    which a letter said that the files go then.
    """

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="letter_wishes")
    batch = models.UUIDField(null=True, blank=True, help_text="All of it, where it came with one.")
    recipient = models.CharField(max_length=254, blank=True)
    recipient_key = models.CharField(max_length=64, db_index=True)
    language = models.CharField(max_length=2)
    api = models.CharField(max_length=500, help_text="Where the API is seen from outside.")
    created_at = models.DateTimeField(default=timezone.now, db_index=True)
    end_told_at = models.DateTimeField(null=True, blank=True)
    expiry_told = models.DateTimeField(null=True, blank=True)
    is_over = models.BooleanField(default=False, help_text="Nothing more is to be written.")

    class Meta:
        verbose_name_plural = "letter wishes"
        indexes = [
            models.Index(
                fields=["end_told_at"], condition=models.Q(is_over=False), name="wish_open"
            )
        ]

    def __str__(self) -> str:
        return f"{self.batch or self.job_id} to {self.recipient_key[:8]}..."


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


class WorkerSighting(models.Model):
    """A worker process that was seen alive; its row goes when it stops in order."""

    name = models.CharField(max_length=255, primary_key=True)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.name


class BeatSighting(models.Model):
    """A process with a schedule that was seen alive; one of them follows it, others stand by."""

    name = models.CharField(max_length=255, primary_key=True)
    seen_at = models.DateTimeField()
    is_holder = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["is_holder"], condition=models.Q(is_holder=True), name="one_beat_holds"
            )
        ]

    def __str__(self) -> str:
        return self.name


class Alarm(models.Model):
    """Something that is wrong with the site; the row goes when it is right again."""

    name = models.CharField(max_length=300, primary_key=True)
    event = models.CharField(max_length=30)
    words = models.CharField(max_length=500)
    since = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.event}: {self.words}"


class ClockSighting(models.Model):
    """What the clock showed when files were last removed by it, and its last jump; one row."""

    seen_at = models.DateTimeField()
    jumped_from = models.DateTimeField(null=True)
    jumped_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.seen_at}"


class SiteMark(models.Model):
    """What is written in the folder (``MARINEMAP_HOME``) that belongs to this database; one row."""

    mark = models.CharField(max_length=36)

    def __str__(self) -> str:
        return self.mark


class UploadedArea(models.Model):
    """An area that somebody uploaded, ready to be asked for by its id; it is kept for a day.

    It is its owner's as a job is; see :class:`Job`. ``geometry`` is a GeoJSON geometry, repaired,
    in degrees as it was drawn; ``bytes`` is its length.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.CharField(max_length=64, db_index=True)
    is_owner_known = models.BooleanField(default=True)
    address = models.CharField(max_length=64, blank=True, db_index=True)
    title = models.CharField(max_length=200, blank=True)
    geometry = models.TextField()
    bytes = models.PositiveIntegerField()
    bounds = models.JSONField()
    corners = models.PositiveIntegerField()
    area_km2 = models.FloatField()
    notes = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.title or 'area'} {self.pk}"
