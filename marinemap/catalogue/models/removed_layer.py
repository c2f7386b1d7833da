"""A layer that was not for everyone when it was removed: what was made of it still is not."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group
from django.db import models
from django.db.models.signals import pre_delete
from django.dispatch import receiver
from django.utils import timezone

from marinemap.catalogue.models.layer import Layer
from marinemap.catalogue.viewers import Viewer


class RemovedLayer(models.Model):
    """For whom a layer was as it was removed; kept for no other than those that were not open.

    Its id may be given to another layer afterwards, so it is no key here. A group that is deleted
    is one of its no more, and opens nothing.
    """

    layer_id = models.CharField(max_length=63, db_index=True)
    is_published = models.BooleanField()
    groups: models.ManyToManyField[Group, Any] = models.ManyToManyField(Group, related_name="+")
    removed_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.layer_id}, removed {self.removed_at:%Y-%m-%d %H:%M}"


def is_any_kept_from(viewer: Viewer, layer_ids: Iterable[str], asked_at: datetime) -> bool:
    """Tell whether somebody may not have what was made of some layers.

    Those that are in the catalogue are for whom they are now, those that were removed since for
    whom they were then.

    Parameters
    ----------
    viewer : Viewer
    layer_ids : iterable of str
    asked_at : datetime
        When it was asked for: a layer that has such an id by now may be another.
    """
    ids = list(layer_ids)
    if Layer.objects.hidden_from(viewer, ids).exists():
        return True
    removed = RemovedLayer.objects.filter(layer_id__in=ids, removed_at__gte=asked_at)
    if viewer.sees_all:
        return removed.filter(is_published=False).exists()
    seen = RemovedLayer.objects.filter(is_published=True, groups__in=viewer.groups)
    return removed.exclude(pk__in=seen.values("pk")).exists()


# Of layers that are chosen in the admin site and removed at once as well.
@receiver(pre_delete, sender=Layer, dispatch_uid="remember_whose_it_was")
def _remember(instance: Layer, **_: Any) -> None:
    if instance.is_published and not instance.is_restricted:
        return
    removed = RemovedLayer.objects.create(layer_id=instance.pk, is_published=instance.is_published)
    removed.groups.set(instance.groups.all())
