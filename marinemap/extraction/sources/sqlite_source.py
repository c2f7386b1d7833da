"""Sources that are SQLite databases: others may write to them while they are read."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from marinemap.errors import DatasetError, quote
from marinemap.sentences import say

_MAGIC = b"SQLite format 3\0"
# Byte 18 of the header is 2 where commits go to a file of their own first (SQLite file format,
# section 1.3.3).
_WRITE_VERSION_AT, _WAL = 18, 2
_LOOK_SECONDS, _LOOK_EVERY_STEPS = 0.5, 1_000
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
# How SQLite begins what it says of pages, unlike what it says of rows.
_OF_PAGES = "*** in database main ***"
_UNUSED_PAGE = "is never used"


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
    with closing(open_unwritten(path)) as database:
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
        with closing(open_unwritten(path)) as database, closing(sqlite3.connect(copy)) as target:
            database.backup(target)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise DatasetError(
            say("{name} cannot be read as a database: {error}", name=path.name, error=error),
            field="source",
            value=path.name,
        ) from error
    return copy


def find_damage(path: Path) -> str | None:
    """Return what SQLite finds wrong with a database; None where it finds nothing in its time.

    It follows every page for half a second, which is enough for some 100 MB, and in any case reads
    the schema, whose damage GDAL's readers bear least. That a row breaks a rule of its table is no
    damage: it can be read.
    """
    if not is_database(path):
        # Whatever it is: GDAL says so.
        return None
    until = time.monotonic() + _LOOK_SECONDS
    try:
        with closing(open_unwritten(path)) as database:
            database.execute(f"PRAGMA busy_timeout = {1_000 * _LOOK_SECONDS:.0f}")
            database.execute("SELECT count(*) FROM sqlite_master").fetchone()
            database.set_progress_handler(lambda: time.monotonic() > until, _LOOK_EVERY_STEPS)
            (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
    except UnicodeDecodeError as error:
        # SQLite quotes what it finds in the file, and Python knows no error but in UTF-8.
        return quote(error.object.decode(errors="replace"))
    except sqlite3.DatabaseError as error:
        # One that is locked, or takes longer, is not damaged.
        return quote(str(error)) if error.sqlite_errorcode in _DAMAGED else None
    return quote(found.removeprefix(_OF_PAGES).strip()) if _is_damage(found) else None


def _is_damage(found: str) -> bool:
    return found.startswith(_OF_PAGES) and not found.endswith(_UNUSED_PAGE)


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
    except (sqlite3.Error, UnicodeDecodeError):
        # What cannot be told any more has changed.
        return None
    return int(version)


def open_unwritten(path: Path) -> sqlite3.Connection:
    """Return a connection to a database, through which nothing is written."""
    # Another thread may end the block.
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False)
