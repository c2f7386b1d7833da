"""One job: how it stands, its results, its end."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from marinemap.api.declarations import Document
from marinemap.api.declarations.documents import PRIVATE
from marinemap.api.declarations.negotiation import wants_page
from marinemap.api.files import FileHeaders, ServedFile, file_response, stored_response
from marinemap.api.identity import get_job, refuse_cross_site, viewer_of
from marinemap.api.problems import (
    NoSuchJobError,
    ResultGoneError,
    ResultNotReadyError,
    failed_job_response,
)
from marinemap.api.processes.described import status_info
from marinemap.api.processes.refused import files_page
from marinemap.api.processes.results import (
    answer_one,
    answer_outputs,
    link_to_file,
    wants_link,
)
from marinemap.catalogue.models import is_any_kept_from
from marinemap.jobs import lifecycle
from marinemap.jobs.artifacts import find_stored, link_to_stored, open_on_disk
from marinemap.jobs.glance import job_as_it_is
from marinemap.jobs.models import Job, JobDocuments
from marinemap.jobs.queue import find_place
from marinemap.jobs.states import JobStatus
from marinemap.processes.process import Process
from marinemap.processes.registry import get_process
from marinemap.processes.values import unknown
from marinemap.sentences import say

# How soon it makes sense to ask again, seconds: at least, and at most.
_SOONEST, _LATEST = 1, 30


def status(request: HttpRequest, job_id: str) -> Document:
    """Answer how a job stands."""
    job = get_job(request, job_id)
    place = find_place(job)
    seconds = place.seconds_until_start if place else 0
    headers = {"Retry-After": str(min(max(seconds, _SOONEST), _LATEST))}
    return Document(
        format_lazy(_("Job {id}"), id=str(job.pk)),
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
    return Document(_("Job"), info | {"status": JobStatus.DISMISSED}, cache_control=PRIVATE)


def results(request: HttpRequest, job_id: str) -> HttpResponseBase:
    """Answer what a job made, in the form that was asked for with it."""
    try:
        return answer_results(request, finished_job(request, job_id))
    except (NoSuchJobError, ResultGoneError, ResultNotReadyError) as error:
        if not wants_page(request):
            raise
        return files_page(request, error)


def answer_results(
    request: HttpRequest,
    job: Job,
    wanted: Mapping[str, Any] | None = None,
    until: datetime | None = None,
) -> HttpResponseBase:
    """Answer what a job that has ended made, or why it failed.

    Parameters
    ----------
    request : HttpRequest
    job : Job
    wanted : mapping, optional
        In which form, in place of that which was asked for with the job.
    until : datetime, optional
        When a link to it has to end, beside the time of the files.
    """
    check_layers(request, job)
    return give_results(request, job, wanted, until)


def give_results(
    request: HttpRequest,
    job: Job,
    wanted: Mapping[str, Any] | None = None,
    until: datetime | None = None,
) -> HttpResponseBase:
    """Do so for whom ``check_layers`` has let through."""
    if job.status == JobStatus.FAILED:
        return failed_job_response(request, job.problem or {})
    process = get_process(job.process_id)

    def address(output: str) -> str:
        return request.build_absolute_uri(reverse("api:result", args=[job.pk, output]))

    wanted = _wanted(job) if wanted is None else wanted
    if job.has_outputs:
        return answer_outputs(request, process, _outputs(job), wanted, address)
    if wants_link(wanted) and job.artifact:
        return link_to_file(request, process, wanted, address)
    return _download(request, job, until)


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
        raise ResultGoneError(say("the run gave no such output"), field="outputID", value=output_id)
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
            say(
                "the job is {status}; ask again when its status is 'successful'",
                status=job.get_status_display(),
            ),
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
    if job.layers and is_any_kept_from(viewer_of(request), job.layers, job.created_at):
        # Without the job's id: whoever has a link to the files asks here, too.
        raise ResultGoneError(say("it was made of a layer that is no longer there for you"))


def _check_output(process: Process, output_id: str) -> None:
    if output_id not in process.outputs:
        what = say("process '{process}' has no output", process=process.id)
        raise unknown(output_id, process.outputs, what, "outputID")


def _wanted(job: Job) -> dict[str, Any]:
    found = JobDocuments.objects.filter(pk=job.pk).values_list("wanted", flat=True).first()
    return found or {}


def _outputs(job: Job) -> dict[str, Any]:
    outputs = JobDocuments.objects.values_list("outputs", flat=True).get(pk=job.pk)
    return outputs or {}


def _download(request: HttpRequest, job: Job, until: datetime | None = None) -> HttpResponseBase:
    headers = FileHeaders(job.media_type, "private, no-store", job.file_name)
    archive = open_on_disk(job)
    if archive is not None:
        return file_response(request, ServedFile(archive, _tag(job.artifact), headers))
    link = link_to_stored(job, until)
    if link is None:
        raise _gone(job)
    if request.method == "POST":
        # The job is done and told: whether its file can be had just now, the link tells.
        return HttpResponse(status=303, headers={"Location": link})
    stored = find_stored(job)
    if stored is None:
        raise _gone(job)
    return stored_response(request, stored, link, headers)


def _tag(artifact: str) -> str:
    """Return what names the content: an attempt writes its archive once, under a name of its own.

    The name holds the job's id, which whoever has a link to the files must not learn: of a job
    that a program asked for it is the key.
    """
    return hashlib.sha256(artifact.encode()).hexdigest()[:32]


def _gone(job: Job) -> ResultGoneError:
    return ResultGoneError(
        say("the files are gone: the job was cancelled, or its time is over; ask again"),
        field="jobID",
        value=str(job.pk),
    )
