"""Ids that a caller gives a task."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django_celery_results.models import TaskResult

from marinemap.errors import ServiceError
from marinemap.jobs.periodic import clean_up_temp_files
from marinemap.tasks import site_task


@pytest.mark.django_db
@pytest.mark.parametrize("task_id", ["", "x" * 256, "a\0b", uuid.UUID(int=1), 5, ["a"]])
def test_id_under_which_no_result_can_be_kept_is_refused(task_id: Any) -> None:
    """Before anything is published: the result would be lost when the work is done."""
    with pytest.raises(ServiceError, match="text of 1 to 255 characters") as refused:
        clean_up_temp_files.apply_async(task_id=task_id)
    assert refused.value.field == "task_id"
    with pytest.raises(ServiceError, match="text of 1 to 255 characters"):
        clean_up_temp_files.apply_async((), None, task_id)


def test_ids_are_as_long_as_the_table_keeps() -> None:
    assert TaskResult._meta.get_field("task_id").max_length == site_task._LONGEST_ID
