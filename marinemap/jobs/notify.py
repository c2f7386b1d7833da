"""Tell whoever asked how a job goes: posts to the addresses that came with it.

What is to be told is a row, written with what it tells of in one transaction, and removed when
it was told: whatever dies in between, it is told at least once.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from operator import itemgetter
from urllib.parse import urlsplit

from django.core.exceptions import ObjectDoesNotExist
from django.db import IntegrityError
from django.db.models import Exists, OuterRef, Subquery, Window
from django.db.models.functions import Coalesce, RowNumber
from django.utils import timezone

from marinemap.errors import MarineMapError
from marinemap.jobs import batch_callbacks
from marinemap.jobs.models import Callback, Delivery, Job
from marinemap.jobs.posting import GONE, Call, Posts
from marinemap.jobs.signing import sign
from marinemap.jobs.states import FINISHED, JobStatus
from marinemap.jobs.told import body_of
from marinemap.logs import request_id
from marinemap.mail.outbox import Outbox

# By the member of a subscriber that names the address (OGC 18-062r2, subscriber.yaml).
EVENTS = {
    "successUri": JobStatus.SUCCESSFUL,
    "inProgressUri": JobStatus.RUNNING,
    "failedUri": JobStatus.FAILED,
}
_outbox = Outbox(
    lease=timedelta(minutes=2),
    first_pause=timedelta(seconds=10),
    longest_pause=timedelta(hours=1),
    tried_for=timedelta(days=1),
)
_KEPT_FOR = timedelta(days=30)
# Of every five: other periodic tasks have the rest.
_ROUND_SECONDS = 1.0
# Percent that a job comes further between two posts of its progress: five at most of each.
_PROGRESS_STEP = 20
# More than may be under way, so that hosts without any are among them.
_MOST_LOOKED_AT = 100

_posts = Posts()
_taken: dict[int, Callback] = {}
# Of a worker with threads there may be two at once.
_one_round = threading.Lock()


@dataclass(frozen=True)
class Subscriber:
    """Who wants to be told: an address for each state, and where this API is seen from outside."""

    addresses: Mapping[JobStatus, str]
    api: str

    def callbacks(self, job: Job, *, is_of_batch: bool = False) -> list[Callback]:
        """Return the rows of a job, or of all that came with it; none is due before its state."""
        common = {"job": job, "api": self.api, "is_of_batch": is_of_batch}
        return [
            Callback(status=status, uri=uri, host=host_of(uri), **common)
            for status, uri in self.addresses.items()
        ]


def announce(job: Job, status: JobStatus) -> None:
    """Let it be told that a job has reached a state; within the transaction that says so."""
    now = timezone.now()
    own = Callback.objects.filter(job_id=job.pk, is_of_batch=False)
    own.filter(status=status, reached_at=None).update(due_at=now, reached_at=now)
    if status in FINISHED:
        # Of the other end, and of steps that it never made, nothing will be told.
        own.filter(due_at=None).delete()


def forget_old() -> None:
    """Remove what was kept of deliveries a month ago."""
    Delivery.objects.filter(sent_at__lt=timezone.now() - _KEPT_FOR).delete()


def host_of(uri: str) -> str:
    """Return the host of an address that was checked: of all that it is to be told, in turn."""
    return urlsplit(uri).hostname or ""


def tell_due() -> list[str]:
    """Tell what is due; return what became of each that ended.

    Those who do not answer within a second are waited for in the background: a later round says
    what became of them. So the queue of this task is never held up by a receiver.
    """
    told: list[str] = []
    _let_steps_be_due()
    batch_callbacks.let_be_due()
    until = time.monotonic() + _ROUND_SECONDS
    begun: set[int] = set()
    with _one_round:
        while True:
            told += _settle_ended(0)
            begun |= _begin_due(told)
            left = until - time.monotonic()
            if left <= 0 or not any(number in _posts for number in begun):
                return told
            told += _settle_ended(left)


def _let_steps_be_due() -> None:
    """Let it be told again how far those have come who are a step further than was told."""
    now = timezone.now()
    told = Callback.objects.filter(status=JobStatus.RUNNING, due_at=None, reached_at__isnull=False)
    running = Job.objects.filter(pk=OuterRef("job_id"), status=JobStatus.RUNNING)
    further = running.filter(progress__gte=OuterRef("told_progress") + _PROGRESS_STEP)
    # The message's id tells the step: it is another message.
    reached = Subquery(running.values("progress"))
    told.filter(Exists(further)).update(
        due_at=now, reached_at=now, attempts=0, told_progress=Coalesce(reached, 100)
    )


def _begin_due(told: list[str]) -> set[int]:
    """Begin as many as there is room for; hosts with fewer under way first."""
    begun = set()
    for callback in _due():
        # A process that stood still for as long as its lease has posts of before it under way.
        if callback.pk in _posts:
            continue
        if not _posts.has_room(callback.host) or not _outbox.take(callback):
            continue
        try:
            body = json.dumps(body_of(callback)).encode()
        except (MarineMapError, ObjectDoesNotExist) as error:
            # Such as of a process that the site no longer has; others are told all the same.
            told.append(_end(callback, f"nothing can be told: {error}"))
            continue
        _taken[callback.pk] = callback
        # The operator's own addresses may be in the operator's own network.
        call = Call(callback.uri, body, _headers(callback, body), is_trusted=callback.job is None)
        _posts.begin(callback.pk, callback.host, call)
        begun.add(callback.pk)
    return begun


def _headers(callback: Callback, body: bytes) -> dict[str, str]:
    signed = sign(callback.message_id, int(time.time()), body, callback.host)
    number = callback.job.request_id if callback.job else ""
    return {**signed, request_id.HEADER: number} if number else signed


def _due() -> list[Callback]:
    """Return what is due, in the order in which hosts have their turns."""
    by_age = Window(RowNumber(), partition_by="host", order_by=["due_at", "pk"])
    due = Callback.objects.filter(_outbox.is_due()).annotate(turn=by_age)
    first = due.order_by("turn", "attempts", "due_at").select_related("job")[:_MOST_LOOKED_AT]
    loads = _posts.under_way
    places = []
    for callback in first:
        loads[callback.host] += 1
        # What was never tried goes first: the many who were mute before do not delay a new one.
        places.append((loads[callback.host], callback.attempts, callback.due_at, callback.pk))
    by_place = sorted(zip(places, first, strict=True), key=itemgetter(0))
    return [callback for _, callback in by_place]


def _settle_ended(seconds: float) -> list[str]:
    return [_settle(_taken.pop(number), wrong) for number, wrong in _posts.ended(seconds)]


def _settle(callback: Callback, wrong: str) -> str:
    _record(callback, wrong)
    if wrong == GONE:
        return _forget_address(callback)
    if wrong:
        return _try_later(callback, f"{callback.host} was not told: {wrong}")
    if callback.status == JobStatus.RUNNING and callback.job:
        return _keep_for_next_step(callback)
    return _end(callback, f"{callback.host} was told")


def _forget_address(callback: Callback) -> str:
    """Tell an address nothing more of what was asked for so far."""
    Callback.objects.filter(host=callback.host, uri=callback.uri).delete()
    return f"{callback.subject}: {callback.host} wants to be told no more (410)"


def _record(callback: Callback, wrong: str) -> None:
    # The job may have been removed since, with all that is kept of it.
    if callback.job_id and not Job.objects.filter(pk=callback.job_id).exists():
        return
    with suppress(IntegrityError):
        Delivery.objects.create(
            job_id=callback.job_id,
            message_id=callback.message_id,
            status=callback.status,
            event=callback.event,
            host=callback.host,
            attempt=callback.attempts,
            outcome=wrong[:300] or "taken",
            was_taken=not wrong,
        )


def _end(callback: Callback, what: str) -> str:
    Callback.objects.filter(pk=callback.pk).delete()
    return f"{callback.subject}: {what}"


def _keep_for_next_step(callback: Callback) -> str:
    # Unless the job has ended meanwhile: then there is no further step, and its row is gone.
    mine = Callback.objects.filter(pk=callback.pk, due_at=callback.due_at)
    mine.exclude(job__status__in=FINISHED).update(due_at=None)
    mine.filter(job__status__in=FINISHED).delete()
    return f"{callback.subject}: {callback.host} was told"


def _try_later(callback: Callback, why: str) -> str:
    reached_at = callback.reached_at
    pause = _outbox.try_later(callback, reached_at) if reached_at else None
    if pause is None:
        return _end(callback, f"{why}; given up")
    return f"{callback.subject}: {why}; tried again in {pause.total_seconds():g} s"
