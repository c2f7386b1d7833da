"""Workers as processes: which are alive, and that what they fork does not outlive them."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from datetime import timedelta
from typing import Any

from celery import current_app
from celery.signals import (
    beat_embedded_init,
    worker_init,
    worker_process_init,
    worker_ready,
    worker_shutting_down,
)
from django.db import Error, connection
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from marinemap.jobs.belonging import die_with
from marinemap.jobs.models import WorkerSighting
from marinemap.tasks.outages import drop_connection

logger = logging.getLogger(__name__)

_SEEN_EVERY_SECONDS = 10
_ALIVE_WITHIN = timedelta(seconds=30)
# So long after its last sign of life a worker that did not stop in order is missing, and so long
# after that of the last one nobody is left: one that is started again is away for a moment.
_MISSING_AFTER = timedelta(minutes=2)
_FORGOTTEN_AFTER = timedelta(days=1)
_stopping = threading.Event()
# Of the worker whose process this is, or by which it was forked.
_worker_id = 0


@worker_init.connect
def note_worker(**_: Any) -> None:
    """Let those that the worker forks know whose they are: it may end before they ask."""
    global _worker_id
    _worker_id = os.getpid()


@beat_embedded_init.connect
def end_beat_with_worker(**_: Any) -> None:
    """Let the schedule end with its worker; of a killed one it would go on beside the next's."""
    die_with(_worker_id)


@worker_process_init.connect
def end_pool_with_worker(**_: Any) -> None:
    """Let the running job end with its worker: the queue gives it to another."""
    # A pool without processes of its own is the worker itself.
    if _worker_id != os.getpid():
        die_with(_worker_id)


def count_alive() -> int:
    """Return how many workers were seen in the last half minute."""
    # By the database's clock, for machines' clocks differ, and one may be set back.
    recent = (Now() - _ALIVE_WITHIN, Now() + _ALIVE_WITHIN)
    return WorkerSighting.objects.filter(seen_at__range=recent, stopped_at=None).count()


def is_nobody_left() -> bool:
    """Tell whether no worker has been alive for two minutes."""
    lately = (Now() - _MISSING_AFTER, Now() + _MISSING_AFTER)
    return not WorkerSighting.objects.filter(seen_at__range=lately).exists()


def find_missing() -> list[str]:
    """Return the names of workers that were not seen for minutes, and did not stop in order.

    One that was started again has the name of before, under another process id.
    """
    is_missing = Q(stopped_at=None, seen_at__lt=Now() - _MISSING_AFTER)
    sightings = WorkerSighting.objects.order_by("seen_at").annotate(is_missing=is_missing)
    # The last of each name counts.
    nodes = {
        name.rpartition(":")[0]: lost for name, lost in sightings.values_list("name", "is_missing")
    }
    # A caretaker comes and goes with its worker.
    return sorted(
        name for name, lost in nodes.items() if lost and not name.startswith("caretaker-")
    )


@worker_ready.connect
def begin(sender: Any, **_: Any) -> None:
    """Show the worker as alive until it shuts down, if it runs what people wait for."""
    if current_app.conf.task_default_queue not in current_app.amqp.queues.consume_from:
        return
    _stopping.clear()
    threading.Thread(
        target=_show, args=(sender.hostname,), name="worker-sighting", daemon=True
    ).start()


@worker_shutting_down.connect
def end(**_: Any) -> None:
    """Let the worker be known as one that stopped in order."""
    _stopping.set()


def _show(hostname: str) -> None:
    # Two of one machine have the same name where nobody gave them any.
    name = f"{hostname}:{os.getpid()}"
    started_at = timezone.now()
    try:
        while True:
            _show_once(name, started_at)
            if _stopping.wait(_SEEN_EVERY_SECONDS):
                break
        with contextlib.suppress(Error):
            WorkerSighting.objects.filter(pk=name).update(seen_at=Now(), stopped_at=Now())
    finally:
        connection.close()


def _show_once(name: str, started_at: Any) -> None:
    try:
        WorkerSighting.objects.update_or_create(
            name=name, defaults={"started_at": started_at, "seen_at": Now(), "stopped_at": None}
        )
        WorkerSighting.objects.filter(seen_at__lt=Now() - _FORGOTTEN_AFTER).delete()
    except Error:
        # The database is away for a moment; the next turn tries again on a new connection.
        logger.warning("Worker %s could not show that it is alive", name, exc_info=True)
        drop_connection()
