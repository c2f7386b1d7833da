"""The queue in an SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy.engine.url import make_url

from .bells import bell_of, ring
from .contract import Claim, Database, Life, Row, Session, Stored
from .sqlite_life import LockedLife
from .sqlite_session import JoinedSqliteSession, SqliteSession
from .sqlite_watcher import ALL_BELL, DELAYED_BELL, SqliteWatcher
from .watching import Watcher

# A claim that finds the file locked tries again by itself; it need not wait as a publish does.
_CLAIM_WAIT_SECONDS = 2.0

_ACKNOWLEDGED = (
    "DELETE FROM broker_messages WHERE id {in_ids} AND claimed_by = :consumer_id RETURNING id"
)
_FIRST = (
    "SELECT id FROM broker_messages WHERE queue_name = :queue_name AND {ready} AND {current} "
    "ORDER BY priority DESC, (id + 0) LIMIT :room"
)
_LIMITED_TASKS = (
    "SELECT json_group_array(json_array(r.task_name, r.max_starts, r.window_ms)) "
    "FROM broker_rates AS r WHERE r.max_starts IS NOT NULL AND EXISTS "
    "(SELECT 1 FROM broker_messages WHERE rate_key = r.task_name AND queue_name = :queue_name "
    "AND {limited})"
)
_LOOK = f"SELECT EXISTS ({_FIRST}) AS is_any, ({_LIMITED_TASKS}) AS limited_tasks"
_IS_CONSUMER = "EXISTS (SELECT 1 FROM broker_consumers WHERE consumer_id = :consumer_id)"
_CLAIM = (
    "UPDATE broker_messages "
    "SET claimed_by = :consumer_id, claimed_at_ms = {now}, attempts = attempts + 1 "
    f"WHERE id IN ({_FIRST}) AND {_IS_CONSUMER} "
    "RETURNING {claimed_columns}, {is_stray} AS is_stray"
)
_TAKE = (
    f"DELETE FROM broker_messages WHERE id IN ({_FIRST}) AND {_IS_CONSUMER} "
    f"RETURNING {{claimed_columns}}, false AS is_stray"
)
_IS_UNCHANGED = (
    "SELECT 1 AS one FROM broker_rates WHERE task_name = :task_name "
    "AND max_starts = :max_starts AND window_ms = :window_ms AND recent_starts IS :recent_starts"
)
_CLAIM_LIMITED = f"""
UPDATE broker_messages
SET claimed_by = :consumer_id, claimed_at_ms = {{now}}, attempts = attempts + 1
WHERE id IN (
    SELECT id FROM broker_messages WHERE rate_key = :task_name AND queue_name = :queue_name
        AND {{limited}} AND {{current}} ORDER BY priority DESC, turn, id LIMIT :room
) AND {_IS_CONSUMER}
RETURNING {{claimed_columns}}, turn
"""
_COUNT = (
    "UPDATE broker_rates SET recent_starts = :before || :count || :after "
    "WHERE task_name = :task_name"
)
# SQLite has one writer: nothing can come between the two of a transaction.
_COPY_DEAD = """
INSERT INTO broker_dead_letters (message_id, queue_name, task_name, owner, correlation_id,
    payload, attempts, reason, published_at_ms, died_at_ms)
SELECT id, queue_name, task_name, owner, correlation_id, payload, attempts, :reason,
    published_at_ms, {now} FROM broker_messages WHERE {which}
RETURNING message_id, queue_name
"""
_DELETE_DEAD = "DELETE FROM broker_messages WHERE {which}"
_HAS_SCHEMA = "SELECT name FROM sqlite_master WHERE name = 'broker_schema'"


class SqliteDatabase(Database):
    """One writer at a time, a file to watch, and locks that the kernel drops."""

    name = "sqlite"
    # The caller's transaction holds the only write lock.
    declares_with_caller = True

    @cached_property
    def path(self) -> Path:
        """The file."""
        return Path(str(make_url(self.url).database))

    def open_session(self) -> SqliteSession:
        return SqliteSession(str(self.path), self.options.busy_timeout_seconds)

    def open_consumer_session(self) -> SqliteSession:
        wait_seconds = min(_CLAIM_WAIT_SECONDS, self.options.busy_timeout_seconds)
        return SqliteSession(str(self.path), wait_seconds)

    def join(self, connection: sqlite3.Connection) -> JoinedSqliteSession:
        return JoinedSqliteSession(connection)

    def verify(self, session: Session) -> None:
        """Each session sets what keeps its commits."""

    def read_revision(self, session: Session) -> Row | None:
        if not session.run(_HAS_SCHEMA):
            return None
        rows = session.run("SELECT * FROM broker_schema WHERE only_row = 1")
        return rows[0] if rows else None

    @contextmanager
    def upgrading(self, session: Session) -> Iterator[None]:
        with session.begin():
            yield

    def store(self, session: Session, insert: str, **parameters: Any) -> Stored:
        rows = session.run(insert, **parameters)
        names = frozenset(row.queue_name for row in rows)
        is_delayed = any(row.due_at_ms is not None for row in rows)
        return Stored(len(rows), names, names, is_delayed)

    def claim(
        self,
        session: Session,
        consumer_id: str,
        queue_name: str,
        room: int,
        acknowledged: list[int],
    ) -> Claim:
        look = session.run(_LOOK, queue_name=queue_name, room=1)[0]
        # A look takes no write lock, which the application may need.
        if not look.is_any and not acknowledged:
            return Claim([], 0, look.limited_tasks)
        names = {"consumer_id": consumer_id, "queue_name": queue_name}
        with session.begin():
            deleted = session.run(_ACKNOWLEDGED, consumer_id=consumer_id, ids=acknowledged)
            rows = session.run(_CLAIM, room=room, **names)
        return Claim(_in_order(rows), len(deleted), look.limited_tasks)

    def claim_limited(self, session: Session, **parameters: Any) -> list[Row] | None:
        with session.begin():
            if not session.run(_IS_UNCHANGED, **parameters):
                return None
            rows = session.run(_CLAIM_LIMITED, **parameters)
            if rows:
                count = parameters["count"] + len(rows)
                session.run(_COUNT, **{**parameters, "count": count})
        return sorted(rows, key=lambda row: (-row.priority, row.turn, row.id))

    def take(self, session: Session, consumer_id: str, queue_name: str, room: int) -> Claim:
        look = session.run(_LOOK, queue_name=queue_name, room=1)[0]
        rows: list[Row] = []
        if look.is_any:
            names = {"consumer_id": consumer_id, "queue_name": queue_name}
            rows = session.run(_TAKE, room=room, **names)
        return Claim(_in_order(rows), 0, look.limited_tasks)

    def acknowledge(self, session: Session, consumer_id: str, acknowledged: list[int]) -> int:
        return len(session.run(_ACKNOWLEDGED, consumer_id=consumer_id, ids=acknowledged))

    def bury(self, session: Session, which: str, reason: str, **parameters: Any) -> list[Row]:
        copied = session.run(_COPY_DEAD.replace("{which}", which), reason=reason, **parameters)
        session.run(_DELETE_DEAD.replace("{which}", which), **parameters)
        return copied

    def hurry(self, session: Session) -> None:
        """A transaction here always waits for the disk."""

    def notify(
        self, session: Session, queue_names: Iterable[str], *, is_delayed: bool = False
    ) -> None:
        ring(self.path, [*map(bell_of, queue_names), *([DELAYED_BELL] if is_delayed else [])])

    def notify_all(self, session: Session) -> None:
        ring(self.path, [ALL_BELL])

    def watch(self, session: Session) -> Watcher:
        assert isinstance(session, SqliteSession)
        return SqliteWatcher(session.connection, self.path, self.options)

    def make_life(self) -> Life:
        return LockedLife(self.path)

    def find_long_transactions(self, session: Session) -> list[str]:
        """SQLite cannot tell who holds one."""
        return []


def _in_order(rows: list[Row]) -> list[Row]:
    # RETURNING answers in no particular order.
    return sorted(rows, key=lambda row: (-row.priority, row.id))
