"""Which variables there are: those that a setting is read from, and those that look like them."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator

from django.core.exceptions import ImproperlyConfigured

_PREFIX = "MARINEMAP_"
# Others' variables begin like these as well (Django's, Celery's, a platform's): of those only
# what looks like a misspelt one of ours is refused.
_SHARED_PREFIXES = ("DJANGO_", "DATABASE_", "CELERY_")
# How alike two names are behind their prefix, 1 being the same: HOEM and HOME have 0.75, URI and
# URL 0.67; USER and URL, which DATABASE_USER must not be taken for, 0.57.
_MISSPELT = 0.65
# Celery itself reads these before its settings, past all that is checked here.
_PAST_SETTINGS = {
    "CELERY_BROKER_READ_URL": "the queue is CELERY_BROKER_URL",
    "CELERY_BROKER_WRITE_URL": "the queue is CELERY_BROKER_URL",
    "CELERY_RESULT_BACKEND": "results are kept in the database",
}
# What is no text. A list may go over several lines.
_UNMEANT = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
# Every variable that a setting was read from.
_asked: set[str] = set()


def refuse_unknown(*, are_all_read: bool = True) -> None:
    """Refuse variables that no setting is read from: a misspelt one would do nothing.

    Parameters
    ----------
    are_all_read : bool
        Whether all settings were read; else only what resembles one that was is refused.

    Raises
    ------
    ImproperlyConfigured
        With a line for each, and the nearest name.
    """
    wrong = list(_find_unknown(are_all_read))
    if wrong:
        raise ImproperlyConfigured("\n".join(wrong))


def known_variables() -> frozenset[str]:
    """Return the names of all that settings were read from so far."""
    return frozenset(_asked)


def _find_unknown(are_all_read: bool) -> Iterator[str]:
    for name in sorted(set(os.environ) - _asked):
        if name in _PAST_SETTINGS:
            yield f"{name}: take it out; {_PAST_SETTINGS[name]}"
        elif name.startswith((_PREFIX, *_SHARED_PREFIXES)):
            nearest = _find_nearest(name)
            if nearest:
                yield f"{name}: there is no such setting. Did you mean {nearest}?"
            elif are_all_read and name.startswith(_PREFIX):
                yield f"{name}: there is no such setting; docs/reference/settings.md lists all"


def _find_nearest(name: str) -> str | None:
    prefix, _, rest = name.partition("_")
    known = {one.partition("_")[2]: one for one in _asked if one.startswith(f"{prefix}_")}
    nearest = difflib.get_close_matches(rest, known, n=1, cutoff=_MISSPELT)
    return known[nearest[0]] if nearest else None


def read_text(name: str, default: str) -> str:
    """Return a variable as it is, the default where it is not set or empty."""
    return read_variable(name) or default


def read_variable(name: str) -> str | None:
    """Return a variable as it is, None where it is not set; it counts as known from now on.

    Raises
    ------
    ImproperlyConfigured
        If it has a character that nobody means. Its text is not repeated: it may be a secret.
    """
    _asked.add(name)
    text = os.environ.get(name)
    found = _UNMEANT.search(text or "")
    if found is not None:
        raise ImproperlyConfigured(f"{name}: it has {_called(found[0])}")
    return text


def _called(sign: str) -> str:
    if sign == "\r":
        return (
            "a carriage return, as files written on Windows have at the end of each line; take "
            "these out of the environment file: sed -i 's/\\r$//'"
        )
    if sign >= "\ud800":
        return "bytes that are no UTF-8; write it in UTF-8"
    return f"the control character U+{ord(sign):04X}; write it without"
