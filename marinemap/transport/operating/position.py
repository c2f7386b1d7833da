"""Where waiting messages stand, when rates let them start, and taking one back."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ..consuming.window import Window
from ..database.contract import Row, Session
from ..database.machine import elapsed_ms

# Ahead is what comes before it in the order of claims, counted by the same indexes.
_FIND = """
SELECT m.correlation_id, m.rate_key, r.max_starts, r.window_ms, r.recent_starts, {now} AS now_ms,
    CASE WHEN m.due_at_ms > {now} THEN m.due_at_ms - {now} ELSE 0 END AS due_ms,
    CASE WHEN m.rate_key IS NULL THEN
        (SELECT count(*) FROM broker_messages AS b WHERE b.queue_name = m.queue_name AND {ready}
            AND (b.priority > m.priority OR (b.priority = m.priority AND b.id < m.id)))
    ELSE
        (SELECT count(*) FROM broker_messages AS b WHERE b.rate_key = m.rate_key AND {limited}
            AND (b.priority > m.priority
                OR (b.priority = m.priority AND (b.turn, b.id) < (m.turn, m.id))))
    END AS ahead
FROM broker_messages AS m LEFT JOIN broker_rates AS r ON r.task_name = m.rate_key
WHERE m.correlation_id {in_names} AND m.claimed_by IS NULL ORDER BY m.id DESC
"""
_HAS_MESSAGE = "SELECT 1 AS one FROM broker_messages WHERE correlation_id = :correlation_id LIMIT 1"
# What another has locked now is about to be claimed.
_WITHDRAW = (
    "DELETE FROM broker_messages WHERE id IN (SELECT id FROM broker_messages "
    "WHERE correlation_id {in_names} AND claimed_by IS NULL {skip_locked}) RETURNING id"
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


def find_positions(session: Session, correlation_ids: Collection[str]) -> dict[str, Position]:
    """Return the positions of waiting messages by correlation id: Celery's task id.

    What was claimed, or is not there, is left out. It is one query for any number.
    """
    asked_at_ms = elapsed_ms()
    rows = session.run(_FIND, names=sorted(correlation_ids))
    return {row.correlation_id: _place(row, asked_at_ms) for row in rows}


def has_message(session: Session, correlation_id: str) -> bool:
    """Tell whether a message with a correlation id waits or is in a consumer's hands."""
    return bool(session.run(_HAS_MESSAGE, correlation_id=correlation_id))


def withdraw(session: Session, correlation_ids: Collection[str]) -> int:
    """Delete messages that wait, by one statement; return how many nobody had claimed."""
    return len(session.run(_WITHDRAW, names=sorted(correlation_ids)))


def _place(row: Row, asked_at_ms: int) -> Position:
    rate_ms = 0
    if row.max_starts is not None:
        rate_ms = Window.of_row(row, asked_at_ms).free_again_ms(row.ahead)
    return Position(row.ahead, max(0, rate_ms, row.due_ms) / 1000)
