"""The statements that store, claim, settle and give back messages.

Built once, for both databases; `claim` differs between them because SQLite has one writer at
a time and PostgreSQL has many.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnClause,
    ColumnElement,
    Integer,
    ScalarSelect,
    Select,
    SmallInteger,
    Text,
    and_,
    bindparam,
    case,
    column,
    delete,
    exists,
    func,
    insert,
    literal_column,
    null,
    or_,
    select,
    true,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql import Executable

from marinemap.transport.dialects import among, larger, list_bind, now_ms
from marinemap.transport.tables import (
    consumers,
    dead_letters,
    is_limited,
    is_unlimited,
    messages,
    place,
    rates,
)

# Every worker listens here; the payload says which queue, and when for a message not yet due.
NOTIFY_CHANNEL = "marinemap_broker"
_channel: ColumnElement[str] = literal_column(f"'{NOTIFY_CHANNEL}'", Text)
# In the text of a statement: as parameters they would be sent each time.
_zero: ColumnElement[int] = literal_column("0", Integer)

_m = messages.c
CLAIMED_COLUMNS = (_m.id, _m.queue_name, _m.priority, _m.turn, _m.attempts, _m.payload)


def _bind_text(name: str) -> ColumnElement[str]:
    return bindparam(name, type_=Text())


def _bind_ms(name: str) -> ColumnElement[int]:
    return bindparam(name, type_=BigInteger())


def _now_once() -> ScalarSelect[int]:
    """Return the clock as a subquery, read once a statement rather than once a row."""
    return select(now_ms()).scalar_subquery()


def _next_turn() -> ColumnElement[int]:
    """Return the turn of a new message: behind its owner's last, not before those waiting.

    Each owner's messages are numbered on from the turn that is being served, so that owners
    alternate (start-time fair queueing; Goyal, Vin and Cheng, 1996).
    """
    waiting = and_(is_limited, _m.rate_key == _bind_text("task_name"))
    same_priority = _m.priority == bindparam("priority", type_=Integer())
    served = select(func.min(_m.turn)).where(waiting, same_priority).scalar_subquery()
    own = (
        select(func.max(_m.turn) + literal_column("1", Integer))
        .where(waiting, same_priority, _m.owner == _bind_text("owner"))
        .scalar_subquery()
    )
    return larger(func.coalesce(served, _zero), func.coalesce(own, _zero))


@lru_cache
def store_message(dialect_name: str, is_task: bool) -> Executable:
    """Insert one message; on PostgreSQL also notify, in the same round trip."""
    limited = select(rates.c.task_name).where(
        rates.c.task_name == _bind_text("task_name"), rates.c.max_starts.is_not(None)
    )
    rate_key = limited.scalar_subquery() if is_task else null()
    due = _bind_ms("due_at_ms")
    stored = insert(messages).values(
        queue_name=_bind_text("queue_name"),
        priority=bindparam("priority", type_=Integer()),
        task_name=_bind_text("task_name"),
        owner=_bind_text("owner"),
        correlation_id=_bind_text("correlation_id"),
        rate_key=rate_key,
        # Looked up for the few tasks that have turns.
        turn=case((rate_key.is_not(None), _next_turn()), else_=_zero) if is_task else _zero,
        payload=_bind_text("payload"),
        published_at_ms=now_ms(),
        due_at_ms=case((due > now_ms(), due)),
        expires_at_ms=now_ms() + _bind_ms("ttl_ms"),
        attempts=_zero,
    )
    if dialect_name != "postgresql":
        return stored
    new = stored.returning(_m.queue_name, _m.due_at_ms).cte("stored")
    payload = func.concat_ws(literal_column("' '"), new.c.queue_name, new.c.due_at_ms)
    return select(func.pg_notify(_channel, payload)).select_from(new)


notify = select(func.pg_notify(_channel, _bind_text("payload")))


def _count_up_to_limit(which: ColumnElement[bool]) -> ScalarSelect[int]:
    found = select(_m.id).where(_m.queue_name == _bind_text("queue_name"), which)
    found = found.limit(_bind_ms("max_length"))
    return select(func.count()).select_from(found.subquery()).scalar_subquery()


# Each kind by its own index, and no further than the limit: a full queue costs the same
# however far beyond it is.
is_full = select(
    _count_up_to_limit(is_unlimited) + _count_up_to_limit(is_limited) >= _bind_ms("max_length")
)

holds_lease = exists(
    select(consumers.c.consumer_id).where(
        consumers.c.consumer_id == _bind_text("consumer_id"),
        consumers.c.lease_expires_at_ms > _now_once(),
    )
)
is_current = or_(_m.expires_at_ms.is_(None), _m.expires_at_ms > _now_once())
# A message stored while its task's rate was being set may not carry it yet.
_is_free = or_(
    _m.task_name.is_(None),
    _m.task_name.not_in(select(rates.c.task_name).where(rates.c.max_starts.is_not(None))),
)
claim_values = {
    "claimed_by": _bind_text("consumer_id"),
    "claimed_at_ms": now_ms(),
    "attempts": _m.attempts + literal_column("1", Integer),
}

is_alive = select(holds_lease)


# Only what this consumer still holds: an acknowledgement that comes after its lease was lost
# must not delete a message that another consumer is working on.
delete_acknowledged = (
    delete(messages)
    .where(among(_m.id, list_bind("ids")), _m.claimed_by == _bind_text("consumer_id"))
    .returning(_m.id)
)


# For this transaction alone: behind a pooler a session's settings would go on to others.
_hurry = func.set_config(
    literal_column("'synchronous_commit'"), literal_column("'off'"), true()
).label("hurry")


@lru_cache
def claim_postgresql(*, is_resuming: bool) -> Executable:
    """Delete what is acknowledged and claim what is waiting, in one statement.

    Resuming it looks only past the last id of each queue and priority.

    Each row of the answer has the number deleted first; the claimed columns are null where
    nothing was claimed. The commit does not wait for the disk: when the server crashes, the
    last half second of claims and acknowledgements is undone, and their messages are delivered
    again, as if the worker had been killed. Nothing is lost, for only publishing adds messages.
    The candidates are locked in a materialised step before the update:
    as a plain subquery the planner may run them again for each row and take too many.
    """
    acknowledged = delete_acknowledged.cte("acknowledged")
    candidates = _candidates_postgresql(is_resuming).cte("candidates").prefix_with("MATERIALIZED")
    chosen = func.array(select(candidates.c.id).scalar_subquery())
    claimed = (
        update(messages)
        .where(_m.id == func.any(chosen))
        .values(**claim_values)
        .returning(*CLAIMED_COLUMNS)
        .cte("claimed")
    )
    deleted = select(func.count()).select_from(acknowledged).scalar_subquery()
    one_row = select(_hurry).subquery("one_row")
    return select(deleted, *claimed.c, one_row.c.hurry).select_from(
        one_row.outerjoin(claimed, true())
    )


def _candidates_postgresql(is_resuming: bool) -> Select[tuple[int]]:
    """Lock the first messages of each lane by its index, then keep the first of all."""
    name, priority = column("queue_name", Text), column("priority", SmallInteger)
    last_id = column("last_id", BigInteger)
    arrays: list[BindParameter[Any]] = [bindparam("queue_names", type_=ARRAY(Text()))]
    columns: list[ColumnClause[Any]] = [name]
    if is_resuming:
        arrays.append(bindparam("priorities", type_=ARRAY(SmallInteger())))
        arrays.append(bindparam("last_ids", type_=ARRAY(BigInteger())))
        columns += [priority, last_id]
    lanes = func.unnest(*arrays).table_valued(*columns).render_derived(name="lanes")
    within = [_m.queue_name == lanes.c.queue_name]
    if is_resuming:
        within += [_m.priority == lanes.c.priority, place > lanes.c.last_id]
    ready = (
        select(_m.id, _m.priority)
        .where(*within, is_unlimited, is_current, _is_free)
        .order_by(_m.priority.desc(), place)
        .limit(_bind_ms("limit"))
        .with_for_update(skip_locked=True, key_share=True, of=messages)
        .lateral("ready")
    )
    return (
        select(ready.c.id)
        .select_from(lanes.join(ready, true()))
        .where(holds_lease)
        .order_by(ready.c.priority.desc(), ready.c.id)
        .limit(_bind_ms("limit"))
    )


@lru_cache
def claim_sqlite(queue_count: int) -> Executable:
    """Claim the first waiting messages of some queues; run it holding the write lock."""
    first = _first_waiting(queue_count, bindparam("limit", type_=Integer())).subquery("first")
    return (
        update(messages)
        .where(_m.id.in_(select(first.c.id)), holds_lease)
        .values(**claim_values)
        .returning(*CLAIMED_COLUMNS)
    )


@lru_cache
def is_any_waiting(queue_count: int) -> Executable:
    """Tell whether `claim_sqlite` would find something, without a write lock."""
    return select(exists(_first_waiting(queue_count, literal_column("1", Integer))))


def _first_waiting(queue_count: int, limit: ColumnElement[int]) -> Select[tuple[int]]:
    """Select each queue by the index on its own: for several at once SQLite would sort all."""
    of_queue = [
        select(_m.id, _m.priority)
        .where(_m.queue_name == _bind_text(f"queue_{number}"), is_unlimited, is_current, _is_free)
        .order_by(_m.priority.desc(), place)
        .limit(limit)
        .subquery()
        for number in range(queue_count)
    ]
    each = union_all(*(select(one.c.id, one.c.priority) for one in of_queue)).subquery("each")
    return select(each.c.id).order_by(each.c.priority.desc(), each.c.id).limit(limit)


# Which messages a statement is about: those a consumer holds, or holds among some ids, or
# those whose consumer is no more.
held = _m.claimed_by == _bind_text("consumer_id")
held_among = and_(held, among(_m.id, list_bind("ids")))
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
        _bind_text("reason"),
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
