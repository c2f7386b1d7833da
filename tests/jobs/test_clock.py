"""Nothing is removed by a clock that has jumped: what is gone does not come back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from marinemap.jobs import artifacts, clock
from marinemap.jobs.models import ClockSighting, Job
from marinemap.jobs.periodic import remove_expired_artifacts
from tests.jobs.conftest import begin, finish

pytestmark = pytest.mark.django_db
WEEK = timedelta(days=7)


def step_clock(by: timedelta) -> None:
    """Let all that was written down be of a clock that showed so much less."""
    Job.objects.update(expires_at=F("expires_at") - by)
    ClockSighting.objects.update(seen_at=F("seen_at") - by, jumped_at=F("jumped_at") - by)


def is_there(job: Job) -> bool:
    return artifacts.artifact_path(job).exists()


@pytest.fixture
def done(job: Job) -> Job:
    """Return a finished job whose files are kept for three days more, on a site that cleans."""
    done = finish(begin(job))
    Job.objects.update(expires_at=timezone.now() + timedelta(days=3))
    remove_expired_artifacts()
    return done


def test_clock_that_is_a_week_ahead_and_set_right_removes_nothing(done: Job) -> None:
    step_clock(WEEK)
    for _ in range(5):
        remove_expired_artifacts()
        step_clock(timedelta(minutes=10))
    assert is_there(done)
    step_clock(-WEEK)
    for _ in range(8):
        remove_expired_artifacts()
        step_clock(timedelta(minutes=10))
    assert is_there(done)


def test_files_go_once_the_clock_went_on_evenly(done: Job) -> None:
    # A site that was off for a week, say.
    step_clock(WEEK)
    remove_expired_artifacts()
    step_clock(timedelta(minutes=59))
    remove_expired_artifacts()
    assert is_there(done)
    step_clock(timedelta(minutes=2))
    remove_expired_artifacts()
    assert not is_there(done)


def test_files_go_when_their_time_is_over_by_a_clock_that_goes_evenly(done: Job) -> None:
    Job.objects.update(expires_at=timezone.now() + timedelta(hours=5))
    step_clock(timedelta(hours=5, minutes=1))
    remove_expired_artifacts()
    assert not is_there(done)


def test_clock_that_is_not_the_databases_removes_nothing(
    done: Job, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    ahead = timezone.now() + WEEK
    monkeypatch.setattr(timezone, "now", lambda: ahead)
    remove_expired_artifacts()
    assert is_there(done)
    assert "the database's clock shows" in caplog.text
    monkeypatch.undo()
    assert clock.find_doubt() is None
