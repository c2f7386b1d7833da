"""What wakes a consumer: a change of the database, its own process, or the clock."""

from __future__ import annotations

import os
import select
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

from marinemap.transport.engine import Database, closing_on_error
from marinemap.transport.filewatch import FileWatch, watch_file
from marinemap.transport.forks import sqlite_guard
from marinemap.transport.options import Options
from marinemap.transport.sessions import DirectSession
from marinemap.transport.statements import NOTIFY_CHANNEL

# After a change of an SQLite file the next is likely soon: look more often for this long.
_BUSY_SECONDS = 0.25
_BUSY_POLL_SECONDS = 0.002
# A write to the file is followed by its commit within two syncs of the disk, mostly.
_COMMIT_SECONDS = 0.05
_COMMIT_POLL_SECONDS = 0.001
# With notifications of writes this is the safety net.
_WATCHED_POLL_SECONDS = 0.25
# Behind a pooler, where no notification arrives, an idle consumer looks this often.
_POOLED_POLL_SECONDS = 0.5


class Signal:
    """A flag that threads set, and that a poll or an event loop can wait for."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._is_set = False
        self._poller = select.poll()
        self._poller.register(self._reader, select.POLLIN)

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when the flag is set."""
        return self._reader

    def set(self) -> None:
        """Wake who waits; cheap when already set."""
        if not self._is_set:
            self._is_set = True
            os.write(self._writer, b"\0")

    def clear(self) -> None:
        """Take the flag down, before looking for what it announced."""
        with suppress(BlockingIOError):
            os.read(self._reader, 16)
        self._is_set = False

    def wait(self, seconds: float) -> bool:
        """Wait until the flag is set, and leave it so; tell whether it is."""
        return self._is_set or bool(self._poller.poll(_round_up_ms(seconds)))

    def close(self) -> None:
        """Close the pipe."""
        os.close(self._reader)
        os.close(self._writer)


def wait_for(seconds: float, *descriptors: int) -> bool:
    """Wait until one of some descriptors can be read."""
    poller = select.poll()
    for descriptor in descriptors:
        poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(_round_up_ms(seconds)))


def _round_up_ms(seconds: float) -> int:
    # A wait cut down to 0 ms would turn into a busy loop just before its end.
    return int(seconds * 1000) + 1 if seconds > 0 else 0


class Notice:
    """What a wait ended with: which queues have changed, and the next due time if told."""

    def __init__(self, *, is_any: bool = False) -> None:
        self.is_any = is_any
        self.queue_names: set[str] = set()
        self.is_delayed = False


class Watcher(Protocol):
    """Waits for changes that other connections make.

    It may miss one; so its consumer looks by itself every `poll_seconds`.
    """

    poll_seconds: float

    def wait(self, seconds: float, signal: Signal) -> Notice: ...

    def close(self) -> None: ...


def open_watcher(database: Database, session: DirectSession) -> Watcher:
    """Return the watcher for a database; for SQLite it sees changes by others than `session`."""
    if database.dialect_name == "sqlite":
        path = Path(str(database.engine.url.database))
        return SqliteWatcher(session, database.options, watch_file(path))
    if session.is_pooled:
        return PooledWatcher(database.options)
    return PostgresWatcher(database)


class SqliteWatcher:
    """Asks SQLite for the file's version, which changes with each commit by another.

    Often where a commit is likely; otherwise it waits for a write to the file, or asks a
    hundred times a second where the system cannot tell of writes.
    """

    def __init__(
        self, session: DirectSession, options: Options, file_watch: FileWatch | None
    ) -> None:
        self.poll_seconds = options.poll_seconds
        self._cursor = session.dbapi_connection.cursor()
        self._file_watch = file_watch
        self._idle_poll_seconds = (
            _WATCHED_POLL_SECONDS if file_watch else options.sqlite_poll_seconds
        )
        self._version = self._read_version()
        self._busy_until = 0.0
        self._commit_until = 0.0
        self._has_old_writes = True

    def wait(self, seconds: float, signal: Signal) -> Notice:
        now = monotonic()
        deadline = now + seconds
        while now < deadline:
            is_signalled = self._pause(now, deadline - now, signal)
            version = self._read_version()
            now = monotonic()
            if version != self._version:
                self._version = version
                self._busy_until = now + _BUSY_SECONDS
                self._has_old_writes = True
                return Notice(is_any=True)
            if is_signalled:
                break
        return Notice()

    def _pause(self, now: float, seconds: float, signal: Signal) -> bool:
        """Wait until it is worth asking again; tell whether the signal is why."""
        if now < self._commit_until:
            return signal.wait(min(_COMMIT_POLL_SECONDS, seconds))
        if now < self._busy_until:
            return signal.wait(min(_BUSY_POLL_SECONDS, seconds))
        seconds = min(self._idle_poll_seconds, seconds)
        return self._wait_for_write(seconds, signal) if self._file_watch else signal.wait(seconds)

    def _wait_for_write(self, seconds: float, signal: Signal) -> bool:
        assert self._file_watch is not None
        if self._has_old_writes:
            # Of the commits that were seen; the version is asked for once more after this.
            self._has_old_writes = False
            self._file_watch.has_writes()
            return signal.wait(0)
        if not signal.wait(0):
            wait_for(seconds, signal.fileno(), self._file_watch.fileno())
            if self._file_watch.has_writes():
                self._commit_until = monotonic() + _COMMIT_SECONDS
                self._has_old_writes = True
        return signal.wait(0)

    def _read_version(self) -> int:
        # Straight to the driver: an idle worker does little else.
        with sqlite_guard:
            return int(self._cursor.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        self._cursor.close()
        if self._file_watch is not None:
            self._file_watch.close()


class PostgresWatcher:
    """Listens on a connection of its own, which must not be in a transaction to hear."""

    def __init__(self, database: Database) -> None:
        self.poll_seconds = database.options.poll_seconds
        fairy = database.engine.raw_connection()
        connection: Any = fairy.dbapi_connection
        fairy.detach()
        self._connection = connection
        with closing_on_error(connection):
            connection.execute(f"LISTEN {NOTIFY_CHANNEL}")

    def wait(self, seconds: float, signal: Signal) -> Notice:
        if not signal.wait(0):
            wait_for(seconds, self._connection.pgconn.socket, signal.fileno())
        return self._read()

    def _read(self) -> Notice:
        notice = Notice()
        # Below psycopg's own generator, which costs more than the claim that follows.
        self._connection.pgconn.consume_input()
        while (notification := self._connection.pgconn.notifies()) is not None:
            due_at_ms, _, names = notification.extra.decode().partition(" ")
            notice.is_any |= not names
            notice.is_delayed |= bool(due_at_ms)
            if not due_at_ms:
                notice.queue_names.update(names.split("\n"))
        return notice

    def close(self) -> None:
        self._connection.close()


class PooledWatcher:
    """Knows of nothing but its own process: behind a pooler there is no listening."""

    def __init__(self, options: Options) -> None:
        self.poll_seconds = min(options.poll_seconds, _POOLED_POLL_SECONDS)

    def wait(self, seconds: float, signal: Signal) -> Notice:
        signal.wait(seconds)
        return Notice()

    def close(self) -> None:
        pass
