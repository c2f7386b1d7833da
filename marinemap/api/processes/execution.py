"""Run a process: at once within the request, or as a job."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from marinemap.api.areas.chosen import with_area
from marinemap.api.conf import most_sync_seconds
from marinemap.api.declarations import Document
from marinemap.api.declarations.documents import PRIVATE
from marinemap.api.declarations.negotiation import takes
from marinemap.api.declarations.serving import respond
from marinemap.api.identity import (
    refuse_cross_site,
    remember_owner,
    sender_or_new,
    viewer_of,
)
from marinemap.api.processes.described import control_options, job_address, status_info
from marinemap.api.processes.jobs import answer_results
from marinemap.api.processes.letters import correspondent_of
from marinemap.api.processes.preferences import Preferences, is_fresh, read_preferences
from marinemap.api.processes.references import resolved
from marinemap.api.processes.repeats import keyed_request
from marinemap.api.processes.requests import ExecuteRequest, read_execute_request
from marinemap.api.processes.results import answer_outputs
from marinemap.api.processes.waiting import ended_within, turn_to_wait
from marinemap.api.readers import in_language_of, told_to
from marinemap.errors import RequestError, UnavailableError
from marinemap.jobs import submission
from marinemap.jobs.conf import job_settings
from marinemap.jobs.models import Job
from marinemap.jobs.notify import Subscriber
from marinemap.jobs.queue import find_place
from marinemap.jobs.storage import StorageAwayError
from marinemap.processes.at_once import run_at_once
from marinemap.processes.process import Process
from marinemap.processes.registry import get_process
from marinemap.sentences import say


def execute(
    request: HttpRequest,
    process_id: str,
    prefer: str,
    idempotency_key: str | None = None,
    cache_control: str = "",
) -> HttpResponseBase:
    """Answer an execute request: 200 with the outputs, or 201 with a job."""
    refuse_cross_site(request)
    process = get_process(process_id)
    asked = read_execute_request(request, process)
    preferences = read_preferences(prefer)
    is_async = _is_async(process, asked, preferences)
    if is_async or process.is_awaited:
        seconds = _patience(request, process, asked, preferences, is_async)
        response = _submit(
            request, process, asked, idempotency_key, seconds, is_fresh(cache_control)
        )
    else:
        response = _run(request, process, asked)
    is_job = response.status_code == 201
    if preferences.is_async == is_job:
        response.headers["Preference-Applied"] = "respond-async" if is_job else "respond-sync"
    return response


def _patience(
    request: HttpRequest,
    process: Process,
    asked: ExecuteRequest,
    preferences: Preferences,
    is_async: bool,
) -> float:
    """Return how many seconds a client waits for the end of its job, before it is told the job.

    Who prefers a job, or takes no answer of the output's type, does not wait.
    """
    if not process.is_awaited or is_async and preferences.wait is None:
        return 0
    types = {process.media_type_of(name) for name in asked.outputs}
    if asked.response == "raw" and not any(takes(request, each) for each in types):
        return 0
    most = most_sync_seconds()
    return most if preferences.wait is None else min(most, preferences.wait)


def _is_async(process: Process, asked: ExecuteRequest, preferences: Preferences) -> bool:
    """Tell whether a job is made (OGC 18-062r2, section 7.11.2.3): by default it is not."""
    options = control_options(process)
    wanted = {"async": True, "sync": False}.get(asked.mode, preferences.is_async)
    if process.is_awaited:
        # A wait that is preferred by itself is one for the outputs (RFC 7240, section 4.3).
        is_plain = wanted is None and preferences.wait is None
        return "sync-execute" not in options if is_plain else bool(wanted)
    if "async-execute" not in options or "sync-execute" not in options:
        is_async = "async-execute" in options
        if asked.mode != "auto" and wanted != is_async:
            raise RequestError(
                say("process '{process}' is executed asynchronously only", process=process.id)
                if is_async
                else say("process '{process}' is executed synchronously only", process=process.id),
                field="mode",
                value=asked.mode,
            )
        return is_async
    if "reference" in asked.outputs.values() and wanted is None:
        return True
    return bool(wanted)


def _run(request: HttpRequest, process: Process, asked: ExecuteRequest) -> HttpResponseBase:
    for member in ("subscriber", "notify"):
        if asked.members.get(member):
            raise RequestError(
                say("there would be nothing to tell: this is run at once, and answered"),
                field=member,
                hint=say("Send the header Prefer: respond-async, or leave it out."),
            )
    if "reference" in asked.outputs.values():
        raise RequestError(
            say("a link leads to the results of a job, and this would be run without one"),
            field="transmissionMode",
            value="reference",
            hint=say("Send the header Prefer: respond-async, or ask for 'value'."),
        )
    inputs = _resolved(request, asked)
    # What has no seconds sees itself to how many are looked at.
    with turn_to_wait() if process.seconds else nullcontext(True) as has_turn:
        if not has_turn:
            raise UnavailableError(
                say("many requests are being run just now"),
                hint=say("Try again in a few seconds, or send the header Prefer: respond-async."),
            )
        outputs = run_at_once(
            process,
            inputs,
            most_sync_seconds(),
            job_settings().run_limits,
            viewer_of(request),
        )
    # What others make is their own: it holds no sentence of the site's, and may be long.
    if not process.is_immediate:
        return answer_outputs(request, process, outputs, asked.wanted)
    response = answer_outputs(request, process, told_to(request, outputs), asked.wanted)
    in_language_of(request, response)
    return response


def _resolved(request: HttpRequest, asked: ExecuteRequest) -> Mapping[str, Any]:
    """Return the inputs with what links and ids of areas stand for."""
    return with_area(request, resolved(asked.inputs))


def _submit(
    request: HttpRequest,
    process: Process,
    asked: ExecuteRequest,
    key: str | None,
    seconds: float,
    fresh: bool,
) -> HttpResponseBase:
    sender = sender_or_new(request)
    keyed = keyed_request(request, key, process.id, sender)
    job = keyed.find_job() if keyed else None
    job = job or submission.submit(
        process.id,
        _resolved(request, asked),
        sender,
        asked.wanted,
        Subscriber(asked.addresses, request.build_absolute_uri(reverse("api:landing"))),
        keyed,
        viewer_of(request),
        fresh,
        correspondent_of(request, asked.notify),
    )
    # From here on the job is stored: whatever is asked besides may not turn this into an error.
    ended = ended_within(request, job, seconds)
    response = (ended and _answer_at_once(request, ended)) or _answer_job(request, job)
    if sender.is_owner_known or job.owner == sender.owner:
        remember_owner(request, response, sender.owner)
    return response


def _answer_at_once(request: HttpRequest, job: Job) -> HttpResponseBase | None:
    """Answer what a job made; None where its files cannot be had just now."""
    try:
        response = answer_results(request, job)
    except StorageAwayError:
        return None
    monitor = f'<{job_address(request, job)}>; rel="monitor"'
    # OGC 18-062r2, requirement job-results-success-sync.
    response.headers["Link"] = ", ".join(filter(None, [response.get("Link"), monitor]))
    return response


def _answer_job(request: HttpRequest, job: Job) -> HttpResponseBase:
    info: dict[str, Any] = status_info(request, job, find_place(job))
    # Of a request that is sent again as well: whose first answer was lost goes on as with it.
    headers = {"Location": job_address(request, job)}
    document = Document(_("Job"), info, status=201, headers=headers, cache_control=PRIVATE)
    return respond(request, document, "json")
