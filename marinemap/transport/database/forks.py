"""Keeps a process from forking while one of its threads is inside SQLite or a transaction.

SQLite's library has locks of its own, which a child would inherit taken, by a thread that it
does not have: its first use of any SQLite file, Django's too, would wait for ever. It also
remembers which locks of a file the process holds: a child born amid a transaction would believe
that it has them, could never write to that file, and would read it unlocked. Celery forks
whenever it replaces a child of its pool, while other threads ask SQLite a hundred times a second.
"""

from __future__ import annotations

import os
import threading
from types import TracebackType

# A call may wait for another writer's lock; that wait is no danger to a child.
_LONGEST_WAIT_SECONDS = 2.0


class ForkGuard:
    """Entered by any number of threads at once; a fork waits until no other is inside.

    A thread may enter again while it is inside, as for the statements of a transaction.
    """

    def __init__(self) -> None:
        self._own = threading.local()
        self._reset()
        os.register_at_fork(
            before=self._begin_fork, after_in_parent=self._end_fork, after_in_child=self._reset
        )

    def __enter__(self) -> None:
        if not self._depth:
            with self._changed:
                while self._is_forking:
                    self._changed.wait()
                self._inside += 1
        self._own.depth = self._depth + 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._own.depth -= 1
        if not self._depth:
            with self._changed:
                self._inside -= 1
                if self._is_forking:
                    self._changed.notify_all()

    @property
    def _depth(self) -> int:
        """How often this thread is inside."""
        return getattr(self._own, "depth", 0)

    def _reset(self) -> None:
        self._changed = threading.Condition()
        # A child has this thread alone.
        self._inside = min(self._depth, 1)
        self._is_forking = False

    def _begin_fork(self) -> None:
        with self._changed:
            self._is_forking = True
            others = min(self._depth, 1)
            self._changed.wait_for(lambda: self._inside == others, _LONGEST_WAIT_SECONDS)

    def _end_fork(self) -> None:
        with self._changed:
            self._is_forking = False
            self._changed.notify_all()


sqlite_guard = ForkGuard()
