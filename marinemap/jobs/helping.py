"""Workers with nothing better to do help with a large extract that another runs."""

from __future__ import annotations

import logging
import uuid
from pathlib import Path

from celery import current_app
from django.db import Error

from marinemap.errors import MarineMapError
from marinemap.extraction import Division, RunLimits
from marinemap.jobs import runs
from marinemap.jobs.conf import job_settings, split_bounds
from marinemap.jobs.models import Job, JobDocuments
from marinemap.jobs.owners import viewer_of_owner
from marinemap.jobs.pulse import Pulse
from marinemap.jobs.queue import HELP_JOB, may_one_begin
from marinemap.jobs.states import JobStatus
from marinemap.jobs.work_folders import files_of_run
from marinemap.logs import request_id
from marinemap.processes.process import Process, RunContext
from marinemap.processes.registry import get_process
from marinemap.tasks.outages import DATABASE_AWAY, drop_connection

logger = logging.getLogger(__name__)

_FOLDER = "pieces"
# Of a run that has ended by then nothing would be left to do.
_EXPIRE_SECONDS = 3600


def division_of(job: Job, process: Process, folder: Path) -> Division | None:
    """Return how a run may be shared with other workers; None where the operator has it alone.

    Parameters
    ----------
    job : Job
        As :func:`runs.start` returned it.
    process : Process
    folder : Path
        The run's own, in which the pieces lie: they go with it.
    """
    workers, features = split_bounds()
    if not workers or process.help is None:
        return None
    return Division(folder / _FOLDER, features, lambda pieces: _call(job, min(workers, pieces - 1)))


def help_with(job_id: uuid.UUID, attempt: int) -> str:
    """Make pieces of a job's current run, in the folder that the run has; return how it went."""
    try:
        job = Job.objects.filter(pk=job_id, attempt=attempt, status=JobStatus.RUNNING).first()
        return "nothing to help with" if job is None else _help(job)
    except runs.JobStoppedError:
        return "stopped"
    except (MarineMapError, OSError, *DATABASE_AWAY) as error:
        # Whoever has the run makes what is left, and tells of it if that fails as well.
        logger.info("Job %s is helped no longer: %s", job_id, error)
        drop_connection()
        return "gave up"


def _help(job: Job) -> str:
    process = get_process(job.process_id)
    folder = files_of_run(job) / _FOLDER
    if process.help is None or not folder.is_dir():
        return "out of reach"
    inputs = JobDocuments.objects.get(pk=job.pk).inputs
    viewer = viewer_of_owner(job.owner)
    # A request that waits is not to wait for all that is left of a large one.
    division = Division(folder, 1, _call_nobody, may_one_begin)
    logger.info("Helping with job %s, attempt %d", job.pk, job.attempt)
    with _Companion(job) as companion:
        context = RunContext(folder, folder, companion.tell, _limits(), viewer, division)
        process.help(inputs, context)
    return "helped"


class _Companion(Pulse):
    """Looks whether a run that is helped still goes on, and gives no signs of life for it."""

    def _write(self) -> None:
        try:
            self._look()
        except Error:
            # The database is away; the run itself goes on.
            drop_connection()


def _call(job: Job, workers: int) -> None:
    """Send for other workers; without them the run goes on by itself."""
    task = current_app.tasks[HELP_JOB]
    headers = {request_id.MESSAGE_HEADER: job.request_id}
    try:
        for _ in range(workers):
            task.apply_async((str(job.pk), job.attempt), headers=headers, expires=_EXPIRE_SECONDS)
    except Exception:
        logger.warning("No help could be sent for with job %s", job.pk, exc_info=True)
        drop_connection()


def _call_nobody(pieces: int) -> None:
    """Whoever helps sends for nobody."""


def _limits() -> RunLimits:
    """Return what help may take: features are counted by the run, and its files are the pieces."""
    run = job_settings().run_limits
    return RunLimits(run.seconds, run.memory_bytes, None, run.file_bytes, run.free_bytes)
