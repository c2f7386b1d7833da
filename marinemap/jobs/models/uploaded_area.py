"""Areas that people upload."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone


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
