"""A source that an administrator gave for a layer, and that is to be read."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from marinemap.catalogue.models.layer import Layer


class SourceToRead(models.Model):
    """Where a layer's data are to be read from; gone once they were.

    Until then the layer is served as it was, a new one not at all. One that was refused stays,
    with the reason, until another is given. One that ``is_held`` stays as well once it was read,
    with what was ``found``, until an operator has looked at that; its ``drawing`` is a file as a
    layer's is.
    """

    layer = models.OneToOneField(
        Layer, on_delete=models.CASCADE, primary_key=True, related_name="to_read"
    )
    source = models.CharField(max_length=1000)
    source_layer = models.CharField(max_length=200, blank=True)
    asked_at = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveSmallIntegerField(
        default=0, help_text="How often its reading was begun."
    )
    refusal = models.CharField(max_length=500, blank=True)
    is_held = models.BooleanField(default=False)
    found = models.JSONField(null=True)
    drawing = models.CharField(max_length=200, blank=True)
    drawing_message = models.TextField(blank=True)

    def __str__(self) -> str:
        return f"{self.layer_id}: {self.source}"

    def to_layer(self) -> Layer:
        """Return the layer as it would be served from what was found; it is not to be saved."""
        held = dict(self.found or {})
        return Layer(id=self.layer_id, title=self.layer.title, **held)
