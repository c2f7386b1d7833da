"""Clearing away what has had its time: expired messages, old dead letters, unused queues."""

from __future__ import annotations

import logging
from time import monotonic

from ..database import Database
from ..database.contract import Session
from ..publishing.queues import IDLE_QUEUES, delete_if_idle
from .settlements import report_dead

logger = logging.getLogger(__name__)

_DAY_MS = 24 * 3600 * 1000
# A long backlog is cleared in pieces: one big delete would hold SQLite's only write lock.
_BATCH = 1000
# What is forgotten can wait for the next round; the messages of the dead are looked for meanwhile.
_BURYING_SECONDS = 2.0

_EXPIRED = (
    "DELETE FROM broker_messages WHERE id IN (SELECT id FROM (SELECT id FROM broker_messages "
    "WHERE expires_at_ms <= {now_once} AND claimed_by IS NULL "
    f"ORDER BY expires_at_ms LIMIT {_BATCH} {{skip_locked}}) AS expired) RETURNING task_name"
)
_HAS_EXPIRED = (
    "SELECT 1 AS one FROM broker_messages WHERE expires_at_ms <= {now_once} "
    "AND claimed_by IS NULL LIMIT 1"
)
_OUTDATED = (
    "DELETE FROM broker_dead_letters WHERE id IN (SELECT id FROM broker_dead_letters "
    f"WHERE died_at_ms < {{now_once}} - CAST(:keep_ms AS BIGINT) LIMIT {_BATCH}) RETURNING id"
)
_HAS_OUTDATED = (
    "SELECT 1 AS one FROM broker_dead_letters "
    "WHERE died_at_ms < {now_once} - CAST(:keep_ms AS BIGINT) LIMIT 1"
)
# Queues that hold messages and that nobody has declared, found by skipping along the index.
_UNDECLARED = """
WITH RECURSIVE names(queue_name) AS (
    SELECT min(queue_name) FROM broker_messages WHERE {ready}
    UNION ALL
    SELECT (SELECT min(m.queue_name) FROM broker_messages AS m WHERE m.claimed_by IS NULL
        AND m.due_at_ms IS NULL AND m.rate_key IS NULL AND m.queue_name > names.queue_name)
    FROM names WHERE names.queue_name IS NOT NULL
)
SELECT queue_name FROM names WHERE queue_name IS NOT NULL AND NOT EXISTS
    (SELECT 1 FROM broker_queues AS q WHERE q.queue_name = names.queue_name)
"""
_OLD = (
    "FROM broker_messages WHERE queue_name = :queue_name AND {ready} "
    "AND published_at_ms < {now_once} - CAST(:forgotten_ms AS BIGINT) "
    "ORDER BY priority DESC, (id + 0)"
)
_HAS_FORGOTTEN = f"SELECT 1 AS one {_OLD} LIMIT 1"
_FORGOTTEN = f"SELECT id {_OLD} LIMIT {_BATCH} {{skip_locked}}"


def clear_away(database: Database) -> None:
    """Delete what has had its time; looks first, and writes only where there is something."""
    keep_ms = round(database.options.dead_letter_days * _DAY_MS)
    with database.session() as session:
        idle = [row.queue_name for row in session.run(IDLE_QUEUES)]
        _delete_expired(session)
        while keep_ms and session.run(_HAS_OUTDATED, keep_ms=keep_ms):
            session.run(_OUTDATED, keep_ms=keep_ms)
    for name in idle:
        if delete_if_idle(database, name):
            logger.info("Deleted queue '%s', which nobody has used for its time", name)


def bury_forgotten(database: Database) -> None:
    """Bury what has waited for a day in queues that nobody declares, as replies to the dead."""
    with database.session() as session:
        names = [row.queue_name for row in session.run(_UNDECLARED)]
    until = monotonic() + _BURYING_SECONDS
    for name in names:
        while _bury_some(database, name) == _BATCH and monotonic() < until:
            pass


def _bury_some(database: Database, queue_name: str) -> int:
    which = {"queue_name": queue_name, "forgotten_ms": _DAY_MS}
    reason = f"nobody has declared queue '{queue_name}' for a day"
    with database.session() as session:
        if not session.run(_HAS_FORGOTTEN, **which):
            return 0
        with session.begin():
            ids = [row.id for row in session.run(_FORGOTTEN, **which)]
            dead = database.bury(session, "id {in_ids}", reason, ids=ids)
    report_dead((row.message_id for row in dead), reason)
    return len(dead)


def _delete_expired(session: Session) -> None:
    tasks: set[str] = set()
    count = 0
    while session.run(_HAS_EXPIRED):
        rows = session.run(_EXPIRED)
        if not rows:
            break
        count += len(rows)
        tasks |= {row.task_name for row in rows if row.task_name}
    if tasks:
        logger.warning(
            "%d messages expired unclaimed, of tasks %s", count, ", ".join(sorted(tasks))
        )
