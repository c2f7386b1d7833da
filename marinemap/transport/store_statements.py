"""The statements that store a message."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Text,
    and_,
    bindparam,
    case,
    column,
    exists,
    func,
    insert,
    literal_column,
    null,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql import Executable

from marinemap.transport.dialects import larger, now_ms
from marinemap.transport.statements import LONGEST_PAYLOAD, bind_ms, bind_text, notify_channel
from marinemap.transport.tables import is_limited, messages, rates

_m = messages.c
# In the text of a statement: as parameters they would be sent each time.
_zero: ColumnElement[int] = literal_column("0", Integer)


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


_limited = select(rates.c.task_name).where(
    rates.c.task_name == bind_text("task_name"), rates.c.max_starts.is_not(None)
)


@lru_cache
def store_message(dialect_name: str, *, in_turn: bool) -> Executable:
    """Insert one message; on PostgreSQL also notify, in the same round trip.

    Not in turn it answers no row and stores nothing where a rate limits the message's task. Most
    tasks have no rate, and planning for turns would cost PostgreSQL a fifth of each insert.
    """
    values = _message_values()
    if in_turn:
        values["rate_key"] = rate_key = _limited.scalar_subquery()
        # Looked up for the few tasks that have turns.
        values["turn"] = case((rate_key.is_not(None), _next_turn()), else_=_zero)
        source = select(*values.values())
    else:
        source = select(*values.values()).where(~exists(_limited))
    stored = insert(messages).from_select(list(values), source)
    if dialect_name != "postgresql":
        return stored.returning(_m.id)
    new = stored.returning(_m.queue_name, _m.due_at_ms).cte("stored")
    payload = func.concat(new.c.due_at_ms, literal_column("' '"), new.c.queue_name)
    return select(func.pg_notify(notify_channel, payload)).select_from(new)


@lru_cache
def store_copies() -> Executable:
    """Insert a message into several queues and notify once, on PostgreSQL; else as above."""
    routes = (
        func.unnest(
            bindparam("queue_names", type_=ARRAY(Text())),
            bindparam("ttls_ms", type_=ARRAY(BigInteger())),
        )
        .table_valued(column("queue_name", Text), column("ttl_ms", BigInteger))
        .render_derived(name="routes")
    )
    values = _message_values()
    values["queue_name"] = routes.c.queue_name
    values["expires_at_ms"] = now_ms() + routes.c.ttl_ms
    source = select(*values.values()).select_from(routes).where(~exists(_limited))
    new = (
        insert(messages)
        .from_select(list(values), source)
        .returning(_m.queue_name, _m.due_at_ms)
        .cte("stored")
    )
    names = func.string_agg(new.c.queue_name, literal_column("chr(10)", Text))
    payload = case(
        (
            func.octet_length(names) <= literal_column(str(LONGEST_PAYLOAD), Integer),
            func.concat(func.min(new.c.due_at_ms), literal_column("' '"), names),
        ),
        else_=literal_column("''", Text),
    )
    stored_any = func.count() > _zero
    return select(func.pg_notify(notify_channel, payload)).select_from(new).having(stored_any)


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
