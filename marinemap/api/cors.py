"""Which pages of other origins may read and ask (W3C Fetch, CORS protocol)."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

from marinemap.api.conf import cors_origins

# What a page needs of an answer besides its content.
_EXPOSED = (
    "Accept-Ranges, Content-Crs, Content-Disposition, Content-Range, ETag, Link, Location, "
    "Preference-Applied, Retry-After, WWW-Authenticate, X-Request-ID"
)
_METHODS = "GET, HEAD, POST, DELETE"
_HEADERS = (
    "Accept, Authorization, Cache-Control, Content-Type, Idempotency-Key, If-None-Match, If-Range, "
    "Last-Event-ID, Prefer, Range, X-Request-ID"
)
_A_DAY = "86400"


class CorsMiddleware:
    """Let pages of the origins that the operator names read the API, without cookies.

    Whose page it is never speaks for the person who looks at it: no cookie of theirs is let in,
    and what changes something is refused from elsewhere all the same (``refuse_cross_site``),
    unless the person gave that page a token.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer, telling the browser who may read the answer."""
        origin = request.headers.get("Origin")
        if not request.path.startswith("/api/") or not cors_origins():
            return self._get_response(request)
        is_preflight = "Access-Control-Request-Method" in request.headers
        if request.method == "OPTIONS" and origin and is_preflight:
            response: HttpResponseBase = HttpResponse(status=204)
        else:
            response = self._get_response(request)
        _mark(response, origin, is_preflight)
        return response


def _mark(response: HttpResponseBase, origin: str | None, is_preflight: bool) -> None:
    known = cors_origins()
    # Said to whoever asks, also to who names no origin: a cache keeps one answer for all.
    allowed = "*" if "*" in known else origin
    if allowed != "*":
        patch_vary_headers(response, ["Origin"])
    if allowed is None or allowed not in known:
        return
    response.headers["Access-Control-Allow-Origin"] = allowed
    response.headers["Access-Control-Expose-Headers"] = _EXPOSED
    if is_preflight:
        response.headers["Access-Control-Allow-Methods"] = _METHODS
        response.headers["Access-Control-Allow-Headers"] = _HEADERS
        response.headers["Access-Control-Max-Age"] = _A_DAY
