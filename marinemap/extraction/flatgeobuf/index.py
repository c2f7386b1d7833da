"""Which features of a FlatGeobuf on a server lie near an area, by its own index."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from marinemap.extraction.flatgeobuf.opened import opened
from marinemap.extraction.flatgeobuf.tree import count_touching, find_near
from marinemap.extraction.geopackage.rtree_nodes import KeySet, Near
from marinemap.extraction.picked import Rows, Touching
from marinemap.extraction.remote.address import Remote

# Features asked for at once; the first are few, so that work on them begins.
_FIRST_KEYS, _KEYS = 8_192, 32_768
# Features that lie apart take a request each, neighbours one together.
_APART, _TOGETHER = 10, 12

Box = tuple[float, float, float, float]
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class PackedIndex:
    """What an R-tree is to other files; its keys are the features' places."""

    place: Remote

    def narrowed(self, trees: Sequence[Any]) -> PackedIndex:
        """Return itself: what filters leave out of a file is seen as it is read."""
        return self

    def condition(self, boxes: Sequence[Box], most: int | None = None) -> Touching:
        """Return a condition for the features whose box touches one of the boxes."""
        return Touching(boxes)

    def condition_of(self, keys: Sequence[int]) -> Rows:
        """Return a condition for the features of these keys, of many for some all over them."""
        found = np.unique(np.array(keys, np.int64))
        if len(found) > _APART * _TOGETHER:
            first = np.linspace(0, len(found) - _TOGETHER, _APART).astype(np.int64)
            found = found[np.unique(first[:, None] + np.arange(_TOGETHER))]
        return Rows(found)

    def conditions(self, keys: KeySet, first: int = 0, end: int | None = None) -> Iterator[Rows]:
        """Yield conditions that together let these features through, or some of them."""
        blocks = itertools.islice(keys.blocks(_FIRST_KEYS, _KEYS), first, end)
        return (Rows(block) for block in blocks)

    def count_conditions(self, keys: KeySet) -> int:
        """Return how many conditions these are."""
        count = len(keys)
        return min(count, 1) + math.ceil(max(0, count - _FIRST_KEYS) / _KEYS)

    def keys_near(self, near: Near) -> KeySet:
        """Return the keys of the features whose box may hold what is wanted."""
        with opened(self.place) as (ranges, layout):
            found = KeySet(0, max(0, layout.count - 1))
            for places, _ in find_near(ranges, layout, near):
                found.add(places)
            return found

    def count(self, boxes: Sequence[Box]) -> int:
        """Return how many features the condition lets through."""
        with opened(self.place) as (ranges, layout):
            return count_touching(ranges, layout, list(boxes))

    def expect(self, boxes: Sequence[Box], bounds: Box | None, features: int) -> int:
        """Return how many features the condition lets through: the file says it at once."""
        return self.count(boxes)

    def size(self) -> int:
        """Return how many features there are: each has a place in the index."""
        with opened(self.place) as (_, layout):
            return layout.count

    def bytes_each(self) -> float:
        """Return how many bytes a feature takes."""
        with opened(self.place) as (_, layout):
            return (layout.size - layout.features) / max(1, layout.count)

    def boxes(self, boxes: Sequence[Box], every: int = 1) -> tuple[Array, Array]:
        """Return the keys of features near boxes and their boxes, or of every so many."""
        return self._near(Touching(boxes), every)

    def boxes_in(self, box: Box | None, most: int | None = None) -> tuple[Array, Array]:
        """Return the keys and boxes of features near a box, of all where it is None."""
        whole = (-math.inf, -math.inf, math.inf, math.inf)
        keys, boxes = self._near(Touching([box or whole]), 1)
        return keys[:most], boxes[:most]

    def _near(self, wanted: Touching, every: int) -> tuple[Array, Array]:
        found = [(np.zeros(0, np.int64), np.zeros((0, 4)))]
        with opened(self.place) as (ranges, layout):
            for places, kept in find_near(ranges, layout, wanted.near):
                some = (places % every == 0) & np.isfinite(kept).all(axis=1)
                found.append((places[some], kept[some]))
        keys, near = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return keys, near
