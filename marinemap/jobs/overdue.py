"""A run that lasts longer than one may, in code that nothing interrupts, is ended by its worker.

The engine looks at the time between its steps. A step that never returns, such as a read from a
file system whose server is gone, or a geometry that C code turns over for hours, is ended with
its process. Celery's pool of processes does that and starts another; other pools do not.
"""

from __future__ import annotations

import logging
import math
import uuid
from typing import Any

from billiard.exceptions import TimeLimitExceeded
from celery import current_app
from celery.signals import task_failure, worker_init
from django.db import connection

from marinemap.jobs import runs
from marinemap.jobs.conf import job_settings
from marinemap.jobs.queue import HELP_JOB, RUN_JOB, RUN_SHORT_JOB
from marinemap.tasks.outages import patiently

logger = logging.getLogger(__name__)

_JOBS = (RUN_JOB, RUN_SHORT_JOB)
_GET_SHPS = "marinemap.jobs.tasks.get_shps"
# Beyond the limit, in which a run may yet end by itself and say more.
_GRACE_SHARE, _MOST_GRACE_SECONDS = 0.2, 60
# The worker's own loop waits for it.
_ANSWER_WITHIN_SECONDS = 5


@worker_init.connect
def limit_runs(**_: Any) -> None:
    """Let the worker end what goes on for longer than the operator allows a run."""
    seconds = job_settings().run_limits.seconds
    for name in (*_JOBS, HELP_JOB, _GET_SHPS):
        current_app.tasks[name].time_limit = _hard_limit(seconds)
    for name in _JOBS:
        # The message goes back: where the job could not be failed it is run again, and else there
        # is nothing to run.
        task: Any = current_app.tasks[name]  # The stubs do not know the attribute.
        task.acks_on_timeout = False


@task_failure.connect
def fail_overdue(sender: Any, task_id: str, exception: BaseException, **_: Any) -> None:
    """Fail the job whose run is being ended; called in the worker's own process.

    Where the database does not answer, the job is run again: its message goes back to the queue.
    """
    if sender.name not in _JOBS or not isinstance(exception, TimeLimitExceeded):
        return
    # The worker's own --time-limit, where the site has none.
    seconds = job_settings().run_limits.seconds or float(exception.args[0])
    try:
        job_id = uuid.UUID(task_id)
        patiently(lambda: runs.end_overdue(job_id, seconds), seconds=_ANSWER_WITHIN_SECONDS)
    finally:
        # What it forks next must not have it.
        connection.close()


def _hard_limit(seconds: float | None) -> int | None:
    if seconds is None:
        return None
    return math.ceil(seconds + min(1 + seconds * _GRACE_SHARE, _MOST_GRACE_SECONDS))
