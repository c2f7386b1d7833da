"""What a callback tells: results of a job, its state, the end of a batch, an event of the site."""

from __future__ import annotations

from typing import Any

from marinemap.jobs.batch_callbacks import report_of
from marinemap.jobs.models import Callback, Job, JobDocuments
from marinemap.jobs.states import JobStatus
from marinemap.processes.registry import get_process


def body_of(callback: Callback) -> dict[str, Any]:
    """Return the results of a job that was successful, of another its state; or what is kept.

    Raises
    ------
    MarineMapError, ObjectDoesNotExist
        If there is nothing to tell any more.
    """
    job = callback.job
    if job is None:
        return dict(callback.document or {})
    if callback.is_of_batch:
        return report_of(callback)
    address = f"{callback.api}jobs/{job.pk}"
    if callback.status == JobStatus.SUCCESSFUL and not job.has_outputs:
        process = get_process(job.process_id)
        return {
            name: {"href": f"{address}/results/{name}", "type": process.media_type_of(name)}
            for name in process.outputs
        }
    if callback.status == JobStatus.SUCCESSFUL:
        found = JobDocuments.objects.values_list("outputs", flat=True).get(pk=job.pk)
        return found or {}
    return _status_info(job, callback.status, address)


def _status_info(job: Job, status: str, address: str) -> dict[str, Any]:
    info: dict[str, Any] = {
        "jobID": str(job.pk),
        "processID": job.process_id,
        "type": "process",
        "status": status,
        "created": job.created_at.isoformat(),
        "started": job.started_at.isoformat() if job.started_at else None,
        "links": [{"href": address, "rel": "monitor", "type": "application/json"}],
    }
    # What came after the state that is told, where that is told late, is none of it.
    if status == job.status:
        finished = job.finished_at.isoformat() if job.finished_at else None
        info |= {"message": job.message, "progress": job.progress, "finished": finished}
    return {name: value for name, value in info.items() if value not in (None, "")}
