"""Pieces of indexes on servers, kept for a while: one request for a layer walks its index often."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from marinemap.extraction.remote.ranges import Ranges

_MOST_BYTES, _LARGEST = 16 << 20, 1 << 20
# A file in one state, and which bytes of it.
_Key = tuple[object, int, int]


class KeptNodes:
    """What was read last. The state is part of what it is kept under, so that none is ever old."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._found: OrderedDict[_Key, bytes] = OrderedDict()
        self._bytes = 0

    def read(self, ranges: Ranges, first: int, count: int) -> bytes:
        """Return so many bytes from one on, fetched unless they are kept."""
        key = (ranges.remote, first, count)
        with self._lock:
            if (known := self._found.get(key)) is not None:
                self._found.move_to_end(key)
                return known
        data = ranges.read(first, count)
        if ranges.remote.mark is not None and count <= _LARGEST:
            self._put(key, data)
        return data

    def _put(self, key: _Key, data: bytes) -> None:
        with self._lock:
            self._bytes += len(data) - len(self._found.get(key, b""))
            self._found[key] = data
            while self._bytes > _MOST_BYTES:
                self._bytes -= len(self._found.popitem(last=False)[1])


kept_nodes = KeptNodes()
