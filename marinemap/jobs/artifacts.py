"""The archive that a run leaves: where it is, and how it is opened and removed.

An archive is made on the disk and has a name. Where the site has a bucket it goes there, under the
same name; one that is found on the disk all the same was made before the site had it.
"""

from __future__ import annotations

import errno
import logging
import math
import os
import stat
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from django.utils import timezone
from django.utils.http import content_disposition_header

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
from marinemap.processes.registry import get_process
from marinemap.sentences import say
from marinemap.tasks.outages import patiently

logger = logging.getLogger(__name__)

# Then the job is put off, and its archive made again.
_SENDS_AGAIN_FOR_SECONDS = 60


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
        say(
            "the storage of results takes a small object but not this archive ({message})",
            message=error.message,
        )
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


def remove_artifact(name: str) -> bool:
    """Remove an archive; who is downloading it keeps what was opened.

    Returns
    -------
    bool
        Whether whatever was asked answered. What a storage does not remove now is nobody's, and
        removed with the orphans.
    """
    return remove_artifacts([name]) if name else True


def remove_artifacts(names: Iterable[str], seconds: float = math.inf) -> bool:
    """Remove archives, as :func:`remove_artifact` does; those in a storage for some seconds."""
    deadline = time.monotonic() + seconds
    stored = [name for name in names if not _is_unlinked(name)]
    try:
        bucket = answering_bucket() if stored else None
        for _ in bucket.remove_each(stored) if bucket else ():
            if time.monotonic() >= deadline:
                break
    except StorageAwayError:
        return False
    return True


def _is_unlinked(name: str) -> bool:
    """Remove an archive from the disk; tell whether it was there."""
    try:
        (job_settings().artifacts / name).unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        # No job has it any more, and the others are to go; it is tried again with the orphans.
        logger.warning("Archive %s could not be removed: %s", name, error)
    return True
