"""What consumers clear away now and then: expired messages, unused queues, old dead letters."""

from __future__ import annotations

import logging

from sqlalchemy import BigInteger, bindparam, delete, select

from marinemap.transport.dialects import now_ms
from marinemap.transport.engine import Database
from marinemap.transport.exchanges import delete_idle_queue, idle_queues
from marinemap.transport.tables import dead_letters, messages

logger = logging.getLogger(__name__)

_DAY_MS = 24 * 3600 * 1000
# A long backlog is cleared in pieces: one big delete would hold SQLite's only write lock.
_BATCH = 1000

_now = select(now_ms()).scalar_subquery()
_expired = (
    select(messages.c.id)
    .where(messages.c.expires_at_ms <= _now, messages.c.claimed_by.is_(None))
    .order_by(messages.c.expires_at_ms)
    .limit(_BATCH)
)
_find_expired = _expired.limit(1)
_delete_expired = (
    delete(messages)
    .where(messages.c.id.in_(_expired.with_for_update(skip_locked=True)))
    .returning(messages.c.task_name)
)
_is_outdated = dead_letters.c.died_at_ms < _now - bindparam("keep_ms", type_=BigInteger())
_find_outdated = select(dead_letters.c.id).where(_is_outdated).limit(1)
_delete_outdated = delete(dead_letters).where(_is_outdated)


def clear_away(database: Database) -> None:
    """Delete what has had its time; looks first, and writes only where there is something."""
    keep_ms = int(database.options.dead_letter_days * _DAY_MS)
    with database.session() as session:
        has_expired = bool(session.run(_find_expired))
        names = [row[0] for row in session.run(idle_queues)]
        has_outdated = keep_ms and session.run(_find_outdated, keep_ms=keep_ms)
        if has_outdated:
            session.run(_delete_outdated, keep_ms=keep_ms)
    if has_expired:
        _delete_expired_messages(database)
    for name in names:
        with database.transaction() as session:
            if delete_idle_queue(session, name):
                logger.info("Deleted queue '%s', which nobody has used for its time", name)


def _delete_expired_messages(database: Database) -> None:
    with database.session() as session:
        deleted = session.run(_delete_expired)
        while deleted and len(deleted) % _BATCH == 0:
            deleted += session.run(_delete_expired)
    tasks = sorted({row[0] for row in deleted if row[0]})
    if tasks:
        logger.warning("%d messages expired unclaimed, of tasks %s", len(deleted), ", ".join(tasks))
