"""Moments and intervals: as the OGC standards write them (RFC 3339; OGC 17-069r4, 7.15.4), and
as people read them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from django.utils import timezone
from django.utils.formats import date_format

from marinemap.errors import RequestError
from marinemap.sentences import say

_OPEN = ("", "..")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})")


@dataclass(frozen=True)
class Interval:
    """From and up to a moment, both included; None is open."""

    start: datetime | None
    end: datetime | None


def parse_interval(text: str, field: str) -> Interval:
    """Return an instant or an interval.

    Raises
    ------
    RequestError
        If it is none, or ends before it begins.
    """
    # In a query a plus sign that was not encoded arrives as a blank.
    parts = [part.strip().replace(" ", "+") for part in text.split("/")]
    if len(parts) > 2 or all(part in _OPEN for part in parts):
        raise _wrong(text, field)
    if len(parts) == 1:
        return Interval(_start(parts[0], text, field), _end(parts[0], text, field))
    interval = Interval(_start(parts[0], text, field), _end(parts[1], text, field))
    if interval.start and interval.end and interval.start > interval.end:
        raise RequestError(say("it ends before it begins"), field=field, value=text)
    return interval


def in_words(moment: datetime) -> str:
    """Return a moment as people of the active language read it, in the site's zone of times."""
    local = timezone.localtime(moment)
    return f"{date_format(local, 'DATETIME_FORMAT')} {local:%Z}"


def _start(part: str, text: str, field: str) -> datetime | None:
    return None if part in _OPEN else _moment(part, "T00:00:00Z", text, field)


def _end(part: str, text: str, field: str) -> datetime | None:
    return None if part in _OPEN else _moment(part, "T23:59:59.999999Z", text, field)


def _moment(part: str, rest_of_day: str, text: str, field: str) -> datetime:
    # GDAL writes a day as 2026-11-21T (its driver OAPIF, seen in 3.6).
    day = part.removesuffix("T")
    whole = day + rest_of_day if _DATE.fullmatch(day) else part.upper()
    if not _MOMENT.fullmatch(whole):
        raise _wrong(text, field)
    try:
        return datetime.fromisoformat(whole).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _wrong(text, field) from error


def _wrong(text: str, field: str) -> RequestError:
    return RequestError(
        say("not a moment or an interval of two"),
        field=field,
        value=text,
        hint=say("Write 2026-11-21T08:00:00Z, 2026-11-01/2026-11-30 or 2026-11-01/.."),
    )
