"""Files of jobs: the folder that a run works in, and the archive that it leaves."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import shutil
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from marinemap.extraction import sync_folder
from marinemap.jobs.conf import job_settings
from marinemap.jobs.models import Job
from marinemap.processes.registry import get_process

logger = logging.getLogger(__name__)

_LOCK_NAME = ".in-use"
# A folder is made a moment before its lock is taken; younger ones are left alone.
_GRACE_SECONDS = 60


@contextmanager
def work_folder(job: Job) -> Iterator[Path]:
    """Make the folder of one run, hold it as in use, and remove it at the end."""
    with _held_folder(f"{job.pk}-{job.attempt}") as files:
        yield files


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

    When that is killed the kernel gives it back, and :func:`remove_abandoned` may take the folder.
    """
    folder = job_settings().work / name
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / _LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        files = folder / "files"
        files.mkdir(exist_ok=True)
        yield files
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def artifact_path(job: Job) -> Path:
    """Return where the result of a job's current attempt goes.

    The attempt is part of the name, so that a run which lost its job cannot overwrite the
    archive of the run that took over.
    """
    folder = job_settings().artifacts
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{job.pk}-{job.attempt}{get_process(job.process_id).file_suffix}"


def open_artifact(job: Job) -> BinaryIO | None:
    """Open a job's archive for reading; None if it has none, or none any more."""
    if not job.artifact:
        return None
    try:
        # For the caller to close.
        file = open(job_settings().artifacts / job.artifact, "rb", opener=_open_plain)  # noqa: SIM115
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.EISDIR):
            return None
        raise
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    return None


def _open_plain(path: str, flags: int) -> int:
    # What stands there in place of an archive is not sent, nor waited for: a link leads to any
    # file of the service's, a pipe to nothing.
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def link_artifact(first: Job, job: Job) -> str | None:
    """Give a job that is new a name of its own for the archive of another; return the name.

    None where that archive is gone or no longer whole, or the file system takes no further name
    for it.
    """
    source, target = job_settings().artifacts / first.artifact, artifact_path(job)
    try:
        found = os.lstat(source)
        if not stat.S_ISREG(found.st_mode) or found.st_size != first.artifact_bytes:
            return None
        # Young before it has the name: what is old and belongs to no job is an orphan.
        os.utime(source, follow_symlinks=False)
        os.link(source, target, follow_symlinks=False)
        # The row that names the file may not outlive a power cut that the name does not.
        sync_folder(target.parent)
    except OSError as error:
        if not isinstance(error, FileNotFoundError):
            logger.warning("Archive %s could not be given to job %s: %s", source, job.pk, error)
        return None
    return target.name


def remove_artifact(name: str) -> None:
    """Remove an archive; who is downloading it keeps what was opened."""
    if name:
        (job_settings().artifacts / name).unlink(missing_ok=True)


def remove_abandoned() -> list[str]:
    """Remove the folders of runs that were killed; return their names."""
    removed = []
    for folder in _children(job_settings().work):
        if folder.is_dir() and not folder.is_symlink() and _is_abandoned(folder):
            shutil.rmtree(folder, ignore_errors=True)
            removed.append(folder.name)
    return removed


def remove_orphans() -> list[str]:
    """Remove archives, whole or partial, that no job lays claim to; return their names."""
    removed = []
    for file in _children(job_settings().artifacts):
        if file.is_file() and not file.is_symlink() and _is_orphan(file):
            file.unlink(missing_ok=True)
            removed.append(file.name)
    return removed


def _children(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _is_abandoned(folder: Path) -> bool:
    if time.time() - folder.stat().st_mtime < _GRACE_SECONDS:
        return False
    try:
        lock = os.open(folder / _LOCK_NAME, os.O_RDWR)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True


def _is_orphan(file: Path) -> bool:
    if time.time() - file.stat().st_mtime < _GRACE_SECONDS:
        return False
    # An archive is "<job>-<attempt>.zip", one in the making ".<job>-<attempt>.zip.<pid>.partial".
    job_id, _, rest = file.name.lstrip(".").rpartition("-")
    attempt = rest.partition(".")[0]
    try:
        job = Job.objects.filter(pk=uuid.UUID(job_id)).first()
    except ValueError:
        job = None
    if job is None:
        return True
    is_being_made = job.status == "running" and str(job.attempt) == attempt
    return not is_being_made and job.artifact != file.name
