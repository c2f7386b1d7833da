"""Where a waiting job stands in the queue, and when it may start."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from celery import current_app
from django.utils import timezone

from marinemap.jobs.models import Job
from marinemap.jobs.states import JobStatus


@dataclass(frozen=True)
class Place:
    """How many requests are ahead of a job, and when the rate lets it start at the earliest."""

    ahead: int
    earliest_start_at: datetime

    def in_words(self) -> str:
        """Return the place as a sentence for the job's owner."""
        seconds = round((self.earliest_start_at - timezone.now()).total_seconds())
        others = {0: "Nobody is", 1: "1 request is"}.get(self.ahead, f"{self.ahead} requests are")
        start = f"it starts in {seconds} s at the earliest" if seconds > 1 else "it may start now"
        return f"{others} ahead; {start}."


def find_place(job: Job) -> Place | None:
    """Return the place of a waiting job; None for another job, or a broker that cannot tell.

    The message bears the job's id. Only the queue in the site's own database tells places;
    RabbitMQ and Redis do not.
    """
    if job.status != JobStatus.ACCEPTED:
        return None
    with current_app.connection_or_acquire() as connection:
        find_position = getattr(connection.default_channel, "find_position", None)
        position = find_position(str(job.pk)) if find_position else None
    if position is None:
        return None
    start = timezone.now() + timedelta(seconds=position.seconds_until_start)
    return Place(position.ahead, start)
