"""The statements that settle and give back messages, built once for both databases."""

from __future__ import annotations

from functools import lru_cache

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    ScalarSelect,
    Text,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.sql import Executable

from marinemap.transport.dialects import among, list_bind, now_ms
from marinemap.transport.tables import (
    consumers,
    dead_letters,
    is_limited,
    is_unlimited,
    messages,
)

# Every worker listens here. The payload is the time at which a message is due, if it is not
# yet, a space, and the names of queues, a line each; or nothing: any queue may have changed.
NOTIFY_CHANNEL = "marinemap_broker"
# PostgreSQL takes less than 8,000 bytes.
LONGEST_PAYLOAD = 7900
notify_channel: ColumnElement[str] = literal_column(f"'{NOTIFY_CHANNEL}'", Text)
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


notify = select(func.pg_notify(notify_channel, bind_text("payload")))


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
