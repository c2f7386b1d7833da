"""The tables of this room: locks of exclusive tasks, and faults that were told of."""

from __future__ import annotations

from django.db import models


class ExclusiveLock(models.Model):
    """A lock of which one task at a time has the lease; see :mod:`marinemap.tasks.exclusive`.

    ``token`` counts the holders and fences them: what a task does as the holder counts only
    while its own token is the current one.
    """

    lock_id = models.CharField(max_length=200, primary_key=True)
    token = models.PositiveBigIntegerField(default=0)
    holder = models.CharField(max_length=255, blank=True, help_text="The id of the task.")
    seen_at = models.DateTimeField(
        null=True, blank=True, help_text="Its last sign of life; empty while nobody has the lock."
    )

    def __str__(self) -> str:
        return self.lock_id


class Fault(models.Model):
    """A way in which a task fails, by where in the code; administrators are told once an hour."""

    digest = models.CharField(max_length=64, primary_key=True)
    subject = models.CharField(max_length=200)
    told_at = models.DateTimeField(help_text="When administrators were told last.")
    failed_at = models.DateTimeField(help_text="When it failed last.", db_index=True)
    untold = models.PositiveIntegerField(default=0, help_text="How often it failed since told.")
    latest = models.TextField(blank=True, help_text="What the last of the untold would have said.")

    def __str__(self) -> str:
        return self.subject
