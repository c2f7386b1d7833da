"""What wakes a consumer on SQLite: bells, and a look now and then for who rings none."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from time import monotonic

from ..errors import BusyError
from ..options import Options
from .bells import bell_of, open_listener
from .signals import Signal, wait_for
from .sqlite_session import translating
from .watching import Notice, Watcher

# Who rings no bell: a worker of the release before, a transaction whose end we are not told of.
_LISTENING_POLL_SECONDS = 1.0
# Heard by all: a rate has changed; a message waits for its time.
ALL_BELL = "all"
DELAYED_BELL = "delayed"


class SqliteWatcher(Watcher):
    """Listens to the bells of its queues; asks for the file's version once a second.

    The version changes with each commit by another. Where the system has no bells it is asked
    for a hundred times a second.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, options: Options) -> None:
        super().__init__(options.poll_seconds)
        self._cursor = connection.cursor()
        self._listener = open_listener(path)
        self._ask_seconds = (
            _LISTENING_POLL_SECONDS if self._listener else options.sqlite_poll_seconds
        )
        self._queue_names: frozenset[str] = frozenset()
        self._bells: frozenset[str] = frozenset()
        self._version: int | None = None
        self._version = self._read_version()
        self._ask_at = monotonic() + self._ask_seconds

    def follow(self, queue_names: frozenset[str]) -> None:
        self._queue_names = queue_names
        self._bells = frozenset({ALL_BELL, DELAYED_BELL, *map(bell_of, queue_names)})
        self._listen()

    def wait(self, seconds: float, signal: Signal) -> Notice:
        deadline = monotonic() + seconds
        while True:
            rung = self._wait_for_bell(min(deadline, self._ask_at) - monotonic(), signal)
            now = monotonic()
            # Also where bells ring all the time: they may be those of other queues.
            if now >= self._ask_at and self._has_changed():
                return Notice(is_any=True, is_delayed=True)
            if rung:
                return self._make_notice(rung)
            if signal.is_set or now >= deadline:
                return Notice()

    def _wait_for_bell(self, seconds: float, signal: Signal) -> set[str]:
        if self._listener is None:
            signal.wait(seconds)
            return set()
        if not signal.is_set:
            wait_for(seconds, signal.fileno(), self._listener.fileno())
        return self._listener.read()

    def _listen(self) -> None:
        if self._listener is not None:
            self._listener.listen(self._bells)

    def _make_notice(self, rung: set[str]) -> Notice:
        return Notice(
            is_any=ALL_BELL in rung,
            queue_names={name for name in self._queue_names if bell_of(name) in rung},
            is_delayed=DELAYED_BELL in rung,
        )

    def _has_changed(self) -> bool:
        self._ask_at = monotonic() + self._ask_seconds
        self._listen()
        before, self._version = self._version, self._read_version()
        return self._version != before

    def _read_version(self) -> int | None:
        """Return the file's version; while another's commit takes long, the one known so far."""
        try:
            # Straight to the driver: an idle worker does little else.
            with translating():
                return int(self._cursor.execute("PRAGMA data_version").fetchall()[0][0])
        except BusyError:
            return self._version

    def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
