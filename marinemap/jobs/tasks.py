"""The Celery tasks that people set off."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import Task, shared_task
from celery.utils.log import get_task_logger
from django.db import DatabaseError, connection

from marinemap.errors import MarineMapError, ServiceError
from marinemap.jobs import lifecycle
from marinemap.jobs.artifacts import artifact_path, work_folder
from marinemap.jobs.models import Job
from marinemap.processes.geometries import layer_geometries
from marinemap.processes.process import RunContext, RunResult
from marinemap.processes.registry import get_process

logger = get_task_logger(__name__)

_ALIVE_EVERY_SECONDS = 10
# Often enough for an eye on the page, and for a cancelled job to stop within a second.
_REPORT_EVERY_SECONDS = 0.5


@shared_task(bind=True)
def run_job(self: Task[Any, Any], job_id: str) -> str:
    """Run a job of any process; return the state in which it ended.

    The message holds the job's id and nothing else: whoever could write to the queue could ask
    for no more than a job that was checked and kept.
    """
    redelivered = bool((self.request.delivery_info or {}).get("redelivered"))
    job = lifecycle.start(uuid.UUID(job_id), is_redelivered=redelivered)
    if job is None:
        return "nothing to run"
    logger.info("Job %s (%s), attempt %d, begins", job.pk, job.process_id, job.attempt)
    try:
        return _run(job)
    except lifecycle.JobStoppedError:
        logger.info("Job %s, attempt %d, stops: it is no longer this run's", job.pk, job.attempt)
        return "stopped"


@shared_task
def get_shps(name: str, area: Any = None) -> list[Any]:
    """Return the geometries of a layer of the catalogue.

    Called directly it runs at once; ``get_shps.delay("reefs")`` queues it.

    Parameters
    ----------
    name : str
        A layer of the catalogue.
    area : GeoJSON mapping or bounds, optional
        Clip to this area, in degrees, longitude before latitude.

    Returns
    -------
    list of shapely geometries
        In the layer's own CRS, x before y.

    Raises
    ------
    RequestError
        If there is no such layer, the area is not sound, or the layer is too large for a result:
        then ask for an extract.
    """
    logger.info("Reading the geometries of layer %s", name)
    return layer_geometries(name, area)


def _run(job: Job) -> str:
    try:
        result = _call_process(job)
    except lifecycle.JobStoppedError:
        raise
    except MarineMapError as error:
        lifecycle.fail(job, error)
        logger.warning("Job %s failed: %s", job.pk, error)
        return "failed"
    except Exception:
        # The owner gets a number to quote; the log has the rest under that number.
        reference = uuid.uuid4().hex[:12]
        logger.exception("Job %s failed unexpectedly, reference %s", job.pk, reference)
        lifecycle.fail(job, ServiceError(f"something went wrong here; reference {reference}"))
        return "failed"
    lifecycle.succeed(job, result)
    logger.info("Job %s is ready: %s", job.pk, result.message)
    return "successful"


def _call_process(job: Job) -> RunResult:
    process = get_process(job.process_id)
    with work_folder(job) as folder, _signs_of_life(job) as stopped:
        context = RunContext(folder, artifact_path(job), _progress(job, stopped))
        return process.run(job.inputs, context)


def _progress(job: Job, stopped: threading.Event) -> Any:
    last_report = float("-inf")

    def progress(fraction: float, message: str) -> None:
        nonlocal last_report
        if stopped.is_set():
            raise lifecycle.JobStoppedError("the job is no longer this run's")
        if time.monotonic() - last_report >= _REPORT_EVERY_SECONDS:
            last_report = time.monotonic()
            # 100 is for a job that is done, and this one is not.
            lifecycle.report(job, min(99, int(fraction * 100)), message)

    return progress


def _give_sign(job: Job) -> None:
    try:
        lifecycle.keep_alive(job)
    except DatabaseError:
        # Away for a moment; the next turn tries again on a new connection.
        logger.warning("Job %s could not give a sign of life", job.pk, exc_info=True)
        connection.close()


@contextmanager
def _signs_of_life(job: Job) -> Iterator[threading.Event]:
    """Keep the job alive from a thread, for a step of the work may take minutes in C."""
    stopped = threading.Event()
    done = threading.Event()

    def beat() -> None:
        try:
            while not done.wait(_ALIVE_EVERY_SECONDS):
                _give_sign(job)
        except lifecycle.JobStoppedError:
            stopped.set()
        finally:
            connection.close()

    thread = threading.Thread(target=beat, name=f"alive-{job.pk}", daemon=True)
    thread.start()
    try:
        yield stopped
    finally:
        done.set()
        thread.join()
