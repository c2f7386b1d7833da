"""The body of a request: JSON, that fits what its operation declares; and its end."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from marinemap.api.declarations import Body
from marinemap.api.problems import EncodedBodyError
from marinemap.errors import RequestError
from marinemap.extraction.json_objects import each_once, is_deeper
from marinemap.processes.values import check_value
from marinemap.sentences import say

# A filter of the most levels takes 70. What is nested deeper than some hundred cannot be passed on
# to another process: Python's pickle calls itself.
_MOST_LEVELS = 100


class BodyMiddleware:
    """Let go of a request's body once it is answered.

    Django's request and its user hold each other, so that both stay until Python looks for cycles;
    with bodies of megabytes that was after hundreds of them.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        try:
            return self._get_response(request)
        finally:
            # Django's own names: what was read, and the stream over it.
            vars(request).update(_body=b"", _stream=BytesIO())


def read_body(request: HttpRequest, declared: Body) -> dict[str, Any]:
    """Return the members of a body.

    Raises
    ------
    RequestError
        If it is not JSON, or does not fit.
    """
    body = read_json_body(request)
    check_value(declared.schema, body, "body")
    members: dict[str, Any] = body
    return members


def read_json_body(request: HttpRequest, hint: str | None = None) -> Any:
    """Return what a body holds.

    Raises
    ------
    EncodedBodyError
        If it is compressed.
    RequestError
        If it is empty or not JSON; with what to do, if that is given.
    """
    refuse_encoded(request)
    if not request.body.strip():
        raise RequestError(say("the body is empty, and should be JSON"), field="body", hint=hint)
    try:
        return read_json(request.body)
    except ValueError as error:
        raise RequestError(
            say("the body is not JSON: {error}", error=error), field="body", hint=hint
        ) from error


def refuse_encoded(request: HttpRequest) -> None:
    """Refuse a body that is compressed.

    Raises
    ------
    EncodedBodyError
    """
    coding = request.headers.get("Content-Encoding", "identity")
    if coding.lower() != "identity":
        raise EncodedBodyError(
            say("a body is taken as it is, not compressed"), field="Content-Encoding", value=coding
        )


def read_json(content: str | bytes, field: str = "body") -> Any:
    """Return what JSON holds; NaN and Infinity, which Python reads, are none.

    Raises
    ------
    ValueError
        It is not JSON.
    RequestError
        If it is nested too deep, or a member stands twice in an object.
    """
    try:
        value = json.loads(content, parse_constant=_refuse_constant, object_pairs_hook=each_once())
    except RecursionError:
        raise _too_deep(field) from None
    if is_deeper(value, _MOST_LEVELS):
        raise _too_deep(field)
    return value


def _too_deep(field: str) -> RequestError:
    message = say("the JSON is nested more than {most} deep", most=_MOST_LEVELS)
    return RequestError(message, field=field)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number (RFC 8259)")
