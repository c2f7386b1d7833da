"""What is wrong with the site, told to its operator: once when it begins, and once when it ends."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from marinemap.catalogue.models import Layer
from marinemap.jobs.conf import alert_bounds, job_settings, operator_events, operator_webhooks
from marinemap.jobs.models import Alarm, Callback, Job
from marinemap.jobs.notify import host_of, tell_due
from marinemap.jobs.states import JobStatus
from marinemap.jobs.storage import begin_look, trouble_of
from marinemap.jobs.workers import count_alive, find_missing, is_nobody_left

logger = logging.getLogger(__name__)

JOB_FAILED = "job.failed"
LAYER_UNREADABLE = "layer.unreadable"
WORKER_MISSING = "worker.missing"
QUEUE_GROWING = "queue.growing"
DISK_LOW = "disk.low"
STORAGE_AWAY = "storage.away"
# What a broken site of many layers may tell at once.
_MOST_ALARMS = 100
_MEGABYTE = 1e6
_STANDS_IN_EVERY_SECONDS = 60


def tell_operator(event: str, data: Mapping[str, Any]) -> None:
    """Let the operator's addresses be told; within the transaction of what it tells."""
    if event not in operator_events():
        return
    now = timezone.now()
    # As Standard Webhooks 1.0 has a payload.
    document = {"type": event, "timestamp": now.isoformat(), "data": dict(data)}
    Callback.objects.bulk_create(
        Callback(
            event=event,
            document=document,
            uri=uri,
            host=host_of(uri),
            due_at=now,
            reached_at=now,
        )
        for uri in operator_webhooks()
    )


def watch() -> list[str]:
    """Look what is wrong, and tell what has changed since the last look; return that in words."""
    found = {name: (event, words[:500]) for name, event, words in _wrong()}
    known = {alarm.pk: alarm for alarm in Alarm.objects.all()}
    told = []
    for name in list(found.keys() - known.keys())[:_MOST_ALARMS]:
        told += _begin(name, *found[name])
    for name in known.keys() - found.keys():
        told += _end(known[name])
    return told


def stand_in() -> None:
    """Watch from a web server, in a thread: where no worker is left, it tells."""
    if operator_webhooks():
        threading.Thread(target=_keep_standing_in, name="watch", daemon=True).start()


def stand_in_once() -> None:
    """Watch, and tell what is due, if no worker does."""
    if count_alive():
        return
    for told in watch() + tell_due():
        logger.info("Operator: %s", told)


def _keep_standing_in() -> None:
    over = threading.Event()
    # A site that is started as a whole has its worker by then.
    while not over.wait(_STANDS_IN_EVERY_SECONDS):
        try:
            stand_in_once()
        except Exception as error:
            # Such as a database that is away; the next round goes on.
            logger.warning("The site could not be watched just now: %s", error)
        finally:
            connection.close()


def _begin(name: str, event: str, words: str) -> list[str]:
    with transaction.atomic():
        alarm, is_new = Alarm.objects.get_or_create(
            pk=name, defaults={"event": event, "words": words}
        )
        # Of two that look at once, one tells.
        if is_new:
            tell_operator(event, _described(alarm, "begun"))
    return [f"{event}: {words}"] if is_new else []


def _end(alarm: Alarm) -> list[str]:
    with transaction.atomic():
        gone, _ = Alarm.objects.filter(pk=alarm.pk, since=alarm.since).delete()
        if gone:
            tell_operator(alarm.event, _described(alarm, "ended"))
    return [f"{alarm.event} is over: {alarm.words}"] if gone else []


def _described(alarm: Alarm, state: str) -> dict[str, str]:
    return {
        "state": state,
        "subject": alarm.pk.partition(" ")[2],
        "message": alarm.words,
        "since": alarm.since.isoformat(),
    }


def _wrong() -> Iterator[tuple[str, str, str]]:
    """Yield the name of each thing that is wrong, the event that tells it, and words."""
    for event, look in (
        (WORKER_MISSING, _missing_workers),
        (QUEUE_GROWING, _growing_queue),
        (DISK_LOW, _low_disks),
        (STORAGE_AWAY, _away_storage),
        (LAYER_UNREADABLE, _unreadable_layers),
    ):
        for subject, words in look():
            yield f"{event} {subject}"[:300], event, words


def _missing_workers() -> Iterator[tuple[str, str]]:
    if is_nobody_left():
        yield "all", "no worker is alive: jobs wait"
    for name in find_missing():
        yield name, f"worker {name} gives no sign of life, and did not stop in order"


def _growing_queue() -> Iterator[tuple[str, str]]:
    most_wait, _ = alert_bounds()
    waiting = Job.objects.filter(status=JobStatus.ACCEPTED).order_by()
    if waiting.filter(created_at__lt=timezone.now() - most_wait).exists():
        minutes = most_wait.total_seconds() / 60
        yield "wait", f"a job waits for more than {minutes:g} minutes; {waiting.count()} wait"
    most = job_settings().max_waiting
    if waiting[: int(most)].count() > most / 2:
        yield "count", f"more than half of the {most:,.0f} jobs wait that may"


def _low_disks() -> Iterator[tuple[str, str]]:
    _, least = alert_bounds()
    settings = job_settings()
    for folder in (settings.work, settings.artifacts):
        try:
            disk = os.statvfs(folder if folder.exists() else settings.home)
        except OSError as error:
            yield folder.name, f"{folder.name}: {error.strerror}"
            continue
        if disk.f_bavail * disk.f_frsize < least:
            yield folder.name, f"less than {least / _MEGABYTE:,.0f} MB are free for {folder.name}/"


def _away_storage() -> Iterator[tuple[str, str]]:
    trouble = trouble_of(begin_look())
    if trouble:
        yield "results", f"{trouble}: jobs wait"


def _unreadable_layers() -> Iterator[tuple[str, str]]:
    troubled = Layer.objects.exclude(trouble="").values_list("pk", "title", "trouble")
    for name, title, trouble in troubled[:_MOST_ALARMS]:
        yield name, f"{title}: {trouble}"
