"""Signs of life and progress of a run, written by a thread of its own."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from types import TracebackType

from billiard.process import current_process
from django.db import connection

from marinemap.jobs import runs
from marinemap.jobs.models import Job
from marinemap.tasks.outages import drop_connection

logger = logging.getLogger(__name__)

_ALIVE_EVERY_SECONDS = 10
# Often enough for an eye on the page, and for a cancelled job to stop within a second.
_LOOK_EVERY_SECONDS = 0.5
_LAST_WRITE_SECONDS = 5
# How long a run may go on, in one step, whose job is no longer its own.
_STOPS_WITHIN_SECONDS = 10


class Pulse:
    """Keep a job alive, and its progress told, while the block runs.

    A step of the work may take minutes in C, and the database may be away for as long: the work
    waits for neither, and a write that failed is made again at the next beat. The thread is
    not waited for at the end: what it might still write is refused, for the run is over.

    Parameters
    ----------
    job : Job
        As :func:`runs.start` returned it.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._told: tuple[int, str] | None = None
        self._written: tuple[int, str] | None = None
        self._last_sign = time.monotonic()
        self._is_lost = threading.Event()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"pulse-{job.pk}", daemon=True)

    def __enter__(self) -> Pulse:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_over.set()
        self._thread.join(_LAST_WRITE_SECONDS)

    def tell(self, fraction: float, message: str) -> None:
        """Note how far the run has come, to be written soon.

        Raises
        ------
        JobStoppedError
            If the job was cancelled, or another run has taken it over.
        """
        if self._is_lost.is_set():
            raise runs.JobStoppedError("the job is no longer this run's")
        # 100 is for a job that is done, and this one is not.
        self._told = (min(99, int(fraction * 100)), message)

    def _beat(self) -> None:
        try:
            while not self._is_over.wait(_LOOK_EVERY_SECONDS):
                self._write()
        except runs.JobStoppedError:
            self._is_lost.set()
        finally:
            connection.close()
        if self._is_lost.is_set() and not self._is_over.wait(_STOPS_WITHIN_SECONDS):
            self._end_process()

    def _end_process(self) -> None:
        """End a run that does not stop: it hangs in a step, and would hold its worker.

        Only a process of Celery's pool, which starts another and gives the message back.
        """
        if current_process().daemon:
            logger.warning("Job %s is cancelled and does not stop; its process ends", self._job.pk)
            os.kill(os.getpid(), signal.SIGKILL)

    def _look(self) -> None:
        """See whether the job is this run's still: it may be cancelled amid a long step."""
        if not runs.is_current(self._job):
            raise runs.JobStoppedError("the job is no longer this run's")

    def _write(self) -> None:
        told = self._told
        is_due = time.monotonic() - self._last_sign >= _ALIVE_EVERY_SECONDS
        try:
            if told == self._written and not is_due:
                self._look()
                return
            if told is None:
                runs.keep_alive(self._job)
            else:
                runs.report(self._job, *told)
        except runs.JobStoppedError:
            raise
        except Exception:
            # Whatever it is, it must not end the signs of life of a run that is well.
            logger.warning("Job %s could not tell its progress", self._job.pk, exc_info=True)
            drop_connection()
        else:
            self._written, self._last_sign = told, time.monotonic()
