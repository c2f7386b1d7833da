"""The error pages of the framework itself, in words: what was wrong, and what to do."""

from __future__ import annotations

import http

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html

from marinemap.errors import quote

Words = dict[str, str]


def is_api(request: HttpRequest) -> bool:
    """Tell whether an address belongs to the API."""
    return request.path.startswith("/api/")


def wants_page(request: HttpRequest) -> bool:
    """Tell whether an error is read by a person, outside of the API."""
    return not is_api(request) and "text/html" in request.headers.get("Accept", "")


def words_of(request: HttpRequest, response: HttpResponse) -> Words:
    """Return what an error page means, as members of a problem document."""
    if response.status_code == 400 and (host := _unknown_host(request)):
        return {
            "detail": f"this site does not answer to the name '{host}'",
            "field": "Host",
            "value": host,
            "hint": "Ask by a name of the site's; its operator lists them in DJANGO_ALLOWED_HOSTS.",
        }
    if response.status_code == 405:
        taken = response.get("Allow", "")
        return {
            "detail": f"{quote(request.method)} is not taken at this address; it takes {taken}",
            "field": "method",
            "value": str(request.method),
            "hint": "GET /api/openapi.html shows what each address takes.",
        }
    if response.status_code == 404:
        return {
            "detail": f"there is nothing at '{quote(request.path)}'",
            "hint": "The map is at /, the API at /api/.",
        }
    return {}


def page_with(words: Words, response: HttpResponse) -> HttpResponse:
    """Return an error page that says in words what was wrong, where that is known."""
    # A page that says more, such as one of an operator's own template, stays.
    if "field" not in words:
        return response
    title = f"{http.HTTPStatus(response.status_code).phrase} ({response.status_code})"
    response.content = format_html(
        "<!doctype html><html lang=en><title>{}</title><h1>{}</h1><p>{}.</p><p>{}</p></html>",
        title,
        title,
        words["detail"],
        words["hint"],
    ).encode()
    return response


def _unknown_host(request: HttpRequest) -> str | None:
    try:
        request.get_host()
    except DisallowedHost:
        return quote(request.headers.get("Host", "")) or "none"
    return None
