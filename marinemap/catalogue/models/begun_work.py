"""Long work on a layer that was begun and had no end yet."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from marinemap.catalogue.models.layer import Layer


class BegunWork(models.Model):
    """Work of a process of the schedule on a layer; gone once it had an end, good or bad.

    What stays is being done just now, or ended its process: a source without an end. ``state``
    names the data that it is about; ``begun_at`` is when it was begun last.
    """

    class Kind(models.TextChoices):
        """What is done."""

        DATA = "data", "data"
        NAMES = "names", "names"
        DRAWING = "drawing", "drawing"
        HELD_DRAWING = "held", "drawing of held data"

    layer = models.ForeignKey(Layer, on_delete=models.CASCADE, related_name="begun_work")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    state = models.CharField(max_length=150)
    attempts = models.PositiveSmallIntegerField(default=0)
    begun_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["layer", "kind"], name="one_work_a_kind")]

    def __str__(self) -> str:
        return f"{self.layer_id}: {self.kind}, begun {self.attempts} times"
