"""Why files are not given, as a page for the person who opened their address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from marinemap.api.declarations import Document
from marinemap.api.declarations.documents import PRIVATE
from marinemap.api.declarations.serving import respond
from marinemap.api.problems import NoSuchJobError, ResultGoneError, ResultNotReadyError
from marinemap.errors import MarineMapError

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

_WHY: dict[type[MarineMapError], StrOrPromise] = {
    NoSuchJobError: _(
        "Files are given to the browser that asked for them, and for some time only. Ask whoever "
        "gave you this address for a link to share: the card of the request on the map has it."
    ),
    ResultGoneError: _("These files are gone. The card of the request on the map can ask again."),
    ResultNotReadyError: _(
        "These files are not ready. The card of the request on the map says how it stands."
    ),
}


def files_page(request: HttpRequest, error: MarineMapError) -> HttpResponse:
    """Return the page of an address of files that leads to none."""
    return why_page(request, _("No files here"), _WHY[type(error)], 404)


def why_page(
    request: HttpRequest, title: StrOrPromise, why: StrOrPromise, status: int
) -> HttpResponse:
    """Return a page that says why something is not given."""
    page = Document(title, {"description": why}, status=status, cache_control=PRIVATE)
    response = respond(request, page, "html")
    # Else it would be taken for one of the framework's.
    vars(response)["says_why"] = True
    return response
