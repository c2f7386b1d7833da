"""GeoPackages that stay open for a few seconds: whoever reads a page soon reads another.

To open one takes as long as to read a page of it: its schema is parsed, and the upper levels of
its trees are read anew.
"""

from __future__ import annotations

import atexit
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from marinemap.extraction.geopackage.index import open_to_read

# Of all layers; each has at most 2 MB of the file in memory.
_MOST_IDLE = 16
# A file that is removed keeps its place on the disk for as long.
_IDLE_SECONDS = 5.0


@dataclass(frozen=True)
class _Idle:
    path: Path
    mark: str
    database: sqlite3.Connection
    since: float


class Lender:
    """Lends connections through which nothing is written, each to one thread at a time.

    What is idle holds no lock. SQLite sees by itself what others commit; a file that was changed
    in another way, or replaced, has another mark.

    Parameters
    ----------
    most : int
        How many are kept while nobody has them; those that rest longest are closed.
    seconds : float
        How long one is kept so.
    """

    def __init__(self, most: int = _MOST_IDLE, seconds: float = _IDLE_SECONDS) -> None:
        self._most, self._seconds = most, seconds
        self._lock = threading.Lock()
        # Those that rest longest stand first.
        self._idle: list[_Idle] = []
        self._is_watched = False

    def __len__(self) -> int:
        return len(self._idle)

    @contextmanager
    def lent(self, path: Path, mark: str) -> Iterator[sqlite3.Connection]:
        """Yield a connection to a file in the state of which this is the mark.

        Who borrows it may begin a transaction, and need not end it.

        Raises
        ------
        sqlite3.Error
            If the file cannot be opened.
        """
        database = self._take(path, mark) or open_to_read(path, is_of_one_thread=False)
        may_rest = False
        try:
            yield database
            may_rest = _is_sound(database)
        finally:
            if may_rest:
                self._put_back(_Idle(path, mark, database, time.monotonic()))
            else:
                database.close()

    def close_all(self) -> None:
        """Close all that nobody has."""
        with self._lock:
            gone, self._idle = self._idle, []
        for each in gone:
            each.database.close()

    def forget(self) -> None:
        """Leave all to the process that this one is a fork of: SQLite asks for it."""
        self._lock = threading.Lock()
        self._idle, self._is_watched = [], False

    def _take(self, path: Path, mark: str) -> sqlite3.Connection | None:
        with self._lock:
            # The one put back last has most of the file in memory.
            for at in reversed(range(len(self._idle))):
                if (self._idle[at].path, self._idle[at].mark) == (path, mark):
                    return self._idle.pop(at).database
        return None

    def _put_back(self, idle: _Idle) -> None:
        with self._lock:
            self._idle.append(idle)
            over = self._idle.pop(0) if len(self._idle) > self._most else None
            begins, self._is_watched = not self._is_watched, True
        if over:
            over.database.close()
        if begins:
            threading.Thread(target=self._watch, name="idle-geopackages", daemon=True).start()

    def _watch(self) -> None:
        """Close what has rested long enough, until there is nothing more."""
        while (wait := self._close_rested()) is not None:
            time.sleep(wait)

    def _close_rested(self) -> float | None:
        """Return when to look again, None where nothing rests any more."""
        now = time.monotonic()
        with self._lock:
            rested = [each for each in self._idle if now - each.since >= self._seconds]
            self._idle = self._idle[len(rested) :]
            self._is_watched = bool(self._idle)
            wait = self._idle[0].since + self._seconds - now if self._idle else None
        for each in rested:
            each.database.close()
        return wait


def _is_sound(database: sqlite3.Connection) -> bool:
    """Tell whether a connection may be lent again, its transaction ended."""
    try:
        (mode,) = database.execute("PRAGMA journal_mode").fetchone()
        # SQLite ends one by itself where something went wrong.
        is_sound = database.in_transaction
        database.rollback()
    except sqlite3.Error:
        return False
    # While one is open, who writes last could not clear such a log away.
    return is_sound and mode != "wal"


lender = Lender()
atexit.register(lender.close_all)
os.register_at_fork(after_in_child=lender.forget)
