"""A job's result, kept longer, and shared by a link with a key of its own."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import lazy
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from marinemap.api.declarations import Document
from marinemap.api.declarations.documents import PRIVATE
from marinemap.api.declarations.negotiation import wants_page
from marinemap.api.identity import get_job, refuse_cross_site
from marinemap.api.models import SharedResult
from marinemap.api.problems import NotFoundError, ResultGoneError, ShareOverError
from marinemap.api.processes.described import status_info
from marinemap.api.processes.jobs import check_layers, finished_job, give_results
from marinemap.api.processes.refused import why_page
from marinemap.api.times import in_words
from marinemap.errors import MarineMapError, RequestError
from marinemap.jobs import expiry
from marinemap.jobs.models import Job
from marinemap.jobs.states import JobStatus
from marinemap.sentences import say

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

MOST_DAYS = 365
_MOST_LINKS = 20
_KEY = re.compile(r"[A-Za-z0-9_-]{43}")


def renew(request: HttpRequest, job_id: str) -> Document:
    """Keep the files of a job for as long as new ones are kept."""
    job = get_job(request, job_id)
    refuse_cross_site(request)
    job = expiry.renew(job)
    return Document(_("Job"), status_info(request, job), cache_control=PRIVATE)


def share(request: HttpRequest, job_id: str, days: int | None) -> Document:
    """Make a link to the result of a job; its key is in this answer and nowhere else."""
    job = finished_job(request, job_id)
    refuse_cross_site(request)
    _refuse_body(request)
    if job.status != JobStatus.SUCCESSFUL or not (job.artifact or job.has_outputs):
        raise ResultGoneError(say("there is no result to share"), field="jobID", value=job_id)
    if _valid(job).count() >= _MOST_LINKS:
        raise RequestError(
            say("{most} links lead to this result, as many as may", most=_MOST_LINKS),
            field="jobID",
            value=job_id,
            hint=say("DELETE this address revokes all of them."),
        )
    key = secrets.token_urlsafe(32)
    until = timezone.now() + timedelta(days=days) if days else None
    # Of no use when the files are gone, unless they are renewed.
    made = SharedResult.objects.create(
        job=job,
        digest=_digest(key),
        expires_at=until or job.expires_at or timezone.now() + timedelta(days=1),
    )
    href = request.build_absolute_uri(reverse("api:shared", args=[key]))
    body = _described(job) | {"href": href, "expires": made.expires_at.isoformat()}
    return Document(_("Link"), body, status=201, headers={"Location": href}, cache_control=PRIVATE)


def _refuse_body(request: HttpRequest) -> None:
    # The link would last for as long as the files do, and not for the days that were meant.
    is_json = "json" in (request.content_type or "")
    if request.POST or (is_json and request.body.strip() not in (b"", b"{}")):
        raise RequestError(
            say("a link is asked for without a body"),
            field="body",
            hint=say("Write the days into the address: .../share?days=3."),
        )


def revoke(request: HttpRequest, job_id: str) -> Document:
    """Revoke all links to the result of a job."""
    job = get_job(request, job_id)
    refuse_cross_site(request)
    revoked = _valid(job).update(revoked_at=timezone.now())
    return Document(_("Links"), _described(job) | {"revoked": revoked}, cache_control=PRIVATE)


def open_shared(request: HttpRequest, key: str) -> HttpResponseBase:
    """Answer the result that a link leads to, or say why it leads to none."""
    try:
        return _given(request, _shared(key))
    except (ShareOverError, ResultGoneError, NotFoundError) as error:
        if not wants_page(request):
            raise
        status = 410 if isinstance(error, ShareOverError) else 404
        return why_page(request, _("This link leads to nothing"), _why(error), status)


def _given(request: HttpRequest, shared: SharedResult) -> HttpResponseBase:
    check_layers(request, shared.job)
    try:
        # As it is: a link to an output would lead to the job, which is its owner's.
        return give_results(request, shared.job, wanted={}, until=shared.expires_at)
    except ResultGoneError as error:
        # Without the job's id, which leads to all of it where no person is its owner.
        raise ShareOverError(
            say("the files of this link are gone"),
            hint=say("Ask whoever gave it to you for them."),
        ) from error


def _why(error: MarineMapError) -> StrOrPromise:
    """Return what a problem document says, in the language of whoever reads it."""
    if isinstance(error, _OverError):
        return format_lazy(error.said, moment=lazy(in_words, str)(error.moment))
    if isinstance(error, NotFoundError):
        return _(
            "There is no such link. Copy all of it, or ask whoever gave it to you for another."
        )
    return _("Its files are gone. Ask whoever gave it to you for them.")


class _OverError(ShareOverError):
    """A link that leads nowhere since a moment; ``said`` says so to people."""

    def __init__(self, message: str, hint: str, said: StrOrPromise, moment: datetime) -> None:
        super().__init__(message, hint=hint)
        self.said, self.moment = said, moment


def _shared(key: str) -> SharedResult:
    found = SharedResult.objects.filter(digest=_digest(key)).select_related("job").first()
    if found is None or not _KEY.fullmatch(key):
        raise NotFoundError(
            say("there is no such link"),
            field="key",
            hint=say("Copy all of it, or ask whoever gave it to you for another."),
        )
    if found.revoked_at is not None:
        raise _OverError(
            say(
                "this link was revoked at {moment} by who made it",
                moment=f"{found.revoked_at:%Y-%m-%dT%H:%M:%SZ}",
            ),
            say("Ask them for another."),
            _("This link was revoked at {moment} by who made it. Ask them for another."),
            found.revoked_at,
        )
    if found.expires_at <= timezone.now():
        raise _OverError(
            say(
                "the time of this link was over at {moment}",
                moment=f"{found.expires_at:%Y-%m-%dT%H:%M:%SZ}",
            ),
            say("Ask who made it for another."),
            _("The time of this link was over at {moment}. Ask who made it for another."),
            found.expires_at,
        )
    return found


def _valid(job: Job) -> Any:
    return SharedResult.objects.filter(job=job, revoked_at=None, expires_at__gt=timezone.now())


def _described(job: Job) -> dict[str, Any]:
    return {"jobID": str(job.pk)}


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()
