"""The documents of processes and jobs, with the field names of OGC 18-062r2."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import lazy
from django.utils.translation import gettext_lazy as _

from marinemap.api.conf import is_sync_by_default
from marinemap.api.identity import viewer_of
from marinemap.api.links import JSON, OGC, Asker, link, own_links
from marinemap.api.readers import retold
from marinemap.jobs.models import Job
from marinemap.jobs.queue import Place
from marinemap.jobs.states import JobStatus
from marinemap.processes.process import Process
from marinemap.sentences import recalled

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

# Of a job that neither ended by itself nor works at anything.
_OWN_WORDS: dict[str, StrOrPromise] = {
    "Waiting for its turn.": _("Waiting for its turn."),
    "Starting.": _("Starting."),
    "Cancelled.": _("Cancelled."),
}


def control_options(process: Process) -> tuple[str, ...]:
    """Return how a process may be executed here, as a client finds it that prefers nothing.

    What is listed as synchronous besides has to be so by default (OGC 18-062r2, requirement
    default-execution-mode): a job that is waited for only where the operator has it so.
    """
    options = process.control_options
    if process.is_awaited and not is_sync_by_default():
        return tuple(each for each in options if each != "sync-execute")
    return options


def process_summary(request: HttpRequest, process: Process) -> dict[str, Any]:
    """Return a process without its inputs and outputs."""
    return {
        "id": process.id,
        "version": process.version,
        "title": _(process.title),
        "description": _(process.description),
        "jobControlOptions": list(control_options(process)),
        "outputTransmission": list(process.transmission),
        "links": own_links(request, "process", process.id),
    }


def process_description(request: HttpRequest, process: Process) -> dict[str, Any]:
    """Return a process with its inputs and outputs."""
    described = process_summary(request, process)
    described |= {
        "inputs": _inputs(process, process.inputs_for(viewer_of(request))),
        "outputs": _as_people_read(process.outputs),
    }
    execute = link(request, f"{OGC}execute", "execution", process.id, title=_("Run it (POST)"))
    described["links"].append(execute)
    return described


def _inputs(process: Process, offered: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the inputs as people read them; what is made of the catalogue is said by its data."""
    found = {}
    for name, at in offered.items():
        is_declared = at["schema"] is process.inputs[name]["schema"]
        words = _as_people_read({**at, "schema": {}})
        schema = _as_people_read(at["schema"]) if is_declared else at["schema"]
        found[name] = {**words, "schema": schema}
    return found


def _as_people_read(described: Any) -> Any:
    """Return a schema whose own titles and descriptions are lazy texts, for pages."""
    if isinstance(described, Mapping):
        return {
            name: _(at)
            if name in ("title", "description") and isinstance(at, str)
            else _as_people_read(at)
            for name, at in described.items()
        }
    if isinstance(described, list | tuple):
        return [_as_people_read(each) for each in described]
    return described


def job_address(request: HttpRequest, job: Job) -> str:
    """Return where a job is followed."""
    return request.build_absolute_uri(reverse("api:job", args=[job.pk]))


def status_info(request: Asker, job: Job, place: Place | None = None) -> dict[str, Any]:
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
        "size": job.artifact_bytes if job.artifact else None,
        "links": _job_links(request, job),
    }
    return {name: value for name, value in info.items() if value not in (None, "")}


def _message(job: Job, place: Place | None) -> StrOrPromise:
    """Return how a job stands, in words; of one that was tried before also why it waits again.

    What the site says itself is lazy, for pages; what the engine wrote is English.
    """
    if place is None:
        return _why_failed(job) or _OWN_WORDS.get(job.message, job.message)
    return f"{job.message} {place.in_words()}" if job.attempt else lazy(place.in_words, str)()


def _why_failed(job: Job) -> StrOrPromise | None:
    """Return why a job failed as its row's message has it, for pages in the reader's language."""
    made_of = ((job.problem or {}).get("said") or {}).get("detail")
    if not made_of:
        return None
    field, said = (job.problem or {}).get("field"), recalled(made_of)

    def told() -> str:
        return f"{field}: {retold(said)}" if field else retold(said)

    return lazy(told, str)()


def _job_links(request: Asker, job: Job) -> list[dict[str, Any]]:
    links = [
        *own_links(request, "job", job.pk),
        link(request, "monitor", "job", job.pk, title=_("How it stands")),
    ]
    if not job.is_finished:
        links.append(
            link(
                request,
                "events",
                "events",
                job.pk,
                type_="text/event-stream",
                title=_("Told as it changes"),
            )
        )
    if job.status == JobStatus.SUCCESSFUL and (job.artifact or job.has_outputs):
        type_ = job.media_type or JSON
        links.append(
            link(request, f"{OGC}results", "results", job.pk, type_=type_, title=_("The result"))
        )
    if job.status == JobStatus.FAILED:
        links.append(link(request, f"{OGC}exceptions", "results", job.pk, title=_("Why it failed")))
    return links


def _stamp(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
