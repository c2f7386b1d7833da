"""The folders that runs work in: each held as in use by a lock, and removed at the end."""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from marinemap.jobs.conf import job_settings
from marinemap.jobs.models import Job

LOCK_NAME, _FILES_NAME = ".in-use", "files"


@contextmanager
def work_folder(job: Job) -> Iterator[Path]:
    """Make the folder of one run, hold it as in use, and remove it at the end."""
    with _held_folder(f"{job.pk}-{job.attempt}") as files:
        yield files


def files_of_run(job: Job) -> Path:
    """Return the folder that a run of a job works in, whichever process that is."""
    return job_settings().work / f"{job.pk}-{job.attempt}" / _FILES_NAME


@contextmanager
def private_folder(name: str) -> Iterator[Path]:
    """Make a folder for one use, hold it as in use, and remove it at the end.

    Parameters
    ----------
    name : str
        What it is for; a number of its own is added.
    """
    with _held_folder(f"{name}-{uuid.uuid4()}") as files:
        yield files


@contextmanager
def _held_folder(name: str) -> Iterator[Path]:
    """Hold a folder by a lock that belongs to the process.

    When that is killed the kernel gives it back, and :mod:`marinemap.jobs.orphans` may take the
    folder.
    """
    folder = job_settings().work / name
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        files = folder / _FILES_NAME
        files.mkdir(exist_ok=True)
        yield files
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)
