"""Who was seen alive, by which clock, and which folder is the site's."""

from __future__ import annotations

from django.db import models


class WorkerSighting(models.Model):
    """A worker process that was seen alive."""

    name = models.CharField(max_length=255, primary_key=True)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField(db_index=True)
    # Null: it lives, or ended otherwise than in order.
    stopped_at = models.DateTimeField(null=True)

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
