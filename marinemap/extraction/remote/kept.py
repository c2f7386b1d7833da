"""What was found of files on servers, kept for those that were opened last."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

from marinemap.extraction.remote.address import Remote
from marinemap.extraction.remote.ranges import Ranges

T = TypeVar("T")

_MOST = 16


class Kept(Generic[T]):
    """Looks once at each state of a file.

    Parameters
    ----------
    find : callable
        Returns what is kept of a file; two threads may ask at a time for the same.
    """

    def __init__(self, find: Callable[[Ranges], T]) -> None:
        self._find = find
        self._lock = Lock()
        self._found: OrderedDict[Remote, T] = OrderedDict()

    def of(self, ranges: Ranges) -> T:
        """Return what is known of a file, or found now."""
        with self._lock:
            if ranges.remote in self._found:
                return self._found[ranges.remote]
        # Without the lock: the server may take its time.
        found = self._find(ranges)
        with self._lock:
            self._found[ranges.remote] = found
            while len(self._found) > _MOST:
                self._found.popitem(last=False)
        return found
