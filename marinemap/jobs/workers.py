"""Workers as processes: which are alive, and that their children do not outlive them."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import sys
import threading
import time
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
from django.utils import timezone

from marinemap.jobs.models import WorkerSighting
from marinemap.jobs.outages import drop_connection

logger = logging.getLogger(__name__)

_SEEN_EVERY_SECONDS = 10
_ALIVE_WITHIN = timedelta(seconds=30)
_PR_SET_PDEATHSIG = 1
# Tells a worker that begins again that it was sound, so that it goes on trying.
AGAIN = "--again"
_PAUSE_SECONDS = 5
_stopping = threading.Event()


# The process whose end is this one's: the worker that a beat or a caretaker belongs to.
_worker_id: int | None = None


def belong_to(worker_id: int) -> None:
    """End with a worker, and be an orphan where that has ended already."""
    global _worker_id
    _worker_id = worker_id
    end_with_parent(signal.SIGTERM)


def is_orphan() -> bool:
    """Tell whether the worker that this process belongs to has ended."""
    return _worker_id not in (None, os.getpid(), os.getppid())


def end_with_parent(number: signal.Signals) -> None:
    """Ask the kernel for a signal to this process when its parent ends (Linux; prctl(2))."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)


@worker_init.connect
def note_worker(**_: Any) -> None:
    """Let a beat that the worker forks know whose it is: the worker may end before it asks."""
    global _worker_id
    _worker_id = _worker_id or os.getpid()


@beat_embedded_init.connect
def end_beat_with_worker(**_: Any) -> None:
    """Let the schedule end with its worker; of a killed one it would go on beside the next's."""
    end_with_parent(signal.SIGTERM)


@worker_process_init.connect
def end_pool_with_worker(**_: Any) -> None:
    """Let the running job end with its worker: the queue gives it to another."""
    end_with_parent(signal.SIGKILL)


def run(arguments: list[str], *, was_ready: bool) -> None:
    """Run Celery's worker in this process until it is told to end.

    Celery gives up where its broker fails at the wrong moment: a queue on a disk that is full
    cannot take the greeting that a worker sends after each reconnection. A worker that has been
    ready is sound, so it begins again, with the same process id.

    Parameters
    ----------
    arguments : list of str
        Celery's own.
    was_ready : bool
        Whether this process has been a sound worker before it began again.
    """
    found: list[Any] = []
    ready = threading.Event()
    worker_init.connect(lambda sender, **_: found.append(sender), weak=False)
    worker_ready.connect(lambda **_: ready.set(), weak=False)
    current_app.worker_main(["worker", *arguments])
    # Told to end it has none, or that of success.
    has_failed = any(worker.exitcode for worker in found)
    if has_failed and (was_ready or ready.is_set()):
        _begin_again()


def _begin_again() -> None:
    # Celery's handlers only note that the worker should end, and nobody looks any more.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    logger.error("The worker ended for an error; it begins again in %d s", _PAUSE_SECONDS)
    time.sleep(_PAUSE_SECONDS)
    again = [] if AGAIN in sys.orig_argv else [AGAIN]
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:], *again])


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
    try:
        while True:
            _show_once(name, started_at)
            if _stopping.wait(_SEEN_EVERY_SECONDS):
                break
        with contextlib.suppress(Error):
            WorkerSighting.objects.filter(pk=name).delete()
    finally:
        connection.close()


def _show_once(name: str, started_at: Any) -> None:
    try:
        WorkerSighting.objects.update_or_create(
            name=name, defaults={"started_at": started_at, "seen_at": timezone.now()}
        )
        long_ago = timezone.now() - timedelta(days=1)
        WorkerSighting.objects.filter(seen_at__lt=long_ago).delete()
    except Error:
        # The database is away for a moment; the next turn tries again on a new connection.
        logger.warning("Worker %s could not show that it is alive", name, exc_info=True)
        drop_connection()
