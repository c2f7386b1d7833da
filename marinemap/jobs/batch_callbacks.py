"""What is told of a whole batch: one report, when all of its jobs have ended.

Whatever ended them and in whatever order: that they have is found by looking at them, at each
round of callbacks. The rows are those of the batch's first job, and are told as others are.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef
from django.utils import timezone

from marinemap.jobs.lifecycle import of_batch
from marinemap.jobs.models import Callback, Job
from marinemap.jobs.states import FINISHED, JobStatus

_AT_A_TIME = 100


def let_be_due() -> None:
    """Let the rows be told whose batch has ended as they wait for; the others are gone."""
    unfinished = Job.objects.filter(batch=OuterRef("job__batch")).exclude(status__in=FINISHED)
    waiting = Callback.objects.filter(is_of_batch=True, due_at=None)
    now = timezone.now()
    for callback in waiting.exclude(Exists(unfinished)).select_related("job")[:_AT_A_TIME]:
        # Jobs that have ended stay as they are, so that two rounds at once find the same.
        row = waiting.filter(pk=callback.pk)
        if callback.status == _end_of(_jobs_of(callback)):
            row.update(due_at=now, reached_at=now)
        else:
            row.delete()


def report_of(callback: Callback) -> dict[str, Any]:
    """Return what is told of a batch: whether all was done, of which jobs, and what went wrong."""
    jobs = _jobs_of(callback)
    undone = [job for job in jobs if job.status != JobStatus.SUCCESSFUL]
    return {
        "success": not undone,
        "ids": [str(job.pk) for job in jobs],
        "operation": ", ".join(dict.fromkeys(job.process_id for job in jobs)),
        "error": undone[0].message if undone else None,
        "description": f"{len(jobs) - len(undone)} of {len(jobs)} requests are done.",
        "links": [
            {
                "href": f"{callback.api}batches/{jobs[0].batch}",
                "rel": "monitor",
                "type": "application/json",
            }
        ],
    }


def _jobs_of(callback: Callback) -> list[Job]:
    assert callback.job is not None and callback.job.batch, "it is of a batch"
    return list(of_batch(callback.job.batch))


def _end_of(jobs: list[Job]) -> JobStatus:
    is_successful = all(job.status == JobStatus.SUCCESSFUL for job in jobs)
    return JobStatus.SUCCESSFUL if is_successful else JobStatus.FAILED
