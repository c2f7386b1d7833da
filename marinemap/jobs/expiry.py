"""What is kept for a time only: archives, then the jobs themselves."""

from __future__ import annotations

from django.utils import timezone

from marinemap.jobs.artifacts import remove_artifact
from marinemap.jobs.conf import job_settings
from marinemap.jobs.models import Job

# In one transaction, which others wait for on SQLite.
_ROWS_AT_A_TIME = 200
# Said after what the job's message tells, which stays: how many features, and what is missing.
_REMOVED = "The files were removed when their time was over."


def expire_artifacts() -> list[str]:
    """Remove the archives whose time is over; return their names."""
    removed = []
    over = Job.objects.filter(expires_at__lte=timezone.now()).exclude(artifact="")
    for job in over:
        name = job.artifact
        # The row first: a link to a file that is gone would be a lie.
        Job.objects.filter(pk=job.pk, artifact=name).update(
            artifact="", message=f"{job.message} {_REMOVED}".lstrip()
        )
        remove_artifact(name)
        removed.append(name)
    return removed


def expire_jobs() -> int:
    """Remove the jobs that finished longer ago than they are kept; return how many."""
    long_ago = timezone.now() - job_settings().keep_jobs
    # One whose archive is still there keeps its row: it would become an orphan of no name.
    over = Job.objects.filter(finished_at__lt=long_ago, artifact="").order_by("finished_at")
    count = 0
    while ids := list(over.values_list("pk", flat=True)[:_ROWS_AT_A_TIME]):
        Job.objects.filter(pk__in=ids).delete()
        count += len(ids)
    return count
