"""How much one may ask for in a day: jobs, and bytes of results, of a person and of an address."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet, Sum
from django.utils import timezone

from marinemap.errors import RequestError
from marinemap.jobs.conf import job_settings
from marinemap.jobs.models import Job

_DAY = timedelta(days=1)
_MEGABYTE = 1e6


class DayIsSpentError(RequestError):
    """As much was asked for within the last day as the operator allows."""

    retry_after_seconds: int = 3600


@dataclass(frozen=True)
class Allowance:
    """What may be asked for within any 24 hours, and what was.

    ``most`` and ``used`` are jobs, or bytes of results.
    """

    id: str
    whose: str
    unit: str
    most: float
    used: float
    _recent: QuerySet[Job]

    def falls_to(self, most: float) -> datetime | None:
        """Return when so much is used at most, as the jobs of the last day grow old."""
        used = self.used
        rows = self._recent.order_by("created_at").values_list("created_at", "artifact_bytes")
        for created_at, size in rows.iterator():
            if used <= most:
                break
            used -= 1 if self.unit == "jobs" else size or 0
            freed = created_at + _DAY
        else:
            return None if used > most else freed
        return freed


def own_jobs(owner: str, is_owner_known: bool, address: str) -> Q:
    """Return which jobs count as those of whoever asks.

    Who keeps no cookie is known by the network address only.
    """
    own = Q(owner=owner)
    return own if is_owner_known or not address else own | Q(is_owner_known=False, address=address)


def allowances(owner: str, is_owner_known: bool, address: str) -> Iterator[Allowance]:
    """Yield what the operator allows somebody in a day, with what they have asked for."""
    day = job_settings().day_limits
    recent = Job.objects.filter(created_at__gt=timezone.now() - _DAY)
    people = {"person": recent.filter(own_jobs(owner, is_owner_known, address))}
    if address:
        people["address"] = recent.filter(address=address)
    words = {"person": "you", "address": "your network address"}
    for name, asked in people.items():
        jobs, size = day.of(name)
        if jobs is not None:
            count = asked.order_by().count()
            yield Allowance(f"day-jobs-{name}", words[name], "jobs", jobs, count, asked)
        if size is not None:
            given = asked.aggregate(given=Sum("artifact_bytes"))["given"] or 0
            yield Allowance(f"day-bytes-{name}", words[name], "bytes", size, given, asked)


def check_allowance(job: Job, count: int = 1) -> None:
    """Refuse a job, or several, beyond what may be asked for in a day.

    How large a result is, is known when it is there: the one that passes the limit is made.

    Raises
    ------
    DayIsSpentError
        With the limit, what was asked for, and when it is worth trying again.
    """
    for each in allowances(job.owner, job.is_owner_known, job.address):
        left = each.most - each.used
        if left < count if each.unit == "jobs" else left <= 0:
            raise _spent(each, count)


def _spent(allowance: Allowance, count: int) -> DayIsSpentError:
    is_jobs = allowance.unit == "jobs"
    most, used, left = allowance.most, allowance.used, max(0, allowance.most - allowance.used)
    if is_jobs:
        asked = f"{used:,.0f} jobs, of {most:,.0f} that may be"
        rest = f"this would be {count:,} more, and {left:,.0f} would fit"
    else:
        asked = f"{used / _MEGABYTE:,.1f} MB of results, of {most / _MEGABYTE:,.1f} that may be"
        rest = "no more fits"
    error = DayIsSpentError(
        f"within the last 24 hours {allowance.whose} asked for {asked}; {rest}",
        hint="Try again later, or ask the operator for more.",
    )
    fits_at = allowance.falls_to(most - count if is_jobs else math.nextafter(most, 0))
    if fits_at is not None:
        seconds = (fits_at - timezone.now()).total_seconds()
        error.retry_after_seconds = max(1, math.ceil(seconds))
    return error
