"""What can go wrong in the queue; each error says what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

# A value is quoted to be recognised, not to be read in full: a message may have megabytes.
_MAX_QUOTED_CHARACTERS = 80


class TransportError(Exception):
    """Say what was wrong, with the field and value at fault and what to do.

    Parameters
    ----------
    message : str
        What was wrong, what is allowed.
    field : str, optional
        The option, queue or argument at fault.
    value : object, optional
        The value at fault, shortened for display.
    hint : str, optional
        What to do about it.
    """

    def __init__(
        self, message: str, *, field: str | None = None, value: Any = None, hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.value = None if value is None else quote(value)
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, self.field, self.value, self.hint)


class AwayError(TransportError, ConnectionError):
    """The database is away for now, or gave a statement up; kombu and Celery try again."""


class BusyError(AwayError):
    """Another holds what was needed: a lock was not given in time."""


class LeaseLostError(TransportError, ConnectionError):
    """This consumer was taken for dead: its messages now belong to others."""


class QueueFullError(TransportError):
    """A queue holds as many messages as it may; the message was not stored."""


class NotStoredError(TransportError):
    """A message was not stored, and to try again at once would not help."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the nearest known name, or an empty string.

    >>> did_you_mean("lease_second", ["lease_seconds"])
    " Did you mean 'lease_seconds'?"
    """
    nearest = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean '{nearest[0]}'?" if nearest else ""


def quote(value: Any) -> str:
    """Return a value as short plain text; control characters cannot forge a second line."""
    try:
        text = value if isinstance(value, str) else repr(value)
    except (RecursionError, ValueError):
        text = f"a {type(value).__name__}"
    plain = "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:200]
    )
    if len(plain) > _MAX_QUOTED_CHARACTERS or len(text) > 200:
        return plain[: _MAX_QUOTED_CHARACTERS - 1] + "…"
    return plain


def _rebuild(
    cls: type[TransportError], message: str, field: str | None, value: Any, hint: str | None
) -> TransportError:
    return cls(message, field=field, value=value, hint=hint)
