"""Several requests at once: all become jobs, or none."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from marinemap.api.areas.chosen import with_area
from marinemap.api.bodies import read_body
from marinemap.api.conf import most_in_a_batch, most_look_seconds
from marinemap.api.declarations import Body, Document
from marinemap.api.declarations.documents import PRIVATE
from marinemap.api.declarations.serving import respond
from marinemap.api.identity import (
    get_batch,
    refuse_cross_site,
    remember_owner,
    sender_or_new,
    viewer_of,
)
from marinemap.api.processes.described import status_info
from marinemap.api.processes.letters import NOTIFY, correspondent_of
from marinemap.api.processes.preferences import is_fresh
from marinemap.api.processes.references import is_link
from marinemap.api.processes.repeats import keyed_request
from marinemap.api.processes.requests import (
    SCHEMA,
    addresses_of,
    execute_request,
    subscriber_schema,
)
from marinemap.catalogue.viewers import Viewer
from marinemap.errors import RequestError
from marinemap.jobs import lifecycle
from marinemap.jobs.models import Job
from marinemap.jobs.notify import Subscriber
from marinemap.jobs.queue import find_places
from marinemap.jobs.repeats import BATCH
from marinemap.jobs.states import JobStatus
from marinemap.jobs.submission import Prepared, prepare, submit_batch
from marinemap.processes.registry import get_process
from marinemap.sentences import say

# However large an operator lets a batch be.
_MOST = 1_000
_SOON_SECONDS = 2
# One letter tells of all of them.
_NOT_OF_ONE = ("mode", "id", "notify")
_REQUEST = {
    "type": "object",
    "required": ["process"],
    "properties": {
        "process": {"type": "string", "maxLength": 100},
        **{name: at for name, at in SCHEMA["properties"].items() if name not in _NOT_OF_ONE},
    },
    "additionalProperties": False,
}
BODY = Body(
    {
        "type": "object",
        "required": ["requests"],
        "properties": {
            "requests": {"type": "array", "items": _REQUEST, "minItems": 1, "maxItems": _MOST},
            "notify": NOTIFY,
            "subscriber": subscriber_schema("successUri", "failedUri"),
        },
        "additionalProperties": False,
    },
    "Requests, each as that of an execution with the id of its process; who is written to, and "
    "told, when all have ended: that all were successful, or that one was not.",
    {
        "requests": [
            {"process": "extract", "inputs": {"layers": ["reefs"], "area": [0, 40, 5, 45]}},
            {"process": "extract", "inputs": {"layers": ["ports"], "area": [0, 40, 5, 45]}},
        ]
    },
)


@dataclass(frozen=True)
class _Asker:
    """As whom a batch is asked for, from where, and whether all of it is to be run anew."""

    request: HttpRequest
    viewer: Viewer
    api: str
    is_fresh: bool


def make(request: HttpRequest, idempotency_key: str | None, cache_control: str) -> HttpResponseBase:
    """Make a job of each request of a body; of none where one is wrong."""
    refuse_cross_site(request)
    body = read_body(request, BODY)
    asked: list[dict[str, Any]] = body["requests"]
    if len(asked) > most_in_a_batch():
        raise RequestError(
            say(
                "{count} requests are more than the {most} that a batch may have",
                count=len(asked),
                most=most_in_a_batch(),
            ),
            field="body.requests",
            hint=say("Send several batches."),
        )
    sender = sender_or_new(request)
    keyed = keyed_request(request, idempotency_key, BATCH, sender)
    made_for = _Asker(
        request,
        viewer_of(request),
        request.build_absolute_uri(reverse("api:landing")),
        is_fresh(cache_control),
    )
    first = keyed.find_job() if keyed else None
    if first is not None and first.batch is not None:
        jobs = list(lifecycle.of_batch(first.batch))
    else:
        correspondent = correspondent_of(request, body.get("notify"))
        subscriber = Subscriber(addresses_of(body.get("subscriber", {})), made_for.api)
        prepared = _prepared(asked, made_for)
        jobs = submit_batch(sender, prepared, keyed, correspondent, subscriber)
    document = _document(request, jobs, status=201)
    response = respond(request, document, "json")
    response.headers["Location"] = _address(request, jobs[0])
    if sender.is_owner_known or jobs[0].owner == sender.owner:
        remember_owner(request, response, sender.owner)
    return response


def status(request: HttpRequest, batch_id: str) -> Document:
    """Answer how the jobs of a batch stand, with the results that are there."""
    return _document(request, get_batch(request, batch_id))


def dismiss(request: HttpRequest, batch_id: str) -> Document:
    """Cancel each job of a batch; remove the files of those that are finished."""
    get_batch(request, batch_id)
    refuse_cross_site(request)
    return _document(request, lifecycle.dismiss_batch(uuid.UUID(batch_id)))


def _prepared(asked: Sequence[Mapping[str, Any]], asker: _Asker) -> list[Prepared]:
    """Check each request; all of them have the time that one may take."""
    until = time.monotonic() + most_look_seconds()
    prepared = []
    for place, body in enumerate(asked):
        with _told_of(place):
            prepared.append(_prepare(body, asker))
        if time.monotonic() > until and place + 1 < len(asked):
            raise RequestError(
                say(
                    "after {seconds:g} s only {done} of {count} requests were looked at",
                    seconds=most_look_seconds(),
                    done=place + 1,
                    count=len(asked),
                ),
                field="body.requests",
                hint=say("Send fewer at a time, or areas of fewer corners."),
            )
    return prepared


def _prepare(body: Mapping[str, Any], asker: _Asker) -> Prepared:
    process = get_process(body["process"])
    if "async-execute" not in process.control_options:
        raise RequestError(
            say("process '{id}' makes no job: it answers at once", id=process.id), field="process"
        )
    asked = execute_request({name: at for name, at in body.items() if name != "process"}, process)
    linked = next((name for name, value in asked.inputs.items() if is_link(name, value)), None)
    if linked is not None:
        raise RequestError(
            say("no link is followed for a batch"),
            field=f"inputs.{linked}",
            hint=say("Give the value itself, or send this request alone."),
        )
    subscriber = Subscriber(asked.addresses, asker.api)
    inputs = with_area(asker.request, asked.inputs)
    return prepare(process.id, inputs, asked.wanted, subscriber, asker.viewer, asker.is_fresh)


@contextmanager
def _told_of(place: int) -> Iterator[None]:
    """Name the request of a batch that is wrong."""
    try:
        yield
    except RequestError as error:
        # As one of a body: the batch is there, whatever one of its requests names; and its process
        # is a member here, no part of the path.
        member = "process" if error.field == "processID" else error.field
        field = ".".join(filter(None, ["body.requests", str(place), member]))
        raise RequestError(
            error.message, field=field, value=error.value, hint=error.hint
        ) from error


def _document(request: HttpRequest, jobs: Sequence[Job], status: int = 200) -> Document:
    counted = {each: sum(job.status == each for job in jobs) for each in JobStatus}
    completed = sum(job.is_finished for job in jobs)
    places = find_places(jobs)
    body = {
        "batchID": str(jobs[0].batch),
        "total": len(jobs),
        "completed": completed,
        "succeeded": counted[JobStatus.SUCCESSFUL],
        "failed": counted[JobStatus.FAILED],
        "dismissed": counted[JobStatus.DISMISSED],
        "jobs": [status_info(request, job, places.get(job.pk)) for job in jobs],
        "links": [],
    }
    headers = {} if completed == len(jobs) else {"Retry-After": str(_SOON_SECONDS)}
    return Document(_("Batch"), body, status=status, headers=headers, cache_control=PRIVATE)


def _address(request: HttpRequest, job: Job) -> str:
    return request.build_absolute_uri(reverse("api:batch", args=[job.batch]))
