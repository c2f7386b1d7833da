"""A file on a server as Arrow reads files: by place and length, from a few ranges."""

from __future__ import annotations

import io
from collections.abc import Sequence

from marinemap.extraction.remote.ranges import Ranges

# What lies between two wanted pieces is read where asking twice would take longer.
_GAP_BYTES = 64 << 10
_MOST_AHEAD_BYTES = 32 << 20


class RemoteFile(io.RawIOBase):
    """Bytes of a file; those that were announced are read in few requests and kept till others are.

    Parameters
    ----------
    ranges : Ranges
        Of a state that is known.
    """

    def __init__(self, ranges: Ranges) -> None:
        assert ranges.remote.mark is not None, "a file in any state"
        self._ranges = ranges
        self._size = ranges.remote.mark.size
        self._at = 0
        self._kept: list[tuple[int, bytes]] = []

    def announce(self, pieces: Sequence[tuple[int, int]]) -> None:
        """Read pieces (place, length) that will be asked for, unless they are too large to keep."""
        merged = _merged(pieces)
        if sum(length for _, length in merged) <= _MOST_AHEAD_BYTES:
            self._kept = []
            self._kept = [(at, self._ranges.read(at, length)) for at, length in merged]

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that it can be read from any place."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, begin + offset)
        return self._at

    def tell(self) -> int:
        """Return the place."""
        return self._at

    def size(self) -> int:
        """Return how many bytes the file has."""
        return self._size

    def read(self, size: int = -1, /) -> bytes:
        """Return so many bytes from the place on, fewer at the end only."""
        left = max(0, self._size - self._at)
        count = left if size is None or size < 0 else min(size, left)
        data = self._found(self._at, count)
        self._at += count
        return data

    def _found(self, at: int, count: int) -> bytes:
        for begin, data in self._kept:
            if begin <= at and at + count <= begin + len(data):
                return data[at - begin : at - begin + count]
        return self._ranges.read(at, count)


def _merged(pieces: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for at, length in sorted(pieces):
        begin, held = found[-1] if found else (at, -1)
        if held >= 0 and at <= begin + held + _GAP_BYTES:
            found[-1] = (begin, max(held, at + length - begin))
        else:
            found.append((at, length))
    return found
