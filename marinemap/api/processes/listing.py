"""The list of processes and what each takes; the list of jobs."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import DurationField, ExpressionWrapper, F, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from marinemap.api.declarations import Document
from marinemap.api.declarations.documents import PRIVATE, never_another
from marinemap.api.identity import jobs_of
from marinemap.api.processes.described import process_description, process_summary, status_info
from marinemap.api.processes.snippets import snippets
from marinemap.api.times import Interval, parse_interval
from marinemap.catalogue.glance import catalogue_as_it_is
from marinemap.errors import RequestError
from marinemap.jobs.models import Job
from marinemap.jobs.queue import find_places
from marinemap.jobs.states import FINISHED, JobStatus
from marinemap.processes.registry import all_processes, get_process
from marinemap.sentences import say

# Where a page of jobs ends: a moment in microseconds, and a job.
_AFTER = re.compile(r"(\d{1,16})-([0-9a-f]{32})")


def processes(request: HttpRequest, limit: int, after: str | None) -> Document:
    """List what can be run."""
    known = sorted(all_processes().items())
    rest = [process for name, process in known if after is None or name > after]
    body: dict[str, Any] = {
        "processes": [process_summary(request, process) for process in rest[:limit]],
        "links": [],
    }
    if len(rest) > limit:
        body["links"].append(_next(request, rest[limit - 1].id))
    return Document(_("Processes"), body, question=never_another)


def process(request: HttpRequest, process_id: str) -> Document:
    """Describe one process."""
    found = get_process(process_id)
    return Document(
        _(found.title),
        process_description(request, found),
        snippets=lambda: snippets(request, found),
        question=catalogue_as_it_is if found.choices else never_another,
    )


def jobs(
    request: HttpRequest,
    limit: int,
    type: list[str] | None,
    process_id: list[str] | None,
    status: list[str] | None,
    datetime: str | None,
    min_duration: int | None,
    max_duration: int | None,
    after: str | None,
) -> Document:
    """List the jobs of whoever asks, the newest first."""
    found = jobs_of(request)
    if process_id:
        found = found.filter(process_id__in=process_id)
    if status:
        found = found.filter(status__in=status)
    if datetime is not None:
        found = _created_within(found, parse_interval(datetime, "datetime"))
    if min_duration is not None or max_duration is not None:
        found = _that_took(found, min_duration, max_duration)
    page = _page(found, after, limit + 1)
    return Document(_("Jobs"), _job_list(request, page, limit), cache_control=PRIVATE)


def _job_list(request: HttpRequest, page: Sequence[Job], limit: int) -> dict[str, Any]:
    listed = page[:limit]
    places = find_places(listed)
    body: dict[str, Any] = {
        "jobs": [status_info(request, job, places.get(job.pk)) for job in listed],
        "links": [],
    }
    if len(page) > limit:
        last = listed[-1]
        body["links"].append(_next(request, f"{_microseconds(last.created_at)}-{last.pk.hex}"))
    return body


def _next(request: HttpRequest, after: str) -> dict[str, Any]:
    query = request.GET.copy()
    query["after"] = after
    href = request.build_absolute_uri(f"{request.path}?{query.urlencode()}")
    return {"href": href, "rel": "next", "type": "application/json", "title": _("The next page")}


def _page(found: QuerySet[Job], after: str | None, count: int) -> list[Job]:
    """Return the jobs after the last of a page; none is counted off that was shown."""
    if after is not None:
        moment, last = _read_after(after)
        found = found.filter(Q(created_at__lt=moment) | Q(created_at=moment, pk__lt=last))
    return list(found.order_by("-created_at", "-pk")[:count])


def _read_after(text: str) -> tuple[datetime, uuid.UUID]:
    match = _AFTER.fullmatch(text)
    if match is None:
        raise RequestError(
            say("not the end of a page; follow the link 'next' of a page"),
            field="after",
            value=text,
        )
    since = timedelta(microseconds=int(match[1]))
    return datetime.fromtimestamp(0, timezone.get_current_timezone()) + since, uuid.UUID(match[2])


def _microseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)


def _created_within(found: QuerySet[Job], interval: Interval) -> QuerySet[Job]:
    if interval.start is not None:
        found = found.filter(created_at__gte=interval.start)
    return found if interval.end is None else found.filter(created_at__lte=interval.end)


def _that_took(found: QuerySet[Job], least: int | None, most: int | None) -> QuerySet[Job]:
    """Return the jobs whose run took, or has taken so far, from and up to so many seconds."""
    took = ExpressionWrapper(F("finished_at") - F("started_at"), output_field=DurationField())
    found = found.annotate(took=took)
    ended = Q(status__in=FINISHED, started_at__isnull=False)
    running = Q(status=JobStatus.RUNNING)
    now = timezone.now()
    if least is not None:
        ended &= Q(took__gte=timedelta(seconds=least))
        running &= Q(started_at__lte=now - timedelta(seconds=least))
    if most is not None:
        ended &= Q(took__lte=timedelta(seconds=most))
        running &= Q(started_at__gte=now - timedelta(seconds=most))
    return found.filter(ended | running)
