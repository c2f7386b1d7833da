"""What is said of a job, in signs that no database takes."""

from __future__ import annotations

from typing import Any

import pytest

from marinemap.errors import DatasetError
from marinemap.jobs import alarms, runs
from marinemap.jobs.models import Callback, Job
from marinemap.jobs.states import JobStatus
from marinemap.mail.models import Letter
from marinemap.processes.process import RunResult
from marinemap.sentences import recalled, say
from tests.jobs.conftest import begin

pytestmark = pytest.mark.django_db

ODD = ["a\0b", "a\ud800b"]


@pytest.mark.parametrize("odd", ODD)
def test_failure_is_kept_whatever_signs_it_has(job: Job, odd: str) -> None:
    error = DatasetError(say("the layer '{name}' is broken", name=odd), hint=odd, field=odd)
    runs.fail(begin(job), error)
    found = Job.objects.get()
    assert found.status == JobStatus.FAILED
    assert found.message.endswith("is broken")
    assert found.problem["detail"].endswith("is broken")
    assert recalled(found.problem["said"]["detail"]) == found.problem["detail"]


@pytest.mark.parametrize("odd", ODD)
def test_success_and_progress_are_kept_whatever_signs_they_have(job: Job, odd: str) -> None:
    begun = begin(job)
    runs.report(begun, 5, odd)
    assert Job.objects.get().message.endswith("b")
    runs.succeed(begun, RunResult(f"Missing: {odd}"))
    found = Job.objects.get()
    assert found.status == JobStatus.SUCCESSFUL and found.message.endswith("b")


@pytest.mark.parametrize("odd", ODD)
def test_failure_is_told_whatever_signs_it_has(job: Job, odd: str, settings: Any) -> None:
    settings.ADMINS = [("Ann", "ann@example.org")]
    settings.MARINEMAP_OPERATOR_WEBHOOKS = ["https://alerts.example.org/"]
    alarms.tell_of(job, DatasetError(odd))
    letter, callback = Letter.objects.get(), Callback.objects.get()
    assert "failed: a\\" in letter.subject and "DatasetError: a\\" in letter.body
    assert callback.document["data"]["description"].startswith("a\\")
