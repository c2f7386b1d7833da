"""The Celery app: where tasks, broker and database are wired together."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from celery import Celery, uuid
from celery.contrib.django.task import DjangoTask
from celery.result import AsyncResult
from django.db import transaction
from kombu.utils.json import register_type
from shapely.geometry import mapping, shape
from shapely.geometry.base import BaseGeometry

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marinemap.settings")

# Celery's own classes take type parameters in their stubs only.
if TYPE_CHECKING:
    _Task = DjangoTask[Any, Any]
else:
    _Task = DjangoTask


class TransactionalTask(_Task):
    """A task that is published only if the caller's database transaction commits.

    The message would otherwise reach a worker before the row that it speaks of, or speak of a
    row that was rolled back.
    """

    def apply_async(self, *args: Any, **options: Any) -> AsyncResult[Any]:
        if not transaction.get_connection().in_atomic_block:
            return super().apply_async(*args, **options)
        options["task_id"] = options.get("task_id") or uuid()
        publish = super().apply_async
        transaction.on_commit(lambda: publish(*args, **options))
        return self.AsyncResult(options["task_id"])


app = Celery("marinemap", task_cls=TransactionalTask)
app.config_from_object("django.conf:settings", namespace="CELERY")

# Geometries travel in messages and results as GeoJSON, marked so that they arrive as geometries.
register_type(BaseGeometry, "geometry", mapping, shape)
