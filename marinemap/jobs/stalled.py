"""Jobs that nothing would run any more: their run died, or their message was lost."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta

from celery.exceptions import OperationalError
from django.db.models import Q
from django.utils import timezone

from marinemap.errors import UnavailableError
from marinemap.jobs import lifecycle, runs
from marinemap.jobs.clock import Pace, database_now
from marinemap.jobs.models import Job
from marinemap.jobs.queue import RUN_JOB, has_message, seconds_between_starts
from marinemap.jobs.states import JobStatus

logger = logging.getLogger(__name__)

# Signs of life come every 10 s, and the queue gives a dead worker's messages back within 30 s.
_SILENT = timedelta(seconds=45)
# How long a run may be silent, by whether the queue has its message. A living worker that holds
# it may have a frozen process, or the database was away and the run is well.
_PATIENCE = {False: _SILENT, True: timedelta(minutes=5), None: runs.STALLED_AFTER}
# A message is sent with its job, in one transaction; other brokers take it a moment later.
_YOUNG = timedelta(seconds=15)
_UNSERVED = timedelta(minutes=10)
# Beyond what the clocks of two machines differ by.
_FAR_AHEAD = timedelta(minutes=10)
_LOOKED_AT_IN_A_ROUND = 500

_pace = Pace()


def requeue_stalled() -> list[str]:
    """Queue again the jobs whose run died or whose message is gone; return their ids.

    Runs give their signs of life by the database's clock, and it is the one that is asked. Where
    it jumped, every run looks dead until its next sign: they are judged in the next round.
    """
    now = database_now()
    if not _pace.is_even(now):
        logger.warning("No job is called dead in this round: the database's clock has jumped")
        return []
    stalled = {job.pk: job for job in (*_dead(now), *_lost(now), *_due_late())}
    return list(_queued_again(list(stalled.values())))


def _queued_again(jobs: list[Job]) -> Iterator[str]:
    for job in jobs:
        try:
            if lifecycle.queue_again(job):
                yield str(job.pk)
        except (UnavailableError, OperationalError) as error:
            # Another broker is away; a later round tries again.
            logger.warning("Job %s is not sent yet: %s", job.pk, error)
            return


def _dead(now: datetime) -> list[Job]:
    # A sign of life from the future was given before the clock was set back: a run that lives
    # gives another, and one that is dead is silent from now.
    ahead = Job.objects.filter(status=JobStatus.RUNNING, alive_at__gt=now + _SILENT)
    ahead.update(alive_at=now)
    silent = Job.objects.filter(status=JobStatus.RUNNING, alive_at__lt=now - _SILENT)
    return [job for job in silent if _is_dead(job, now)]


def _is_dead(job: Job, now: datetime) -> bool:
    patience = _PATIENCE[has_message(job)]
    return job.alive_at is None or job.alive_at < now - patience


def _lost(now: datetime) -> list[Job]:
    """Return waiting jobs without a message; of many, others in each round."""
    young = Q(updated_at__gte=now - _YOUNG, updated_at__lte=now + _SILENT)
    waiting = Job.objects.filter(status=JobStatus.ACCEPTED).exclude(young)
    looked_at = list(waiting.order_by("?")[:_LOOKED_AT_IN_A_ROUND])
    if looked_at and has_message(looked_at[0]) is None:
        unsent = waiting.filter(is_unsent=True)[:_LOOKED_AT_IN_A_ROUND]
        return list({job.pk: job for job in (*unsent, *_unserved(now))}.values())
    return [job for job in looked_at if not has_message(job)]


def _due_late() -> list[Job]:
    """Return jobs that were put off by a clock that was ahead and is right again.

    Their messages are due a minute after that, by the clock as it was then: that of a worker's
    machine, as here.
    """
    ahead = timezone.now() + _FAR_AHEAD
    late = Job.objects.filter(status=JobStatus.ACCEPTED, attempt__gt=0, updated_at__gt=ahead)
    return list(late[:_LOOKED_AT_IN_A_ROUND])


def _unserved(now: datetime) -> list[Job]:
    """Guess which jobs' messages are lost, for a broker that cannot be asked for them.

    Those that waited long, while workers had nothing to do for longer than the rate explains.
    Each is sent again every ten minutes at most.
    """
    between = timedelta(seconds=seconds_between_starts(RUN_JOB))
    quiet_since = now - max(runs.STALLED_AFTER, 2 * between)
    is_at_work = Job.objects.filter(status=JobStatus.RUNNING).exists()
    if is_at_work or Job.objects.filter(started_at__gte=quiet_since).exists():
        return []
    waiting = Job.objects.filter(status=JobStatus.ACCEPTED, updated_at__lt=now - _UNSERVED)
    return list(waiting[:_LOOKED_AT_IN_A_ROUND])
