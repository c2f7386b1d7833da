"""Features of a FlatGeobuf on a server, fetched by their places."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from marinemap.extraction.flatgeobuf.layout import Layout
from marinemap.extraction.flatgeobuf.pieces import blocks, runs, split
from marinemap.extraction.flatgeobuf.tree import leaves
from marinemap.extraction.remote.ranges import Ranges
from marinemap.extraction.sources.source import damaged

_LEAVES_AT_ONCE = 32_768
_MOST_FEATURE_BYTES = 256 << 20

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Fetched:
    """Some features: their places in the file, their boxes by the index, and their bytes.

    ``begins`` tells where in ``data`` each begins.
    """

    places: Array
    boxes: Array
    begins: Array
    data: bytes


def fetch(ranges: Ranges, layout: Layout, places: Array) -> Iterator[Fetched]:
    """Yield features by their places, rising, some megabytes at a time.

    Raises
    ------
    DatasetError
        If they are not where the index says.
    UnavailableError
        If they cannot be read now.
    """
    for block in blocks(len(places), _LEAVES_AT_ONCE):
        some = places[block]
        begins, ends, boxes = _places(ranges, layout, some)
        for part in split((ends - begins).cumsum()):
            data = [
                _read(ranges, layout, begins[part][low:high], ends[part][low:high])
                for low, high in runs(begins[part], ends[part])
            ]
            lengths = ends[part] - begins[part]
            yield Fetched(some[part], boxes[part], lengths.cumsum() - lengths, b"".join(data))


def _places(ranges: Ranges, layout: Layout, places: Array) -> tuple[Array, Array, Array]:
    """Return where features begin and end, and their boxes: one ends where the next begins."""
    wanted = np.unique(np.concatenate([places, np.minimum(places + 1, layout.count - 1)]))
    nodes = leaves(ranges, layout, wanted)
    # What is too large for a place in any file lies outside of this one.
    starts = np.minimum(nodes["offset"], 1 << 62).astype(np.int64) + layout.features
    begins = starts[np.searchsorted(wanted, places)]
    following = starts[np.searchsorted(wanted, np.minimum(places + 1, layout.count - 1))]
    ends = np.where(places == layout.count - 1, layout.size, following)
    if (ends - begins < 4).any() or ends.max() > layout.size or begins.min() < layout.features:
        raise damaged(
            layout.remote, "has an index that points outside of it, or twice at one place"
        )
    if (ends - begins).max() > _MOST_FEATURE_BYTES:
        raise damaged(layout.remote, f"has a feature of over {_MOST_FEATURE_BYTES:,} bytes")
    return begins, ends, nodes["box"][np.searchsorted(wanted, places)]


def _read(ranges: Ranges, layout: Layout, begins: Array, ends: Array) -> bytes:
    """Return features that lie near each other, without what lies between them."""
    first = int(begins[0])
    data = ranges.read(first, int(ends[-1]) - first)
    at = (begins - first)[:, None] + np.arange(4)
    stated = np.frombuffer(data, np.uint8)[at].view("<u4").ravel().astype(np.int64)
    odd = np.flatnonzero(begins + 4 + stated != ends)
    if len(odd):
        raise damaged(layout.remote, "has an index that does not fit its features")
    if (begins[1:] == ends[:-1]).all():
        return data
    spans = zip((begins - first).tolist(), (ends - first).tolist(), strict=True)
    return b"".join(data[begin:end] for begin, end in spans)
