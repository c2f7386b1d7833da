"""In which language a person reads: one that their browser asks for and the operator offers.

Only what people read is in it: pages, and letters. Nothing is activated for a whole request, so
what programs read, logs and errors included, is English whoever asks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation.trans_real import parse_accept_lang_header


class LanguageMiddleware:
    """Note with each request in which language a page that answers it is (``LANGUAGE_CODE``)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer."""
        header = request.headers.get("Accept-Language", "")
        request.LANGUAGE_CODE = choose(header, settings.MARINEMAP_LANGUAGES)
        return self._get_response(request)


def choose(accept_language: str, offered: Sequence[str]) -> str:
    """Return the first of the languages of a header that is offered, else the first offered.

    Regions are not told apart: ``de-AT`` reads ``de``.
    """
    for code, quality in parse_accept_lang_header(accept_language):
        language = code.partition("-")[0]
        if quality > 0 and language in offered:
            return language
    return offered[0]
