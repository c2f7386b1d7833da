"""Tell whoever asked how a job goes: posts to the addresses that came with it.

What is to be told is a row, written with what it tells of in one transaction, and removed when
it was told: whatever dies in between, it is told at least once.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from marinemap.jobs.egress import post_json
from marinemap.jobs.models import Callback, Job, JobDocuments
from marinemap.jobs.states import JobStatus
from marinemap.processes.registry import get_process

logger = logging.getLogger(__name__)

# By the member of a subscriber that names the address (OGC 18-062r2, subscriber.yaml).
EVENTS = {
    "successUri": JobStatus.SUCCESSFUL,
    "inProgressUri": JobStatus.RUNNING,
    "failedUri": JobStatus.FAILED,
}
# After each failure twice as long is waited, an hour at most: for about a day in all.
_FIRST_PAUSE = timedelta(seconds=10)
_LONGEST_PAUSE = timedelta(hours=1)
_MOST_ATTEMPTS = 32
# Who tells has the row for so long; then another may.
_LEASE = timedelta(minutes=2)
# Of one round, so that other periodic tasks have their turn: each takes 10 s at most.
_IN_A_ROUND = 10


@dataclass(frozen=True)
class Subscriber:
    """Who wants to be told: an address for each state, and where this API is seen from outside."""

    addresses: Mapping[JobStatus, str]
    api: str

    def callbacks(self, job: Job) -> list[Callback]:
        """Return the rows of a job; none is due before its state is reached."""
        return [
            Callback(job=job, status=status, uri=uri, api=self.api)
            for status, uri in self.addresses.items()
        ]


def announce(job: Job, status: JobStatus) -> None:
    """Let it be told that a job has reached a state; within the transaction that says so."""
    Callback.objects.filter(job_id=job.pk, status=status, due_at=None).update(due_at=timezone.now())


def tell_due() -> list[str]:
    """Tell what is due; return what became of each."""
    now = timezone.now()
    due = Callback.objects.filter(due_at__lte=now).order_by("due_at")[:_IN_A_ROUND]
    return [_tell(callback) for callback in due.select_related("job") if _take(callback, now)]


def _take(callback: Callback, now: datetime) -> bool:
    """Take a row for a while, unless another has it by now."""
    mine = Callback.objects.filter(pk=callback.pk, due_at=callback.due_at)
    return bool(mine.update(due_at=now + _LEASE, attempts=callback.attempts + 1))


def _tell(callback: Callback) -> str:
    what = f"job {callback.job_id} is {callback.status}"
    try:
        status = post_json(callback.uri, json.dumps(_body(callback)).encode())
        if not 200 <= status < 300:
            raise OSError(f"it answers {status}")
    except OSError as error:
        return _try_later(callback, f"{what}: {callback.uri} was not told: {error}")
    callback.delete()
    return f"{what}: {callback.uri} was told"


def _try_later(callback: Callback, why: str) -> str:
    if callback.attempts + 1 >= _MOST_ATTEMPTS:
        callback.delete()
        return f"{why}; given up"
    pause = min(_FIRST_PAUSE * 2 ** min(callback.attempts, 20), _LONGEST_PAUSE)
    Callback.objects.filter(pk=callback.pk).update(due_at=timezone.now() + pause)
    return f"{why}; tried again in {pause.total_seconds():g} s"


def _body(callback: Callback) -> dict[str, Any]:
    """Return the results of a job that was successful, of another its state."""
    job = callback.job
    address = f"{callback.api}jobs/{job.pk}"
    if callback.status == JobStatus.SUCCESSFUL and not job.has_outputs:
        process = get_process(job.process_id)
        return {
            name: {"href": f"{address}/results/{name}", "type": process.media_type_of(name)}
            for name in process.outputs
        }
    if callback.status == JobStatus.SUCCESSFUL:
        found = JobDocuments.objects.values_list("outputs", flat=True).get(pk=job.pk)
        return found or {}
    return _status_info(callback, address)


def _status_info(callback: Callback, address: str) -> dict[str, Any]:
    job = callback.job
    info: dict[str, Any] = {
        "jobID": str(job.pk),
        "processID": job.process_id,
        "type": "process",
        "status": callback.status,
        "message": job.message,
        "progress": job.progress,
        "created": job.created_at.isoformat(),
        "started": job.started_at.isoformat() if job.started_at else None,
        "finished": job.finished_at.isoformat() if job.finished_at else None,
        "links": [{"href": address, "rel": "monitor", "type": "application/json"}],
    }
    return {name: value for name, value in info.items() if value not in (None, "")}
