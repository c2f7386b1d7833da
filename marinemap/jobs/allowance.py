"""How much one may ask for in a day: jobs, and bytes of results, of a person and of an address."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet, Sum
from django.utils import timezone

from marinemap.errors import RequestError
from marinemap.jobs.conf import job_settings
from marinemap.jobs.models import Job
from marinemap.jobs.owners import Sender
from marinemap.sentences import say

_DAY = timedelta(days=1)
_MEGABYTE = 1e6
# In words to whoever asks.
WHOSE = {"person": say("you"), "address": say("your network address")}


class DayIsSpentError(RequestError):
    """As much was asked for within the last day as the operator allows."""

    retry_after_seconds: int = 3600


@dataclass(frozen=True)
class Allowance:
    """What may be asked for within any 24 hours, and what was.

    ``whose`` is ``person`` or ``address``; ``most`` and ``used`` are jobs, or bytes of results.
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
            used -= 1 if self.unit == "jobs" else size or 0
            if used <= most:
                return created_at + _DAY
        return None


def allowances(sender: Sender) -> Iterator[Allowance]:
    """Yield what the operator allows somebody in a day, with what they have asked for."""
    day = job_settings().day_limits
    recent = Job.objects.filter(created_at__gt=timezone.now() - _DAY)
    for name, theirs in sender.counted():
        asked = recent.filter(theirs)
        jobs, size = day.of(name)
        if jobs is not None:
            count = asked.order_by().count()
            yield Allowance(f"day-jobs-{name}", name, "jobs", jobs, count, asked)
        if size is not None:
            given = asked.aggregate(given=Sum("artifact_bytes"))["given"] or 0
            yield Allowance(f"day-bytes-{name}", name, "bytes", size, given, asked)


def check_allowance(sender: Sender, count: int = 1) -> None:
    """Refuse a job, or several, beyond what may be asked for in a day.

    How large a result is, is known when it is there: the one that passes the limit is made.

    Raises
    ------
    DayIsSpentError
        With the limit, what was asked for, and when it is worth trying again.
    """
    for each in allowances(sender):
        left = each.most - each.used
        if left < count if each.unit == "jobs" else left <= 0:
            raise _spent(each, count)


def _spent(allowance: Allowance, count: int) -> DayIsSpentError:
    is_jobs = allowance.unit == "jobs"
    most, used, left = allowance.most, allowance.used, max(0, allowance.most - allowance.used)
    if is_jobs:
        asked = say("{used:,.0f} jobs, of {most:,.0f} that may be", used=used, most=most)
        rest = say(
            "this would be {count:,} more, and {left:,.0f} would fit", count=count, left=left
        )
    else:
        asked = say(
            "{used:,.1f} MB of results, of {most:,.1f} that may be",
            used=used / _MEGABYTE,
            most=most / _MEGABYTE,
        )
        rest = say("no more fits")
    error = DayIsSpentError(
        say(
            "within the last 24 hours {whose} asked for {asked}; {rest}",
            whose=WHOSE[allowance.whose],
            asked=asked,
            rest=rest,
        ),
        hint=say("Try again later, or ask the operator for more."),
    )
    fits_at = allowance.falls_to(most - count if is_jobs else math.nextafter(most, 0))
    if fits_at is not None:
        seconds = (fits_at - timezone.now()).total_seconds()
        error.retry_after_seconds = max(1, math.ceil(seconds))
    return error
