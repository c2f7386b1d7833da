"""A worker that begins again where an error ended it."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from typing import Any

from celery import current_app
from celery.signals import worker_init, worker_ready
from celery.worker import state

from marinemap.jobs.belonging import is_orphan

logger = logging.getLogger(__name__)

# Tells a worker that begins again that it was sound, so that it goes on trying.
AGAIN = "--again"
_PAUSE_SECONDS = 5


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

    Raises
    ------
    SystemExit
        If it failed before it was ready.
    """
    found: list[Any] = []
    ready = threading.Event()
    worker_init.connect(lambda sender, **_: found.append(sender), weak=False)
    worker_ready.connect(lambda **_: ready.set(), weak=False)
    current_app.worker_main(["worker", *arguments])
    # Celery's handlers only note that the worker should end, and nobody looks any more.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    has_failed = any(worker.exitcode for worker in found)
    if not has_failed or _is_told_to_end():
        return
    if was_ready or ready.is_set():
        _begin_again()
    raise SystemExit(1)


def _is_told_to_end() -> bool:
    """Tell whether a signal asked for the end, though the worker may have failed on the way."""
    # Exit codes where it did: that of success is 0.
    told = (state.should_stop, state.should_terminate)
    return is_orphan() or any(code is not None and code is not False for code in told)


def _begin_again() -> None:
    logger.error("The worker ended for an error; it begins again in %d s", _PAUSE_SECONDS)
    time.sleep(_PAUSE_SECONDS)
    again = [] if AGAIN in sys.orig_argv else [AGAIN]
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:], *again])
