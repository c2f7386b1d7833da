"""The archive of a job given to a second one, under a name of its own."""

from __future__ import annotations

import logging
import os
import secrets
import stat

from marinemap.extraction import sync_folder
from marinemap.jobs.artifacts import artifact_path
from marinemap.jobs.conf import job_settings
from marinemap.jobs.models import Job
from marinemap.jobs.storage import answering_bucket, is_stored
from marinemap.jobs.storage.bucket import MOST_COPIED_BYTES

logger = logging.getLogger(__name__)

# What a storage copies well within the time that somebody waits for an answer.
_MOST_AT_ONCE_BYTES = 64 * 1024**2


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


def keep_given(name: str) -> bool:
    """Tell whether a name that was given is there still; the cleaning leaves it alone for longer.

    Whoever gave it may have been stopped since, until the name looked like an orphan's. A storage
    is not asked: there, copies are left alone for ten minutes.
    """
    try:
        os.utime(job_settings().artifacts / name, follow_symlinks=False)
    except OSError:
        return is_stored()
    return True


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
