"""What is kept for a time only: archives, then the jobs themselves."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from marinemap.errors import ServiceError
from marinemap.jobs import artifacts, expiry, lifecycle, periodic, runs, submission
from marinemap.jobs.conf import job_settings
from marinemap.jobs.models import Job, JobDocuments, RequestKey
from marinemap.jobs.owners import Sender
from marinemap.jobs.repeats import KeyedRequest
from marinemap.jobs.states import JobStatus
from tests.jobs.conftest import OWNER, begin, finish

pytestmark = pytest.mark.django_db


def test_archive_goes_when_its_time_is_over(job: Job) -> None:
    done = finish(begin(job))
    assert expiry.expire_artifacts() == []
    Job.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert expiry.expire_artifacts() == [done.artifact]
    expired = Job.objects.get()
    assert (expired.status, expired.artifact) == (JobStatus.SUCCESSFUL, "")
    # What was delivered, and what was missing, is known for as long as the job.
    assert expired.message == f"{done.message} The files were removed when their time was over."
    assert not artifacts.artifact_path(expired).exists()
    assert expiry.expire_artifacts() == []


def test_download_that_has_begun_outlives_expiry(job: Job) -> None:
    done = finish(begin(job), b"x" * 100_000)
    with artifacts.open_artifact(done) as archive:
        Job.objects.update(expires_at=timezone.now())
        expiry.expire_artifacts()
        assert len(archive.read()) == 100_000
    assert artifacts.open_artifact(done) is None


def in_the_way(path: Path) -> None:
    """Put something in a file's place that is not removed as a file is."""
    path.unlink(missing_ok=True)
    path.mkdir(parents=True)


def test_archive_that_cannot_be_removed_keeps_no_other(job: Job) -> None:
    more = [submission.submit("echo", {"message": "x"}, Sender(OWNER)) for _ in range(2)]
    first, between, last = (finish(begin(each)) for each in (job, *more))
    for each in (first, last):
        in_the_way(job_settings().artifacts / each.artifact)
    Job.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert len(expiry.expire_artifacts()) == 3
    assert not (job_settings().artifacts / between.artifact).exists()
    assert not Job.objects.exclude(artifact="").exists()


def test_job_is_cancelled_whose_archive_cannot_be_removed(job: Job) -> None:
    done = finish(begin(job))
    in_the_way(job_settings().artifacts / done.artifact)
    assert lifecycle.dismiss(done).artifact == ""


def test_cleaning_goes_on_where_a_part_of_it_fails(job: Job) -> None:
    done = finish(begin(job))
    in_the_way(job_settings().artifacts / done.artifact)
    Job.objects.update(expires_at=timezone.now())
    KeyedRequest("key", "echo", OWNER).keep(job)
    RequestKey.objects.update(created_at=timezone.now() - timedelta(days=3))
    drawing = job_settings().home / "drawings" / "reefs.pmtiles"
    in_the_way(drawing)
    os.utime(drawing, (0, 0))
    with pytest.raises(OSError, match="directory|permitted"):
        periodic.remove_expired_artifacts()
    assert not RequestKey.objects.exists()


def test_finished_jobs_go_when_their_time_is_over(job: Job, settings: Any) -> None:
    settings.MARINEMAP_KEEP_JOBS_DAYS = "30"
    runs.fail(begin(job), ServiceError("no"))
    waiting = submission.submit("echo", {"message": "still waits"}, Sender(OWNER))
    long_ago = timezone.now() - timedelta(days=31)
    Job.objects.update(created_at=long_ago, updated_at=long_ago)
    assert expiry.expire_jobs() == 0
    Job.objects.filter(pk=job.pk).update(finished_at=long_ago)
    assert expiry.expire_jobs() == 1
    assert list(Job.objects.values_list("pk", flat=True)) == [waiting.pk]
    assert JobDocuments.objects.count() == 1


def test_many_jobs_go_in_portions(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "_ROWS_AT_A_TIME", 3)
    finished_at = timezone.now() - timedelta(days=400)
    Job.objects.bulk_create(
        Job(process_id="echo", owner=OWNER, status=JobStatus.FAILED, finished_at=finished_at)
        for _ in range(8)
    )
    assert expiry.expire_jobs() == 8
    assert Job.objects.count() == 1


def test_very_many_jobs_go_in_several_rounds(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "_ROWS_AT_A_TIME", 3)
    monkeypatch.setattr(expiry, "_REMOVED_FOR_SECONDS", 0.0, raising=False)
    finished_at = timezone.now() - timedelta(days=400)
    Job.objects.bulk_create(
        Job(process_id="echo", owner=OWNER, status=JobStatus.FAILED, finished_at=finished_at)
        for _ in range(8)
    )
    assert [expiry.expire_jobs() for _ in range(4)] == [3, 3, 2, 0]


def test_job_whose_archive_is_still_there_stays_with_it(job: Job) -> None:
    done = finish(begin(job))
    Job.objects.update(finished_at=timezone.now() - timedelta(days=400))
    assert expiry.expire_jobs() == 0
    lifecycle.dismiss(done)
    assert expiry.expire_jobs() == 1
