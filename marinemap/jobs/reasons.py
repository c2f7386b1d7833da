"""Why a job failed, for its owner: in words, and as its row keeps them."""

from __future__ import annotations

from typing import Any

from marinemap.errors import DatasetError, MarineMapError, RequestError, ServiceError, storable
from marinemap.extraction import RunLimitError
from marinemap.sentences import kept, say

# By the field of the error that names what there was too much of.
_SETTINGS = {
    "seconds": "MARINEMAP_MAX_RUN_SECONDS",
    "memory": "MARINEMAP_MAX_RUN_MEMORY_MB",
    "features": "MARINEMAP_MAX_RUN_FEATURES",
    "bytes": "MARINEMAP_MAX_RUN_MB",
}
_HINT = say("Ask for a smaller area; if it happens again, tell whoever runs this site.")


def interrupted(tries: int) -> ServiceError:
    """Return the error of a job whose worker died each time."""
    return ServiceError(
        say(
            "the worker stopped {tries} times while it ran this request; it was given up",
            tries=tries,
        ),
        hint=_HINT,
    )


def lacking(why: str) -> ServiceError:
    """Return the error of a job that lacked something each time."""
    return ServiceError(
        say(
            "the request could not be run, for {why} each time that it was tried; it was given up",
            why=why,
        ),
        hint=_HINT,
    )


def took_too_long(seconds: float) -> RunLimitError:
    """Return the error of a job whose run did not end, in a step that could only be killed."""
    error = RunLimitError(
        say(
            "the run took over {seconds:,.0f} seconds, the most that this site "
            "allows one request; it hung, or one step of it took too long, and was "
            "ended",
            seconds=seconds,
        ),
        field="seconds",
        value=seconds,
        hint=_HINT,
    )
    return with_setting(error)


def with_setting(error: RunLimitError) -> RunLimitError:
    """Return an error that tells the operator, too, where the limit is set."""
    setting = _SETTINGS.get(error.field or "")
    message = error.message
    if setting:
        message = say("{message} ({setting})", message=message, setting=setting)
    return RunLimitError(message, field=error.field, value=error.value, hint=error.hint)


def as_problem(error: MarineMapError) -> dict[str, Any]:
    """Return an error as JSON values; its kind is by who can do something about it.

    Texts in it are as :func:`marinemap.errors.storable` gives them.
    """
    said = {"detail": kept(error.message), "hint": kept(error.hint)}
    branches = (RequestError, DatasetError, ServiceError)
    problem = {
        "kind": next(each.__name__ for each in branches if isinstance(error, each)),
        "detail": error.message,
        "field": error.field,
        "value": error.value,
        "hint": error.hint,
    }
    # What the texts were made of, for who reads another language.
    found = {name: made_of for name, made_of in said.items() if made_of}
    whole = problem | ({"said": found} if found else {})
    return {name: _all_storable(value) for name, value in whole.items()}


def _all_storable(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _all_storable(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_all_storable(each) for each in value]
    return storable(value) if isinstance(value, str) else value
