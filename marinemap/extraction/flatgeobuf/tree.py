"""The packed R-tree of a FlatGeobuf on a server, walked from its root by ranges of bytes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from marinemap.extraction.flatgeobuf.kept_nodes import kept_nodes
from marinemap.extraction.flatgeobuf.layout import Layout
from marinemap.extraction.flatgeobuf.pieces import blocks, runs
from marinemap.extraction.geopackage.rtree_nodes import Near
from marinemap.extraction.picked import are_unknown
from marinemap.extraction.remote.ranges import Ranges
from marinemap.extraction.sources.flatgeobuf_header import NODE
from marinemap.extraction.sources.source import damaged

# So many are looked at at a time.
_NODES_AT_ONCE = 65_536

Array = np.ndarray[Any, Any]
Box = tuple[float, float, float, float]


def check_beginning(layout: Layout) -> None:
    """Look at the levels of the index that were fetched with the header.

    Raises
    ------
    DatasetError
        If a box there does not hold those below it.
    """
    known = (len(layout.first) - layout.head_bytes) // NODE.itemsize
    levels = [level for level in layout.levels if level[0] < known]
    known = min(known, sum(size for _, size in levels))
    boxes = np.frombuffer(layout.first, NODE, known, layout.head_bytes)["box"]
    for (above, _), (first, size) in itertools.pairwise(levels):
        inner = boxes[first : first + size]
        parents = above + np.arange(len(inner)) // layout.node_size
        _check_within(layout, inner, boxes[parents])


def find_near(ranges: Ranges, layout: Layout, near: Near) -> Iterator[tuple[Array, Array]]:
    """Yield the places of features whose box may hold what is wanted, rising, with the boxes.

    Raises
    ------
    DatasetError
        If a box of the index does not hold those below it.
    UnavailableError
        If the index cannot be read now.
    """
    if layout.count:
        yield from _below(ranges, layout, near, 0, *_root(ranges, layout))


def count_touching(ranges: Ranges, layout: Layout, boxes: list[Box]) -> int:
    """Return how many features' boxes touch one of some; whole branches are counted at once."""
    return _Counted(ranges, layout, boxes).count() if layout.count else 0


def root_box(ranges: Ranges, layout: Layout) -> Box | None:
    """Return the box of all features, None where none lies somewhere.

    Raises
    ------
    DatasetError
        If it is none.
    """
    if not layout.count:
        return None
    minx, miny, maxx, maxy = _root(ranges, layout)[1][0].tolist()
    if not np.isfinite([minx, miny, maxx, maxy]).all() or minx > maxx or miny > maxy:
        raise damaged(layout.remote, "has an index without an extent")
    return minx, miny, maxx, maxy


def leaves(ranges: Ranges, layout: Layout, places: Array) -> Array:
    """Return the nodes of some features, by their places, rising."""
    return _nodes(ranges, layout, len(layout.levels) - 1, places)


def _root(ranges: Ranges, layout: Layout) -> tuple[Array, Array]:
    root = np.zeros(1, np.int64)
    return root, _nodes(ranges, layout, 0, root)["box"]


def _below(
    ranges: Ranges, layout: Layout, near: Near, depth: int, places: Array, boxes: Array
) -> Iterator[tuple[Array, Array]]:
    """Yield what is wanted below some nodes of a level."""
    if depth == len(layout.levels) - 1:
        yield places, boxes
        return
    for some in blocks(len(places), max(1, _NODES_AT_ONCE // layout.node_size)):
        children, found = _children(ranges, layout, depth, places[some], boxes[some])
        wanted = are_unknown(found)
        known = np.flatnonzero(~wanted)
        wanted[known] = near(found[known]) if len(known) else False
        if wanted.any():
            yield from _below(ranges, layout, near, depth + 1, children[wanted], found[wanted])


def _children(
    ranges: Ranges, layout: Layout, depth: int, places: Array, boxes: Array
) -> tuple[Array, Array]:
    """Return the children of nodes and their boxes, each of which its parent's must hold."""
    parents, children = layout.below(depth, places)
    found = _nodes(ranges, layout, depth + 1, children)["box"]
    outer = boxes[np.searchsorted(places, parents)]
    _check_within(layout, found, outer)
    return children, found


def _check_within(layout: Layout, boxes: Array, outer: Array) -> None:
    """Refuse an index that hides features; a box that is none hides nothing, and is looked into."""
    lies = (boxes[:, :2] < outer[:, :2]) | (boxes[:, 2:] > outer[:, 2:])
    if lies.any():
        raise damaged(layout.remote, "has an index with a box that does not hold those below it")


def _nodes(ranges: Ranges, layout: Layout, depth: int, places: Array) -> Array:
    """Return nodes of a level by their places in it, rising."""
    begins = layout.head_bytes + (layout.levels[depth][0] + places) * NODE.itemsize
    parts = [np.zeros(0, NODE)]
    for low, high in runs(begins, begins + NODE.itemsize):
        start, end = int(begins[low]), int(begins[high - 1]) + NODE.itemsize
        is_known = end <= len(layout.first)
        data = layout.first[start:end] if is_known else kept_nodes.read(ranges, start, end - start)
        parts.append(np.frombuffer(data, NODE)[(begins[low:high] - start) // NODE.itemsize])
    return np.concatenate(parts)


class _Counted:
    """How many features lie below the nodes that are met on the way down."""

    def __init__(self, ranges: Ranges, layout: Layout, boxes: list[Box]) -> None:
        self._ranges, self._layout = ranges, layout
        self._boxes = np.array(boxes, float).reshape(-1, 4)

    def count(self) -> int:
        return self._below(0, *_root(self._ranges, self._layout))

    def _below(self, depth: int, places: Array, boxes: Array) -> int:
        touches = are_unknown(boxes) | self._any(boxes, is_within=False)
        if depth == len(self._layout.levels) - 1:
            return int(touches.sum())
        whole = self._any(boxes, is_within=True)
        count = self._features_below(depth, places[whole])
        partly = np.flatnonzero(touches & ~whole)
        for some in blocks(len(partly), max(1, _NODES_AT_ONCE // self._layout.node_size)):
            at = partly[some]
            below = _children(self._ranges, self._layout, depth, places[at], boxes[at])
            count += self._below(depth + 1, *below)
        return count

    def _features_below(self, depth: int, places: Array) -> int:
        each = self._layout.node_size ** (len(self._layout.levels) - 1 - depth)
        return sum(
            min((place + 1) * each, self._layout.count) - place * each for place in places.tolist()
        )

    def _any(self, boxes: Array, *, is_within: bool) -> Array:
        """Tell which boxes touch one of those that are counted, or lie within one."""
        found = np.zeros(len(boxes), bool)
        for west, south, east, north in self._boxes:
            low, high = ((0, 1), (2, 3)) if is_within else ((2, 3), (0, 1))
            found |= (
                (boxes[:, low[0]] >= west)
                & (boxes[:, low[1]] >= south)
                & (boxes[:, high[0]] <= east)
                & (boxes[:, high[1]] <= north)
            )
        return found
