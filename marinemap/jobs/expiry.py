"""What is kept for a time only: archives, then the jobs themselves."""

from __future__ import annotations

import time

from django.db import transaction
from django.utils import timezone

from marinemap.errors import RequestError
from marinemap.jobs.artifacts import remove_artifacts
from marinemap.jobs.conf import job_settings
from marinemap.jobs.models import Job
from marinemap.sentences import say


class RenewalError(RequestError):
    """The files of a job cannot be kept any longer."""


# In one transaction, which others wait for on SQLite.
_ROWS_AT_A_TIME = 200
# How long a storage is asked in a round: others of the schedule wait.
_ASKED_FOR_SECONDS = 20.0
# How long jobs are removed in a round. A task of five minutes is taken for one that hangs
# (``caretaker``).
_REMOVED_FOR_SECONDS = 60.0
# Said after what the job's message tells, which stays: how many features, and what is missing.
_REMOVED = "The files were removed when their time was over."


def expire_artifacts() -> list[str]:
    """Remove the archives whose time is over; return their names.

    A storage that does not answer is asked once, a slow one for some seconds: what it has goes with
    the orphans.
    """
    removed = []
    over = Job.objects.filter(expires_at__lte=timezone.now()).exclude(artifact="")
    for job in over:
        name = job.artifact
        # The row first: a link to a file that is gone would be a lie. Its owner may have renewed it
        # a moment ago.
        is_over = Job.objects.filter(pk=job.pk, artifact=name, expires_at__lte=timezone.now())
        message = f"{job.message} {_REMOVED}".lstrip()
        if is_over.update(artifact="", message=message, updated_at=timezone.now()):
            removed.append(name)
    remove_artifacts(removed, _ASKED_FOR_SECONDS)
    return removed


def renew(job: Job) -> Job:
    """Keep the archive of a job for as long as a new one, within the operator's bound.

    Raises
    ------
    RenewalError
        If there is none any more, or it is kept for as long as it may be already.
    """
    settings = job_settings()
    with transaction.atomic():
        job = Job.objects.select_for_update().get(pk=job.pk)
        if not job.artifact or job.finished_at is None or job.expires_at is None:
            raise RenewalError(
                say(
                    "there are no files to keep: the job is not ready, was cancelled, or its "
                    "time is over"
                ),
                field="jobID",
                value=str(job.pk),
            )
        latest = job.finished_at + max(settings.keep_results, settings.keep_renewed)
        until = min(timezone.now() + settings.keep_results, latest)
        if until <= job.expires_at:
            raise RenewalError(
                say(
                    "the files are kept until {until} already, and at most until {latest}",
                    until=f"{job.expires_at:%Y-%m-%dT%H:%M:%SZ}",
                    latest=f"{latest:%Y-%m-%dT%H:%M:%SZ}",
                ),
                field="jobID",
                value=str(job.pk),
                hint=say("Download them, or ask for a new run."),
            )
        job.expires_at = until
        job.save(update_fields=["expires_at", "updated_at"])
    return job


def expire_jobs() -> int:
    """Remove the jobs that finished longer ago than they are kept, for a minute; return how many.

    The next round goes on: where they are kept for less from now on there may be a million.
    """
    long_ago = timezone.now() - job_settings().keep_jobs
    # One whose archive is still there keeps its row: it would become an orphan of no name.
    over = Job.objects.filter(finished_at__lt=long_ago, artifact="").order_by("finished_at")
    count, deadline = 0, time.monotonic() + _REMOVED_FOR_SECONDS
    while ids := list(over.values_list("pk", flat=True)[:_ROWS_AT_A_TIME]):
        Job.objects.filter(pk__in=ids).delete()
        count += len(ids)
        if time.monotonic() >= deadline:
            break
    return count
