"""Errors as HTTP says them: one table of statuses, one body (RFC 9457)."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from typing import Any

from django.core.exceptions import (
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFieldsSent,
)
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import translation

from marinemap.api.access import ScopeError, SignInNeededError, TokenRefusedError
from marinemap.api.conf import max_body_bytes, most_parameters
from marinemap.api.declarations.negotiation import NotAcceptableError
from marinemap.api.error_pages import (
    is_api,
    is_problem_for_a_person,
    page_with,
    problem_page,
    wants_page,
    words_of,
)
from marinemap.api.events.limits import TooManyStreamsError
from marinemap.api.mute import tell_away
from marinemap.api.readers import in_language_of, retold, title_of
from marinemap.errors import (
    DatasetError,
    MarineMapError,
    RequestError,
    ServiceError,
    UnavailableError,
)
from marinemap.jobs.allowance import DayIsSpentError
from marinemap.jobs.expiry import RenewalError
from marinemap.jobs.limits import QueueFullError, TooManyWaitingError
from marinemap.jobs.repeats import KeyReusedError
from marinemap.jobs.uploads import TooManyAreasError
from marinemap.processes.registry import NoSuchProcessError
from marinemap.sentences import recalled, say
from marinemap.tasks.outages import DATABASE_AWAY, is_database_full

logger = logging.getLogger(__name__)

_OGC = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/"
_OWN = "urn:marinemap:problem:"


class NoSuchJobError(RequestError):
    """There is no job of that id for this client."""


class ResultNotReadyError(RequestError):
    """The job has not finished."""


class ResultGoneError(RequestError):
    """The job has finished, but there is nothing to fetch any more."""


class ShareOverError(RequestError):
    """The link to a result was revoked, or its time is over."""


class NotFoundError(RequestError):
    """There is nothing at that address."""


class DataChangedError(RequestError):
    """The data are another than those of the page before."""


class CrossSiteError(RequestError):
    """A page of another site tried to act in the user's name."""


class EncodedBodyError(RequestError):
    """The body came in a coding that is not undone here."""


# The most special class first: the first that fits decides.
_STATUSES: tuple[tuple[type[Exception], int, str], ...] = (
    (NoSuchProcessError, 404, f"{_OGC}no-such-process"),
    (NoSuchJobError, 404, f"{_OGC}no-such-job"),
    (ResultNotReadyError, 404, f"{_OGC}result-not-ready"),
    (ResultGoneError, 404, f"{_OGC}result-not-available"),
    (ShareOverError, 410, f"{_OWN}share-over"),
    (RenewalError, 409, f"{_OWN}not-renewed"),
    (NotFoundError, 404, f"{_OWN}not-found"),
    (NotAcceptableError, 406, f"{_OWN}not-acceptable"),
    (CrossSiteError, 403, f"{_OWN}cross-site"),
    (TokenRefusedError, 401, f"{_OWN}token-refused"),
    (ScopeError, 403, f"{_OWN}scope-missing"),
    (SignInNeededError, 403, f"{_OWN}sign-in-needed"),
    (DataChangedError, 410, f"{_OWN}data-changed"),
    (KeyReusedError, 409, f"{_OWN}key-reused"),
    (EncodedBodyError, 415, f"{_OWN}encoded-body"),
    (TooManyWaitingError, 429, f"{_OWN}too-many-waiting"),
    (TooManyStreamsError, 429, f"{_OWN}too-many-streams"),
    (TooManyAreasError, 429, f"{_OWN}too-many-areas"),
    (DayIsSpentError, 429, f"{_OWN}day-is-spent"),
    (QueueFullError, 503, f"{_OWN}queue-full"),
    (RequestError, 400, f"{_OWN}bad-request"),
    (DatasetError, 500, f"{_OWN}broken-dataset"),
    (UnavailableError, 503, f"{_OWN}unavailable"),
    (ServiceError, 500, f"{_OWN}service"),
    (Http404, 404, f"{_OWN}not-found"),
    (RequestDataTooBig, 413, f"{_OWN}too-large"),
    (PermissionDenied, 403, f"{_OWN}forbidden"),
    (SuspiciousOperation, 400, f"{_OWN}bad-request"),
    *((kind, 503, f"{_OWN}database-away") for kind in DATABASE_AWAY),
)
_RETRY_AFTER = {503: 5}
# What a header says of an error page's content goes with it; these speak of something else.
_KEPT_OF_A_PAGE = ("Content-Security-Policy", "Content-Range")
# The rest is for programs, and the same in each language.
_FOR_PEOPLE = ("title", "detail", "hint")
# What a job's row says of its error, by the name of its class.
_FAILED_JOB_STATUSES = {"RequestError": 400}


class ProblemMiddleware:
    """Turn errors into ``application/problem+json``: all under ``/api/``, others for programs."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer; an error page of Django's own becomes a problem document."""
        response = self._get_response(request)
        if is_problem_for_a_person(request, response):
            return problem_page(request, response)
        is_page = response.get("Content-Type", "").startswith("text/html")
        # What a view wrote for people stays.
        is_page &= not vars(response).get("says_why")
        if response.status_code < 400 or not is_page:
            return response
        words = words_of(request, response)
        if wants_page(request):
            return page_with(request, words, response)
        problem = _problem(
            request, response.status_code, f"{_OWN}http-{response.status_code}", **words
        )
        for name, value in response.headers.items():
            if not name.startswith("Content-") or name in _KEPT_OF_A_PAGE:
                problem.headers.setdefault(name, value)
        return problem

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer an error that a view raised."""
        return problem_response(request, error) if is_api(request) else None


def problem_response(request: HttpRequest, error: Exception) -> HttpResponse:
    """Return the answer to an error; one that nobody foresaw gets a reference number only."""
    for kind, status, type_ in _STATUSES:
        if isinstance(error, kind):
            if status == 503:
                logger.warning("Answered 503: %s", error, exc_info=error)
            if isinstance(error, DATABASE_AWAY) or isinstance(error.__cause__, DATABASE_AWAY):
                tell_away(request.META)
            response = _problem(request, status, type_, **_details(error, status))
            for name, value in getattr(error, "headers", {}).items():
                response.headers[name] = value
            seconds = getattr(error, "retry_after_seconds", _RETRY_AFTER.get(status))
            if seconds is not None:
                response.headers["Retry-After"] = str(seconds)
            return response
    reference = uuid.uuid4().hex[:12]
    logger.error("Unexpected error, reference %s", reference, exc_info=error)
    detail = say(
        "Something went wrong here. If you report it, give the reference {reference}.",
        reference=reference,
    )
    return _problem(request, 500, f"{_OWN}unexpected", detail=detail, reference=reference)


def failed_job_response(request: HttpRequest, problem: dict[str, Any]) -> HttpResponse:
    """Return the answer to a request for the results of a job that failed."""
    status = _FAILED_JOB_STATUSES.get(problem["kind"], 500)
    details = {name: problem[name] for name in ("detail", "field", "value", "hint")}
    # Of jobs that failed before sentences were kept there are the texts alone.
    said = problem.get("said") or {}
    details |= {name: recalled(made_of) for name, made_of in said.items() if made_of}
    return _problem(request, status, f"{_OWN}job-failed", **details)


def _details(error: Exception, status: int) -> dict[str, Any]:
    if isinstance(error, MarineMapError):
        return {
            "detail": error.message,
            "field": error.field,
            "value": error.value,
            "hint": error.hint,
        }
    if status == 413:
        most = max_body_bytes()
        return {"detail": say("The body is larger than the {most:,} bytes allowed.", most=most)}
    if status == 503:
        if is_database_full(error):
            return {
                "detail": say("The disk of the service's database is full; nothing was stored."),
                "hint": say("Who runs the service has to make room."),
            }
        return {"detail": say("The database does not answer; try again in a moment.")}
    if isinstance(error, TooManyFieldsSent):
        return {"detail": say("More than {most:,} parameters are given.", most=most_parameters())}
    return {"detail": str(error) or None}


def _problem(request: HttpRequest, status: int, type_: str, **members: Any) -> HttpResponse:
    body: dict[str, Any] = {"type": type_, "title": title_of(status), "status": status}
    # Absent members are left out: the standard's schemas know no null.
    body |= {name: value for name, value in members.items() if value is not None}
    body.setdefault("detail", body["title"])
    with translation.override(request.LANGUAGE_CODE):
        body |= {name: retold(body[name]) for name in _FOR_PEOPLE if name in body}
    response = JsonResponse(body, status=status, content_type=_media_type(request))
    in_language_of(request, response)
    # Caches may keep a 404 by themselves, and what is not there for one is there for another.
    response.headers["Cache-Control"] = "no-store"
    return response


def _media_type(request: HttpRequest) -> str:
    # A client that asks for JSON in so many words may not know problem+json.
    accept = request.headers.get("Accept", "")
    names_json = "application/json" in accept and "problem+json" not in accept
    return "application/json" if names_json and "*/*" not in accept else "application/problem+json"
