"""The views of the API: each reads a request, asks a room, and answers a document."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from marinemap.api import schemas
from marinemap.api.address import address_of
from marinemap.api.files import ServedFile, file_response
from marinemap.api.identity import (
    get_job,
    owner_or_new,
    owners_of,
    refuse_cross_site,
    remember_owner,
)
from marinemap.api.problems import (
    NoSuchJobError,
    NotFoundError,
    ResultGoneError,
    ResultNotReadyError,
    failed_job_response,
)
from marinemap.catalogue.drawings import open_drawing
from marinemap.catalogue.models import ID_PATTERN, Layer
from marinemap.errors import RequestError, did_you_mean, quote
from marinemap.extraction.tiles import MEDIA_TYPE as DRAWING
from marinemap.jobs import lifecycle
from marinemap.jobs.artifacts import open_artifact
from marinemap.jobs.health import health_of_site
from marinemap.jobs.models import Job, JobDocuments
from marinemap.jobs.queue import find_place, find_places
from marinemap.jobs.states import JobStatus
from marinemap.processes.process import run_at_once
from marinemap.processes.registry import all_processes, get_process

_View = TypeVar("_View", bound=Callable[..., HttpResponseBase])

# Members of an execute request (OGC 18-062r2, execute.yaml).
_EXECUTE_MEMBERS = ("inputs", "outputs", "response", "subscriber", "mode", "id")
_RESPONSES = ("raw", "document")
_MODES = ("async", "sync", "auto")
_MAX_JOBS_LISTED = 1_000


def _allow(*methods: str) -> Callable[[_View], _View]:
    """Let a view take some methods only, without Django's check of form tokens.

    Programs have no form to take a token from. Against other sites' pages stand the cookie's
    SameSite=Lax and :func:`refuse_cross_site`.
    """
    return lambda view: csrf_exempt(require_http_methods(list(methods))(view))


@_allow("GET", "HEAD")
def landing(request: HttpRequest) -> HttpResponse:
    """Answer where everything is."""
    return JsonResponse(schemas.landing(request))


@_allow("GET", "HEAD")
def conformance(request: HttpRequest) -> HttpResponse:
    """Answer the conformance classes that this service meets in full."""
    return JsonResponse({"conformsTo": []})


@_allow("GET", "HEAD")
def processes(request: HttpRequest) -> HttpResponse:
    """List what can be run."""
    listed = [schemas.process_summary(request, p) for p in all_processes().values()]
    return JsonResponse({"processes": listed, "links": []})


@_allow("GET", "HEAD")
def process(request: HttpRequest, process_id: str) -> HttpResponse:
    """Describe one process."""
    return JsonResponse(schemas.process_description(request, get_process(process_id)))


@_allow("POST")
def execution(request: HttpRequest, process_id: str) -> HttpResponse:
    """Make a job and queue it; answer at once what takes a moment."""
    refuse_cross_site(request)
    process = get_process(process_id)
    body = _read_body(request)
    inputs = _inputs_of(body)
    if process.is_immediate:
        return _answer(run_at_once(process, inputs), body)
    owner, is_known = owner_or_new(request)
    job = lifecycle.submit(process_id, inputs, owner, is_known, address_of(request))
    # From here on the job is stored: whatever is asked besides may not turn this into an error.
    response = JsonResponse(schemas.status_info(request, job, find_place(job)), status=201)
    response.headers["Location"] = schemas.job_address(request, job)
    remember_owner(request, response, owner)
    return _uncached(response)


@_allow("GET", "HEAD")
def jobs(request: HttpRequest) -> HttpResponse:
    """List the jobs of whoever asks, the newest first."""
    own = list(Job.objects.filter(owner__in=owners_of(request))[:_MAX_JOBS_LISTED])
    places = find_places(own)
    listed = [schemas.status_info(request, job, places.get(job.pk)) for job in own]
    return _uncached(JsonResponse({"jobs": listed, "links": []}))


@_allow("GET", "HEAD", "DELETE")
def job(request: HttpRequest, job_id: uuid.UUID) -> HttpResponse:
    """Answer how a job stands, or cancel it."""
    found = get_job(request, job_id)
    if request.method == "DELETE":
        refuse_cross_site(request)
        found = lifecycle.dismiss(found)
    info = schemas.status_info(request, found, find_place(found))
    if request.method == "DELETE":
        # So the standard has it, for what was finished as well; the job itself stays what it was.
        info["status"] = JobStatus.DISMISSED
    return _uncached(JsonResponse(info))


@_allow("GET", "HEAD")
def results(request: HttpRequest, job_id: uuid.UUID) -> HttpResponseBase:
    """Answer what a job made: its archive, or its outputs as JSON."""
    found = get_job(request, job_id)
    if not found.is_finished:
        raise ResultNotReadyError(
            f"the job is {found.get_status_display()}; ask again when its status is 'successful'",
            field="jobID",
            value=str(job_id),
        )
    if found.status == JobStatus.FAILED:
        return failed_job_response(request, found.problem or {})
    if found.has_outputs:
        return JsonResponse(JobDocuments.objects.get(pk=found.pk).outputs or {})
    return _download(request, found)


@csrf_exempt
def no_such_job(request: HttpRequest, job_id: str) -> HttpResponse:
    """Answer an id that no job has, for it has another form."""
    raise NoSuchJobError("there is no such job", field="jobID", value=job_id)


@_allow("GET", "HEAD")
def collections(request: HttpRequest) -> HttpResponse:
    """List the layers that people may ask for."""
    listed = [
        schemas.collection(request, layer)
        for layer in Layer.objects.published().select_related("drawing")
    ]
    return JsonResponse({"collections": listed, "links": []})


@_allow("GET", "HEAD")
def collection(request: HttpRequest, layer_id: str) -> HttpResponse:
    """Describe one layer."""
    return JsonResponse(schemas.collection(request, _layer(layer_id)))


@_allow("GET", "HEAD")
def drawing(request: HttpRequest, layer_id: str, file: str) -> HttpResponseBase:
    """Answer the drawing of a layer: an archive of tiles, of which a map reads parts."""
    opened = open_drawing(_layer(layer_id), file)
    if opened is None:
        raise NotFoundError(
            "there is no such drawing; the collection's link leads to the present one",
            field="file",
            value=file,
        )
    # The name changes with what is drawn.
    served = ServedFile(opened, file, DRAWING, "public, max-age=31536000, immutable")
    return file_response(request, served)


@_allow("GET", "HEAD")
def health(request: HttpRequest) -> HttpResponse:
    """Answer how the site is: 200 while it answers at all, with what is amiss in ``status``."""
    found = health_of_site()
    return _uncached(JsonResponse(found, status=503 if found["status"] == "down" else 200))


@_allow("GET", "HEAD")
def ready(request: HttpRequest) -> HttpResponse:
    """Answer whether what is asked now will be done now: 200, or 503 with what is amiss."""
    found = health_of_site()
    response = _uncached(JsonResponse(found, status=200 if found["status"] == "ok" else 503))
    if response.status_code == 503:
        response.headers["Retry-After"] = "30"
    return response


@csrf_exempt
def not_found(request: HttpRequest, path: str = "") -> HttpResponse:
    """Answer an address under ``/api/`` that means nothing."""
    raise NotFoundError(
        "there is nothing at this address; GET /api/ lists what there is", value=request.path
    )


def _uncached(response: HttpResponse) -> HttpResponse:
    response.headers["Cache-Control"] = "no-store"
    return response


def _read_body(request: HttpRequest) -> dict[str, Any]:
    try:
        body = json.loads(request.body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise RequestError(
            f"the body is not JSON: {error}",
            field="body",
            hint='Send {"inputs": {"layers": ["..."], "area": {"type": "Polygon", ...}}}.',
        ) from error
    if not isinstance(body, dict):
        raise RequestError("the body is not a JSON object", field="body", value=body)
    for member in body:
        _check_member(member, body[member])
    return body


def _check_member(member: str, value: Any) -> None:
    """Refuse a member of an execute request that is unknown, or that nothing would come of."""
    if member not in _EXECUTE_MEMBERS:
        raise RequestError(
            f"an execute request has no '{quote(member)}'; it has 'inputs', 'outputs' and "
            f"'response'.{did_you_mean(quote(member), _EXECUTE_MEMBERS)}",
            field=quote(member),
        )
    if member == "subscriber":
        raise RequestError(
            "nobody would be told: this service does not call back yet",
            field=member,
            hint="Leave it out, and ask for the job's status.",
        )
    if member == "mode" and value not in _MODES:
        raise RequestError(
            f"'{quote(value)}' is not how to execute: 'async', 'sync' or 'auto'",
            field=member,
            value=value,
            hint='Whether to clip is an input: {"inputs": {"mode": "clip", ...}}.',
        )
    if member == "response" and value not in _RESPONSES:
        raise RequestError(
            f"no response '{quote(value)}'; there are 'raw' and 'document'"
            f".{did_you_mean(quote(value), _RESPONSES)}",
            field=member,
            value=value,
        )


def _inputs_of(body: dict[str, Any]) -> dict[str, Any]:
    inputs = body.get("inputs", {})
    if not isinstance(inputs, dict):
        raise RequestError("the inputs are a JSON object", field="inputs", value=inputs)
    return inputs


def _answer(outputs: dict[str, Any], body: dict[str, Any]) -> HttpResponse:
    """Answer outputs: raw a single one by itself, else all by their ids."""
    form = body.get("response", _RESPONSES[0])
    is_single = form == "raw" and len(outputs) == 1
    response = JsonResponse(next(iter(outputs.values())) if is_single else outputs, safe=False)
    response.headers["Cache-Control"] = "no-store"
    return response


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number (RFC 8259)")


def _layer(layer_id: str) -> Layer:
    # What is no id is not looked up: databases refuse some texts, such as one with a NUL.
    is_id = re.fullmatch(ID_PATTERN, layer_id) is not None
    layer = Layer.objects.published().filter(pk=layer_id).first() if is_id else None
    if layer is None:
        known = Layer.objects.published().values_list("id", flat=True)
        raise NotFoundError(
            f"there is no collection '{quote(layer_id)}'.{did_you_mean(quote(layer_id), known)}",
            field="collectionId",
            value=layer_id,
        )
    return layer


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
