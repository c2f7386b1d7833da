"""What can go wrong, by who can act on it: the user, whoever supplied the data, the operator."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from marinemap.sentences import say

# A value is quoted to be recognised, not to be read in full: an area may have megabytes.
_MAX_QUOTED_CHARACTERS = 80


class MarineMapError(Exception):
    """Say what was wrong, with the field and value at fault and what to do.

    Parameters
    ----------
    message : str
        One sentence or two for a person: what was wrong, what is allowed.
    field : str, optional
        The input, option or column at fault, as its caller wrote it.
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
        # The names of members are a stranger's words as well.
        self.field = None if field is None else quote(field)
        self.value = None if value is None else quote(value)
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message

    @property
    def in_full(self) -> str:
        """The message and, on a line of its own, what to do about it."""
        return f"{self}\n{self.hint}" if self.hint else str(self)

    def __reduce__(self) -> tuple[Any, ...]:
        # Celery carries errors from worker to caller; keyword-only arguments do not
        # survive the default pickling of exceptions.
        return _rebuild, (type(self), self.message, self.field, self.value, self.hint)


class RequestError(MarineMapError):
    """The user asked for something that cannot be done as asked."""


class DatasetError(MarineMapError):
    """The data are broken, missing or not what the catalogue says."""


class ServiceError(MarineMapError):
    """The service itself is misconfigured or cannot do its work now."""


class UnavailableError(ServiceError):
    """What the service needs is away or full for now (database, queue, disk): try again."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the nearest known name, or an empty string.

    >>> did_you_mean("coast", ["coastline", "reefs"])
    " Did you mean 'coastline'?"
    >>> did_you_mean("zzz", ["coastline"])
    ''
    >>> did_you_mean("REEFS", ["coastline", "reefs"])
    " Did you mean 'reefs'?"
    """
    # Who writes in capitals means the same.
    lowered = {each.lower(): each for each in known}
    nearest = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.5)
    return say(" Did you mean '{name}'?", name=lowered[nearest[0]]) if nearest else ""


def quote(value: Any) -> str:
    """Return a value as text short and plain enough for a message, a log line or a page.

    Control characters are escaped, so that a value cannot forge a second log line.
    """
    try:
        text = value if isinstance(value, str) else repr(value)
    except (RecursionError, ValueError):
        # Nested thousands deep, or a number of more digits than Python will write.
        text = f"a {type(value).__name__}"
    plain = "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:200]
    )
    if len(plain) > _MAX_QUOTED_CHARACTERS or len(text) > 200:
        return plain[: _MAX_QUOTED_CHARACTERS - 1] + "…"
    return plain


def storable(text: str) -> str:
    """Return a text that every database takes: without NUL, and halves of pairs written out."""
    return text.replace("\0", "\\0").encode(errors="backslashreplace").decode()


def _rebuild(
    cls: type[MarineMapError], message: str, field: str | None, value: Any, hint: str | None
) -> MarineMapError:
    return cls(message, field=field, value=value, hint=hint)
