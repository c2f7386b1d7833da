"""The life of a job beside its runs: nothing else but :mod:`marinemap.jobs.runs` writes it."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from marinemap.jobs import repeats
from marinemap.jobs.artifacts import remove_artifact, remove_artifacts
from marinemap.jobs.conf import job_settings
from marinemap.jobs.models import Callback, Job, JobDocuments
from marinemap.jobs.queue import publish, withdraw
from marinemap.jobs.states import FINISHED, UNFINISHED, JobStatus

# What says of a job that nothing has become of it since somebody looked.
_SEEN = ("status", "attempt", "alive_at")
# Of the archives of a batch, where they lie in a storage: somebody waits for the answer.
_REMOVED_FOR_SECONDS = 5.0


def dismiss(job: Job) -> Job:
    """Cancel a job that waits or runs; remove the files of a finished one, which stays as it is.

    A run notices within a second or so and stops.
    """
    with transaction.atomic():
        job = Job.objects.select_for_update().get(pk=job.pk)
        artifact = job.artifact
        _dismiss(job)
    remove_artifact(artifact)
    return job


def cancel(job: Job, states: Collection[JobStatus] = UNFINISHED) -> bool:
    """Cancel a job if it is in one of some states still; tell whether it was.

    One that has ended since it was read keeps its files.
    """
    with transaction.atomic():
        locked = Job.objects.select_for_update()
        found = locked.filter(pk=job.pk, status__in=states).first()
        if found is not None:
            _dismiss(found)
    return found is not None


def _dismiss(job: Job) -> None:
    """Cancel a job whose row is locked, or let it have no results any more."""
    if job.status == JobStatus.ACCEPTED:
        transaction.on_commit(lambda: withdraw([job]))
    if not job.is_finished:
        now = timezone.now()
        job.status = JobStatus.DISMISSED
        job.message = "Cancelled."
        job.finished_at = now
        job.expires_at = now + job_settings().keep_results
        _tell_nothing_more([job])
    job.artifact = ""
    job.has_outputs = False
    job.save()
    JobDocuments.objects.filter(pk=job.pk).update(outputs=None)


def _tell_nothing_more(cancelled: Iterable[Job]) -> None:
    """Forget whom to tell of jobs: their addresses may hold keys. Of a batch its end is told."""
    numbers = [job.pk for job in cancelled]
    Callback.objects.filter(job__in=numbers, is_of_batch=False).delete()


def dismiss_batch(batch: uuid.UUID) -> list[Job]:
    """Cancel the jobs of a batch that wait or run, remove the files of the others; return all.

    A few statements for any number. What a storage does not remove in time is removed with the
    orphans.
    """
    now = timezone.now()
    own = of_batch(batch).order_by()
    empty = {"artifact": "", "has_outputs": False, "updated_at": now}
    with transaction.atomic():
        # In one order, so that two who do this do not wait for each other.
        jobs = list(own.order_by("pk").select_for_update())
        waiting = [job for job in jobs if job.status == JobStatus.ACCEPTED]
        _tell_nothing_more(job for job in jobs if not job.is_finished)
        transaction.on_commit(lambda: withdraw(waiting))
        own.filter(status__in=FINISHED).update(**empty)
        own.exclude(status__in=FINISHED).update(
            **empty,
            status=JobStatus.DISMISSED,
            message="Cancelled.",
            finished_at=now,
            expires_at=now + job_settings().keep_results,
        )
        JobDocuments.objects.filter(job__batch=batch).update(outputs=None)
    remove_artifacts((job.artifact for job in jobs if job.artifact), _REMOVED_FOR_SECONDS)
    return list(of_batch(batch))


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
