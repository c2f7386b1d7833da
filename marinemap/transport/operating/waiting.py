"""Looking at what waits, without taking it: in a queue, or for its ETA."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from ..database import Database
from ..database.contract import Row
from ..publishing.payloads import read_payload

_OLDEST = (
    "SELECT queue_name, task_name, correlation_id, owner, priority, attempts, published_at_ms, "
    "due_at_ms FROM broker_messages WHERE claimed_by IS NULL AND queue_name = :queue_name "
    "ORDER BY id LIMIT CAST(:limit AS BIGINT)"
)
# By index in the order of time, up to the limit, however many wait. Longer payloads stay in the
# database: a look at what waits must not cost what it weighs.
_NEXT = """
SELECT queue_name, priority, task_name, correlation_id, due_at_ms, attempts,
    CASE WHEN length(payload) <= 4096 THEN payload END AS payload
FROM broker_messages
WHERE due_at_ms IS NOT NULL AND claimed_by IS NULL AND queue_name {in_names}
ORDER BY due_at_ms LIMIT CAST(:limit AS BIGINT)
"""


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


@dataclass(frozen=True)
class DelayedMessage:
    """A message that is claimed when its time has come.

    Parameters
    ----------
    correlation_id : str, optional
        Celery's task id.
    due_at_ms : int
        Since 1970.
    message : dict, optional
        As it was published, for kombu's `Message`; None where it is long or cannot be read.
    """

    queue_name: str
    priority: int
    task_name: str | None
    correlation_id: str | None
    due_at_ms: int
    attempts: int
    message: dict[str, Any] | None


def find_waiting(database: Database, queue_name: str, limit: int) -> list[WaitingMessage]:
    """Return what waits in a queue, the oldest first; owners may be given another order."""
    with database.session() as session:
        rows = session.run(_OLDEST, queue_name=queue_name, limit=limit)
    return [WaitingMessage(**row._asdict()) for row in rows]


def find_delayed(
    database: Database, queue_names: Collection[str], limit: int
) -> list[DelayedMessage]:
    """Return the next messages of some queues that wait for their ETA, by their time."""
    with database.session() as session:
        rows = session.run(_NEXT, names=sorted(queue_names), limit=limit)
    return [_make_delayed(row) for row in rows]


def _make_delayed(row: Row) -> DelayedMessage:
    fields = row._asdict()
    return DelayedMessage(message=_read(fields.pop("payload")), **fields)


def _read(payload: str | None) -> dict[str, Any] | None:
    try:
        return None if payload is None else read_payload(payload)
    except ValueError:
        return None
