"""The process beside a worker that follows the schedule and runs its short tasks.

A worker that is busy with an extract for an hour runs nothing else: cleaning, rescuing and
expiring would wait behind it. So ``celeryd -B`` starts a small second worker for their queue,
which also takes the jobs of short processes while nothing of that waits.
It follows the schedule in a thread, so that none lives on without the other; and the
worker sees that it lives.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from typing import Any, cast

from celery import current_app
from celery.beat import Service
from celery.signals import (
    task_postrun,
    task_prerun,
    worker_init,
    worker_ready,
    worker_shutdown,
    worker_shutting_down,
)
from django.db import Error, connection

from marinemap.jobs import preloading, workers
from marinemap.jobs.belonging import is_orphan, start_beside
from marinemap.jobs.lease import was_seen
from marinemap.jobs.schedule import EditableScheduler
from marinemap.tasks.outages import drop_connection

logger = logging.getLogger(__name__)

# By their names, as it looks into them: what looks after the site comes before short jobs.
QUEUES = "periodic,short"
_LOOK_EVERY_SECONDS = 5
# Its tasks are short; one that takes longer hangs, such as on a folder of another machine.
_LONGEST_TASK_SECONDS = 300
# Longer than its lease of the schedule, shorter than the minute in which it is to be noticed.
_SILENT_AFTER_SECONDS = 45
# What a machine under load may take to start one.
_MOST_PATIENCE_SECONDS = 360


def begin_with_worker(options: Sequence[str]) -> None:
    """Start a caretaker when the worker of this process is ready, and another if it ends."""
    watch = _Watch(options)
    worker_ready.connect(watch.start, weak=False)
    worker_shutting_down.connect(watch.stop, weak=False)


def run(worker_id: int, options: Sequence[str]) -> None:
    """Be the caretaker of a worker until that ends."""
    # It is not one of those that jobs wait for.
    worker_ready.disconnect(workers.begin)
    # Its tasks are short, and one that fails is set off again.
    worker_init.disconnect(preloading.load_rooms)
    schedule = _Schedule()
    worker_ready.connect(schedule.start, weak=False)
    worker_shutting_down.connect(schedule.stop, weak=False)
    worker_shutdown.connect(schedule.release, weak=False)
    lonely = ("--without-gossip", "--without-mingle", "--without-heartbeat")
    own = (f"--queues={QUEUES}", "--pool=solo", f"--hostname=caretaker-{worker_id}@%h", *lonely)
    watch = _TaskWatch()
    task_prerun.connect(watch.begin, weak=False)
    task_postrun.connect(watch.end, weak=False)
    # One that fails ends, and the worker starts another.
    current_app.worker_main(["worker", *own, *options])


class _Schedule:
    """Follows the schedule in a thread, again and again where an error ends it."""

    def __init__(self) -> None:
        self._is_over = threading.Event()
        self._service: Service | None = None

    def start(self, **_: Any) -> None:
        threading.Thread(target=self._follow, name="schedule", daemon=True).start()

    def stop(self, **_: Any) -> None:
        # Called by a handler of a signal, amid whatever the process was at: no lock may be taken
        # here that it could hold, such as the database connection's.
        self._is_over.set()
        if self._service is not None:
            self._service.stop()

    def release(self, **_: Any) -> None:
        if self._service is not None:
            cast(EditableScheduler, self._service.scheduler).release()

    def _follow(self) -> None:
        while not self._is_over.is_set():
            try:
                scheduler = current_app.conf.beat_scheduler
                self._service = Service(current_app, scheduler_cls=scheduler)
                self._service.start()
            except Exception:
                logger.exception("The schedule stopped; it is started again in a moment")
                drop_connection()
            if is_orphan():
                return  # The process is about to end.
            self._is_over.wait(_LOOK_EVERY_SECONDS)


class _TaskWatch:
    """Ends this process where a task hangs; the next one gets its message, or the next message."""

    def __init__(self) -> None:
        self._timer: threading.Timer | None = None

    def begin(self, task: Any, **_: Any) -> None:
        self._timer = threading.Timer(_LONGEST_TASK_SECONDS, self._die, args=[task.name])
        self._timer.daemon = True
        self._timer.start()

    def end(self, **_: Any) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _die(self, name: str) -> None:
        logger.error("%s hangs, after %d s; this process ends", name, _LONGEST_TASK_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)


class _Watch:
    """Sees that a worker has a caretaker that lives."""

    def __init__(self, options: Sequence[str]) -> None:
        self._options = options
        self._is_over = threading.Event()
        # How long a caretaker may be silent. Each that was killed gives the next twice as long:
        # a machine that takes a minute to start one would never have one.
        self._patience_seconds: float = _SILENT_AFTER_SECONDS

    def start(self, **_: Any) -> None:
        # The kernel ends the caretaker with the thread that started it, so this one stays.
        threading.Thread(target=self._watch, name="caretaker-watch", daemon=True).start()

    def stop(self, **_: Any) -> None:
        self._is_over.set()

    def _watch(self) -> None:
        while not self._is_over.is_set():
            try:
                process = self._launch()
            except OSError as error:
                # Of memory or processes there are too few for the moment.
                logger.warning("A caretaker cannot be started now: %s", error)
                self._is_over.wait(_LOOK_EVERY_SECONDS)
                continue
            self._wait_for_end(process)
            if not self._is_over.is_set():
                logger.warning("The caretaker ended with %s; another is started", process.poll())
        # The worker may be at a long job still, and the site goes on being looked after.

    def _launch(self) -> subprocess.Popen[bytes]:
        return start_beside(["celeryd", f"--caretaker-of={os.getpid()}", *self._options])

    def _wait_for_end(self, process: subprocess.Popen[bytes]) -> None:
        seen_at = time.monotonic()
        while process.poll() is None:
            if _is_seen(process):
                seen_at = time.monotonic()
                self._patience_seconds = _SILENT_AFTER_SECONDS
            elif time.monotonic() - seen_at > self._patience_seconds:
                self._kill(process)
            self._sleep()

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        self._patience_seconds = min(2 * self._patience_seconds, _MOST_PATIENCE_SECONDS)
        logger.warning(
            "The caretaker, process %d, is silent; it is killed, and the next has %.0f s to begin",
            process.pid,
            self._patience_seconds,
        )

    def _sleep(self) -> None:
        time.sleep(_LOOK_EVERY_SECONDS)


def _is_seen(process: subprocess.Popen[bytes]) -> bool:
    try:
        return was_seen(process.pid)
    except Error:
        # It cannot show itself either.
        drop_connection()
        return True
    finally:
        connection.close()
