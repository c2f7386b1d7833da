"""Errors as pages, for who reads them in a browser: what was wrong, and what to do."""

from __future__ import annotations

import json
import re

from django.core.exceptions import DisallowedHost, TooManyFieldsSent
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import translation
from django.utils.html import format_html
from django.utils.translation import gettext

from marinemap.api.declarations import Document, negotiation
from marinemap.api.declarations.documents import PRIVATE
from marinemap.api.declarations.serving import respond
from marinemap.api.readers import in_language_of, retold
from marinemap.errors import quote
from marinemap.sentences import say

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
            "detail": say("this site does not answer to the name '{host}'", host=host),
            "field": "Host",
            "value": host,
            "hint": say(
                "Ask by a name of the site's; its operator lists them in DJANGO_ALLOWED_HOSTS."
            ),
        }
    if response.status_code == 405:
        taken = response.get("Allow", "")
        return {
            "detail": say(
                "{method} is not taken at this address; it takes {taken}",
                method=quote(request.method),
                taken=taken,
            ),
            "field": "method",
            "value": str(request.method),
            "hint": say("GET /api/openapi.html shows what each address takes."),
        }
    if response.status_code == 404:
        return {
            "detail": say("there is nothing at '{path}'", path=quote(request.path)),
            "hint": say("The map is at /, the API at /api/."),
        }
    return {}


def page_with(request: HttpRequest, words: Words, response: HttpResponse) -> HttpResponse:
    """Return an error page that says in words what was wrong, where that is known."""
    # A page that says more, such as one of an operator's own template, stays.
    if "field" not in words:
        return response
    with translation.override(request.LANGUAGE_CODE):
        title = gettext("Error {status}").format(status=response.status_code)
        response.content = format_html(
            "<!doctype html><html lang={}><title>{}</title><h1>{}</h1><p>{}.</p><p>{}</p></html>",
            request.LANGUAGE_CODE,
            title,
            title,
            retold(words["detail"]),
            retold(words["hint"]),
        ).encode()
    in_language_of(request, response)
    return response


def is_problem_for_a_person(request: HttpRequest, response: HttpResponseBase) -> bool:
    """Tell whether a problem document answers somebody who goes through the API's pages."""
    is_problem = 400 <= response.status_code < 500 and "json" in response.get("Content-Type", "")
    is_followed = request.method in ("GET", "HEAD") and not _asks_for_json(request)
    return is_problem and is_followed and is_api(request) and negotiation.wants_page(request)


def _asks_for_json(request: HttpRequest) -> bool:
    try:
        return request.GET.get("f") == "json"
    except TooManyFieldsSent:
        # Which is the problem that is being told.
        return False


def problem_page(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Return the page that says what a problem document does."""
    problem = json.loads(response.content)
    said = " ".join(_sentence(problem[name]) for name in ("detail", "hint") if name in problem)
    document = Document(
        problem["title"], {"description": said}, status=response.status_code, cache_control=PRIVATE
    )
    page = respond(request, document, "html")
    for name, value in response.headers.items():
        if not name.startswith("Content-"):
            page.headers.setdefault(name, value)
    return page


def _sentence(text: str) -> str:
    end = "" if re.search(r"[.!?…]$", text) else "."
    return f"{text[:1].upper()}{text[1:]}{end}"


def _unknown_host(request: HttpRequest) -> str | None:
    try:
        request.get_host()
    except DisallowedHost:
        return quote(request.headers.get("Host", "")) or "none"
    return None
