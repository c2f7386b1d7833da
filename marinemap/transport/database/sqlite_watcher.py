"""What wakes a consumer on SQLite: a write to the file, then a new version of its data."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from time import monotonic

from ..errors import BusyError
from ..options import Options
from .contract import Notice
from .filewatch import watch_file
from .forks import sqlite_guard
from .signals import Signal, wait_for
from .sqlite_session import translating

# After a change of the file the next is likely soon: look more often for this long.
_BUSY_SECONDS = 0.25
_BUSY_POLL_SECONDS = 0.002
# A write to the file is followed by its commit within two syncs of the disk, mostly.
_COMMIT_SECONDS = 0.05
_COMMIT_POLL_SECONDS = 0.001
# With notifications of writes this is the safety net.
_WATCHED_POLL_SECONDS = 0.25


class SqliteWatcher:
    """Asks SQLite for the file's version, which changes with each commit by another.

    Often where a commit is likely; otherwise it waits for a write to the file, or asks a
    hundred times a second where the system cannot tell of writes.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, options: Options) -> None:
        self.poll_seconds = options.poll_seconds
        self._cursor = connection.cursor()
        self._file_watch = watch_file(path)
        self._idle_poll_seconds = (
            _WATCHED_POLL_SECONDS if self._file_watch else options.sqlite_poll_seconds
        )
        self._version: int | None = None
        self._version = self._read_version()
        self._busy_until = 0.0
        self._commit_until = 0.0
        self._has_old_writes = True

    def follow(self, queue_names: frozenset[str]) -> None:
        """The file's version tells of all queues at once."""

    def expect(self, queue_names: set[str]) -> bool:
        return False

    def dismiss(self, queue_names: set[str]) -> None:
        """Nobody was asked to tell."""

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
                return Notice(is_any=True, is_delayed=True)
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

    def _read_version(self) -> int | None:
        """Return the file's version; while another's commit takes long, the one known so far."""
        try:
            # Straight to the driver: an idle worker does little else.
            with sqlite_guard, translating():
                return int(self._cursor.execute("PRAGMA data_version").fetchone()[0])
        except BusyError:
            return self._version

    def close(self) -> None:
        if self._file_watch is not None:
            self._file_watch.close()
            self._file_watch = None
