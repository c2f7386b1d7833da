"""While something is away that all need, one line a minute says so: each caller has its own.

A database that is gone for a night, or a disk that is full, was told by every look, request and
sign of life, each with its traceback: 0.6 GB a day.
"""

from __future__ import annotations

import copy
import errno
import logging
import threading
import time
from collections.abc import Iterator

_EVERY_SECONDS = 60.0
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
# By name: what is imported here, every process imports. Django's, the drivers', SQLAlchemy's,
# and what the project makes of them.
_AWAY = frozenset({"OperationalError", "InterfaceError", "InternalError", "UnavailableError"})
_AWAY_BY_US = frozenset({"AwayError"})
_STORAGE_AWAY = "StorageAwayError"
_UNAVAILABLE = frozenset({503, 507})
_NAME = "_quiet"
# What sends traces says at each try that nobody takes them.
COLLECTORS = "opentelemetry"
# Asked by a name that is not the site's, which is an error with a traceback to Django.
_REFUSED = "django.security.DisallowedHost"


class OutageFilter(logging.Filter):
    """Let a record about an outage pass once a minute, by what is away; all others at once.

    One filter is to be shared by the handlers of a process.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        # By what is away: when it was told last, and how many records were not told since.
        self._told: dict[str, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the record is to be written."""
        what = find_outage(record)
        if what is None:
            return True
        if not hasattr(record, _NAME):
            # Decided once, however many handlers there are.
            setattr(record, _NAME, self._count(what))
        return getattr(record, _NAME) is not None

    def _count(self, what: str) -> int | None:
        """Return how many were not told before this one; None if this one is not told either."""
        now = time.monotonic()
        with self._lock:
            told_at, untold = self._told.get(what, (float("-inf"), 0))
            if now - told_at < _EVERY_SECONDS:
                self._told[what] = told_at, untold + 1
                return None
            self._told[what] = now, 0
            return untold


def find_outage(record: logging.LogRecord) -> str | None:
    """Return what is away, by a record about it: database, disk, storage, service, collector.

    Whoever writes it may say so: ``extra={"outage": "disk"}``.
    """
    if said := getattr(record, "outage", None):
        return str(said)
    if record.name.partition(".")[0] == COLLECTORS:
        return "collector"
    for error in _errors_of(record):
        if isinstance(error, OSError) and error.errno in _FULL:
            return "disk"
        names = {kind.__name__ for kind in type(error).__mro__}
        if _STORAGE_AWAY in names:
            return "storage"
        if names & _AWAY or names & _AWAY_BY_US:
            return "database"
    if getattr(record, "status_code", None) in _UNAVAILABLE:
        return "service"
    return None


def told_of(record: logging.LogRecord) -> logging.LogRecord:
    """Return a record as it is written: one about an outage without its traceback, in a line.

    So is one about a request by a name that is not the site's.
    """
    if record.name == _REFUSED:
        return _told_of_refused(record)
    if not hasattr(record, _NAME):
        return record
    told = copy.copy(record)
    error = record.exc_info[1] if record.exc_info else None
    words = record.getMessage()
    if error is not None and str(error) not in words:
        words = f"{words}: {type(error).__name__}: {error}"
    untold = getattr(record, _NAME)
    more = f" ({untold} like it were not written since the last)" if untold else ""
    told.msg, told.args = " ".join(words.split()) + more, ()
    told.exc_info = told.exc_text = None
    return told


def _told_of_refused(record: logging.LogRecord) -> logging.LogRecord:
    told = copy.copy(record)
    told.levelno, told.levelname = logging.WARNING, "WARNING"
    told.msg, told.args = " ".join(record.getMessage().split()), ()
    told.exc_info = told.exc_text = None
    return told


def _errors_of(record: logging.LogRecord) -> Iterator[BaseException]:
    given = record.args if isinstance(record.args, tuple) else ()
    raised = record.exc_info[1:2] if record.exc_info else ()
    for one in (*given, *raised):
        error = one if isinstance(one, BaseException) else None
        # The chain has no loop of its own making, but a bound costs nothing.
        for _ in range(10):
            if error is None:
                break
            yield error
            error = error.__cause__ or error.__context__


# The filter of this process's handlers.
outages = OutageFilter()
