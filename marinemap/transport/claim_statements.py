"""The statements that claim messages.

They differ between the databases because SQLite has one writer at a time and PostgreSQL many.
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
    Select,
    SmallInteger,
    Text,
    bindparam,
    column,
    exists,
    false,
    func,
    literal_column,
    select,
    true,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql import Executable

from marinemap.transport.statements import (
    CLAIMED_COLUMNS,
    bind_ms,
    bind_text,
    claim_values,
    delete_acknowledged,
    holds_lease,
    is_current,
)
from marinemap.transport.tables import is_unlimited, messages, place, rates

_m = messages.c
# Whether a rate limits a message's task though the message does not say so: it was stored
# while the rate was being set. `Limits.adopt` takes care of those.
_is_stray = func.coalesce(
    _m.task_name.in_(select(rates.c.task_name).where(rates.c.max_starts.is_not(None))), false()
).label("is_stray")
# For this transaction alone: behind a pooler a session's settings would go on to others.
_hurry = func.set_config(
    literal_column("'synchronous_commit'"), literal_column("'off'"), true()
).label("hurry")


@lru_cache
def claim_postgresql(*, is_resuming: bool) -> Executable:
    """Delete what is acknowledged and claim what is waiting, in one statement.

    Resuming it looks only past the last id of each queue and priority.

    Each row of the answer has the number deleted first; the claimed columns, with whether the
    message is stray, are null where nothing was claimed. The commit does not wait for the disk:
    when the server crashes, the last half second of claims and acknowledgements is undone, and
    their messages are delivered again, as if the worker had been killed. Nothing is lost, for
    only publishing adds messages. The candidates are locked in a materialised step before the
    update: as a plain subquery the planner may run them again for each row and take too many.
    """
    acknowledged = delete_acknowledged.cte("acknowledged")
    candidates = _candidates_postgresql(is_resuming).cte("candidates").prefix_with("MATERIALIZED")
    chosen = func.array(select(candidates.c.id).scalar_subquery())
    claimed = (
        update(messages)
        .where(_m.id == func.any(chosen))
        .values(**claim_values)
        .returning(*CLAIMED_COLUMNS, _is_stray)
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
        .where(*within, is_unlimited, is_current)
        .order_by(_m.priority.desc(), place)
        .limit(bind_ms("limit"))
        .with_for_update(skip_locked=True, key_share=True, of=messages)
        .lateral("ready")
    )
    return (
        select(ready.c.id)
        .select_from(lanes.join(ready, true()))
        .where(holds_lease)
        .order_by(ready.c.priority.desc(), ready.c.id)
        .limit(bind_ms("limit"))
    )


@lru_cache
def claim_sqlite(queue_count: int) -> Executable:
    """Claim the first waiting messages of some queues; run it holding the write lock."""
    first = _first_waiting(queue_count, bindparam("limit", type_=Integer())).subquery("first")
    return (
        update(messages)
        .where(_m.id.in_(select(first.c.id)), holds_lease)
        .values(**claim_values)
        .returning(*CLAIMED_COLUMNS, _is_stray)
    )


@lru_cache
def is_any_waiting(queue_count: int) -> Executable:
    """Tell whether `claim_sqlite` would find something, without a write lock."""
    return select(exists(_first_waiting(queue_count, literal_column("1", Integer))))


def _first_waiting(queue_count: int, limit: ColumnElement[int]) -> Select[tuple[int]]:
    """Select each queue by the index on its own: for several at once SQLite would sort all."""
    of_queue = [
        select(_m.id, _m.priority)
        .where(_m.queue_name == bind_text(f"queue_{number}"), is_unlimited, is_current)
        .order_by(_m.priority.desc(), place)
        .limit(limit)
        .subquery()
        for number in range(queue_count)
    ]
    each = union_all(*(select(one.c.id, one.c.priority) for one in of_queue)).subquery("each")
    return select(each.c.id).order_by(each.c.priority.desc(), each.c.id).limit(limit)
