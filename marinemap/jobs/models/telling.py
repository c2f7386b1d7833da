"""Whom to tell what: addresses of programs, letters to people, alarms for the operator."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from marinemap.jobs.models.job import Job
from marinemap.jobs.states import JobStatus


class Callback(models.Model):
    """Whom to tell that a job has reached a state; the row goes when that was told.

    ``due_at`` is null until the job is in that state; then when to tell, or to try again.
    ``reached_at`` is when it was: it is tried for a day from then. While a job runs, its row stays
    for the next step of its progress. Of no job are those for the operator, of an ``event`` that
    ``document`` tells. One of a whole batch has the batch's first job, and the end of all for its
    state.
    """

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="callbacks", null=True)
    status = models.CharField(max_length=10, choices=JobStatus.choices, blank=True)
    is_of_batch = models.BooleanField(default=False, db_default=False)
    event = models.CharField(max_length=30, blank=True)
    document = models.JSONField(null=True, blank=True)
    told_progress = models.PositiveSmallIntegerField(default=0, help_text="Percent.")
    # It may have a key in it: the log names the host.
    uri = models.CharField(max_length=2_000)
    host = models.CharField(max_length=255, help_text="Of the address: hosts have turns.")
    api = models.CharField(max_length=500, help_text="Where the API is seen from outside.")
    due_at = models.DateTimeField(null=True, blank=True, db_index=True)
    reached_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.subject}: {self.host}"

    @property
    def subject(self) -> str:
        """What it is about, for the log."""
        if self.job is None:
            return self.event
        if self.is_of_batch:
            return f"batch {self.job.batch} is {self.status}"
        return f"job {self.job_id} is {self.status}"

    @property
    def message_id(self) -> str:
        """By which a receiver knows what it has been told already, however often it is sent."""
        if self.job_id is None:
            return f"msg_{self.event}_{self.pk}"
        if self.is_of_batch:
            return f"msg_{self.job_id.hex}_batch_{self.status}_{self.pk}"
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


class Alarm(models.Model):
    """Something that is wrong with the site; the row goes when it is right again."""

    name = models.CharField(max_length=300, primary_key=True)
    event = models.CharField(max_length=30)
    words = models.CharField(max_length=500)
    since = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.event}: {self.words}"
