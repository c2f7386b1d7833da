"""The statements that store, settle and give back messages, built once for both databases."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    ScalarSelect,
    Text,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    literal_column,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.sql import Executable

from marinemap.transport.dialects import among, larger, list_bind, now_ms
from marinemap.transport.tables import (
    consumers,
    dead_letters,
    is_limited,
    is_unlimited,
    messages,
    rates,
)

# Every worker listens here; the payload says which queue, and when for a message not yet due.
NOTIFY_CHANNEL = "marinemap_broker"
_channel: ColumnElement[str] = literal_column(f"'{NOTIFY_CHANNEL}'", Text)
# In the text of a statement: as parameters they would be sent each time.
_zero: ColumnElement[int] = literal_column("0", Integer)

_m = messages.c
CLAIMED_COLUMNS = (_m.id, _m.queue_name, _m.priority, _m.turn, _m.attempts, _m.payload)


def bind_text(name: str) -> ColumnElement[str]:
    return bindparam(name, type_=Text())


def bind_ms(name: str) -> ColumnElement[int]:
    return bindparam(name, type_=BigInteger())


def _now_once() -> ScalarSelect[int]:
    """Return the clock as a subquery, read once a statement rather than once a row."""
    return select(now_ms()).scalar_subquery()


def _next_turn() -> ColumnElement[int]:
    """Return the turn of a new message: behind its owner's last, not before those waiting.

    Each owner's messages are numbered on from the turn that is being served, so that owners
    alternate (start-time fair queueing; Goyal, Vin and Cheng, 1996).
    """
    waiting = and_(is_limited, _m.rate_key == bind_text("task_name"))
    same_priority = _m.priority == bindparam("priority", type_=Integer())
    served = select(func.min(_m.turn)).where(waiting, same_priority).scalar_subquery()
    own = (
        select(func.max(_m.turn) + literal_column("1", Integer))
        .where(waiting, same_priority, _m.owner == bind_text("owner"))
        .scalar_subquery()
    )
    return larger(func.coalesce(served, _zero), func.coalesce(own, _zero))


@lru_cache
def store_message(dialect_name: str, *, in_turn: bool) -> Executable:
    """Insert one message; on PostgreSQL also notify, in the same round trip.

    Not in turn it answers no row and stores nothing where a rate limits the message's task. Most
    tasks have no rate, and planning for turns would cost PostgreSQL a fifth of each insert.
    """
    limited = select(rates.c.task_name).where(
        rates.c.task_name == bind_text("task_name"), rates.c.max_starts.is_not(None)
    )
    values = _message_values()
    if in_turn:
        values["rate_key"] = rate_key = limited.scalar_subquery()
        # Looked up for the few tasks that have turns.
        values["turn"] = case((rate_key.is_not(None), _next_turn()), else_=_zero)
        source = select(*values.values())
    else:
        source = select(*values.values()).where(~exists(limited))
    stored = insert(messages).from_select(list(values), source)
    if dialect_name != "postgresql":
        return stored.returning(_m.id)
    new = stored.returning(_m.queue_name, _m.due_at_ms).cte("stored")
    payload = func.concat_ws(literal_column("' '"), new.c.queue_name, new.c.due_at_ms)
    return select(func.pg_notify(_channel, payload)).select_from(new)


def _message_values() -> dict[str, ColumnElement[Any]]:
    due = bind_ms("due_at_ms")
    return {
        "queue_name": bind_text("queue_name"),
        "priority": bindparam("priority", type_=Integer()),
        "task_name": bind_text("task_name"),
        "owner": bind_text("owner"),
        "correlation_id": bind_text("correlation_id"),
        "rate_key": null(),
        "turn": _zero,
        "payload": bind_text("payload"),
        "published_at_ms": now_ms(),
        "due_at_ms": case((due > now_ms(), due)),
        "expires_at_ms": now_ms() + bind_ms("ttl_ms"),
        "attempts": _zero,
    }


notify = select(func.pg_notify(_channel, bind_text("payload")))


def _count_up_to_limit(which: ColumnElement[bool]) -> ScalarSelect[int]:
    found = select(_m.id).where(_m.queue_name == bind_text("queue_name"), which)
    found = found.limit(bind_ms("max_length"))
    return select(func.count()).select_from(found.subquery()).scalar_subquery()


# Each kind by its own index, and no further than the limit: a full queue costs the same
# however far beyond it is.
is_full = select(
    _count_up_to_limit(is_unlimited) + _count_up_to_limit(is_limited) >= bind_ms("max_length")
)

holds_lease = exists(
    select(consumers.c.consumer_id).where(
        consumers.c.consumer_id == bind_text("consumer_id"),
        consumers.c.lease_expires_at_ms > _now_once(),
    )
)
is_current = or_(_m.expires_at_ms.is_(None), _m.expires_at_ms > _now_once())
claim_values = {
    "claimed_by": bind_text("consumer_id"),
    "claimed_at_ms": now_ms(),
    "attempts": _m.attempts + literal_column("1", Integer),
}

is_alive = select(holds_lease)

# Messages by their ids, as far as a consumer holds them. Not "=": PostgreSQL would look them up
# by `claimed_by`, in an index where all that was claimed stays until a vacuum.
_is_among_own = and_(
    among(_m.id, list_bind("ids")),
    _m.claimed_by.is_not_distinct_from(bind_text("consumer_id")),
)


# Only what this consumer still holds: an acknowledgement that comes after its lease was lost
# must not delete a message that another consumer is working on.
delete_acknowledged = delete(messages).where(_is_among_own).returning(_m.id)


# Which messages a statement is about: those a consumer holds, or holds among some ids, or
# those whose consumer is no more.
held = _m.claimed_by == bind_text("consumer_id")
held_among = _is_among_own
orphaned = and_(
    _m.claimed_by.is_not(None),
    ~exists(select(consumers.c.consumer_id).where(consumers.c.consumer_id == _m.claimed_by)),
)


@lru_cache
def exhausted(which: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return those among some messages that have been delivered often enough."""
    return and_(which, _m.attempts >= bindparam("delivery_limit", type_=Integer()))


@lru_cache
def give_back(which: ColumnElement[bool], *, uncounted: bool = False) -> Executable:
    """Let messages be claimed again; uncounted for those that nobody has looked at."""
    values = {"claimed_by": None, "claimed_at_ms": None}
    if uncounted:
        values["attempts"] = _m.attempts - 1  # type: ignore[assignment]
    return update(messages).where(which).values(**values).returning(_m.queue_name)


@lru_cache
def copy_to_dead_letters(which: ColumnElement[bool]) -> Executable:
    """Copy messages to the dead letters; `discard` them in the same transaction."""
    copied = ("queue_name", "task_name", "owner", "correlation_id", "payload", "attempts")
    source = select(
        _m.id,
        *(_m[name] for name in copied),
        _m.published_at_ms,
        bind_text("reason"),
        now_ms(),
    ).where(which)
    into = ("message_id", *copied, "published_at_ms", "reason", "died_at_ms")
    return insert(dead_letters).from_select(into, source).returning(dead_letters.c.message_id)


@lru_cache
def discard(which: ColumnElement[bool]) -> Executable:
    """Delete messages."""
    return delete(messages).where(which).returning(_m.id)


# Messages that became due, each owner's placed as if they had been published now.
promote = (
    update(messages)
    .where(
        _m.id.in_(
            select(_m.id)
            .where(_m.due_at_ms <= _now_once())
            .order_by(_m.due_at_ms)
            .limit(1000)
            .with_for_update(skip_locked=True)
        )
    )
    .values(due_at_ms=None)
    .returning(_m.queue_name)
)

# How long until the next message of any queue is due, by the clock that decides it.
ms_until_due = select(func.min(_m.due_at_ms) - _now_once()).where(_m.due_at_ms.is_not(None))
