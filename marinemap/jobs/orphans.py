"""What killed runs left on the disk and in the storage: removed where nobody lays claim to it.

Names that are none of the site's own are somebody else's, whoever put them there: they stay.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from marinemap.jobs.conf import job_settings
from marinemap.jobs.models import Job
from marinemap.jobs.states import JobStatus
from marinemap.jobs.storage import Bucket, StorageAwayError, site_bucket
from marinemap.jobs.work_folders import LOCK_NAME

logger = logging.getLogger(__name__)

# A folder is made a moment before its lock is taken, a file before the row that names it.
_GRACE_SECONDS = 60
# The same in a storage, whose server may copy for a while.
_GRACE_STORED_SECONDS = 600
# Others of the schedule wait meanwhile; what is left goes with the next round.
_MOST_STORED = 500
_STORED_FOR_SECONDS = 30.0
_ROWS_AT_A_TIME = 200
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# "<job>-<attempt>.zip"; one in the making is ".<job>-<attempt>.zip.<pid>.partial".
_NAME = re.compile(rf"\.?(?P<job>{_UUID})-(?P<attempt>\d+)(?:\..*)?")
# "<job>-<attempt>", or a word and a number of its own (work_folders).
_FOLDER = re.compile(rf"{_UUID}-\d+|.+-{_UUID}")


def remove_abandoned() -> list[str]:
    """Remove the folders of runs that were killed; return their names.

    One that cannot be looked at, such as another user's, keeps no other from being removed.
    """
    removed = []
    for folder in _children(job_settings().work, _FOLDER):
        try:
            is_abandoned = folder.is_dir() and not folder.is_symlink() and _is_abandoned(folder)
        except OSError as error:
            logger.warning("%s cannot be looked at: %s", folder, error)
            continue
        if is_abandoned:
            shutil.rmtree(folder, ignore_errors=True)
            removed.append(folder.name)
    return removed


def remove_orphans() -> list[str]:
    """Remove archives, whole or partial, that no job lays claim to; return their names.

    One that cannot be removed keeps no other from it. A storage that does not answer is looked at
    the next time.
    """
    folder = job_settings().artifacts
    files = [file.name for file in _children(folder, _NAME) if _is_plain(file) and _is_old(file)]
    removed = [name for name in _unclaimed(files) if _is_removed(folder / name)]
    bucket = site_bucket()
    return removed + (_remove_stored(bucket) if bucket else [])


def _remove_stored(bucket: Bucket) -> list[str]:
    removed: list[str] = []
    deadline = time.monotonic() + _STORED_FOR_SECONDS
    try:
        stored = (each for each in bucket.objects() if _NAME.fullmatch(each.name))
        old = (each.name for each in stored if each.age_seconds >= _GRACE_STORED_SECONDS)
        for name in bucket.remove_each(islice(_unclaimed(old), _MOST_STORED)):
            removed.append(name)
            if time.monotonic() >= deadline:
                return removed
        for one in list(islice(bucket.unfinished(), _MOST_STORED)):
            # Of a run that is alive, however long it takes.
            if _NAME.fullmatch(one.name) and any(_unclaimed([one.name])):
                bucket.abort(one)
                removed.append(f"{one.name}, sent in part")
            if time.monotonic() >= deadline:
                break
    except StorageAwayError:
        # Told to the log; what was removed is told by the caller.
        return removed
    return removed


def _unclaimed(names: Iterable[str]) -> Iterator[str]:
    """Yield those of which no job says that they are its archive, nor that it makes them now."""
    # A storage's names come as they are read: of a large one few are ever in memory.
    remaining = iter(names)
    while found := {name: _read(name) for name in islice(remaining, _ROWS_AT_A_TIME)}:
        jobs = Job.objects.in_bulk({job_id for job_id, _ in found.values()})
        for name, (job_id, attempt) in found.items():
            job = jobs.get(job_id)
            if job is None or not _has_claim(job, name, attempt):
                yield name


def _has_claim(job: Job, name: str, attempt: str) -> bool:
    is_being_made = job.status == JobStatus.RUNNING and str(job.attempt) == attempt
    return is_being_made or job.artifact == name


def _read(name: str) -> tuple[uuid.UUID, str]:
    """Return the job and the attempt that a name tells."""
    match = _NAME.fullmatch(name)
    assert match is not None, "asked of archives only"
    return uuid.UUID(match["job"]), match["attempt"]


def _children(folder: Path, named: re.Pattern[str]) -> list[Path]:
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(each for each in found if named.fullmatch(each.name))


def _is_plain(file: Path) -> bool:
    return file.is_file() and not file.is_symlink()


def _is_removed(file: Path) -> bool:
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        logger.warning("%s cannot be removed: %s", file, error)
        return False
    return True


def _is_old(file: Path) -> bool:
    try:
        return time.time() - file.stat().st_mtime >= _GRACE_SECONDS
    except FileNotFoundError:
        # Its run has given it another name since, or somebody has dismissed the job.
        return False


def _is_abandoned(folder: Path) -> bool:
    if not _is_old(folder):
        return False
    try:
        lock = os.open(folder / LOCK_NAME, os.O_RDWR)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True
