"""Something that an operator pointed at, in which layers are looked for."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone


class SourceLook(models.Model):
    """A file that was uploaded or chosen, or a database: which layers it holds.

    ``layers`` is null until a process of the schedule has looked, unless that was in vain
    (``refusal``); then each has ``source``, ``layer``, ``kind`` and ``refusal``. An upload
    has a folder of its own, and is looked at once it ``is_whole``; it goes a day after no layer
    used it any more.
    """

    class Kind(models.TextChoices):
        """What it is."""

        UPLOAD = "upload", "upload"
        FILE = "file", "file"
        DATABASE = "database", "database"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    kind = models.CharField(max_length=8, choices=Kind.choices)
    name = models.CharField(max_length=1000)
    for_layer = models.CharField(max_length=63, blank=True)
    size_bytes = models.PositiveBigIntegerField(default=0)
    is_whole = models.BooleanField(default=True)
    layers = models.JSONField(null=True)
    refusal = models.CharField(max_length=500, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    asked_at = models.DateTimeField(default=timezone.now)
    unused_since = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def is_over(self) -> bool:
        """Whether it was looked at."""
        return self.layers is not None or bool(self.refusal)
