"""A file as bytes in place, of which no more stays in memory than is looked at."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

WINDOW_BYTES = 1 << 24

Array = np.ndarray[Any, Any]


@dataclass
class Mapped:
    """A file that is read from its beginning to its end.

    ``data`` are its bytes. What was read counts as memory of the process until it is let go.
    """

    data: mmap.mmap
    _begin: int = field(default=0, init=False)

    @cached_property
    def array(self) -> Array:
        """Its bytes as an array, which cannot be written to."""
        return np.frombuffer(self.data, np.uint8)

    def let_go(self, end: int) -> None:
        """Keep in memory nothing before a place; it may be read again all the same."""
        end -= end % mmap.PAGESIZE
        if end - self._begin >= WINDOW_BYTES:
            self.data.madvise(mmap.MADV_DONTNEED, self._begin, end - self._begin)
            self._begin = end

    def windows(self, edge: bytes) -> Iterator[tuple[int, int]]:
        """Yield where parts of the file begin and end, before an edge each, and let go of them."""
        begin, size = 0, len(self.data)
        while begin < size:
            end = self.data.find(edge, begin + WINDOW_BYTES)
            end = size if end < 0 else end
            yield begin, end
            self.let_go(end)
            begin = end


@contextmanager
def mapped(path: Path) -> Iterator[Mapped | None]:
    """Open a file as bytes; None where it has none, for that cannot be mapped."""
    with path.open("rb") as file:
        if not file.seek(0, 2):
            yield None
            return
        # Closed with what was last seen of it: a failure may hold an array.
        yield Mapped(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
