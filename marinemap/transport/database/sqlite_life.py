"""Life on SQLite: a lock that the process holds, and that the kernel drops with it.

No clock is asked, so neither a suspended machine, nor a clock that jumps, nor a writer that
keeps the database locked for a minute makes a living consumer look dead. A stopped process
(SIGSTOP) is alive, and keeps its messages until it goes on or is killed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import threading
from pathlib import Path

from ..errors import AwayError
from .contract import Row, Session
from .observation import NOTE_LIFE, Observation
from .sqlite_files import make_shared_file

# Bytes to choose from: a lock may lie beyond the end of the file, which stays empty. The number
# of the file stands before that of the byte: where it was deleted, there is another.
_BYTES = _FILES = 2**31


class LockFile:
    """The file beside the database in which each consumer of this process locks one byte.

    These are POSIX record locks: they belong to the process, not to its children, and all of
    them go as soon as the process closes any descriptor of the file. So a process opens it
    once and never closes it, and asks of its own locks only itself.

    Raises
    ------
    AwayError
        There is no such file, and none can be made: the operator has to see to it.
    """

    def __init__(self, database: Path) -> None:
        path = database.with_name(f"{database.name}-consumers")
        try:
            make_shared_file(path, database)
            self._descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise AwayError(
                f"'{path}' cannot be used, in which workers show that they live: {error.strerror}; "
                "let all read and write it who use the database"
            ) from error
        self._lock = threading.Lock()
        self._own: set[int] = set()
        self._first = os.fstat(self._descriptor).st_ino % _FILES * _BYTES

    def hold(self) -> int:
        """Lock a byte until `drop` or the end of the process; return which.

        One at random, that nobody holds: a row may be gone while its consumer still has its
        byte, so no number that rows tell is free for certain. It never waits.
        """
        with self._lock:
            while True:
                offset = self._first + secrets.randbelow(_BYTES)
                if offset not in self._own and self._try_lock(offset):
                    self._own.add(offset)
                    return offset

    def drop(self, offset: int) -> None:
        """Unlock a byte."""
        with self._lock:
            self._own.discard(offset)
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, offset)

    def is_here(self, offset: int) -> bool:
        """Tell whether a byte is one of this file: not of one deleted since, or of a copy."""
        return offset // _BYTES * _BYTES == self._first

    def is_held(self, offset: int) -> bool:
        """Tell whether a living process, this one or another, holds a byte."""
        with self._lock:
            if offset in self._own or not self._try_lock(offset):
                return True
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, offset)
            return False

    def _try_lock(self, offset: int) -> bool:
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, offset)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                raise
            return False
        return True


_files: dict[Path, LockFile] = {}
_files_lock = threading.Lock()


def open_lock_file(database: Path) -> LockFile:
    """Return this process's lock file for a database."""
    with _files_lock:
        path = database.resolve()
        if path not in _files:
            _files[path] = LockFile(path)
        return _files[path]


def _forget_parents_files() -> None:
    """A child holds none of its parent's locks; it may close the descriptors without harm."""
    global _files_lock
    _files_lock = threading.Lock()
    for file in _files.values():
        os.close(file._descriptor)
    _files.clear()


os.register_at_fork(after_in_child=_forget_parents_files)


class LockedLife:
    """Holds a byte for a consumer; finds those whose byte nobody holds."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._offset: int | None = None
        # By their renewals: consumers of version 1, which hold no lock, and those whose lock is
        # in a file that somebody has deleted.
        self._observation = Observation()

    def begin(self, session: Session, consumer_id: str) -> None:
        """Lock a byte of one's own; run it in the transaction that writes the row."""
        self._offset = open_lock_file(self._database).hold()
        session.run(NOTE_LIFE, consumer_id=consumer_id, lock_offset=self._offset)

    def end(self, consumer_id: str) -> None:
        if self._offset is not None:
            open_lock_file(self._database).drop(self._offset)
            self._offset = None

    def find_dead(self, consumers: list[Row]) -> list[Row]:
        file = open_lock_file(self._database)
        here = [one for one in consumers if file.is_here(one.lock_offset or -1)]
        dead = [one for one in here if not file.is_held(one.lock_offset)]
        others = [one for one in consumers if one not in here]
        return dead + self._observation.find_dead(others)

    def forget(self) -> None:
        self._observation.forget()
