"""A connection to an SQLite file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from ..errors import AwayError, BusyError
from ..forks import GuardedConnection, sqlite_guard
from .answers import make_row, refused_by_caller, without_tables
from .contract import Row
from .words import make_words

_NOW = "CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER)"
WORDS = make_words(
    now=_NOW,
    larger="max",
    lock="",
    skip_locked="",
    lock_in_use="",
    settled="true",
    in_ids="IN (SELECT value FROM json_each(:ids))",
    in_names="IN (SELECT value FROM json_each(:names))",
    asked="(SELECT value AS queue_name FROM json_each(:names))",
    routes=(
        "(SELECT name.value AS queue_name, ttl.value AS ttl_ms "
        "FROM json_each(:queue_names) AS name "
        "JOIN json_each(:ttls_ms) AS ttl ON name.key = ttl.key)"
    ),
)
# Write-ahead logs could be corrupted by a checkpoint at the wrong moment, but for these, each
# from its patch on, and all that came later (sqlite.org/wal.html, "The WAL-Reset Bug").
_WAL_RESET_FIXED = (3, 51, 3)
_WAL_RESET_FIXED_TOO: dict[tuple[int, ...], int] = {(3, 44): 6, (3, 50): 7}


def durable_pragmas(version: tuple[int, ...]) -> list[str]:
    """Return the pragmas with which a linked SQLite keeps a commit over a power cut.

    With a rollback journal FULL is not enough: the journal's removal may be undone by a power
    cut, and the transaction with it, unless EXTRA syncs the folder too. A journal that persists
    is ended by overwriting its head, synced as well (sqlite3.c, zeroJournalHdr), which spares
    the file system a new file for each commit: 980 commits a second where DELETE makes 330.

    Such a commit syncs five times, as strace shows: the journal's pages, its folder, its head,
    the database, the head again. Only the folder's is needless, a tenth of the time: SQLite
    closes the journal with each transaction, and knows no setting that would spare it. A
    write-ahead log is synced once.

    Examples
    --------
    >>> durable_pragmas((3, 40, 1))
    ['PRAGMA journal_mode=PERSIST', 'PRAGMA synchronous=EXTRA']
    """
    if version >= _WAL_RESET_FIXED or version[2] >= _WAL_RESET_FIXED_TOO.get(version[:2], 1000):
        return ["PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL"]
    return ["PRAGMA journal_mode=PERSIST", "PRAGMA synchronous=EXTRA"]


class SqliteSession:
    """Runs statements on a connection of the queue's own.

    Parameters
    ----------
    wait_seconds : float
        How long a statement waits for another writer of the file.
    """

    def __init__(self, path: str, wait_seconds: float) -> None:
        with translating():
            self.connection = sqlite3.connect(
                path,
                timeout=wait_seconds,
                isolation_level=None,
                check_same_thread=False,
                factory=GuardedConnection,
            )
            try:
                for pragma in durable_pragmas(sqlite3.sqlite_version_info):
                    self.connection.execute(pragma)
            except BaseException:
                self.connection.close()
                raise
        self._cursor = self.connection.cursor()

    def run(self, statement: str, **parameters: Any) -> list[Row]:
        with translating():
            return run_on(self._cursor, statement, parameters)

    @contextmanager
    def begin(self) -> Iterator[None]:
        """Hold the write lock from the begin: who has read first could not wait for it."""
        self.run("BEGIN IMMEDIATE")
        try:
            yield
            self.run("COMMIT")
        except BaseException:
            # Also where the commit failed, as for a reader that would not end: still open.
            if self.connection.in_transaction:
                self.run("ROLLBACK")
            raise

    def is_usable(self) -> bool:
        """Tell whether it can be lent; an open file always can."""
        return True

    def is_sound(self) -> bool:
        """Tell whether it is fit for others after its use."""
        return not self.connection.in_transaction

    def close(self) -> None:
        self.connection.close()


class JoinedSqliteSession:
    """Runs statements in the caller's transaction, which only the caller may end."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._cursor = connection.cursor()

    def run(self, statement: str, **parameters: Any) -> list[Row]:
        try:
            # Whoever opened the caller's connection may not have guarded it.
            with sqlite_guard:
                return run_on(self._cursor, statement, parameters)
        except sqlite3.Error as error:
            raise refused_by_caller(error) from error

    @contextmanager
    def begin(self) -> Iterator[None]:
        """The caller's transaction is open already."""
        yield

    def close(self) -> None:
        """The connection is the caller's."""


def run_on(cursor: sqlite3.Cursor, statement: str, parameters: dict[str, Any]) -> list[Row]:
    """Run a statement on a cursor; lists go as JSON, which `json_each` reads."""
    for name, value in parameters.items():
        if isinstance(value, list):
            parameters[name] = json.dumps(value)
    cursor.execute(write_sql(statement), parameters)
    if cursor.description is None:
        return []
    # All at once: an open cursor would hold a lock on the file.
    rows = cursor.fetchall()
    make = make_row(tuple(column[0] for column in cursor.description))
    return [make(row) for row in rows]


@lru_cache(maxsize=500)
def write_sql(statement: str) -> str:
    """Return a statement in SQLite's own words."""
    return statement.format_map(WORDS)


@contextmanager
def translating() -> Iterator[None]:
    """Raise the queue's own errors in place of the driver's."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if str(error).startswith("no such"):
            raise without_tables(error) from error
        kind = BusyError if "locked" in str(error) else AwayError
        raise kind(f"SQLite: {error}") from error
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError):
            raise
        raise AwayError(f"SQLite: {error}") from error
