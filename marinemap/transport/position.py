"""Where a waiting message stands, and when the rate lets it start at the earliest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import (
    CTE,
    ColumnElement,
    ScalarSelect,
    Text,
    and_,
    bindparam,
    case,
    func,
    literal,
    or_,
    select,
    tuple_,
)
from sqlalchemy.sql import Executable

from marinemap.transport.dialects import among, larger, list_bind, now_ms
from marinemap.transport.sessions import Session
from marinemap.transport.tables import (
    consumers,
    is_limited,
    is_unlimited,
    messages,
    rates,
    starts,
)


@dataclass(frozen=True)
class Position:
    """A message's place in its queue.

    Parameters
    ----------
    ahead : int
        How many waiting messages are to be delivered before it, as things stand: a message of
        higher priority, or of an owner whose turn comes sooner, may yet come in between.
    seconds_until_start : float
        Time until its task's rate, or its ETA, allows it to start. It is no estimate of how
        long workers take: they may all be busy.
    """

    ahead: int
    seconds_until_start: float


def find_position(session: Session, correlation_id: str) -> Position | None:
    """Return the position of the waiting message with a correlation id: Celery's task id.

    Parameters
    ----------
    session : Session
        From ``Database.session()``; `Channel.find_position` brings its own.
    correlation_id : str
        The message's ``correlation_id``.

    Returns
    -------
    Position or None
        None for a message that has been claimed, or that there is not.
    """
    return find_positions(session, [correlation_id]).get(correlation_id)


def find_positions(session: Session, correlation_ids: Sequence[str]) -> dict[str, Position]:
    """Return the positions of many messages by one statement; see :func:`find_position`.

    Those that do not wait are left out.
    """
    rows = session.run(_find_positions(), correlation_ids=list(correlation_ids))
    found: dict[str, Position] = {}
    for correlation_id, ahead, wait_ms in rows:
        found.setdefault(correlation_id, Position(ahead, max(0, wait_ms) / 1000))
    return found


def has_message(session: Session, correlation_id: str) -> bool:
    """Tell whether a message waits, or is in the hands of a consumer that lives."""
    return bool(session.run(_has_message, correlation_id=correlation_id))


_holds_lease = consumers.c.lease_expires_at_ms >= select(now_ms()).scalar_subquery()
_living = select(consumers.c.consumer_id).where(_holds_lease)
_has_message = (
    select(messages.c.id)
    .where(messages.c.correlation_id == bindparam("correlation_id", type_=Text()))
    .where(or_(messages.c.claimed_by.is_(None), messages.c.claimed_by.in_(_living)))
    .limit(1)
)


@lru_cache
def _find_positions() -> Executable:
    """Count who is before each by index, then find the start that must leave the window first.

    With at most n starts in a window, start k may not come before start k - n has left it. So
    the message with p others ahead waits for the (p mod n)th of the last n starts to leave,
    and then for p div n whole windows.
    """
    own = (
        select(messages, rates.c.max_starts, rates.c.window_ms)
        .outerjoin(rates, rates.c.task_name == messages.c.rate_key)
        .where(among(messages.c.correlation_id, list_bind("correlation_ids")))
        .where(messages.c.claimed_by.is_(None))
        .cte("own")
    )
    unlimited, limited = _count_ahead(own, is_unlimited), _count_ahead(own, is_limited)
    ahead = case((own.c.rate_key.is_(None), unlimited), else_=limited).label("ahead")
    placed = select(own, ahead).cte("placed")
    freed_by = _start_that_leaves_first(placed)
    free_in_ms = larger(func.coalesce(freed_by + placed.c.window_ms - now_ms(), 0), literal(0))
    windows_ms = (placed.c.ahead // placed.c.max_starts) * placed.c.window_ms
    rate_ms = case((placed.c.max_starts.is_(None), 0), else_=free_in_ms + windows_ms)
    due_ms = larger(func.coalesce(placed.c.due_at_ms - now_ms(), 0), literal(0))
    found = select(placed.c.correlation_id, placed.c.ahead, larger(rate_ms, due_ms))
    return found.order_by(placed.c.id)


def _start_that_leaves_first(placed: CTE) -> ScalarSelect[int]:
    # Of the newest first: one for each row, and none where fewer have started.
    recent = (
        select(
            starts.c.task_name,
            starts.c.started_at_ms,
            func.row_number()
            .over(partition_by=starts.c.task_name, order_by=starts.c.started_at_ms.desc())
            .label("number"),
        )
        .join(rates, rates.c.task_name == starts.c.task_name)
        .where(starts.c.task_name.in_(select(placed.c.rate_key)))
        .where(starts.c.started_at_ms > now_ms() - rates.c.window_ms)
        .cte("recent")
    )
    return (
        select(recent.c.started_at_ms)
        .where(recent.c.task_name == placed.c.rate_key)
        .where(recent.c.number == placed.c.max_starts - placed.c.ahead % placed.c.max_starts)
        .correlate(placed)
        .scalar_subquery()
    )


def _count_ahead(own: CTE, which: ColumnElement[bool]) -> ScalarSelect[int]:
    """Count those before a message: by turn where its task is limited, else by age."""
    _m = messages.c
    if which is is_limited:
        same = and_(_m.rate_key == own.c.rate_key, is_limited)
        sooner = tuple_(_m.turn, _m.id) < tuple_(own.c.turn, own.c.id)
    else:
        same = and_(_m.queue_name == own.c.queue_name, is_unlimited)
        sooner = _m.id < own.c.id
    more_urgent = _m.priority > own.c.priority
    before = or_(more_urgent, and_(_m.priority == own.c.priority, sooner))
    counted = select(func.count()).select_from(messages).where(same, before)
    return counted.correlate(own).scalar_subquery()
