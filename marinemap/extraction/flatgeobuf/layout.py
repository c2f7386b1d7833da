"""Where in a FlatGeobuf on a server is what: told by its beginning."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from marinemap.errors import DatasetError
from marinemap.extraction.remote.address import Remote
from marinemap.extraction.remote.ranges import Ranges
from marinemap.extraction.sources.flatgeobuf_header import (
    HEADER,
    HEADER_ERRORS,
    MAGIC,
    NODE,
    feature_count,
    header_end,
    level_sizes,
    node_size,
    with_count,
)
from marinemap.extraction.sources.source import damaged
from marinemap.sentences import say

# Mostly the header and the upper levels of the index; of a small layer all of the index.
_FIRST_BYTES = 256 << 10
_MOST_HEADER_BYTES = 16 << 20
# A byte is kept for each feature while they are chosen.
_ALLOWED_FEATURES = 2_000_000_000

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Layout:
    """A file in one state.

    Parameters
    ----------
    remote : Remote
    first : bytes
        Its beginning, with the whole header.
    head_bytes : int
        Where the header ends.
    count : int
        How many features it has.
    node_size : int
        How many children a node has.
    """

    remote: Remote
    first: bytes
    head_bytes: int
    count: int
    node_size: int

    @property
    def size(self) -> int:
        """How many bytes the file has."""
        assert self.remote.mark is not None, "a file in any state"
        return self.remote.mark.size

    @cached_property
    def levels(self) -> list[tuple[int, int]]:
        """The first node and the number of nodes of each level, from the root down."""
        sizes = level_sizes(self.count, self.node_size)
        return [(sum(sizes[:depth]), size) for depth, size in enumerate(sizes)]

    @property
    def features(self) -> int:
        """Where the first feature begins."""
        return self.head_bytes + NODE.itemsize * sum(size for _, size in self.levels)

    def below(self, depth: int, places: Array) -> tuple[Array, Array]:
        """Return the children of nodes of a level: each one's place in that level, and theirs."""
        children = (places[:, None] * self.node_size + np.arange(self.node_size)).ravel()
        children = children[children < self.levels[depth + 1][1]]
        return children // self.node_size, children

    def fragment(self, features: bytes, begins: Array) -> bytes:
        """Return a file of some features.

        Parameters
        ----------
        features : bytes
            One behind the other.
        begins : array of int
            Where each begins there. The index of the fragment tells it, and no boxes: nobody asks.
        """
        head = self.first[: self.head_bytes]
        if not self.count:
            return head
        nodes = np.zeros(sum(level_sizes(len(begins), self.node_size)), NODE)
        nodes["offset"][len(nodes) - len(begins) :] = begins
        return with_count(np.frombuffer(head, np.uint8), len(begins)) + nodes.tobytes() + features


def read_layout(ranges: Ranges) -> Layout:
    """Read where in a file is what, which is of a state that is known.

    Raises
    ------
    DatasetError
        If it is no FlatGeobuf, cut or damaged, or has no index.
    UnavailableError
        If it cannot be read now.
    """
    try:
        return _read(ranges)
    except HEADER_ERRORS as error:
        raise damaged(ranges.remote, f"has a header that cannot be read ({error})") from error


def _read(ranges: Ranges) -> Layout:
    remote = ranges.remote
    assert remote.mark is not None, "a file in any state"
    size = remote.mark.size
    first = ranges.read(0, min(size, _FIRST_BYTES))
    if len(first) < HEADER or not first.startswith(MAGIC):
        raise damaged(remote, "does not begin as a FlatGeobuf")
    end = header_end(np.frombuffer(first, np.uint8))
    if end > min(size, _MOST_HEADER_BYTES):
        raise damaged(remote, "ends within its header")
    if end > len(first):
        first += ranges.read(len(first), end - len(first))
    head = np.frombuffer(first, np.uint8, end)
    layout = Layout(remote, first, end, feature_count(head), node_size(head))
    _check(layout)
    return layout


def _check(layout: Layout) -> None:
    """Refuse a file whose features cannot be found; one that ends behind its header has none."""
    is_empty = not layout.count and layout.size == layout.head_bytes
    if not is_empty and (not layout.count or layout.node_size < 2):
        raise DatasetError(
            say(
                "{name} has no spatial index, so that all of it would be fetched for each extract",
                name=layout.remote.name,
            ),
            field="source",
            hint=say(
                "Write it with one, for instance by ogr2ogr -f FlatGeobuf -lco SPATIAL_INDEX=YES; "
                "or keep it on a disk of this machine."
            ),
        )
    if layout.count > _ALLOWED_FEATURES or (layout.count and layout.features > layout.size):
        raise damaged(layout.remote, "ends within its index")
