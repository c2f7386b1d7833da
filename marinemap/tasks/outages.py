"""Wait for a database that is away: its absence is not a job's failure."""

from __future__ import annotations

import contextlib
import errno
import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from django.db import Error, InterfaceError, InternalError, OperationalError, connection

from marinemap.errors import DatasetError, RequestError, UnavailableError

logger = logging.getLogger(__name__)

T = TypeVar("T")

# A lock that lasts, a full disk, a server that restarts: OperationalError. A connection that
# was cut: InterfaceError. A PostgreSQL that became read-only (demoted): InternalError.
DATABASE_AWAY = (OperationalError, InterfaceError, InternalError)
_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_DISK_AWAY = _DISK_FULL | {errno.EROFS, errno.EIO, errno.ESTALE}
# SQLSTATE of a server (PostgreSQL's manual, appendix A).
_POSTGRESQL_DISK_FULL = "53100"
# A share that went, or a folder that somebody removed, between a look and a write.
_FOLDER_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENOTCONN})
# Open files, processes or memory, of which the process or the machine had no more.
_SPENT = frozenset({errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
_NO_THREAD = "can't start new thread"
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0


def patiently(call: Callable[[], T], *, seconds: float = float("inf")) -> T:
    """Call until what is needed answers, the database each time on a new connection.

    What is called may have been done although it failed (the connection was lost while the
    database committed): it has to know its own traces.

    Parameters
    ----------
    call : callable
    seconds : float, optional
        Give up after this long; by default never.

    Raises
    ------
    django.db.Error, UnavailableError
        Within a transaction of the caller's, which has to be rolled back first, or when the
        time is up.
    """
    deadline = time.monotonic() + seconds
    for pause in _pauses():
        try:
            return call()
        except (*DATABASE_AWAY, UnavailableError) as error:
            if connection.in_atomic_block or time.monotonic() + pause > deadline:
                raise
            logger.warning("Trying again in %.1f s: %s", pause, error)
            drop_connection()
        time.sleep(pause)
    raise AssertionError("the pauses never end")


def drop_connection() -> None:
    """Let this thread's connection go, whatever state it is in; the next use makes a new one."""
    with contextlib.suppress(Error):
        connection.close()


def is_outage(error: BaseException) -> bool:
    """Tell whether something that the service needs was away, rather than the work wrong."""
    if isinstance(error, RequestError | DatasetError):
        return False
    return any(
        isinstance(cause, (*DATABASE_AWAY, UnavailableError)) or _number(cause) in _DISK_AWAY
        for cause in _causes(error)
    )


def is_disk_full(error: BaseException) -> bool:
    """Tell whether an error comes from a disk without room."""
    return any(_number(cause) in _DISK_FULL for cause in _causes(error))


def is_database_full(error: BaseException) -> bool:
    """Tell whether the database could not write for want of room on its disk."""
    return any(
        getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        or getattr(cause, "sqlstate", None) == _POSTGRESQL_DISK_FULL
        for cause in _causes(error)
    )


def is_folder_gone(error: BaseException) -> bool:
    """Tell whether an error of the service's own comes from a folder that is not there."""
    if isinstance(error, RequestError | DatasetError):
        return False
    return any(_number(cause) in _FOLDER_GONE for cause in _causes(error))


def is_machine_spent(error: BaseException) -> bool:
    """Tell whether there were too few threads, open files, processes or memory just then."""
    if isinstance(error, RequestError | DatasetError):
        return False
    return any(_number(each) in _SPENT or _NO_THREAD in str(each) for each in _causes(error))


def _pauses() -> Iterator[float]:
    pause = _FIRST_PAUSE_SECONDS
    while True:
        yield pause
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _number(error: BaseException) -> int | None:
    return error.errno if isinstance(error, OSError) else None
