"""The Celery tasks that people set off."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from functools import partial
from typing import Any

from celery import Task, shared_task
from celery.utils.log import get_task_logger

from marinemap.catalogue.viewers import Viewer
from marinemap.errors import (
    DatasetError,
    MarineMapError,
    RequestError,
    ServiceError,
    UnavailableError,
)
from marinemap.extraction import RunLimitError
from marinemap.jobs import helping, reuse, runs, site_mark, storage
from marinemap.jobs.alarms import tell_of
from marinemap.jobs.artifacts import artifact_path, keep_artifact
from marinemap.jobs.conf import job_settings
from marinemap.jobs.models import Job, JobDocuments
from marinemap.jobs.owners import viewer_of_owner
from marinemap.jobs.pulse import Pulse
from marinemap.jobs.reasons import with_setting
from marinemap.jobs.space import find_shortage
from marinemap.jobs.work_folders import work_folder
from marinemap.processes.geometries import layer_geometries
from marinemap.processes.process import Process, RunContext, RunResult
from marinemap.processes.registry import get_process
from marinemap.tasks.outages import (
    DATABASE_AWAY,
    drop_connection,
    is_disk_full,
    is_folder_gone,
    is_machine_spent,
    is_outage,
    patiently,
)

logger = get_task_logger(__name__)

# What a run reads before it begins and when it is done is read again where a connection is cut;
# then the job is put off.
_PATIENCE_SECONDS = 20


# Celery keeps no result: the job's row is the truth, and it is fenced. What Celery would store
# under the message's id is not: a frozen run that woke stored its own beside the living run's,
# whose message Celery then dropped.
@shared_task(bind=True, ignore_result=True)
def run_job(self: Task[Any, Any], job_id: str) -> str:
    """Run a job of any process; return the state in which it ended.

    The message holds the job's id and nothing else: whoever could write to the queue could ask
    for no more than a job that was checked and kept.
    """
    return _run_message(self, job_id)


@shared_task(bind=True, ignore_result=True)
def run_short_job(self: Task[Any, Any], job_id: str) -> str:
    """Run a job of a short process: by a queue and a rate of its own, beside extractions."""
    return _run_message(self, job_id)


@shared_task(ignore_result=True)
def help_job(job_id: str, attempt: int) -> str:
    """Help with a job that runs elsewhere; return how that ended.

    One that has ended meanwhile needs no help, and one whose files are on another machine gets
    none: a message too many does no harm.
    """
    return helping.help_with(uuid.UUID(job_id), attempt)


# What whoever asked has to mend is told to them, and is no fault that a log should show in full.
@shared_task(throws=(RequestError, DatasetError))
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


def _run_message(task: Task[Any, Any], job_id: str) -> str:
    logger.debug("The rate lets job %s begin", job_id)
    if _is_made_already(job_id):
        return "successful"
    redelivered = bool((task.request.delivery_info or {}).get("redelivered"))
    job = runs.start(uuid.UUID(job_id), is_redelivered=redelivered)
    if job is None:
        return "nothing to run"
    logger.info("Job %s (%s), attempt %d, begins", job.pk, job.process_id, job.attempt)
    try:
        return _run(job)
    except runs.JobStoppedError:
        logger.info("Job %s, attempt %d, stops: it is no longer this run's", job.pk, job.attempt)
        return "stopped"


def _is_made_already(job_id: str) -> bool:
    try:
        return reuse.finish_by_another(uuid.UUID(job_id))
    except DATABASE_AWAY:
        # The start waits for it; then the job is run.
        drop_connection()
        return False


def _give_to_others(job: Job) -> None:
    try:
        count = reuse.give_to_waiting(Job.objects.get(pk=job.pk))
    except Exception:
        # The job itself is done, and the others have their turns.
        logger.warning("The result of job %s was not given to others", job.pk, exc_info=True)
        drop_connection()
        return
    if count:
        logger.info("The result of job %s was given to %d others that waited", job.pk, count)


def _run(job: Job) -> str:
    try:
        result, reuse_key, artifact_bytes = _call_process(job)
    except runs.JobStoppedError:
        raise
    except Exception as error:
        return _end_without_result(job, error)
    runs.succeed(job, result, reuse_key, artifact_bytes)
    logger.info("Job %s is ready: %s", job.pk, result.message)
    if reuse_key:
        _give_to_others(job)
    return "successful"


def _call_process(job: Job) -> tuple[RunResult, str, int | None]:
    """Run the process; return what it answers, the key for who asks the same, the archive's size.

    The archive is in its place then.
    """
    process = get_process(job.process_id)
    lack = find_shortage() or patiently(site_mark.claim, seconds=_PATIENCE_SECONDS)
    if lack is not None:
        raise UnavailableError(lack)
    if process.file_media_type:
        storage.claim()
    inputs, key, viewer = patiently(partial(_asked, job, process), seconds=_PATIENCE_SECONDS)
    with work_folder(job) as folder, Pulse(job) as pulse:
        limits = job_settings().run_limits
        division = helping.division_of(job, process, folder)
        context = RunContext(folder, artifact_path(job), pulse.tell, limits, viewer, division)
        result = process.run(inputs, context)
        process.check_result(result)
        size_bytes = keep_artifact(job, pulse.tell) if result.media_type else None
    # Of data that changed while they were read nobody knows which the result is of.
    key_now = partial(reuse.key_of, process, inputs)
    is_sure = result.is_repeatable and key == patiently(key_now, seconds=_PATIENCE_SECONDS)
    return result, key if is_sure else "", size_bytes


def _asked(job: Job, process: Process) -> tuple[Mapping[str, Any], str, Viewer]:
    """Return the inputs of a job, the key for who asks the same, and whose request it is."""
    inputs = JobDocuments.objects.get(pk=job.pk).inputs
    return inputs, reuse.key_of(process, inputs), viewer_of_owner(job.owner)


def _end_without_result(job: Job, error: Exception) -> str:
    """Try a job again later where the site lacked something; fail it where the work did."""
    shortage = None if isinstance(error, RequestError | DatasetError) else find_shortage()
    may_be_its_own = is_folder_gone(error) or is_machine_spent(error)
    if shortage is not None or is_outage(error) or may_be_its_own:
        logger.warning("Job %s is put off: %s", job.pk, shortage or error, exc_info=True)
        # Room that is there again once its own files are gone was taken by the job itself.
        # A folder that is there again may have been its own as well, and so may threads.
        is_own_doing = shortage is None and (_is_for_its_size(error) or may_be_its_own)
        why = shortage or _lack(error, is_own_doing)
        return runs.put_off(job, why, is_own_doing=is_own_doing)
    if isinstance(error, RunLimitError):
        error = with_setting(error)
    if isinstance(error, MarineMapError):
        logger.warning("Job %s failed: %s", job.pk, error)
        runs.fail(job, error)
        tell_of(job, error)
        return "failed"
    # The owner gets a number to quote; the log has the rest under that number.
    reference = uuid.uuid4().hex[:12]
    logger.error("Job %s failed unexpectedly, reference %s", job.pk, reference, exc_info=error)
    runs.fail(job, ServiceError(f"something went wrong here; reference {reference}"))
    tell_of(job, error, reference)
    return "failed"


def _is_for_its_size(error: Exception) -> bool:
    return is_disk_full(error) or isinstance(error, storage.ArchiveRefusedError)


def _lack(error: Exception, is_own_doing: bool) -> str:
    """Return what was lacking, in a few words for the job's owner."""
    if isinstance(error, UnavailableError):
        # Of the storage, or of a server that a layer is on.
        return error.message
    if is_folder_gone(error):
        return "a folder on the server was gone"
    if is_machine_spent(error):
        return "the server had too few threads or open files left"
    return "the disk ran full" if is_own_doing else "the site lacks something"
