"""Whether a request was stored, where its transaction ended in an error."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import IntegrityError, connection, transaction

from marinemap.errors import RequestError, UnavailableError
from marinemap.jobs.limits import QueueFullError
from marinemap.jobs.models import Job
from marinemap.sentences import say
from marinemap.tasks.outages import DATABASE_AWAY, drop_connection, patiently

logger = logging.getLogger(__name__)

# How long whoever asked is kept waiting for the answer whether the job was stored after all.
_ANSWER_WITHIN_SECONDS = 5


@contextmanager
def told_truly(job: Job) -> Iterator[None]:
    """Fail only where a job was not stored: who asked is told the truth.

    Much may fail after the commit, or on the way back from it. A message that another broker did
    not take is sent again by requeue_stalled.
    """
    try:
        yield
    except (RequestError, QueueFullError, IntegrityError):
        raise
    except Exception as error:
        if not _was_kept(job):
            if isinstance(error, (*DATABASE_AWAY, UnavailableError)):
                raise UnavailableError(
                    say("the request could not be stored; send it again in a moment")
                ) from error
            raise
        logger.warning("Job %s was stored, although: %s", job.pk, error, exc_info=True)


def _was_kept(job: Job) -> bool:
    """Tell whether a job is stored whose transaction ended in an error: it may yet be."""
    if connection.in_atomic_block:
        return False
    drop_connection()
    try:
        return patiently(lambda: _is_stored(job), seconds=_ANSWER_WITHIN_SECONDS)
    except DATABASE_AWAY:
        return False


def _is_stored(job: Job) -> bool:
    """Tell it for good: cut off amid the commit, a server goes on with it."""
    is_seen = Job.objects.filter(pk=job.pk).exists()
    if is_seen or connection.vendor != "postgresql":
        return is_seen
    try:
        with transaction.atomic():
            # Who stores the same id waits until the first one has ended, either way.
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = '{_ANSWER_WITHIN_SECONDS}s'")
            Job(pk=job.pk).save(force_insert=True)
            transaction.set_rollback(True)
    except IntegrityError:
        return True
    return False
