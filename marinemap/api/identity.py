"""Whose job it is: a signed-in user, a browser by its cookie, or a client that keeps none."""

from __future__ import annotations

import secrets
from typing import Any

from django.http import HttpRequest

from marinemap.api.problems import CrossSiteError, NoSuchJobError
from marinemap.jobs import lifecycle
from marinemap.jobs.models import Job

_SESSION_KEY = "marinemap_owner"


def owner_of(request: HttpRequest) -> str | None:
    """Return who sends a request, None for a client that has shown no cookie of ours."""
    user = request.user
    if user.is_authenticated:
        return f"user:{user.pk}"
    return request.session.get(_SESSION_KEY)


def owner_or_new(request: HttpRequest) -> tuple[str, bool]:
    """Return who sends a request, and whether that was known before."""
    owner = owner_of(request)
    if owner is not None:
        return owner, True
    return f"browser:{secrets.token_urlsafe(24)}", False


def remember_owner(request: HttpRequest, owner: str) -> None:
    """Give a new owner a cookie; called once there is something to own."""
    if owner_of(request) is None:
        request.session[_SESSION_KEY] = owner


def get_job(request: HttpRequest, job_id: Any) -> Job:
    """Return a job that the sender of a request may see.

    A job belongs to the user or the browser that made it. Programs such as curl or OWSLib keep
    no cookie: the job that such a client made is open to whoever has its id (122 random bits)
    and likewise shows no cookie, until the cookie that came with the job is shown once; and
    never to another browser.

    Raises
    ------
    NoSuchJobError
        If there is no such job, or it is another's: the answer is the same.
    """
    job = Job.objects.filter(pk=job_id).first()
    owner = owner_of(request)
    if job is not None and owner is not None and secrets.compare_digest(job.owner, owner):
        if not job.is_owner_known:
            lifecycle.claim_owner(job)
        return job
    if job is None or owner is not None or job.is_owner_known or _is_browser(request):
        raise NoSuchJobError("there is no such job", field="jobID", value=str(job_id))
    return job


def refuse_cross_site(request: HttpRequest) -> None:
    """Refuse a request that changes something when a page of another site sent it.

    Raises
    ------
    CrossSiteError
    """
    # Browsers set this header themselves and no script can change it (W3C Fetch Metadata).
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        raise CrossSiteError("a page of another site may not do this in your name")


def _is_browser(request: HttpRequest) -> bool:
    sent_by_browser = request.headers.get("Sec-Fetch-Site") is not None
    return sent_by_browser or request.headers.get("User-Agent", "").startswith("Mozilla/")
