"""Why a job failed, for its owner: in words, and as its row keeps them."""

from __future__ import annotations

from typing import Any

from marinemap.errors import DatasetError, MarineMapError, RequestError, ServiceError

_HINT = "Ask for a smaller area; if it happens again, tell whoever runs this site."


def interrupted(tries: int) -> ServiceError:
    """Return the error of a job whose worker died each time."""
    return ServiceError(
        f"the worker stopped {tries} times while it ran this request; it was given up", hint=_HINT
    )


def lacking(why: str) -> ServiceError:
    """Return the error of a job that lacked something each time."""
    return ServiceError(
        f"the request could not be run, for {why} each time that it was tried; it was given up",
        hint=_HINT,
    )


def as_problem(error: MarineMapError) -> dict[str, Any]:
    """Return an error as JSON values; its kind is by who can do something about it."""
    branches = (RequestError, DatasetError, ServiceError)
    return {
        "kind": next(each.__name__ for each in branches if isinstance(error, each)),
        "detail": error.message,
        "field": error.field,
        "value": error.value,
        "hint": error.hint,
    }
