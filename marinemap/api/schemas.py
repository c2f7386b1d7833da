"""The documents that the API answers, with the field names of the OGC standards."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from pyproj import CRS

from marinemap.catalogue.models import Drawing, Layer
from marinemap.extraction.tiles import MEDIA_TYPE as DRAWING
from marinemap.jobs.models import Job
from marinemap.jobs.queue import Place
from marinemap.jobs.states import JobStatus
from marinemap.processes.process import Process

_REL = "http://www.opengis.net/def/rel/ogc/1.0/"
_CRS = "http://www.opengis.net/def/crs/"
_CRS84 = f"{_CRS}OGC/1.3/CRS84"
_JSON = "application/json"


def landing(request: HttpRequest) -> dict[str, Any]:
    """Return the landing page."""
    return {
        "title": "MarineMap",
        "description": "Clip, zip and ship: shapefiles of the area that you draw on a map.",
        "links": [
            _link(request, "self", "api:landing"),
            _link(request, "conformance", "api:conformance"),
            _link(request, f"{_REL}conformance", "api:conformance"),
            _link(request, f"{_REL}processes", "api:processes"),
            _link(request, f"{_REL}job-list", "api:jobs"),
            _link(request, "data", "api:collections"),
        ],
    }


def job_address(request: HttpRequest, job: Job) -> str:
    """Return where a job is followed."""
    return request.build_absolute_uri(reverse("api:job", args=[job.pk]))


def status_info(request: HttpRequest, job: Job, place: Place | None = None) -> dict[str, Any]:
    """Return a job as statusInfo; members without a value are left out, as the schema asks."""
    info = {
        "jobID": str(job.pk),
        "id": str(job.pk),
        "processID": job.process_id,
        "type": "process",
        "processingEntityType": "ogc-api-processes",
        "status": job.status,
        "message": _message(job, place),
        "ahead": place.ahead if place else None,
        "earliestStart": _stamp(place.earliest_start_at) if place else None,
        "progress": job.progress,
        "created": _stamp(job.created_at),
        "started": _stamp(job.started_at),
        "finished": _stamp(job.finished_at),
        "updated": _stamp(job.updated_at),
        "expires": _stamp(job.expires_at) if job.artifact else None,
        "links": _job_links(request, job),
    }
    return {name: value for name, value in info.items() if value not in (None, "")}


def process_summary(request: HttpRequest, process: Process) -> dict[str, Any]:
    """Return a process without its inputs and outputs."""
    return {
        "id": process.id,
        "version": process.version,
        "title": process.title,
        "description": process.description,
        "jobControlOptions": _job_control(process),
        "outputTransmission": ["value"],
        "links": [_link(request, "self", "api:process", process.id)],
    }


def _job_control(process: Process) -> list[str]:
    return ["sync-execute"] if process.is_immediate else ["async-execute", "dismiss"]


def process_description(request: HttpRequest, process: Process) -> dict[str, Any]:
    """Return a process with its inputs and outputs."""
    described = process_summary(request, process) | {
        "inputs": process.inputs,
        "outputs": process.outputs,
    }
    described["links"].append(_link(request, f"{_REL}execute", "api:execution", process.id))
    return described


def collection(request: HttpRequest, layer: Layer) -> dict[str, Any]:
    """Return a layer as a collection of OGC API - Features, with what the map needs besides."""
    described: dict[str, Any] = {
        "id": layer.pk,
        "title": layer.title,
        "description": layer.description,
        "itemType": "feature",
        "storageCrs": _crs_uri(layer.crs),
        "crs": [_CRS84],
        "geometryType": layer.geometry_type,
        "featureCount": layer.feature_count,
        "fields": layer.fields,
        "license": layer.licence,
        "attribution": layer.attribution,
        "version": layer.version,
        "links": [
            _link(request, "self", "api:collection", layer.pk),
        ],
    }
    drawing: Drawing | None = getattr(layer, "drawing", None)
    if drawing and drawing.file:
        link = _link(request, "item", "api:drawing", layer.pk, drawing.file, type_=DRAWING)
        described["links"].append(link)
    if drawing is None or not drawing.is_finished:
        described["drawing"] = {"progress": drawing.progress if drawing else 0}
    if layer.bounds_4326 is not None:
        described["extent"] = {"spatial": {"bbox": [layer.bounds_4326], "crs": _CRS84}}
    return {name: value for name, value in described.items() if value not in (None, "")}


def _message(job: Job, place: Place | None) -> str:
    """Return how a job stands, in words; of one that was tried before also why it waits again."""
    if place is None:
        return job.message
    return f"{job.message} {place.in_words()}" if job.attempt else place.in_words()


def _job_links(request: HttpRequest, job: Job) -> list[dict[str, Any]]:
    links = [
        _link(request, "self", "api:job", job.pk),
        _link(request, "monitor", "api:job", job.pk),
    ]
    if job.status == JobStatus.SUCCESSFUL and (job.artifact or job.has_outputs):
        type_ = job.media_type or _JSON
        links.append(_link(request, f"{_REL}results", "api:results", job.pk, type_=type_))
    if job.status == JobStatus.FAILED:
        links.append(_link(request, f"{_REL}exceptions", "api:results", job.pk))
    return links


def _link(
    request: HttpRequest, rel: str, view: str, *args: Any, type_: str = _JSON
) -> dict[str, Any]:
    href = request.build_absolute_uri(reverse(view, args=args))
    return {"href": href, "rel": rel, "type": type_}


def _crs_uri(crs: str) -> str | None:
    """Return the OGC URI of a CRS that has an EPSG code, None for one that has none."""
    authority, _, code = crs.partition(":")
    if authority == "EPSG" and code.isdigit():
        return f"{_CRS}EPSG/0/{code}"
    epsg = CRS.from_user_input(crs).to_epsg()
    return f"{_CRS}EPSG/0/{epsg}" if epsg else None


def _stamp(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
