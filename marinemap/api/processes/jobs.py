"""One job: how it stands, its results, its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse

from marinemap.api.declarations import Document
from marinemap.api.declarations.documents import PRIVATE
from marinemap.api.files import ServedFile, file_response
from marinemap.api.identity import get_job, refuse_cross_site, viewer_of
from marinemap.api.problems import (
    ResultGoneError,
    ResultNotReadyError,
    failed_job_response,
)
from marinemap.api.processes.described import status_info
from marinemap.api.processes.results import (
    answer_one,
    answer_outputs,
    link_to_file,
    wants_link,
)
from marinemap.catalogue.models import Layer
from marinemap.jobs import lifecycle
from marinemap.jobs.artifacts import open_artifact
from marinemap.jobs.glance import job_as_it_is
from marinemap.jobs.models import Job, JobDocuments
from marinemap.jobs.queue import find_place
from marinemap.jobs.states import JobStatus
from marinemap.processes.process import Process
from marinemap.processes.registry import get_process
from marinemap.processes.values import unknown

# How soon it makes sense to ask again, seconds: at least, and at most.
_SOONEST, _LATEST = 1, 30


def status(request: HttpRequest, job_id: str) -> Document:
    """Answer how a job stands."""
    job = get_job(request, job_id)
    place = find_place(job)
    seconds = place.seconds_until_start if place else 0
    headers = {"Retry-After": str(min(max(seconds, _SOONEST), _LATEST))}
    return Document(
        f"Job {job.pk}",
        status_info(request, job, place),
        headers={} if job.is_finished else headers,
        cache_control=PRIVATE,
        question=lambda: job_as_it_is(job.pk),
    )


def dismiss(request: HttpRequest, job_id: str) -> Document:
    """Cancel a job; remove the files of one that is finished."""
    job = get_job(request, job_id)
    refuse_cross_site(request)
    info = status_info(request, lifecycle.dismiss(job))
    # So the standard has it, for what was finished as well; the job itself stays what it was.
    return Document("Job", info | {"status": JobStatus.DISMISSED}, cache_control=PRIVATE)


def results(request: HttpRequest, job_id: str) -> HttpResponseBase:
    """Answer what a job made, in the form that was asked for with it."""
    return answer_results(request, finished_job(request, job_id))


def answer_results(
    request: HttpRequest, job: Job, wanted: Mapping[str, Any] | None = None
) -> HttpResponseBase:
    """Answer what a job that has ended made, or why it failed.

    Parameters
    ----------
    request : HttpRequest
    job : Job
    wanted : mapping, optional
        In which form, in place of that which was asked for with the job.
    """
    check_layers(request, job)
    if job.status == JobStatus.FAILED:
        return failed_job_response(request, job.problem or {})
    process = get_process(job.process_id)

    def address(output: str) -> str:
        return request.build_absolute_uri(reverse("api:result", args=[job.pk, output]))

    wanted = _wanted(job) if wanted is None else wanted
    if job.has_outputs:
        return answer_outputs(process, _outputs(job), wanted, address)
    if wants_link(wanted) and job.artifact:
        return link_to_file(process, wanted, address)
    return _download(request, job)


def result(request: HttpRequest, job_id: str, output_id: str) -> HttpResponseBase:
    """Answer one output of a job by itself."""
    job = finished_job(request, job_id)
    check_layers(request, job)
    if job.status == JobStatus.FAILED:
        return failed_job_response(request, job.problem or {})
    process = get_process(job.process_id)
    _check_output(process, output_id)
    if not job.has_outputs:
        return _download(request, job)
    outputs = _outputs(job)
    if output_id not in outputs:
        raise ResultGoneError("the run gave no such output", field="outputID", value=output_id)
    return answer_one(process, output_id, outputs[output_id])


def finished_job(request: HttpRequest, job_id: str) -> Job:
    """Return a job of the sender's that has ended.

    Raises
    ------
    NoSuchJobError, ResultNotReadyError
    """
    job = get_job(request, job_id)
    if not job.is_finished:
        raise ResultNotReadyError(
            f"the job is {job.get_status_display()}; ask again when its status is 'successful'",
            field="jobID",
            value=job_id,
        )
    return job


def check_layers(request: HttpRequest, job: Job) -> None:
    """Refuse what was made of layers that whoever asks may see no more.

    Raises
    ------
    ResultGoneError
    """
    if job.layers and Layer.objects.hidden_from(viewer_of(request), job.layers).exists():
        raise ResultGoneError(
            "it was made of a layer that is no longer there for you",
            field="jobID",
            value=str(job.pk),
        )


def _check_output(process: Process, output_id: str) -> None:
    if output_id not in process.outputs:
        raise unknown(
            output_id, process.outputs, f"process '{process.id}' has no output", "outputID"
        )


def _wanted(job: Job) -> dict[str, Any]:
    found = JobDocuments.objects.filter(pk=job.pk).values_list("wanted", flat=True).first()
    return found or {}


def _outputs(job: Job) -> dict[str, Any]:
    outputs = JobDocuments.objects.values_list("outputs", flat=True).get(pk=job.pk)
    return outputs or {}


def _download(request: HttpRequest, job: Job) -> HttpResponseBase:
    archive = open_artifact(job)
    if archive is None:
        raise ResultGoneError(
            "the files are gone: the job was cancelled, or its time is over; ask again",
            field="jobID",
            value=str(job.pk),
        )
    # An attempt writes its archive once, under a name of its own.
    served = ServedFile(
        archive, job.artifact, job.media_type, "private, no-store", download_name=job.file_name
    )
    return file_response(request, served)
