"""Temporal functions of filters (OGC 21-065r2, class Temporal Functions; after Allen)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from marinemap.errors import quote
from marinemap.extraction.filters.values import Columns, family, in_words
from marinemap.sentences import say

_OPEN = ".."
# Before and after all moments that 64 bits hold in microseconds.
_EVER = 2**63 - 2
# Gives whole numbers that rise with time: days, or microseconds.
Ticks = Callable[[Columns], Any]
# Tells the type of a field by its name; refuses what is none.
TypeOf = Callable[[Any], Any]


def _all(*masks: Any) -> Any:
    found = masks[0]
    for mask in masks[1:]:
        found = pc.and_kleene(found, mask)
    return found


_is, _less, _more = pc.equal, pc.less, pc.greater
# Of start and end of one and of the other; a moment is both to itself.
_RELATIONS: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
    "t_after": lambda s, e, os, oe: _more(s, oe),
    "t_before": lambda s, e, os, oe: _less(e, os),
    "t_contains": lambda s, e, os, oe: _all(_less(s, os), _more(e, oe)),
    "t_disjoint": lambda s, e, os, oe: pc.or_kleene(_less(e, os), _more(s, oe)),
    "t_during": lambda s, e, os, oe: _all(_more(s, os), _less(e, oe)),
    "t_equals": lambda s, e, os, oe: _all(_is(s, os), _is(e, oe)),
    "t_finishedby": lambda s, e, os, oe: _all(_less(s, os), _is(e, oe)),
    "t_finishes": lambda s, e, os, oe: _all(_more(s, os), _is(e, oe)),
    "t_intersects": lambda s, e, os, oe: _all(pc.less_equal(s, oe), pc.greater_equal(e, os)),
    "t_meets": lambda s, e, os, oe: _is(e, os),
    "t_metby": lambda s, e, os, oe: _is(s, oe),
    "t_overlappedby": lambda s, e, os, oe: _all(_more(s, os), _less(s, oe), _more(e, oe)),
    "t_overlaps": lambda s, e, os, oe: _all(_less(s, os), _more(e, os), _less(e, oe)),
    "t_startedby": lambda s, e, os, oe: _all(_is(s, os), _more(e, oe)),
    "t_starts": lambda s, e, os, oe: _all(_is(s, os), _less(e, oe)),
}
TEMPORAL = tuple(_RELATIONS)


@dataclass(frozen=True)
class _Time:
    """One end of an operand: a field, a day, a moment, or open (None)."""

    value: str | date | None
    is_day: bool


def temporal(function: str, left: Any, right: Any, type_of: TypeOf) -> Callable[[Columns], Any]:
    """Return the mask of a temporal function.

    Where a day is on either side all is compared by days, in UTC: as ``=`` and ``<`` do.

    Parameters
    ----------
    function : str
        One of ``TEMPORAL``.
    left, right : CQL2 JSON
    type_of : callable
        Gives the type of a field.

    Raises
    ------
    ValueError
        If an operand is no time, telling why.
    """
    ends = [*_ends(left, type_of), *_ends(right, type_of)]
    by_days = any(each.is_day for each in ends)
    ticks = [_ticks(each, by_days, is_end) for each, is_end in zip(ends, (0, 1, 0, 1), strict=True)]
    relation = _RELATIONS[function]
    return lambda columns: relation(*(each(columns) for each in ticks))


def _ends(node: Any, type_of: TypeOf) -> tuple[_Time, _Time]:
    if isinstance(node, Mapping) and set(node) == {"interval"}:
        given = node["interval"]
        if not isinstance(given, list) or len(given) != 2:
            raise ValueError(say("an interval has two ends: INTERVAL('2026-01-01', '..')"))
        start, end = (_end(each, type_of) for each in given)
        _check_order(start, end)
        return start, end
    moment = _end(node, type_of)
    if moment.value is None:
        raise ValueError(say("'..' is the open end of an interval: INTERVAL('2026-01-01', '..')"))
    return moment, moment


def _end(node: Any, type_of: TypeOf) -> _Time:
    if isinstance(node, Mapping) and set(node) == {"property"}:
        type_ = type_of(node["property"])
        if family(type_) != "time":
            raise ValueError(
                say(
                    "'{field}' ({type}) is neither a day nor a moment",
                    field=quote(node["property"]),
                    type=in_words(type_),
                )
            )
        return _Time(node["property"], bool(pa.types.is_date(type_)))
    if node == _OPEN:
        return _Time(None, False)
    if isinstance(node, Mapping) and len(node) == 1:
        node = node.get("date") or node.get("timestamp")
    found = _read(node)
    return _Time(found, not isinstance(found, datetime))


def _read(text: Any) -> date:
    """Return a day, or a moment in UTC."""
    if isinstance(text, str):
        try:
            if len(text) == len("2026-01-31"):
                return date.fromisoformat(text)
            moment = datetime.fromisoformat(text)
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            pass
    raise ValueError(
        say(
            "'{text}' is no time: write DATE('2026-01-31'), "
            "TIMESTAMP('2026-01-31T12:00:00Z') or INTERVAL('2026-01-01', '..')",
            text=quote(text),
        )
    )


def _check_order(start: _Time, end: _Time) -> None:
    days = [each.value for each in (start, end) if isinstance(each.value, date)]
    # A day and a moment are compared by days, as everywhere.
    texts = [str(day)[:10] if start.is_day or end.is_day else str(day) for day in days]
    if texts != sorted(texts):
        raise ValueError(
            say(
                "the interval from {start} to {end} ends before it begins",
                start=texts[0],
                end=texts[1],
            )
        )


def _ticks(time: _Time, by_days: bool, is_end: int) -> Ticks:
    if isinstance(time.value, str):
        name = time.value
        return lambda columns: _numbers(columns[name], by_days)
    if time.value is None:
        ever = pa.scalar(_EVER if is_end else -_EVER)
        return lambda columns: ever
    scalar = pa.scalar(time.value, pa.date32() if time.is_day else pa.timestamp("us", "UTC"))
    ticks = _numbers(scalar, by_days)
    return lambda columns: ticks


def _numbers(times: Any, by_days: bool) -> Any:
    """Return days, or microseconds, since 1970."""
    if pa.types.is_timestamp(times.type):
        # Without the zone: the numbers are those of UTC already.
        times = times.cast(pa.timestamp(times.type.unit))
    if by_days:
        return times.cast(pa.date32(), safe=False).cast(pa.int32()).cast(pa.int64())
    return times.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
