"""The idle connections of one process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.pool import QueuePool

# Idle connections that are kept. More threads at once get more, closed after use.
_KEPT = 4


class Pool:
    """Lends sessions to threads, the one used last first.

    A child process that was forked begins with an empty pool. It neither uses its parent's
    connections nor closes them: closing an SQLite connection drops the file locks of the
    whole process, and a PostgreSQL server would end the parent's session.
    """

    def __init__(self, open_session: Callable[[], Any]) -> None:
        self._open = open_session
        self._inherited: list[QueuePool] = []
        self._begin()

    @contextmanager
    def lend(self) -> Iterator[Any]:
        """Lend a session; one that is no longer sound afterwards is closed."""
        pool = self._find_pool()
        lent: Any = pool.connect()
        while not lent.dbapi_connection.is_usable():
            lent.invalidate()
            lent.close()
            lent = pool.connect()
        session = lent.dbapi_connection
        try:
            yield session
        finally:
            # Those lent out while the pool was closed have nobody else to close them.
            if not session.is_sound() or pool is not self._own[1]:
                lent.invalidate()
            lent.close()

    def close(self) -> None:
        """Close what is idle now, and what is lent out when it comes back."""
        pool = self._find_pool()
        self._begin()
        pool.dispose()

    def _find_pool(self) -> QueuePool:
        process_id, pool = self._own
        if process_id == os.getpid():
            return pool
        # Kept, or garbage collection would close its sessions.
        self._inherited.append(pool)
        return self._begin()

    def _begin(self) -> QueuePool:
        pool = QueuePool(
            self._open,
            pool_size=_KEPT,
            max_overflow=-1,
            reset_on_return=None,
            use_lifo=True,
        )
        # With whose it is, at once: meanwhile other threads of a child still see its parent's.
        self._own = os.getpid(), pool
        return pool
