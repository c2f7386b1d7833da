"""What was made already is not made again: a request like an earlier one is given its file.

A job that is given a result has a name of its own for the file, a hard link: whichever of the
two is dismissed or expires first, the other keeps its own, and nothing is counted.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

import marinemap
from marinemap.catalogue.models import Layer
from marinemap.jobs.artifacts import remove_artifact
from marinemap.jobs.conf import job_settings, shares_results
from marinemap.jobs.models import Job
from marinemap.jobs.notify import announce
from marinemap.jobs.owners import viewer_of_owner
from marinemap.jobs.queue import withdraw
from marinemap.jobs.shared_archives import give_artifact, keep_given, link_artifact
from marinemap.jobs.states import JobStatus
from marinemap.jobs.storage import StorageAwayError, is_stored
from marinemap.processes.json_pieces import PiecewiseEncoder
from marinemap.processes.process import Process
from marinemap.tasks.outages import DATABASE_AWAY, drop_connection

logger = logging.getLogger(__name__)

# Of one network address in a day: a row and a name of a file each cost a little, and no rate
# holds them back. Beyond that the same request is run like any other.
_MOST_A_DAY = 1_000
# How long who asked is kept waiting for copies.
_AT_ONCE_SECONDS = 2.0
# Others that wait are given it when their turn comes.
_MOST_AT_ONCE = 200
# How long a worker gives a result to others before it takes the next job.
_GIVEN_FOR_SECONDS = 10.0
# What a job has of the one whose archive it is given.
_SAME = ("message", "artifact_bytes", "media_type", "file_name", "reuse_key")


def key_of(process: Process, kept: Mapping[str, Any]) -> str:
    """Return what names the result of inputs on the data as they are now.

    Parameters
    ----------
    process : Process
    kept : mapping
        Inputs that were checked.

    Returns
    -------
    str
        A digest; empty where a result is not to be given to others, or nobody knows of which
        data it would be.
    """
    if not shares_results():
        return ""
    data = process.data_version(kept) if process.data_version else None
    if data is None:
        return ""
    made_by = [marinemap.__version__, process.id, process.version]
    named = [*made_by, _plain(kept), data]
    text = json.dumps(named, cls=PiecewiseEncoder, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def take_result(job: Job) -> bool:
    """Make a new job one that is done, by the result of an earlier one; tell whether there is one.

    One that lies in a storage is given by :func:`finish_at_once`. Whoever asks has been found to
    be allowed to ask for it: by the checks of the process.

    Parameters
    ----------
    job : Job
        With its key. It is not stored yet, and is not stored here.
    """
    first = _find_done(job)
    if first is None or _has_taken_many(job):
        return False
    # It may go in this very moment, by the hand of its owner.
    name = link_artifact(first, job)
    if name is None:
        return False
    for column, value in _columns_of(first, name, timezone.now()).items():
        setattr(job, column, value)
    return True


def finish_at_once(jobs: Iterable[Job]) -> None:
    """Finish jobs that were stored just now, where a storage has their results.

    For a moment, in which it may copy some: others are given them when their turns come. Nothing
    that goes wrong is an error, for they are stored.

    Parameters
    ----------
    jobs : iterable of Job
        They have their new states then. Their transaction is over.
    """
    if not is_stored():
        return
    deadline = time.monotonic() + _AT_ONCE_SECONDS
    try:
        for job in jobs:
            if time.monotonic() > deadline:
                return
            first = None if job.is_finished else _find_done(job)
            if first and not _has_taken_many(job) and succeed_by(job, first, at_once=True):
                job.refresh_from_db()
    except StorageAwayError as error:
        logger.warning("Results were not given at once: %s", error)
    except DATABASE_AWAY as error:
        logger.warning("Results were not given at once: %s", error)
        drop_connection()


def give_to_waiting(first: Job) -> int:
    """Finish the jobs that wait for the same as one that is done; return how many.

    Each has a message of its own in the queue: where this one had failed, been cancelled or
    killed, they are run in their turn, and nobody has to notice. So are those that are left where
    a storage does not copy the archive; where it is slow, they are given it in their turn.
    """
    if not first.reuse_key or not first.artifact:
        return 0
    waiting = Job.objects.filter(reuse_key=first.reuse_key, status=JobStatus.ACCEPTED, attempt=0)
    found = waiting.order_by("created_at")[:_MOST_AT_ONCE]
    count, deadline = 0, time.monotonic() + _GIVEN_FOR_SECONDS
    try:
        for job in found:
            count += _may_have(job) and succeed_by(job, first, at_once=False)
            if time.monotonic() >= deadline:
                break
    except StorageAwayError as error:
        logger.warning("The result of job %s is given to no others now: %s", first.pk, error)
    return count


def finish_by_another(job_id: uuid.UUID) -> bool:
    """Finish a job whose turn has come, where the same was made meanwhile; tell whether it was."""
    waiting = Job.objects.filter(pk=job_id, status=JobStatus.ACCEPTED, attempt=0)
    job = waiting.exclude(reuse_key="").first()
    first = _find_done(job) if job else None
    if job is None or first is None or not _may_have(job):
        return False
    try:
        return succeed_by(job, first, at_once=False)
    except StorageAwayError:
        # The run waits for it.
        return False


def succeed_by(job: Job, first: Job, *, at_once: bool) -> bool:
    """Finish a waiting job by the archive of another that is the same; tell whether it was done.

    It is not where the job waits no more (cancelled, or begun), or the archive is gone: then
    nothing has changed.

    Parameters
    ----------
    job, first : Job
    at_once : bool
        Whether somebody waits for it: then a storage copies small archives only.

    Raises
    ------
    StorageAwayError
        If the storage does not copy the archive.
    """
    name = give_artifact(first, job, at_once=at_once)
    if name is None:
        return False
    now = timezone.now()
    with transaction.atomic():
        waiting = Job.objects.filter(pk=job.pk, status=JobStatus.ACCEPTED, attempt=job.attempt)
        is_done = waiting.update(
            **_columns_of(first, name, now),
            updated_at=now,
        )
        if is_done and not keep_given(name):
            transaction.set_rollback(True)
            is_done = 0
        if is_done:
            announce(job, JobStatus.SUCCESSFUL)
            transaction.on_commit(lambda: withdraw([job]))
    if not is_done:
        remove_artifact(name)
    return bool(is_done)


def _columns_of(first: Job, name: str, now: datetime) -> dict[str, Any]:
    """Return what the row of a job has that is done by the archive of another."""
    return {
        **{each: getattr(first, each) for each in _SAME},
        "status": JobStatus.SUCCESSFUL,
        "progress": 100,
        "artifact": name,
        "finished_at": now,
        "expires_at": now + job_settings().keep_results,
    }


def _find_done(job: Job) -> Job | None:
    if not job.reuse_key:
        return None
    done = Job.objects.filter(reuse_key=job.reuse_key, status=JobStatus.SUCCESSFUL)
    there = done.filter(expires_at__gt=timezone.now()).exclude(artifact="")
    return there.order_by("-finished_at").first()


def _may_have(job: Job) -> bool:
    """Tell whether the owner of a job may see its layers now; else its run says what is wrong."""
    return not Layer.objects.hidden_from(viewer_of_owner(job.owner), job.layers).exists()


def _has_taken_many(job: Job) -> bool:
    since = timezone.now() - timedelta(days=1)
    # A job that was run has had an attempt.
    taken = Job.objects.filter(
        address=job.address, status=JobStatus.SUCCESSFUL, attempt=0, created_at__gt=since
    )
    return taken.order_by()[:_MOST_A_DAY].count() >= _MOST_A_DAY


def _plain(value: Any) -> Any:
    """Return JSON with one form of each number: 5.0 is 5."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, Mapping):
        return {name: _plain(at) for name, at in value.items()}
    return [_plain(at) for at in value] if isinstance(value, list) else value
