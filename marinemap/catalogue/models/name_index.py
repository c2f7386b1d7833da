"""The names of a layer's areas, as they are searched."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from marinemap.catalogue.models.layer import Layer


class NameIndex(models.Model):
    """The names of a layer's areas as they were once; what is searched is the current one.

    ``key`` names what was read: the field, and the data as they were.
    """

    layer = models.ForeignKey(Layer, on_delete=models.CASCADE, related_name="name_indexes")
    key = models.CharField(max_length=100)
    is_current = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["layer"], condition=Q(is_current=True), name="one_current_index"
            )
        ]

    def __str__(self) -> str:
        return f"{self.layer_id}: {self.key}"


class NamedArea(models.Model):
    """A feature that has a name; ``slug`` is the name as an address has it."""

    index = models.ForeignKey(NameIndex, on_delete=models.CASCADE, related_name="areas")
    slug = models.CharField(max_length=120)
    name = models.CharField(max_length=300)
    feature = models.BigIntegerField()
    bounds = models.JSONField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["index", "slug"], name="one_area_a_slug")]

    def __str__(self) -> str:
        return self.name


class NamePhrase(models.Model):
    """A name from one of its words on; ``place`` is that word's.

    In hexadecimal digits of its bytes: they are in one order in every database and language, so
    that an index finds what begins with a text.
    """

    area = models.ForeignKey(NamedArea, on_delete=models.CASCADE, related_name="phrases")
    # Of no index: by it a planner would read all of a layer's, and sort them.
    index = models.ForeignKey(
        NameIndex, on_delete=models.CASCADE, related_name="phrases", db_index=False
    )
    place = models.PositiveSmallIntegerField()
    phrase = models.CharField(max_length=160)

    class Meta:
        indexes = [models.Index(fields=["phrase"], name="name_phrase")]

    def __str__(self) -> str:
        return bytes.fromhex(self.phrase).decode(errors="replace")
