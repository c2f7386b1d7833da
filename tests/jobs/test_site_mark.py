"""Which folder is the database's own: another's is neither filled nor cleaned."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import pytest

from marinemap.jobs import health, periodic, site_mark, tasks
from marinemap.jobs.conf import job_settings
from marinemap.jobs.models import Job, SiteMark

pytestmark = pytest.mark.django_db


@pytest.fixture
def elsewhere(settings: Any, tmp_path: Path) -> Path:
    """The folder of this machine, which is not the one that the database knows."""
    assert site_mark.claim() is None
    settings.MARINEMAP_HOME = tmp_path / "elsewhere"
    return job_settings().home


def test_first_folder_is_the_databases_and_stays_it() -> None:
    assert site_mark.find_mismatch() is None
    assert not job_settings().home.exists()
    assert [site_mark.claim() for _ in range(2)] == [None, None]
    assert site_mark.find_mismatch() is None
    (mark,) = SiteMark.objects.all()
    assert (job_settings().home / "site_mark").read_text() == f"{mark.mark}\n"


def test_job_waits_where_the_folder_is_anothers(elsewhere: Path, job: Job, eager: None) -> None:
    """A share that was not mounted took the archive, and the job was successful without one."""
    assert tasks.run_job(str(job.pk)) == "put off"
    job.refresh_from_db()
    assert job.status == "accepted"


def test_archives_of_another_site_are_not_cleaned_up(elsewhere: Path) -> None:
    """With another site's ``DATABASE_URL`` all of them belonged to no job that was known."""
    archive = elsewhere / "artifacts" / "0d2b6f3e-6f0c-4a55-9d3c-3d6f2d1f5b7a-1.zip"
    archive.parent.mkdir(parents=True)
    archive.touch()
    os.utime(archive, (0, 0))
    periodic.remove_expired_artifacts()
    assert archive.exists()


def test_operator_is_told_what_to_do(elsewhere: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        assert site_mark.claim() == site_mark.find_mismatch() is not None
    assert str(elsewhere) in caplog.text and "not mounted" in caplog.text
    mark = elsewhere / "site_mark"
    mark.parent.mkdir(parents=True)
    mark.write_text(f"{SiteMark.objects.get().mark}\n")
    assert site_mark.claim() is site_mark.find_mismatch() is None


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("patient_looks")
def test_health_tells_of_it(elsewhere: Path) -> None:
    assert health.health_of_site()["disk"] == "the server's folder is not this site's"


def test_folder_that_was_marked_before_a_kill_is_taken() -> None:
    job_settings().home.mkdir(parents=True)
    (job_settings().home / "site_mark").write_text("0d2b6f3e-6f0c-4a55-9d3c-3d6f2d1f5b7a\n")
    assert site_mark.claim() is None
    assert SiteMark.objects.get().mark == "0d2b6f3e-6f0c-4a55-9d3c-3d6f2d1f5b7a"
