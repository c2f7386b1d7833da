"""Messages that were given up: read, sent again, or discarded."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from marinemap.jobs.models import Job
from marinemap.other_brokers import open_queue
from marinemap.transport.database import Database
from marinemap.transport.errors import TransportError
from marinemap.transport.operating.dead_letters import (
    DeadLetter,
    Selection,
    discard_dead_letters,
    find_dead_letters,
    find_payload,
    requeue_dead_letters,
)

_MOST_SHOWN = 200
# Of what it carries; a message may have megabytes.
_MOST_CHARACTERS = 20_000
_ACTIONS = {
    "send": (requeue_dead_letters, "Sent again"),
    "discard": (discard_dead_letters, "Discarded"),
}
View = Callable[..., HttpResponse]


@dataclass(frozen=True)
class _Shown:
    letter: DeadLetter
    job: str

    @property
    def died_at(self) -> datetime:
        return datetime.fromtimestamp(self.letter.died_at_ms / 1000, UTC)

    @property
    def published_at(self) -> datetime:
        return datetime.fromtimestamp(self.letter.published_at_ms / 1000, UTC)


def show_all(site: AdminSite) -> View:
    """Return the page that lists dead letters, and does what is chosen with some."""

    def view(request: HttpRequest) -> HttpResponse:
        _check(request, "jobs.view_job")
        with open_queue() as database:
            if database is None:
                return _page(site, request, "dead_letters", {"is_elsewhere": True})
            if request.method == "POST":
                _check(request, "jobs.change_job")
                _act(request, database)
                return HttpResponseRedirect(reverse("admin:dead-letters"))
            found = find_dead_letters(database, _MOST_SHOWN)
        context = {
            "letters": _with_jobs(found),
            "is_full": len(found) == _MOST_SHOWN,
            "may_act": request.user.has_perm("jobs.change_job"),
        }
        return _page(site, request, "dead_letters", context)

    return view


def show_one(site: AdminSite) -> View:
    """Return the page that shows what one dead letter carries."""

    def view(request: HttpRequest, number: int) -> HttpResponse:
        _check(request, "jobs.view_job")
        if not _is_id(str(number)):
            raise Http404("there is no dead letter of such a number")
        with open_queue() as database:
            found = find_payload(database, number, _MOST_CHARACTERS) if database else None
        if found is None:
            raise Http404("there is no such dead letter; it may have been sent again")
        text, length = found
        context = {"number": number, "text": _in_lines(text), "length": length}
        return _page(site, request, "dead_letter", context | {"is_cut": length > len(text)})

    return view


def _check(request: HttpRequest, permission: str) -> None:
    if not request.user.has_perm(permission):
        raise PermissionDenied


def _page(
    site: AdminSite, request: HttpRequest, name: str, context: dict[str, Any]
) -> HttpResponse:
    everywhere = {**site.each_context(request), "title": "Dead letters"}
    return TemplateResponse(request, f"console/{name}.html", {**everywhere, **context})


def _act(request: HttpRequest, database: Database) -> None:
    ids = frozenset(int(text) for text in request.POST.getlist("chosen") if _is_id(text))
    action = _ACTIONS.get(request.POST.get("action", ""))
    if not ids or action is None:
        messages.warning(request, "Choose dead letters, and what to do with them.")
        return
    act, done = action
    try:
        count = act(database, Selection(ids))
    except TransportError as error:
        messages.error(request, str(error))
        return
    messages.success(request, f"{done}: {count} dead letter{'' if count == 1 else 's'}.")


def _is_id(text: str) -> bool:
    # Both databases count to here.
    return text.isascii() and text.isdigit() and len(text) < 20 and int(text) < 2**63


def _with_jobs(letters: list[DeadLetter]) -> list[_Shown]:
    ids = {letter.correlation_id: _job_id(letter.correlation_id) for letter in letters}
    known = set(Job.objects.filter(pk__in=filter(None, ids.values())).values_list("pk", flat=True))
    return [
        _Shown(letter, str(job) if (job := ids[letter.correlation_id]) in known else "")
        for letter in letters
    ]


def _job_id(text: str | None) -> uuid.UUID | None:
    try:
        return uuid.UUID(text) if text else None
    except ValueError:
        return None


def _in_lines(payload: str) -> str:
    """Return JSON in lines; anything else, such as half of it, as it is."""
    try:
        return json.dumps(json.loads(payload), indent=2, ensure_ascii=False)
    except ValueError:
        return payload
