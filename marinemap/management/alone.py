"""What one process at a time may do to a database."""

from __future__ import annotations

import fcntl
import os
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

from django.core.management.base import CommandError
from django.db.backends.base.base import BaseDatabaseWrapper

_KEY = zlib.crc32(b"marinemap migrates")
# An upgrade of many rows takes minutes; who was stopped amid one must not be waited for for ever.
_WAIT_SECONDS, _PAUSE_SECONDS = 600.0, 0.2

# Tells whether the lock is held now.
Try = Callable[[], bool]


@contextmanager
def alone_with(connection: BaseDatabaseWrapper, tell: Callable[[str], None]) -> Iterator[None]:
    """Wait until no other process does what is done within.

    Parameters
    ----------
    connection : BaseDatabaseWrapper
        Of PostgreSQL, which keeps the lock itself, or of SQLite, whose folder is locked.
    tell : callable
        Takes a sentence while another is waited for.

    Raises
    ------
    CommandError
        If another is still about it after ten minutes.
    """
    with _lock_of(connection) as try_lock:
        deadline, is_told = time.monotonic() + _WAIT_SECONDS, False
        while not try_lock():
            if time.monotonic() > deadline:
                raise CommandError(
                    f"Another process migrates this database, for {_WAIT_SECONDS / 60:.0f} minutes "
                    "now. If it was stopped, end it; then run this again."
                )
            if not is_told:
                tell("Another process migrates this database; waiting for it.")
                is_told = True
            time.sleep(_PAUSE_SECONDS)
        yield


def _lock_of(connection: BaseDatabaseWrapper) -> AbstractContextManager[Try]:
    return _advisory(connection) if connection.vendor == "postgresql" else _of_folder(connection)


@contextmanager
def _advisory(connection: BaseDatabaseWrapper) -> Iterator[Try]:
    """Hold it by a transaction of a connection of its own: behind a pooler no session is ours."""
    with closing(connection.copy()) as other, other.cursor() as cursor:
        other.set_autocommit(False)
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")

        def try_lock() -> bool:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_KEY])
            return bool(cursor.fetchone()[0])

        yield try_lock


@contextmanager
def _of_folder(connection: BaseDatabaseWrapper) -> Iterator[Try]:
    """Hold it by the folder of the file; the kernel gives it back when the process ends."""
    folder = os.open(Path(connection.settings_dict["NAME"]).resolve().parent, os.O_RDONLY)

    def try_lock() -> bool:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    try:
        yield try_lock
    finally:
        os.close(folder)
