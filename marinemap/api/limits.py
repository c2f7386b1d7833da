"""What one may ask for, told before it is refused: by the site, of one's own, of a day."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from marinemap.api.access import Access
from marinemap.api.conf import max_body_bytes, most_in_a_batch, most_look_seconds, most_sync_seconds
from marinemap.api.declarations import Answer, Document, Operation, Route
from marinemap.api.declarations.documents import PRIVATE
from marinemap.api.declarations.serving import FORM
from marinemap.api.identity import sender_or_new
from marinemap.api.links import LINKS
from marinemap.api.processes.letters import letters_of
from marinemap.jobs.allowance import allowances
from marinemap.jobs.conf import job_settings
from marinemap.jobs.limits import rooms_of

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

_LIMIT = {
    "type": "object",
    "required": ["id", "title", "most", "unit"],
    "properties": {
        "id": {"type": "string"},
        "title": {"type": "string"},
        "most": {"type": "number"},
        "used": {"type": "number", "description": "How much of it is taken up."},
        "unit": {"type": "string", "enum": ["jobs", "bytes", "features", "seconds", "requests"]},
    },
}
_LIMITS = {
    "type": "object",
    "required": ["limits", "links"],
    "properties": {
        "limits": {"type": "array", "items": _LIMIT},
        "letters": {
            "type": "object",
            "description": "There where whoever asks may have letters about their requests; with "
            "the address that is written to, where it is that of their account only.",
            "properties": {"address": {"type": "string"}},
        },
        "links": LINKS,
    },
}
WAITING = {
    "person": _("Waiting, of you"),
    "address": _("Waiting, of your network address"),
}
WITHIN_A_DAY = {
    "person": _("Within 24 hours, of you"),
    "address": _("Within 24 hours, of your network address"),
}


def limits(request: HttpRequest) -> Document:
    """List what whoever asks may ask for, and how much of it they have."""
    body: dict[str, Any] = {"limits": [*_of_site(), *_of_asker(request)], "links": []}
    if (letters := letters_of(request)) is not None:
        body["letters"] = letters
    return Document(_("Limits"), body, cache_control=PRIVATE)


def _of_site() -> Iterator[dict[str, Any]]:
    settings = job_settings()
    run = settings.run_limits
    known = (
        ("body", _("A request's body"), max_body_bytes(), "bytes"),
        ("batch", _("Requests in one batch"), most_in_a_batch(), "requests"),
        ("look", _("Looking at one request before it is queued"), most_look_seconds(), "seconds"),
        ("sync", _("Waiting for the end of a run"), most_sync_seconds(), "seconds"),
        ("run-seconds", _("One run"), run.seconds, "seconds"),
        ("run-features", _("One extract"), run.features, "features"),
        ("run-bytes", _("The files of one extract, before zipping"), run.file_bytes, "bytes"),
        ("waiting-site", _("Waiting at this site"), settings.max_waiting, "jobs"),
    )
    for name, title, most, unit in known:
        if most is not None:
            yield {"id": name, "title": title, "most": _number(most), "unit": unit}


def _of_asker(request: HttpRequest) -> Iterator[dict[str, Any]]:
    sender = sender_or_new(request)
    for room in rooms_of(sender):
        title = WAITING[room.whose]
        yield _taken(f"waiting-{room.whose}", title, room.most, room.waiting.count(), "jobs")
    for each in allowances(sender):
        yield _taken(each.id, WITHIN_A_DAY[each.whose], each.most, each.used, each.unit)


def _taken(name: str, title: StrOrPromise, most: float, used: float, unit: str) -> dict[str, Any]:
    figures = {"most": _number(most), "used": _number(used)}
    return {"id": name, "title": title, **figures, "unit": unit}


def _number(value: float) -> float | int:
    return int(value) if float(value).is_integer() else value


ROUTES = (
    Route(
        "limits",
        "/limits",
        (
            Operation(
                "GET",
                "getLimits",
                "What you may ask for, and how much of it you have",
                limits,
                "Overview",
                (FORM,),
                answers={200: Answer("The limits; those of a layer are told with it", _LIMITS)},
                access=Access.READ_JOBS,
            ),
        ),
    ),
)
