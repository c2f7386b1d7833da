"""The body of a request: JSON that fits what its operation declares."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from marinemap.api.declarations import Body
from marinemap.api.processes.requests import read_json
from marinemap.errors import RequestError
from marinemap.processes.values import check_value


def read_body(request: HttpRequest, declared: Body) -> dict[str, Any]:
    """Return the members of a body.

    Raises
    ------
    RequestError
        If it is not JSON, or does not fit.
    """
    try:
        body = read_json(request.body)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"the body is not JSON: {error}", field="body") from error
    check_value(declared.schema, body, "body")
    members: dict[str, Any] = body
    return members
