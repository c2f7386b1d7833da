"""A job's message: sent, looked for, and its place in the queue."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from celery import current_app
from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from marinemap.errors import UnavailableError
from marinemap.jobs.models import Job
from marinemap.jobs.owners import is_account
from marinemap.jobs.states import JobStatus
from marinemap.logs import request_id
from marinemap.processes.registry import all_processes
from marinemap.sentences import say

logger = logging.getLogger(__name__)

# By name: the module of tasks imports this one.
RUN_JOB = "marinemap.jobs.tasks.run_job"
RUN_SHORT_JOB = "marinemap.jobs.tasks.run_short_job"
HELP_JOB = "marinemap.jobs.tasks.help_job"
# Of those that wait the ones that came first; one that may begin is among them, or soon is.
_MOST_LOOKED_AT = 20


@dataclass(frozen=True)
class Place:
    """How many requests are ahead of a job, and when the rate lets it start at the earliest."""

    ahead: int
    earliest_start_at: datetime

    @property
    def seconds_until_start(self) -> int:
        """Whole seconds from now, 0 where the time has come."""
        return max(0, math.ceil((self.earliest_start_at - timezone.now()).total_seconds()))

    def in_words(self) -> str:
        """Return the place as a sentence for the job's owner, in the language that is active."""
        seconds = round((self.earliest_start_at - timezone.now()).total_seconds())
        if self.ahead:
            others = ngettext("{count} request is ahead", "{count} requests are ahead", self.ahead)
        else:
            others = _("Nobody is ahead")
        # Workers may be busy for an hour with what is no longer ahead.
        start = _("it starts as soon as a worker is free")
        if seconds > 1:
            start = ngettext(
                "it starts in {seconds} s at the earliest",
                "it starts in {seconds} s at the earliest",
                seconds,
            )
        return f"{others}; {start}.".format(count=self.ahead, seconds=seconds)


def publish(job: Job, *, delay_seconds: float = 0) -> None:
    """Send the message of a job; within a transaction both or neither, on the site's own queue.

    It bears the job's id, by which the queue can be asked for it, and who takes turns with others.
    Another broker takes it after the commit: until then the row says that it is unsent, by which
    :func:`~marinemap.jobs.stalled.requeue_stalled` finds what was lost in between.

    Raises
    ------
    UnavailableError
        If the queue does not take it now.
    """
    task = current_app.tasks[task_of(job)]
    options: dict[str, Any] = {"countdown": delay_seconds} if delay_seconds else {}
    headers = {"owner": turn_of(job), request_id.MESSAGE_HEADER: job.request_id}
    if not _can_be_asked():
        Job.objects.filter(pk=job.pk).update(is_unsent=True)
    try:
        task.apply_async((str(job.pk),), task_id=str(job.pk), headers=headers, **options)
    except Exception as error:
        # Each broker has errors of its own; the message is always sound.
        raise UnavailableError(
            say("the queue does not take the request now; send it again in a moment")
        ) from error
    if not _can_be_asked():
        # Behind the message: where that is not taken, what follows it is not done.
        transaction.on_commit(lambda: Job.objects.filter(pk=job.pk).update(is_unsent=False))


def task_of(job: Job) -> str:
    # One of a process that the site no longer has is run, too: that tells what is wrong.
    process = all_processes().get(job.process_id)
    return RUN_SHORT_JOB if process and process.is_short else RUN_JOB


def turn_of(job: Job) -> str:
    """Return who takes turns with others for a job: an account, or else a network address.

    A cookie costs nothing, and who keeps none is somebody new each time: with turns of their own
    they would always be next. The first job that a browser has waiting takes turns with such ones
    of its address: so a hundred of a colleague's keep nobody else in an office waiting, and an
    address has two turns at most, however many people it seems to be.
    """
    if is_account(job.owner) or not job.address:
        return job.owner
    others = Job.objects.filter(owner=job.owner, status=JobStatus.ACCEPTED).exclude(pk=job.pk)
    is_first = job.is_owner_known and not others.exists()
    return f"{job.address}:first" if is_first else job.address


def check_queue() -> None:
    """Raise the broker's error where it does not answer; of the site's own queue the database's."""
    with _ask("has_message") as ask:
        if ask is not None:
            # Of nobody: it is the question that is to be answered.
            ask("")


def has_message(job: Job) -> bool | None:
    """Tell whether the queue has a job's message; None for a broker that cannot tell."""
    if not _can_be_asked():
        # Nor would it answer while it is away, which is no reason not to look at the rows.
        return None
    with _ask("has_message") as ask:
        return None if ask is None else bool(ask(str(job.pk)))


def withdraw(jobs: Iterable[Job]) -> None:
    """Take the messages of jobs back, so that they take none of the starts that the rate allows.

    Where one cannot be taken back, it is delivered and finds nothing to run: so are all of another
    broker, which is not asked, for it may be mute.
    """
    names = [str(job.pk) for job in jobs] if _can_be_asked() else []
    if not names:
        return
    try:
        with _ask("withdraw_all") as ask:
            if ask is not None:
                ask(names)
    except Exception:
        logger.warning("Messages could not be taken back: %s", ", ".join(names[:5]), exc_info=True)


def find_place(job: Job) -> Place | None:
    """Return the place of a waiting job; see :func:`find_places`."""
    return find_places([job]).get(job.pk)


def find_places(jobs: Iterable[Job]) -> dict[Any, Place]:
    """Return the places of those jobs that wait, by their ids; one question for all.

    RabbitMQ and Redis tell no places: theirs are by the order in which requests came, as these
    deliver them. Places are told as a courtesy: where the queue cannot be asked, none is.
    """
    found = {str(job.pk): job for job in jobs if job.status == JobStatus.ACCEPTED}
    if not found:
        return {}
    if not _can_be_asked():
        return _places_by_rows(found.values())
    waiting = {name: job.pk for name, job in found.items()}
    try:
        with _ask("find_positions") as ask:
            positions = ask(list(waiting)) if ask else {}
    except Exception:
        # The database may have gone since it stored the job, which is told all the same.
        logger.warning("The queue could not be asked for places", exc_info=True)
        return {}
    now = timezone.now()
    return {
        waiting[name]: Place(found.ahead, now + timedelta(seconds=found.seconds_until_start))
        for name, found in positions.items()
    }


def may_one_begin() -> bool:
    """Tell whether a request waits that the rate and its time let begin now.

    Raises
    ------
    django.db.Error
        If the database is away.
    """
    waiting = Job.objects.filter(status=JobStatus.ACCEPTED).order_by("created_at")
    places = find_places(waiting[:_MOST_LOOKED_AT])
    return any(place.seconds_until_start == 0 for place in places.values())


def seconds_between_starts(task_name: str) -> float:
    """Return how far apart the starts of a task are by its rate over all workers, 0 for no rate."""
    rate = str(current_app.tasks[task_name].rate_limit or "")
    number, _, unit = rate.partition("/")
    return {"m": 60, "h": 3600}.get(unit, 1) / float(number) if number else 0.0


def _places_by_rows(jobs: Iterable[Job]) -> dict[Any, Place]:
    """Tell places by what waits in the database; all by one query."""
    jobs = list(jobs)
    short = [each.id for each in all_processes().values() if each.is_short]
    is_short = {job.pk: job.process_id in short for job in jobs}
    before = {
        f"job_{number}": Count(
            "pk",
            filter=Q(created_at__lt=job.created_at)
            & (Q(process_id__in=short) if is_short[job.pk] else ~Q(process_id__in=short)),
        )
        for number, job in enumerate(jobs)
    }
    counts = Job.objects.filter(status=JobStatus.ACCEPTED).aggregate(**before)
    now = timezone.now()
    return {
        job.pk: Place(ahead, now + timedelta(seconds=ahead * seconds_between_starts(task_of(job))))
        for job, ahead in zip(jobs, counts.values(), strict=True)
    }


def _can_be_asked() -> bool:
    """Tell whether the queue can be asked for messages and places, as the site's own."""
    # Set by the composition, which knows the broker.
    return bool(getattr(current_app.tasks[RUN_JOB], "can_be_asked", True))


@contextmanager
def _ask(question: str) -> Iterator[Callable[..., Any] | None]:
    """Give what the channel of a connection answers a question with, if it knows that one."""
    with current_app.connection_or_acquire() as connection:
        # A broker on another machine may be away; by itself kombu would wait for it without end.
        connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
        yield getattr(connection.default_channel, question, None)
