"""``/metrics`` for Prometheus: all derived from database and disk when it is asked for.

Nothing is counted in the memory of a process: there are several, and each ends.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from secrets import compare_digest
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Min
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder

from marinemap.jobs.lease import count_beats, last_tick
from marinemap.jobs.lookout import Lookout
from marinemap.jobs.models import Callback, Job, JobTally
from marinemap.jobs.space import find_disks
from marinemap.jobs.states import FINISHED
from marinemap.jobs.storage import begin_look, is_stored, trouble_of
from marinemap.jobs.tally import BUCKETS
from marinemap.jobs.workers import count_alive
from marinemap.mail.models import Letter
from marinemap.other_brokers import open_queue

# A hundred thousand messages are counted in half a second.
_ANSWER_WITHIN_SECONDS = 8.0
_NAME = "marinemap"
_STATES_OF_MESSAGES = ("waiting", "waiting_for_rate", "due_later", "claimed", "dead")


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer the site's figures, to staff and to who shows ``MARINEMAP_METRICS_TOKEN``."""
    if not _may_read(request):
        raise PermissionDenied(
            "/metrics is for staff, and for programs that show MARINEMAP_METRICS_TOKEN as "
            "'Authorization: Bearer ...'"
        )
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    response = HttpResponse(encode(_registry), content_type=content_type)
    response.headers["Cache-Control"] = "no-store"
    return response


def _may_read(request: HttpRequest) -> bool:
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    token = settings.MARINEMAP_METRICS_TOKEN
    if token and scheme.lower() == "bearer":
        return compare_digest(shown.strip().encode(), token.encode())
    return bool(request.user.is_authenticated and request.user.is_staff)


class _Collector:
    """Gives the figures anew each time; without the database, those of the disk."""

    def collect(self) -> Iterator[Metric]:
        """Yield each metric."""
        yield from _disk()
        yield from _storage()
        try:
            found = _database.ask()
        except Exception:
            # Each database has errors of its own; that it is away is a figure as well.
            found = []
        yield GaugeMetricFamily(
            f"{_NAME}_database_up", "1 while the database answers.", value=float(bool(found))
        )
        yield from found

    def describe(self) -> Iterable[Metric]:
        """Return nothing: else all would be collected to register this."""
        return []


def _collect_from_database() -> list[Metric]:
    return [*_jobs(), *_ended(), *_processes(), *_outgoing(), *_queue()]


_database = Lookout(_collect_from_database, _ANSWER_WITHIN_SECONDS, "metrics")
_registry = CollectorRegistry(auto_describe=False)
_registry.register(_Collector())


def _disk() -> Iterator[Metric]:
    free = _gauge("disk_free_bytes", "Room on the disk of a folder.", "folder")
    total = _gauge("disk_total_bytes", "Size of the disk of a folder.", "folder")
    for disk in find_disks():
        free.add_metric([disk.folder], disk.free_bytes)
        total.add_metric([disk.folder], disk.total_bytes)
    yield from (free, total)


def _storage() -> Iterator[Metric]:
    if is_stored():
        told = "1 while the storage of results answers as it should."
        yield _single("storage_up", told, float(trouble_of(begin_look()) is None))


def _jobs() -> Iterator[Metric]:
    unfinished = Job.objects.order_by().exclude(status__in=FINISHED)
    jobs = _gauge("jobs", "Jobs that wait or run.", "process", "status")
    oldest = _gauge("oldest_job_seconds", "Age of the oldest that waits or runs.", "status")
    ages: dict[str, float] = {}
    for row in unfinished.values("process_id", "status").annotate(
        count=Count("pk"), first=Min("created_at")
    ):
        jobs.add_metric([row["process_id"], row["status"]], row["count"])
        age = max(0.0, time.time() - row["first"].timestamp())
        ages[row["status"]] = max(age, ages.get(row["status"], 0.0))
    for status, age in ages.items():
        oldest.add_metric([status], age)
    yield from (jobs, oldest)


def _ended() -> Iterator[Metric]:
    durations = HistogramMetricFamily(
        f"{_NAME}_job_duration_seconds",
        "How long runs took of jobs that ended; failures by their status.",
        labels=["process", "status"],
    )
    written = CounterMetricFamily(
        f"{_NAME}_artifact_bytes", "Bytes of the archives that were made.", labels=["process"]
    )
    kinds: defaultdict[tuple[str, str], dict[str, JobTally]] = defaultdict(dict)
    written_by: defaultdict[str, int] = defaultdict(int)
    for tally in JobTally.objects.all():
        kinds[tally.process_id, tally.status][tally.bucket] = tally
        written_by[tally.process_id] += tally.artifact_bytes
    for kind, by_bucket in kinds.items():
        counts = [by_bucket[each].count if each in by_bucket else 0 for each in BUCKETS]
        cumulative = [(each, sum(counts[: place + 1])) for place, each in enumerate(BUCKETS)]
        seconds = sum(tally.seconds for tally in by_bucket.values())
        durations.add_metric(list(kind), cumulative, seconds)
    for process_id, count in written_by.items():
        written.add_metric([process_id], count)
    yield from (durations, written)


def _processes() -> Iterator[Metric]:
    beats, _ = count_beats()
    yield _single("workers", "Workers seen in the last half minute.", count_alive())
    yield _single("beats", "Processes with a schedule; one of them follows it.", beats)
    seen_at = last_tick()
    if seen_at is not None:
        told = "Last sign of life of the beat that follows the schedule, since 1970."
        yield _single("beat_last_tick_timestamp_seconds", told, seen_at.timestamp())


def _outgoing() -> Iterator[Metric]:
    yield _single("letters_waiting", "E-mails not sent yet.", Letter.objects.count())
    due = Callback.objects.exclude(due_at=None).count()
    yield _single("callbacks_waiting", "Callbacks that are due and not told yet.", due)


def _queue() -> Iterator[Metric]:
    """Yield what the queue in the database tells; other brokers have exporters of their own."""
    with open_queue() as database:
        if database is None:
            return
        # Imported here: a process that only registers the transport need not wait for it.
        from marinemap.transport.operating.summary import summarize

        summary: Any = summarize(database)
    messages = _gauge("queue_messages", "Messages in the queue.", "queue", "state")
    oldest = _gauge("queue_oldest_seconds", "Age of the oldest that waits.", "queue")
    for queue in summary.queues:
        for state in _STATES_OF_MESSAGES:
            messages.add_metric([queue.queue_name, state], getattr(queue, state))
        oldest.add_metric([queue.queue_name], queue.oldest_seconds)
    left = _gauge("rate_starts_left", "Starts that a task's rate allows now.", "task")
    for rate in summary.rates:
        left.add_metric([rate.task_name], rate.starts_left)
    margin = _gauge("lease_left_seconds", "Time left of a consumer's lease.", "host", "process")
    for one in summary.consumers:
        margin.add_metric([one.hostname, str(one.process_id)], one.lease_seconds_left)
    yield from (messages, oldest, left, margin)


def _gauge(name: str, told: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{_NAME}_{name}", told, labels=labels)


def _single(name: str, told: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{_NAME}_{name}", told, value=value)
