"""The drawing of a layer."""

from __future__ import annotations

from django.db import models

from marinemap.catalogue.models.layer import Layer


class Drawing(models.Model):
    """How far the drawing of a layer has come; its tiles are a file in the site's home.

    ``key`` names what is drawn: the layer's data as they were. A drawing of other data than the
    layer's present ones is old, and is shown until the new one is there.
    """

    layer = models.OneToOneField(
        Layer, on_delete=models.CASCADE, primary_key=True, related_name="drawing"
    )
    key = models.CharField(max_length=150)
    file = models.CharField(max_length=200, blank=True, help_text="A file in drawings/.")
    progress = models.PositiveSmallIntegerField(default=0, help_text="Percent.")
    message = models.TextField(blank=True)
    is_finished = models.BooleanField(default=False)
    began_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.layer_id}: {self.message} ({self.progress} %)"
