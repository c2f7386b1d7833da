"""Which workers are alive, so that the site can tell people whether their request will run."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta
from typing import Any

from celery.signals import worker_ready, worker_shutting_down
from django.db import Error, connection
from django.utils import timezone

from marinemap.jobs.models import WorkerSighting

logger = logging.getLogger(__name__)

_SEEN_EVERY_SECONDS = 10
_ALIVE_WITHIN = timedelta(seconds=30)
_stopping = threading.Event()


def count_alive() -> int:
    """Return how many workers were seen in the last half minute."""
    recent = timezone.now() - _ALIVE_WITHIN
    return WorkerSighting.objects.filter(seen_at__gte=recent).count()


@worker_ready.connect
def begin(sender: Any, **_: Any) -> None:
    """Show the worker as alive until it shuts down."""
    _stopping.clear()
    threading.Thread(
        target=_show, args=(sender.hostname,), name="worker-sighting", daemon=True
    ).start()


@worker_shutting_down.connect
def end(**_: Any) -> None:
    """Let the worker's row go."""
    _stopping.set()


def _show(name: str) -> None:
    started_at = timezone.now()
    WorkerSighting.objects.filter(seen_at__lt=started_at - timedelta(days=1)).delete()
    try:
        while True:
            _show_once(name, started_at)
            if _stopping.wait(_SEEN_EVERY_SECONDS):
                break
        WorkerSighting.objects.filter(pk=name).delete()
    finally:
        connection.close()


def _show_once(name: str, started_at: Any) -> None:
    try:
        WorkerSighting.objects.update_or_create(
            name=name, defaults={"started_at": started_at, "seen_at": timezone.now()}
        )
    except Error:
        # The database is away for a moment; the next turn tries again on a new connection.
        logger.warning("Worker %s could not show that it is alive", name, exc_info=True)
        connection.close()
