"""Files of jobs: the folder that a run works in, and the archive that it leaves.

An archive is made on the disk and has a name. Where the site has a bucket it goes there, under the
same name; one that is found on the disk all the same was made before the site had it.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import secrets
import shutil
import stat
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from django.utils import timezone
from django.utils.http import content_disposition_header

from marinemap.extraction import sync_folder
from marinemap.jobs.conf import job_settings
from marinemap.jobs.models import Job
from marinemap.jobs.storage import (
    ArchiveRefusedError,
    StorageAwayError,
    Stored,
    answering_bucket,
    claim,
    site_bucket,
)
from marinemap.jobs.storage.bucket import MOST_COPIED_BYTES
from marinemap.processes.registry import get_process
from marinemap.tasks.outages import patiently

logger = logging.getLogger(__name__)

LOCK_NAME, _FILES_NAME = ".in-use", "files"
# What a storage copies well within the time that somebody waits for an answer.
_MOST_AT_ONCE_BYTES = 64 * 1024**2
# Then the job is put off, and its archive made again.
_SENDS_AGAIN_FOR_SECONDS = 60


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


def artifact_path(job: Job) -> Path:
    """Return where the result of a job's current attempt goes.

    The attempt is part of the name, so that a run which lost its job cannot overwrite the
    archive of the run that took over.
    """
    folder = job_settings().artifacts
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{job.pk}-{job.attempt}{get_process(job.process_id).file_suffix}"


def keep_artifact(job: Job, tell: Callable[[float, str], None]) -> int:
    """Bring the archive of a run to where downloads come from; return its size in bytes.

    Nothing but the job's row makes it one of a job's: what is left by a run that is killed on the
    way is removed by :mod:`marinemap.jobs.orphans`.

    Parameters
    ----------
    job : Job
        As :func:`marinemap.jobs.runs.start` returned it.
    tell : callable
        Takes the fraction done and a few words, and raises where the run should stop.

    Raises
    ------
    ArchiveRefusedError
        If the storage does not take it, for a minute, but does take a small object.
    StorageAwayError
        If it takes neither.
    """
    path, bucket = artifact_path(job), site_bucket()
    size_bytes = path.stat().st_size
    if bucket is None:
        return size_bytes

    def heed(fraction: float) -> None:
        tell(0.99, f"Sending the files to the storage: {fraction:.0%}.")

    def send() -> None:
        heed(0.0)
        bucket.upload(path, heed)

    try:
        # What was made is dear: it is not made again for a server that is started anew.
        patiently(send, seconds=_SENDS_AGAIN_FOR_SECONDS)
    except StorageAwayError as error:
        _check_whether_away(error)
        raise
    finally:
        path.unlink(missing_ok=True)
    return size_bytes


def _check_whether_away(error: StorageAwayError) -> None:
    """Raise another error where what begins a run would succeed: the run would be made for ever."""
    try:
        claim()
    except StorageAwayError:
        return
    raise ArchiveRefusedError(
        f"the storage of results takes a small object but not this archive ({error.message})"
    ) from error


def open_artifact(job: Job) -> BinaryIO | None:
    """Open a job's archive for reading, wherever it is; None if it has none, or none any more.

    Raises
    ------
    StorageAwayError
        If it is in a storage that does not answer.
    """
    if not job.artifact:
        return None
    file = open_on_disk(job)
    bucket = answering_bucket() if file is None else None
    return bucket.open(job.artifact) if bucket else file


def open_on_disk(job: Job) -> BinaryIO | None:
    """Open a job's archive for reading; None if it is not on the disk."""
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


def find_stored(job: Job) -> Stored | None:
    """Return a job's archive as the storage has it; None if it is not there.

    Raises
    ------
    StorageAwayError
        If it does not answer.
    """
    bucket = answering_bucket() if job.artifact else None
    return bucket.look(job.artifact) if bucket else None


def link_to_stored(job: Job, until: datetime | None = None) -> str | None:
    """Return a link to a job's archive in the storage, for whoever has it.

    It ends after the time that the operator sets, with the archive or at ``until``, whichever is
    first; None where that is now, or there is no storage.

    Raises
    ------
    StorageAwayError
        If the site has nothing to sign it with.
    """
    bucket = site_bucket() if job.artifact else None
    if bucket is None:
        return None
    ends = [each - timezone.now() for each in (job.expires_at, until) if each is not None]
    seconds = min([bucket.settings.link_seconds, *(each.total_seconds() for each in ends)])
    if seconds < 1:
        return None
    headers = {
        "ContentType": job.media_type,
        "ContentDisposition": content_disposition_header(True, job.file_name) or "attachment",
        "CacheControl": "private, no-store",
    }
    return bucket.link(job.artifact, seconds, headers)


def _open_plain(path: str, flags: int) -> int:
    # What stands there in place of an archive is not sent, nor waited for: a link leads to any
    # file of the service's, a pipe to nothing.
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def give_artifact(first: Job, job: Job, *, at_once: bool) -> str | None:
    """Give a job that is new the archive of another under a name of its own; return the name.

    None where that archive is gone or no longer whole, or cannot be given. A storage copies it,
    which may take a while: not within a transaction, for others wait for that.

    Parameters
    ----------
    first, job : Job
    at_once : bool
        Whether somebody waits for it: then a storage copies small archives only.

    Raises
    ------
    StorageAwayError
        If the storage does not copy it; with the next it would be the same.
    """
    return link_artifact(first, job) or _copy_stored(first, _name_of_copy(job), at_once)


def _name_of_copy(job: Job) -> str:
    """Return a name that no other copy for the job has: a storage writes over what is there."""
    path = artifact_path(job)
    return f"{path.stem}.{secrets.token_hex(4)}{path.suffix}"


def link_artifact(first: Job, job: Job) -> str | None:
    """Give a job that is new a name of its own for the archive of another; return the name.

    None where that archive is gone from the disk or no longer whole, or the file system takes no
    further name for it.
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


def _copy_stored(first: Job, name: str, at_once: bool) -> str | None:
    most_bytes = _MOST_AT_ONCE_BYTES if at_once else MOST_COPIED_BYTES
    if (first.artifact_bytes or 0) > most_bytes:
        return None
    bucket = answering_bucket()
    stored = bucket.look(first.artifact) if bucket else None
    if bucket is None or stored is None or stored.size_bytes != first.artifact_bytes:
        return None
    bucket.copy(first.artifact, name, at_once=at_once)
    return name


def remove_artifact(name: str) -> bool:
    """Remove an archive; who is downloading it keeps what was opened.

    Returns
    -------
    bool
        Whether whatever was asked answered. What a storage does not remove now is nobody's, and
        removed with the orphans.
    """
    if not name:
        return True
    try:
        (job_settings().artifacts / name).unlink()
    except FileNotFoundError:
        return _remove_stored(name)
    return True


def _remove_stored(name: str) -> bool:
    try:
        bucket = answering_bucket()
        if bucket is not None:
            bucket.remove(name)
    except StorageAwayError:
        return False
    return True
