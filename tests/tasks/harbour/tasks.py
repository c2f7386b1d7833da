"""Tasks of an installed app: functions and classes."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from celery import shared_task
from celery.utils.log import get_task_logger

from marinemap.celery import app
from marinemap.tasks import exclusive as locks
from marinemap.tasks.exclusive import exclusive

logger = get_task_logger(__name__)

# Half a minute is too long for a test to wait.
locks.LEASE, locks._RENEW_EVERY_SECONDS = timedelta(seconds=6), 0.5


class FetchTides(app.Task):
    name = "fetch tides"

    def run(self, harbour: str) -> str:
        self.tell_progress(3, 10, f"asking {harbour}")
        logger.info("Asking %s", harbour)
        return harbour.upper()


class NamedByItsPlace(app.Task):
    def run(self) -> str:
        return self.name


class Sounding(app.Task):
    abstract = True

    def run(self) -> None:
        raise NotImplementedError


class DeepSounding(Sounding):
    def run(self) -> str:
        return "deep"


@shared_task
def add(x: int, y: int) -> int:
    return x + y


@shared_task(ignore_result=True)
def count_quietly(folder: str) -> None:
    count_quietly.tell_progress(1, 2, "half")
    _note(folder, "quiet")
    while not Path(folder, "go").exists():
        time.sleep(0.05)


@shared_task
def ask_another() -> Any:
    return add.delay(1, 2).get(timeout=60)


@shared_task
def sink(depth: int) -> None:
    raise ValueError(f"it sank at {depth} m")


@shared_task
@exclusive("pier")
def hold_pier(folder: str, name: str) -> str:
    """Hold the pier until told to go; note who does, and write as the holder at the end."""
    _note(folder, f"{name} {os.getpid()}")
    while not Path(folder, f"{name}-go").exists():
        time.sleep(0.05)
    with locks.held_lock().fenced():
        _note(folder, f"{name} wrote")
    return f"{name} held it"


def _note(folder: str, line: str) -> None:
    with Path(folder, "notes").open("a") as notes:
        notes.write(f"{line}\n")


@shared_task(rate_limit="0.5/s")
def cast_off(folder: str) -> None:
    _note(folder, f"cast off {time.time()}")


@shared_task(rate_limit="0.02/s")
def weigh_anchor(folder: str) -> None:
    _note(folder, f"weighed {time.time()}")
