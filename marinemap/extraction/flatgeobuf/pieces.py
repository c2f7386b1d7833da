"""Which bytes are fetched together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

# What lies between two wanted pieces is read where asking twice would take longer.
_GAP_BYTES = 64 << 10
_MOST_BYTES = 8 << 20

Array = np.ndarray[Any, Any]


def runs(begins: Array, ends: Array) -> Iterator[tuple[int, int]]:
    """Yield the first, and the one behind the last, of pieces that are fetched together.

    Pieces rise. Eight megabytes are fetched at once, more only of one piece that has them.
    """
    if not len(begins):
        return
    is_far = begins[1:] - ends[:-1] > _GAP_BYTES
    edges = [0, *(np.flatnonzero(is_far) + 1).tolist(), len(begins)]
    for first, end in zip(edges[:-1], edges[1:], strict=True):
        for some in split(ends[first:end] - begins[first]):
            yield first + some.start, first + some.stop


def split(reached: Array) -> Iterator[slice]:
    """Yield stretches of pieces, of each of which is told how many bytes come to its end."""
    parts = (reached - 1) // _MOST_BYTES
    edges = [0, *(np.flatnonzero(np.diff(parts)) + 1).tolist(), len(reached)]
    for first, end in zip(edges[:-1], edges[1:], strict=True):
        yield slice(first, end)


def blocks(count: int, size: int) -> Iterator[slice]:
    """Yield stretches of so many, so long at most."""
    for first in range(0, count, size):
        yield slice(first, min(first + size, count))
