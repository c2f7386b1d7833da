"""Keeps a process from forking while one of its threads is inside SQLite.

SQLite's library has locks of its own, which a child would inherit taken, by a thread that it
does not have: its first use of any SQLite file, Django's too, would wait for ever. Celery forks
whenever it replaces a child of its pool, while other threads ask SQLite a hundred times a second.
"""

from __future__ import annotations

import os
import threading
from types import TracebackType

# A call may wait for another writer's lock; that wait is no danger to a child.
_LONGEST_WAIT_SECONDS = 2.0


class ForkGuard:
    """Entered by any number of threads at once; a fork waits until none is inside."""

    def __init__(self) -> None:
        self._reset()
        os.register_at_fork(
            before=self._begin_fork, after_in_parent=self._end_fork, after_in_child=self._reset
        )

    def __enter__(self) -> None:
        with self._changed:
            while self._is_forking:
                self._changed.wait()
            self._inside += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._changed:
            self._inside -= 1
            if self._is_forking:
                self._changed.notify_all()

    def _reset(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._is_forking = False

    def _begin_fork(self) -> None:
        with self._changed:
            self._is_forking = True
            self._changed.wait_for(lambda: self._inside == 0, _LONGEST_WAIT_SECONDS)

    def _end_fork(self) -> None:
        with self._changed:
            self._is_forking = False
            self._changed.notify_all()


sqlite_guard = ForkGuard()
