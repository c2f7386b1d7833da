"""The id of the request that this thread works for, from the browser's to the worker's."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# By which name it travels: in requests, answers and callbacks, and in messages.
HEADER = "X-Request-ID"
MESSAGE_HEADER = "request_id"
MOST_CHARACTERS = 64

# What a stranger gives ends up in lines of the log and in headers.
_SOUND = re.compile(rf"[A-Za-z0-9._:-]{{1,{MOST_CHARACTERS}}}")
_current: ContextVar[str] = ContextVar("request_id", default="")


def current() -> str:
    """Return the id; empty where this thread works for no request."""
    return _current.get()


@contextmanager
def working_for(request_id: str) -> Iterator[None]:
    """Work for a request within the block; empty is for none."""
    token = _current.set(request_id)
    try:
        yield
    finally:
        _current.reset(token)


def begin(request_id: str) -> None:
    """Work for a request until the next call: for signals, which have no block."""
    _current.set(request_id)


def take_or_make(given: str | None) -> str:
    """Return the id that a client gave, or a new one where that is none."""
    return given if given and _SOUND.fullmatch(given) else uuid.uuid4().hex
