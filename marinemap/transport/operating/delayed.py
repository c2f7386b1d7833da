"""What waits in the database for its ETA."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from ..database import Database
from ..database.contract import Row
from ..publishing.payloads import read_payload

# Longer payloads stay in the database: a look at what waits must not cost what it weighs.
_LONGEST_PAYLOAD = 4096

# By index in the order of time, up to the limit, however many wait.
_NEXT = f"""
SELECT queue_name, priority, task_name, correlation_id, due_at_ms, attempts,
    CASE WHEN length(payload) <= {_LONGEST_PAYLOAD} THEN payload END AS payload
FROM broker_messages
WHERE due_at_ms IS NOT NULL AND claimed_by IS NULL AND queue_name {{in_names}}
ORDER BY due_at_ms LIMIT CAST(:limit AS BIGINT)
"""


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


def find_delayed(
    database: Database, queue_names: Collection[str], limit: int
) -> list[DelayedMessage]:
    """Return the next messages of some queues that wait for their ETA, by their time."""
    with database.session() as session:
        rows = session.run(_NEXT, names=sorted(queue_names), limit=limit)
    return [_make_delayed(row) for row in rows]


def _make_delayed(row: Row) -> DelayedMessage:
    return DelayedMessage(
        queue_name=row.queue_name,
        priority=row.priority,
        task_name=row.task_name,
        correlation_id=row.correlation_id,
        due_at_ms=row.due_at_ms,
        attempts=row.attempts,
        message=_read(row.payload),
    )


def _read(payload: str | None) -> dict[str, Any] | None:
    try:
        return None if payload is None else read_payload(payload)
    except ValueError:
        return None
