"""Keeps a process from forking while one of its threads is inside SQLite or a transaction.

SQLite's library has locks of its own, which a child would inherit taken, by a thread that it
does not have: its first use of any SQLite file would wait for ever. It also remembers which locks
of a file the process holds: a child born amid a transaction would believe that it has them, could
never write to that file, and would read it unlocked. Celery forks whenever it replaces a child of
its pool, while other threads ask SQLite a hundred times a second, and not for the queue alone: a
connection of the application's to the same file is as dangerous, so Django's is one of these too.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from functools import lru_cache
from types import TracebackType
from typing import Any

logger = logging.getLogger(__name__)

# Longer than a call waits for another writer's lock: a child could not write meanwhile either.
_LONGEST_WAIT_SECONDS = 60.0


class _Visitor:
    """A thread, and how often it has entered."""

    def __init__(self) -> None:
        self.depth = 0


class _Own(threading.local):
    def __init__(self) -> None:
        self.visitor = _Visitor()


class ForkGuard:
    """Entered by any number of threads at once; a fork waits until no other is inside.

    A thread may enter again while it is inside, as for the statements of a transaction.
    """

    def __init__(self) -> None:
        self._own = _Own()
        self._begin()
        os.register_at_fork(
            before=self._begin_fork, after_in_parent=self._end_fork, after_in_child=self._begin
        )

    def enter(self) -> _Visitor:
        """Enter, or wait for the end of a fork; return who has to leave."""
        visitor = self._visitor
        with self._lock:
            while self._forks and not visitor.depth:
                self._changed.wait()
            visitor.depth += 1
            self._inside.add(visitor)
        return visitor

    def leave(self, visitor: _Visitor) -> None:
        """Let a visitor leave once; any thread may say so, as where it closes a connection."""
        with self._lock:
            visitor.depth -= 1
            if not visitor.depth:
                self._inside.discard(visitor)
                self._changed.notify_all()

    def __enter__(self) -> None:
        self.enter()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.leave(self._visitor)

    @property
    def _visitor(self) -> _Visitor:
        return self._own.visitor

    def _begin(self) -> None:
        # Taken again by what the garbage collector closes meanwhile.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        # A child has this thread alone.
        self._inside = {self._visitor} if self._visitor.depth else set()
        self._forks = 0

    def _begin_fork(self) -> None:
        with self._lock:
            self._forks += 1
            are_others_gone = self._changed.wait_for(self.is_alone, _LONGEST_WAIT_SECONDS)
        if not are_others_gone:
            logger.warning(
                "A process is forked although a transaction in SQLite has not ended for %g s: "
                "the new one may find the database locked for ever",
                _LONGEST_WAIT_SECONDS,
            )

    def is_alone(self) -> bool:
        """Tell whether no thread but this one is inside."""
        return self._inside <= {self._visitor}

    def _end_fork(self) -> None:
        with self._lock:
            self._forks -= 1
            self._changed.notify_all()


sqlite_guard = ForkGuard()


class _Stay:
    """A place within the guard that is kept beyond one call."""

    def __init__(self) -> None:
        self._visitor: _Visitor | None = None

    def keep(self, is_needed: bool) -> None:
        if is_needed and self._visitor is None:
            self._visitor = sqlite_guard.enter()
        elif not is_needed and self._visitor is not None:
            visitor, self._visitor = self._visitor, None
            sqlite_guard.leave(visitor)


class GuardedConnection(sqlite3.Connection):
    """A connection within the guard: in each call, in a transaction, while rows are read.

    For whoever connects with ``sqlite3.connect(path, factory=GuardedConnection)``. A cursor
    counts as reading until it has come to its last row, runs another statement or is closed.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        self._transaction = _Stay()
        with sqlite_guard:
            super().__init__(*args, **options)

    def follow(self) -> None:
        """Stay within the guard if a transaction is open now."""
        self._transaction.keep(self.in_transaction)

    def cursor(self, factory: Any = sqlite3.Cursor) -> Any:
        return super().cursor(_guarded(factory))

    # The driver's own take a cursor that is not guarded.

    def execute(self, *args: Any) -> Any:
        return self.cursor().execute(*args)

    def executemany(self, *args: Any) -> Any:
        return self.cursor().executemany(*args)

    def executescript(self, *args: Any) -> Any:
        return self.cursor().executescript(*args)

    def commit(self) -> None:
        with sqlite_guard:
            super().commit()
            self.follow()

    def rollback(self) -> None:
        with sqlite_guard:
            super().rollback()
            self.follow()

    def close(self) -> None:
        with sqlite_guard:
            super().close()
            self._transaction.keep(False)

    def __del__(self) -> None:
        self._transaction.keep(False)


@lru_cache(maxsize=20)
def _guarded(factory: type[sqlite3.Cursor]) -> type[sqlite3.Cursor]:
    """Return a cursor's class, guarded."""
    return type(f"Guarded{factory.__name__}", (_GuardedCursor, factory), {})


class _GuardedCursor(sqlite3.Cursor):
    connection: GuardedConnection

    def __init__(self, connection: GuardedConnection) -> None:
        super().__init__(connection)
        self._reading = _Stay()

    def execute(self, *args: Any) -> Any:
        with sqlite_guard:
            try:
                return super().execute(*args)
            finally:
                self._reading.keep(self.description is not None)
                self.connection.follow()

    def executemany(self, *args: Any) -> Any:
        with sqlite_guard:
            try:
                return super().executemany(*args)
            finally:
                self.connection.follow()

    def executescript(self, script: str) -> Any:
        with sqlite_guard:
            try:
                return super().executescript(script)
            finally:
                self.connection.follow()

    def fetchone(self) -> Any:
        with sqlite_guard:
            row = super().fetchone()
            self._reading.keep(row is not None)
            return row

    def fetchmany(self, size: int | None = None) -> list[Any]:
        with sqlite_guard:
            rows = super().fetchmany(self.arraysize if size is None else size)
            self._reading.keep(bool(rows))
            return rows

    def fetchall(self) -> list[Any]:
        with sqlite_guard:
            rows = super().fetchall()
            self._reading.keep(False)
            return rows

    def __next__(self) -> Any:
        with sqlite_guard:
            try:
                return super().__next__()
            except StopIteration:
                self._reading.keep(False)
                raise

    def close(self) -> None:
        with sqlite_guard:
            super().close()
            self._reading.keep(False)

    def __del__(self) -> None:
        self._reading.keep(False)
