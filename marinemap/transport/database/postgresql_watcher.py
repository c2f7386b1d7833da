"""What wakes a consumer on PostgreSQL: notifications, and only while it has nothing to do.

A consumer that found a queue empty takes a shared advisory lock named after it, and looks once
more. A publisher, in the statement that stores a message, tries that lock for itself: where
somebody has it, somebody sleeps, and is notified once the message is committed. So nobody is
notified while all are busy, and a commit that waits for the disk never holds the lock that
PostgreSQL keeps for NOTIFY from its begin to the end of the commit.
"""

from __future__ import annotations

import zlib

from .. import SCHEME
from .postgresql_session import PostgresSession, translating
from .signals import Signal, wait_for
from .watching import Notice, Watcher

# Where no notification arrives, as behind a pooler, an idle consumer looks this often.
UNHEARD_POLL_SECONDS = 0.5
# Locks are of the server's shared memory, of which it has some thousands for all: whoever
# consumes from more queues than this takes none, and looks as often as behind a pooler.
_MOST_EXPECTED = 500
# The first half of the locks' keys; the second is a hash of the queue's name, which two
# queues may share.
LOCK_CLASS = zlib.crc32(f"{SCHEME} queue".encode()) - 2**31
# Heard by all: a rate has changed.
ALL_CHANNEL = f"{SCHEME}_queue"
# The payload of a notification that a message waits for its time.
DELAYED = "delayed"

_EXPECT = (
    f"SELECT pg_advisory_lock_shared({LOCK_CLASS}, hashtext(name)) "
    "FROM unnest(CAST(:names AS TEXT[])) AS expected(name)"
)
_DISMISS = (
    f"SELECT pg_advisory_unlock_shared({LOCK_CLASS}, hashtext(name)) "
    "FROM unnest(CAST(:names AS TEXT[])) AS expected(name)"
)
# Whether anybody expects messages of a queue: somebody does who holds its lock. Held by a
# publisher for the blink of the statement, it may take two publishers for a consumer.
IS_EXPECTED = (
    f"CASE WHEN pg_try_advisory_lock({LOCK_CLASS}, hashtext(queue_name)) "
    f"THEN NOT pg_advisory_unlock({LOCK_CLASS}, hashtext(queue_name)) ELSE true END"
)


def channel_of(queue_name: str) -> str:
    """Return the channel on which a queue's consumers listen."""
    return f"{SCHEME}_{zlib.crc32(queue_name.encode()):08x}"


class PostgresWatcher(Watcher):
    """Listens on the session that claims: its statements are short, and each commits."""

    def __init__(self, session: PostgresSession, poll_seconds: float) -> None:
        super().__init__(poll_seconds)
        self._is_crowded = False
        self._session = session
        self._queues: dict[str, set[str]] = {}
        self._notices: list[tuple[str, str]] = []
        session.connection.add_notify_handler(
            lambda note: self._notices.append((note.channel, note.payload))
        )
        session.run(f"LISTEN {ALL_CHANNEL}")

    def follow(self, queue_names: frozenset[str]) -> None:
        wanted: dict[str, set[str]] = {}
        for name in queue_names:
            wanted.setdefault(channel_of(name), set()).add(name)
        for channel in wanted.keys() - self._queues.keys():
            self._session.run(f"LISTEN {channel}")
        for channel in self._queues.keys() - wanted.keys():
            self._session.run(f"UNLISTEN {channel}")
        self._queues = wanted
        if len(queue_names) > _MOST_EXPECTED:
            self._is_crowded = True
            self.poll_seconds = min(self.poll_seconds, UNHEARD_POLL_SECONDS)

    def expect(self, queue_names: set[str]) -> bool:
        if self._is_crowded:
            return False
        self._session.run(_EXPECT, names=sorted(queue_names))
        return True

    def dismiss(self, queue_names: set[str]) -> None:
        if not self._is_crowded:
            self._session.run(_DISMISS, names=sorted(queue_names))

    def wait(self, seconds: float, signal: Signal) -> Notice:
        pgconn = self._session.connection.pgconn
        if not self._notices and not signal.is_set:
            wait_for(seconds, pgconn.socket, signal.fileno())
        with translating():
            pgconn.consume_input()
        while (note := pgconn.notifies()) is not None:
            self._notices.append((note.relname.decode(), note.extra.decode()))
        return self._read()

    def _read(self) -> Notice:
        notes, self._notices = self._notices, []
        names: set[str] = set()
        for channel, _ in notes:
            names |= self._queues.get(channel, set())
        return Notice(
            is_any=any(channel == ALL_CHANNEL for channel, _ in notes),
            queue_names=names,
            is_delayed=any(payload == DELAYED for _, payload in notes),
        )
