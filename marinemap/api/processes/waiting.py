"""Keep who asked waiting for the end of a run, for a while that the operator sets."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.http import HttpRequest

from marinemap.jobs.models import Job
from marinemap.jobs.queue import find_place
from marinemap.tasks.outages import DATABASE_AWAY

# How the web server says what gives the news, where it can: whether the client has gone.
_IS_GONE = "marinemap.is_gone"
# Threads of the web server that may wait for runs; others are for others.
_AT_A_TIME = 3
_waiting = threading.Semaphore(_AT_A_TIME)
# How often a job is looked at: soon at first, for a small one takes half a second.
_SHORTEST_SECONDS, _LONGEST_SECONDS = 0.05, 0.4


@contextmanager
def turn_to_wait() -> Iterator[bool]:
    """Tell whether this request may wait: not where as many do as may."""
    has_turn = _waiting.acquire(blocking=False)
    try:
        yield has_turn
    finally:
        if has_turn:
            _waiting.release()


def ended_within(request: HttpRequest, job: Job, seconds: float) -> Job | None:
    """Return a job as it ended; None where that takes longer, or cannot be waited for.

    Nor is it waited for once who asked has gone: others wait for that place.

    Nobody waits for what the rate lets start later only, or where the database has gone since it
    stored the job: that is told all the same.
    """
    place = find_place(job) if seconds > 0 else None
    if seconds <= 0 or (place is not None and place.seconds_until_start > seconds):
        return None
    with turn_to_wait() as has_turn:
        try:
            return _looked_at(request, job, seconds) if has_turn else None
        except DATABASE_AWAY:
            return None


def _looked_at(request: HttpRequest, job: Job, seconds: float) -> Job | None:
    is_gone = request.META.get(_IS_GONE, bool)
    deadline, pause = time.monotonic() + seconds, _SHORTEST_SECONDS
    while True:
        found = Job.objects.get(pk=job.pk)
        if found.is_finished:
            return found
        left = deadline - time.monotonic()
        if left <= 0 or is_gone():
            return None
        time.sleep(min(pause, left))
        pause = min(pause * 1.3, _LONGEST_SECONDS)
