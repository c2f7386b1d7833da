"""Whose job it is: a signed-in user, a browser by its cookie, or a client that keeps none."""

from __future__ import annotations

import re
import secrets
import uuid
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.signing import BadSignature, Signer
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from marinemap.api.access import SCOPES
from marinemap.api.address import address_of, network_of
from marinemap.api.conf import is_https_only, lists_by_address
from marinemap.api.problems import CrossSiteError, NoSuchJobError, NotFoundError
from marinemap.catalogue.viewers import EVERYONE, Viewer, viewer_of_user
from marinemap.jobs import lifecycle, uploads
from marinemap.jobs.models import Job, UploadedArea
from marinemap.jobs.owners import Sender, owner_of_user
from marinemap.sentences import say

# Each new owner gets a cookie of a name of its own: a page that sends two first requests at once
# ends with both, and is the owner of both jobs.
_COOKIE = re.compile(r"marinemap-owner-[0-9a-f]{8}")
# Browsers keep a cookie for 400 days at most; each new job begins them anew.
_COOKIE_SECONDS = 400 * 24 * 3600
# More parallel first requests than any page sends; a heap of made-up ones costs no more.
_MOST_COOKIES = 8
# What a session is good for.
_ALL = frozenset(SCOPES)


def owners_of(request: HttpRequest) -> list[str]:
    """Return all names under which the sender of a request may own jobs, the present one first.

    Who signs in keeps what the browser asked for before, and gets it back by signing out.
    """
    user = request.user
    return [
        *([owner_of_user(user.pk)] if user.is_authenticated else []),
        *_cookies(request).values(),
    ]


def viewer_of(request: HttpRequest) -> Viewer:
    """Return as whom the sender of a request sees the catalogue."""
    # Several look-ups of a request ask; the groups are read once.
    kept = vars(request)
    if "viewer" not in kept:
        user = getattr(request, "user", AnonymousUser())
        sees_groups = "layers:read" in kept.get("token_scopes", _ALL)
        kept["viewer"] = viewer_of_user(user) if sees_groups else EVERYONE
    found: Viewer = kept["viewer"]
    return found


def sender_or_new(request: HttpRequest) -> Sender:
    """Return who sends a request: by a name of its own where none is known."""
    address = address_of(request)
    for owner in owners_of(request):
        return Sender(owner, True, address)
    return Sender(f"browser:{secrets.token_urlsafe(24)}", False, address)


def scope_of_keys(request: HttpRequest, sender: Sender) -> str:
    """Return within whose requests an ``Idempotency-Key`` of this request counts.

    A program without a cookie that sends a request again is known by its network address alone,
    as its job is by the id: who has key and body of a request could have made that job.
    """
    if sender.is_owner_known or _is_browser(request) or network_of(request) == "unknown":
        return sender.owner
    return f"address:{sender.address}"


def remember_owner(request: HttpRequest, response: HttpResponseBase, owner: str) -> None:
    """Let the browser keep who it is, for as long as any job of it may be kept."""
    kept = _cookies(request)
    if not kept and not owner.startswith("user:"):
        kept = {f"marinemap-owner-{secrets.token_hex(4)}": owner}
    for name, value in kept.items():
        response.set_cookie(
            name,
            _signer().sign(value),
            max_age=_COOKIE_SECONDS,
            secure=is_https_only(),
            httponly=True,
            samesite="Lax",
        )


@dataclass(frozen=True)
class Owners:
    """Whose jobs may be listed: those of some names, and those that are known by an address."""

    names: tuple[str, ...]
    address: str = ""

    @property
    def is_nobody(self) -> bool:
        """Whether there can be no such job."""
        return not (self.names or self.address)

    @property
    def jobs(self) -> Q:
        """Their jobs, for a query."""
        if self.address:
            return Q(is_owner_known=False, address=self.address)
        return Q(owner__in=self.names)

    def own(self, job: Job) -> bool:
        """Tell whether a job is theirs."""
        if self.address:
            return not job.is_owner_known and job.address == self.address
        return job.owner in self.names


def listed_owners(request: HttpRequest) -> Owners:
    """Return whose jobs the sender of a request may see listed.

    Where the operator lets it (``MARINEMAP_LIST_BY_ADDRESS``), a program that shows no cookie
    sees those that such programs made from its network address.
    """
    owners = owners_of(request)
    if not owners and lists_by_address() and not _is_browser(request):
        return Owners((), address_of(request))
    return Owners(tuple(owners))


def jobs_of(request: HttpRequest) -> QuerySet[Job]:
    """Return the jobs that the sender of a request may see listed."""
    return Job.objects.filter(listed_owners(request).jobs)


def get_job(request: HttpRequest, job_id: str) -> Job:
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
    job = Job.objects.filter(pk=job_id).first() if is_id(job_id) else None
    if job is None or not _may_see(request, job):
        raise NoSuchJobError(say("there is no such job"), field="jobID", value=job_id)
    return job


def get_batch(request: HttpRequest, batch_id: str) -> list[Job]:
    """Return the jobs of a batch that the sender of a request may see, in its order.

    They have one owner, and are seen by the same rules as a job.

    Raises
    ------
    NotFoundError
        If there is no such batch, or it is another's: the answer is the same.
    """
    jobs = list(lifecycle.of_batch(uuid.UUID(batch_id))) if is_id(batch_id) else []
    if not jobs or not _may_see(request, jobs[0]):
        raise NotFoundError(say("there is no such batch"), field="batchId", value=batch_id)
    return jobs


def get_uploaded_area(request: HttpRequest, area_id: str) -> UploadedArea | None:
    """Return an area that the sender of a request uploaded, by the same rules as a job.

    None where there is none, or it is another's, or its day is over.
    """
    area = uploads.find(area_id) if is_id(area_id) else None
    return area if area is not None and _may_see(request, area) else None


def _may_see(request: HttpRequest, owned: Job | UploadedArea) -> bool:
    """Tell whether it is the sender's; who shows its cookie for the first time has it then."""
    owners = owners_of(request)
    if any(secrets.compare_digest(owned.owner, owner) for owner in owners):
        if not owned.is_owner_known:
            _claim(owned)
        return True
    return not (owners or owned.is_owner_known or _is_browser(request))


def _claim(owned: Job | UploadedArea) -> None:
    if isinstance(owned, Job):
        lifecycle.claim_owner(owned)
    else:
        uploads.claim_owner(owned)


def refuse_cross_site(request: HttpRequest) -> None:
    """Refuse a request that changes something when a page of another origin sent it.

    Another site of the same organisation is another origin, too: what it lets in does not speak
    for the people here. Programs send neither header.

    Raises
    ------
    CrossSiteError
    """
    if _has_token(request):
        # Which no browser shows by itself: whoever sent it was given it.
        return
    # Browsers set this header themselves and no script can change it (W3C Fetch Metadata).
    site = request.headers.get("Sec-Fetch-Site", "none")
    origin = request.headers.get("Origin")
    if site not in ("same-origin", "none") or not _is_own(request, origin):
        raise CrossSiteError(say("a page of another site may not do this in your name"))


def is_id(text: str) -> bool:
    """Tell whether a text is the id of a job, a batch or a token."""
    try:
        # As it is written in links: Python would take braces and other forms as well.
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def _is_own(request: HttpRequest, origin: str | None) -> bool:
    """Tell whether an origin is this site's; "null" is a page that hides where it is from."""
    if origin is None or origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    try:
        # The scheme is the proxy's where there is one.
        return urlsplit(origin).netloc == request.get_host()
    except ValueError:
        return False


def _cookies(request: HttpRequest) -> dict[str, str]:
    """Return the owners that a browser shows, by the names of their cookies."""
    if _has_token(request):
        return {}
    names = sorted(name for name in request.COOKIES if _COOKIE.fullmatch(name))
    shown = {name: _unsigned(request.COOKIES[name]) for name in names[:_MOST_COOKIES]}
    return {name: owner for name, owner in shown.items() if owner is not None}


def _unsigned(text: str) -> str | None:
    try:
        return _signer().unsign(text)
    except BadSignature:
        return None


def _signer() -> Signer:
    # Signed, so that nobody is many people by making up cookies.
    return Signer(salt="marinemap.owner")


def _has_token(request: HttpRequest) -> bool:
    return "token_scopes" in vars(request)


def _is_browser(request: HttpRequest) -> bool:
    sent_by_browser = request.headers.get("Sec-Fetch-Site") is not None
    return sent_by_browser or request.headers.get("User-Agent", "").startswith("Mozilla/")
