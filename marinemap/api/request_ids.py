"""Each request has an id: the client's own, or one that the answer tells it."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from marinemap.logs import request_id


class RequestIdMiddleware:
    """Work for a request under its id, and answer with it (``X-Request-ID``)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer within the id."""
        number = request_id.take_or_make(request.headers.get(request_id.HEADER))
        with request_id.working_for(number):
            response = self._get_response(request)
        response.headers[request_id.HEADER] = number
        return response
