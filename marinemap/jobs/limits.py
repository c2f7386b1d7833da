"""How many jobs may wait: of a person, from a network address, and in all."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import QuerySet

from marinemap.errors import RequestError, UnavailableError
from marinemap.jobs.allowance import own_jobs
from marinemap.jobs.conf import job_settings
from marinemap.jobs.models import Job
from marinemap.jobs.queue import find_place
from marinemap.jobs.states import JobStatus

# Told where the queue cannot say when the next one starts.
_USUAL_WAIT_SECONDS = 60
_SHORTEST_WAIT_SECONDS = 5


class TooManyWaitingError(RequestError):
    """As many jobs as the site allows wait already; one may be sent when another has begun."""

    retry_after_seconds: int = _USUAL_WAIT_SECONDS


class QueueFullError(UnavailableError):
    """As many jobs wait at this site as may, whoever's they are."""

    retry_after_seconds: int = _USUAL_WAIT_SECONDS


def check_room_to_wait(job: Job, count: int = 1) -> None:
    """Refuse a job, or several, that would be too many; asked in the transaction that stores it.

    On PostgreSQL, jobs that are sent at the same instant may pass together.

    Raises
    ------
    TooManyWaitingError, QueueFullError
        With the limit, and when it is worth trying again.
    """
    settings = job_settings()
    waiting = Job.objects.filter(status=JobStatus.ACCEPTED)
    own = own_jobs(job.owner, job.is_owner_known, job.address)
    _check(waiting.filter(own), settings.max_waiting_person, count, "of your requests wait", "")
    if job.address:
        from_address = waiting.filter(address=job.address)
        where = " from your network address"
        _check(from_address, settings.max_waiting_address, count, "requests wait", where)
    where = " at this site"
    _check(waiting, settings.max_waiting, count, "requests wait", where, QueueFullError)


def waiting_of(owner: str, is_owner_known: bool, address: str) -> Iterator[tuple[str, float, int]]:
    """Yield whose jobs wait, how many may, and how many do: of somebody, and of their address."""
    settings = job_settings()
    waiting = Job.objects.filter(status=JobStatus.ACCEPTED).order_by()
    own = waiting.filter(own_jobs(owner, is_owner_known, address))
    yield "person", settings.max_waiting_person, own.count()
    if address:
        from_address = waiting.filter(address=address)
        yield "address", settings.max_waiting_address, from_address.count()


def _check(
    waiting: QuerySet[Job],
    limit: float,
    count: int,
    which: str,
    where: str,
    kind: type[TooManyWaitingError | QueueFullError] = TooManyWaitingError,
) -> None:
    found = waiting.order_by()[: int(limit)].count()
    if found + count <= limit:
        return
    message, hint = _in_words(limit, found, count, which, where)
    error = kind(message, hint=hint)
    oldest = waiting.order_by("created_at").first()
    place = find_place(oldest) if oldest else None
    if place is not None:
        error.retry_after_seconds = max(_SHORTEST_WAIT_SECONDS, place.seconds_until_start)
    raise error


def _in_words(limit: float, found: int, count: int, which: str, where: str) -> tuple[str, str]:
    """Return what is refused, and what to do."""
    if count == 1:
        return (
            f"{limit:,.0f} {which}{where} already, as many as may; send this one when one of them "
            "has begun",
            "Cancel one that you no longer need, or wait.",
        )
    return (
        f"{found:,} {which}{where} already, of {limit:,.0f} that may; these are {count:,}, and "
        f"{limit - found:,.0f} more would fit",
        "Send fewer at a time, or wait.",
    )
