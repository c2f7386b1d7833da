"""Messages that wait in the database for their time."""

from __future__ import annotations

from ..database import Database
from ..database.contract import Session
from .rates import NUMBERED

_BATCH = 1000
# A message comes behind those of its owner that wait already, as if published now.
_PROMOTE = (
    "WITH due AS MATERIALIZED (SELECT * FROM broker_messages WHERE due_at_ms <= {now_once} "
    f"ORDER BY due_at_ms LIMIT {_BATCH} {{skip_locked}}), {NUMBERED % {'which': 'due'}} "
    "UPDATE broker_messages SET due_at_ms = NULL, turn = numbered.turn FROM numbered "
    "WHERE broker_messages.id = numbered.id RETURNING queue_name"
)
# By the clock that decides it.
_MS_UNTIL_DUE = (
    "SELECT min(due_at_ms) - {now_once} AS wait_ms FROM broker_messages WHERE due_at_ms IS NOT NULL"
)


def promote(database: Database, session: Session) -> set[str]:
    """Let messages be claimed whose time has come; return their queues."""
    rows = session.run(_PROMOTE, turn_ms=database.options.turn_ms)
    names = {row.queue_name for row in rows}
    database.notify(session, names)
    return names


def seconds_until_due(session: Session) -> float | None:
    """Return how long until the next message of any queue is due; None where none waits."""
    wait_ms = session.run(_MS_UNTIL_DUE)[0].wait_ms
    return None if wait_ms is None else max(0, wait_ms) / 1000
