"""Sources that are SQLite databases: others may write to them while they are read."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from marinemap.errors import DatasetError

_MAGIC = b"SQLite format 3\0"
# Byte 18 of the header is 2 where commits go to a file of their own first (SQLite file format,
# section 1.3.3).
_WRITE_VERSION_AT, _WAL = 18, 2


def write_ahead_log(path: Path) -> list[Path]:
    """Return the file with the latest commits of a database, if there are any outside of it."""
    log = path.with_name(f"{path.name}-wal")
    # Whoever reads leaves an empty one behind.
    return [log] if log.exists() and log.stat().st_size else []


@contextmanager
def watched(path: Path) -> Iterator[Callable[[], bool]]:
    """Yield what tells whether others committed to a database since the block began.

    The times of files are too coarse for a log that is written again from its beginning. What is
    no database with such a log has no commits.
    """
    if not _has_log(path):
        yield lambda: False
        return
    with closing(_open(path)) as database:
        before = _version(database)
        yield lambda: _version(database) != before


def snapshot(path: Path, folder: Path) -> Path:
    """Copy a database as it is at one moment, commits in its log included.

    Raises
    ------
    DatasetError
        If it cannot be read.
    """
    copy = folder / path.name
    try:
        with closing(_open(path)) as database, closing(sqlite3.connect(copy)) as target:
            database.backup(target)
    except sqlite3.Error as error:
        raise DatasetError(
            f"{path.name} cannot be read as a database: {error}", field="source", value=path.name
        ) from error
    return copy


def is_database(path: Path) -> bool:
    """Tell whether a file is a SQLite database."""
    return _header(path).startswith(_MAGIC)


def _has_log(path: Path) -> bool:
    header = _header(path)
    return header.startswith(_MAGIC) and header[_WRITE_VERSION_AT] == _WAL


def _header(path: Path) -> bytes:
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        found = file.read(100)
    return found if len(found) == 100 else b""


def _version(database: sqlite3.Connection) -> int | None:
    try:
        (version,) = database.execute("PRAGMA data_version").fetchone()
    except sqlite3.Error:
        # What cannot be told any more has changed.
        return None
    return int(version)


def _open(path: Path) -> sqlite3.Connection:
    # Another thread may end the block.
    return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, check_same_thread=False)
