"""How many jobs may wait: of a person, from a network address, and in all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import QuerySet

from marinemap.errors import RequestError, UnavailableError
from marinemap.jobs.conf import job_settings
from marinemap.jobs.models import Job
from marinemap.jobs.owners import Sender
from marinemap.jobs.queue import find_place
from marinemap.jobs.states import JobStatus
from marinemap.sentences import say

# Told where the queue cannot say when the next one starts.
_USUAL_WAIT_SECONDS = 60
_SHORTEST_WAIT_SECONDS = 5
_WHICH = {
    "person": say("of your requests wait"),
    "address": say("requests wait from your network address"),
}


class TooManyWaitingError(RequestError):
    """As many jobs as the site allows wait already; one may be sent when another has begun."""

    retry_after_seconds: int = _USUAL_WAIT_SECONDS


class QueueFullError(UnavailableError):
    """As many jobs wait at this site as may, whoever's they are."""

    retry_after_seconds: int = _USUAL_WAIT_SECONDS


@dataclass(frozen=True)
class Room:
    """How many jobs of somebody may wait, and which do.

    ``whose`` is ``person`` or ``address``.
    """

    whose: str
    most: float
    waiting: QuerySet[Job]


def rooms_of(sender: Sender) -> Iterator[Room]:
    """Yield how many jobs of somebody, and from their network address, may wait."""
    settings = job_settings()
    most = {"person": settings.max_waiting_person, "address": settings.max_waiting_address}
    for whose, theirs in sender.counted():
        yield Room(whose, most[whose], _waiting().filter(theirs))


def check_room_to_wait(sender: Sender, count: int = 1) -> None:
    """Refuse a job, or several, that would be too many; asked in the transaction that stores it.

    On PostgreSQL the limit of all may be passed by jobs that are sent at the same instant.

    Raises
    ------
    TooManyWaitingError, QueueFullError
        With the limit, and when it is worth trying again.
    """
    for room in rooms_of(sender):
        _check(room.waiting, room.most, count, _WHICH[room.whose])
    most = job_settings().max_waiting
    _check(_waiting(), most, count, say("requests wait at this site"), QueueFullError)


def _waiting() -> QuerySet[Job]:
    return Job.objects.filter(status=JobStatus.ACCEPTED).order_by()


def _check(
    waiting: QuerySet[Job],
    limit: float,
    count: int,
    which: str,
    kind: type[TooManyWaitingError | QueueFullError] = TooManyWaitingError,
) -> None:
    found = waiting[: int(limit)].count()
    if found + count <= limit:
        return
    message, hint = _in_words(limit, found, count, which)
    error = kind(message, hint=hint)
    oldest = waiting.order_by("created_at").first()
    place = find_place(oldest) if oldest else None
    if place is not None:
        error.retry_after_seconds = max(_SHORTEST_WAIT_SECONDS, place.seconds_until_start)
    raise error


def _in_words(limit: float, found: int, count: int, which: str) -> tuple[str, str]:
    """Return what is refused, and what to do."""
    if count == 1:
        return (
            say(
                "{limit:,.0f} {which} already, as many as may; send this one when one of them has "
                "begun",
                limit=limit,
                which=which,
            ),
            say("Cancel one that you no longer need, or wait."),
        )
    return (
        say(
            "{found:,} {which} already, of {limit:,.0f} that may; these are {count:,}, and "
            "{left:,.0f} more would fit",
            found=found,
            which=which,
            limit=limit,
            count=count,
            left=limit - found,
        ),
        say("Send fewer at a time, or wait."),
    )
