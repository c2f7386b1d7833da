"""Whoever reads an answer: in which language it is told to them, and that it is."""

from __future__ import annotations

import http
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import formats, translation
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext

from marinemap import sentences
from marinemap.sentences import say

# As RFC 9110 calls them; Python's names of some differ from one version to the next.
_TITLES = {
    400: say("Bad Request"),
    401: say("Unauthorized"),
    403: say("Forbidden"),
    404: say("Not Found"),
    405: say("Method Not Allowed"),
    406: say("Not Acceptable"),
    408: say("Request Timeout"),
    409: say("Conflict"),
    410: say("Gone"),
    412: say("Precondition Failed"),
    413: say("Content Too Large"),
    414: say("URI Too Long"),
    415: say("Unsupported Media Type"),
    416: say("Range Not Satisfiable"),
    429: say("Too Many Requests"),
    431: say("Request Header Fields Too Large"),
    500: say("Internal Server Error"),
    501: say("Not Implemented"),
    503: say("Service Unavailable"),
}


def title_of(status: int) -> str:
    """Return what a status is called."""
    return _TITLES.get(status) or http.HTTPStatus(status).phrase


def retold(text: str) -> str:
    """Return a text in the language that is active: a sentence of the site's own, whole."""
    point, comma = map(formats.get_format, ("DECIMAL_SEPARATOR", "THOUSAND_SEPARATOR"))
    return sentences.retold(text, gettext, point, comma)


def told_to(request: HttpRequest, values: Any) -> Any:
    """Return JSON values in which the site's own sentences are in the language of whoever asked."""
    with translation.override(request.LANGUAGE_CODE):
        return _all_retold(values)


def in_language_of(request: HttpRequest, response: HttpResponseBase) -> None:
    """Say that an answer is in the language of whoever asked, and another's for others."""
    response.headers["Content-Language"] = request.LANGUAGE_CODE
    patch_vary_headers(response, ["Accept-Language"])


def _all_retold(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _all_retold(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_all_retold(each) for each in value]
    return retold(value) if isinstance(value, str) else value
