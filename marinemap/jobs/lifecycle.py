"""The life of a job beside its runs: nothing else but :mod:`marinemap.jobs.runs` writes it."""

from __future__ import annotations

import uuid

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from marinemap.jobs import repeats
from marinemap.jobs.artifacts import remove_artifact
from marinemap.jobs.conf import job_settings
from marinemap.jobs.models import Job, JobDocuments
from marinemap.jobs.queue import publish, withdraw
from marinemap.jobs.states import JobStatus

# What says of a job that nothing has become of it since somebody looked.
_SEEN = ("status", "attempt", "alive_at")


def dismiss(job: Job) -> Job:
    """Cancel a job that waits or runs; remove the files of a finished one, which stays as it is.

    A run notices within a second or so and stops.
    """
    now = timezone.now()
    with transaction.atomic():
        job = Job.objects.select_for_update().get(pk=job.pk)
        artifact = job.artifact
        if job.status == JobStatus.ACCEPTED:
            transaction.on_commit(lambda: withdraw(job))
        if not job.is_finished:
            job.status = JobStatus.DISMISSED
            job.message = "Cancelled."
            job.finished_at = now
            job.expires_at = now + job_settings().keep_results
        job.artifact = ""
        job.has_outputs = False
        job.save()
        JobDocuments.objects.filter(pk=job.pk).update(outputs=None)
    remove_artifact(artifact)
    return job


def claim_owner(job: Job) -> None:
    """Bind a job to the owner who has now shown the cookie that came with it.

    A batch is one thing: all of its jobs are bound with the first that is looked at.
    """
    own = Job.objects.filter(pk=job.pk) if job.batch is None else of_batch(job.batch)
    repeats.bind(own.order_by(), job.owner)
    own.update(is_owner_known=True)


def of_batch(batch: uuid.UUID) -> QuerySet[Job]:
    """Return the jobs that came with a batch, in its order."""
    return Job.objects.filter(batch=batch).order_by("place_in_batch")


def queue_again(job: Job) -> bool:
    """Queue a job whose run died or whose message was lost; tell whether that was still so.

    A run that has given a sign of life since the job was read keeps it.

    A second message for a job does no harm: :func:`start` lets one run have it.
    """
    with transaction.atomic():
        found = Job.objects.select_for_update().get(pk=job.pk)
        # Between that look and this one whoever looks may have been stopped, for long.
        is_as_seen = all(getattr(found, each) == getattr(job, each) for each in _SEEN)
        if not is_as_seen or found.is_finished:
            return False
        if found.status == JobStatus.RUNNING:
            found.message = "Interrupted; waiting for another try."
            found.status = JobStatus.ACCEPTED
        # Saved either way: the time of the update keeps the next round from doing it again.
        found.save()
        publish(found)
    return True
