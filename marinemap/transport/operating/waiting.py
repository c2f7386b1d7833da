"""Looking at what waits in a queue, without taking it."""

from __future__ import annotations

from dataclasses import dataclass

from ..database import Database

_OLDEST = (
    "SELECT queue_name, task_name, correlation_id, owner, priority, attempts, published_at_ms, "
    "due_at_ms FROM broker_messages WHERE claimed_by IS NULL AND queue_name = :queue_name "
    "ORDER BY id LIMIT CAST(:limit AS BIGINT)"
)


@dataclass(frozen=True)
class WaitingMessage:
    """A message that nobody has claimed; times in ms since 1970."""

    queue_name: str
    task_name: str | None
    correlation_id: str | None
    owner: str
    priority: int
    attempts: int
    published_at_ms: int
    due_at_ms: int | None


def find_waiting(database: Database, queue_name: str, limit: int) -> list[WaitingMessage]:
    """Return what waits in a queue, the oldest first; owners may be given another order."""
    with database.session() as session:
        rows = session.run(_OLDEST, queue_name=queue_name, limit=limit)
    return [WaitingMessage(*row) for row in rows]
