"""Why a job failed, in signs that no database takes."""

from __future__ import annotations

import pytest

from marinemap.errors import DatasetError
from marinemap.jobs import runs
from marinemap.jobs.models import Job
from marinemap.jobs.states import JobStatus
from marinemap.sentences import recalled, say
from tests.jobs.conftest import begin

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("odd", ["a\0b", "a\ud800b"])
def test_failure_is_kept_whatever_signs_it_has(job: Job, odd: str) -> None:
    error = DatasetError(say("the layer '{name}' is broken", name=odd), hint=odd, field=odd)
    runs.fail(begin(job), error)
    found = Job.objects.get()
    assert found.status == JobStatus.FAILED
    assert found.message.endswith("is broken")
    assert found.problem["detail"].endswith("is broken")
    assert recalled(found.problem["said"]["detail"]) == found.problem["detail"]
