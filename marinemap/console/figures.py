"""What an operator wants to know first: what waits, what runs, what failed, what is left."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Count, Sum
from django.db.models.functions import TruncHour
from django.utils import timezone

from marinemap.catalogue.models import Layer
from marinemap.jobs.health import health_of_site
from marinemap.jobs.lookout import Lookout
from marinemap.jobs.models import Delivery, Job
from marinemap.jobs.space import find_disks
from marinemap.jobs.states import JobStatus
from marinemap.mail.models import Letter
from marinemap.other_brokers import open_queue
from marinemap.transport.operating.summary import Summary, summarize

HOURS = 24
_FAILURES = 5
# A page that shows less is better than one that does not come.
_ANSWER_WITHIN_SECONDS = 4.0


@dataclass(frozen=True)
class Hour:
    """What ended within an hour that begins at ``begins_at``; bytes are those of archives."""

    begins_at: datetime
    successful: int = 0
    failed: int = 0
    written_bytes: int = 0


@dataclass(frozen=True)
class Figures:
    """The service at one look.

    ``queue`` is None where another broker carries the messages, which has figures of its own.
    """

    waiting: int
    running: int
    oldest_waits_since: datetime | None
    hours: Sequence[Hour]
    failures: Sequence[Job]
    troubled: Sequence[Layer]
    letters_waiting: int
    deliveries_failed: int
    queue: Summary | None

    @property
    def successful(self) -> int:
        """How many jobs were successful within the last day."""
        return sum(hour.successful for hour in self.hours)

    @property
    def failed(self) -> int:
        """How many failed within the last day."""
        return sum(hour.failed for hour in self.hours)

    @property
    def written_bytes(self) -> int:
        """How many bytes the archives of the last day have."""
        return sum(hour.written_bytes for hour in self.hours)

    @property
    def dead(self) -> int:
        """How many messages were given up and still lie there."""
        return sum(queue.dead for queue in self.queue.queues) if self.queue else 0


def figures_of_service() -> dict[str, Any]:
    """Return what the first page shows, within a few seconds whatever the database does."""
    found: dict[str, Any] = {"health": health_of_site(), "disks": list(find_disks())}
    try:
        return found | {"figures": _look.ask()}
    except Exception as error:
        # Each database has errors of its own; the page says that there are no figures.
        return found | {"no_figures": type(error).__name__}


def _gather() -> Figures:
    now = timezone.now()
    states = dict(
        Job.objects.order_by()
        .filter(status__in=(JobStatus.ACCEPTED, JobStatus.RUNNING))
        .values_list("status")
        .annotate(count=Count("pk"))
    )
    waiting = Job.objects.filter(status=JobStatus.ACCEPTED).order_by("created_at")
    recent = Job.objects.filter(finished_at__gt=now - timedelta(hours=HOURS))
    day_ago = now - timedelta(days=1)
    return Figures(
        waiting=states.get(JobStatus.ACCEPTED, 0),
        running=states.get(JobStatus.RUNNING, 0),
        oldest_waits_since=waiting.values_list("created_at", flat=True).first(),
        hours=_hours(recent, now),
        failures=list(recent.filter(status=JobStatus.FAILED).order_by("-finished_at")[:_FAILURES]),
        troubled=list(Layer.objects.exclude(trouble="").order_by("pk")),
        letters_waiting=Letter.objects.count(),
        deliveries_failed=Delivery.objects.filter(was_taken=False, sent_at__gt=day_ago).count(),
        queue=_queue(),
    )


def _hours(recent: Any, now: datetime) -> list[Hour]:
    """Return the last hours, the oldest first; those in which nothing ended as well."""
    rows = (
        recent.order_by()
        .annotate(hour=TruncHour("finished_at", tzinfo=UTC))
        .values("hour", "status")
        .annotate(count=Count("pk"), size=Sum("artifact_bytes"))
    )
    found: defaultdict[datetime, dict[str, tuple[int, int]]] = defaultdict(dict)
    for row in rows:
        found[row["hour"]][row["status"]] = (row["count"], row["size"] or 0)
    this = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return [
        _hour(begins_at, found[begins_at])
        for begins_at in (this - timedelta(hours=ago) for ago in reversed(range(HOURS)))
    ]


def _hour(begins_at: datetime, ended: dict[str, tuple[int, int]]) -> Hour:
    successful, written = ended.get(JobStatus.SUCCESSFUL, (0, 0))
    failed, _ = ended.get(JobStatus.FAILED, (0, 0))
    return Hour(begins_at, successful, failed, written)


def _queue() -> Summary | None:
    with open_queue() as database:
        return None if database is None else summarize(database)


_look = Lookout(_gather, _ANSWER_WITHIN_SECONDS, "console")
