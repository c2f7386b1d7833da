"""Which features of a GeoParquet lie near an area, by the boxes that it keeps in columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from marinemap.extraction.geopackage.rtree_nodes import KeySet, Near
from marinemap.extraction.geoparquet.file import GeoParquet
from marinemap.extraction.geoparquet.opened import opened
from marinemap.extraction.picked import Rows, Touching, are_unknown
from marinemap.extraction.remote.address import Remote

Box = tuple[float, float, float, float]
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class BoxColumns:
    """What an R-tree is to other files; its keys are the features' places, its parts row groups.

    A feature without a box there may lie anywhere, and is looked at.
    """

    place: Path | Remote

    @classmethod
    def of(cls, place: Path | Remote) -> BoxColumns | None:
        """Look for a file's columns of boxes; None where it has none."""
        with opened(place) as file:
            if file.geometry.sides is None:
                return None
            _ = file.side_places
            return cls(place)

    def narrowed(self, trees: Sequence[Any]) -> BoxColumns:
        """Return itself: what filters leave out of a file is seen as it is read."""
        return self

    def condition(self, boxes: Sequence[Box], most: int | None = None) -> Touching:
        """Return a condition for the features whose box touches one of the boxes."""
        return Touching(boxes)

    def condition_of(self, keys: Sequence[int]) -> Rows:
        """Return a condition for the features of these keys."""
        return Rows(np.unique(np.array(keys, np.int64)))

    def conditions(self, keys: KeySet, first: int = 0, end: int | None = None) -> Iterator[Rows]:
        """Yield the features of each row group that has any of these keys, or of some groups."""
        yield from self._parts(keys)[first:end]

    def count_conditions(self, keys: KeySet) -> int:
        """Return how many conditions these are."""
        return len(self._parts(keys))

    def keys_near(self, near: Near) -> KeySet:
        """Return the keys of the features whose box may hold what is wanted."""
        with opened(self.place) as file:
            found = KeySet(0, max(0, file.rows - 1))
            for first, boxes in _boxes_near(file, near):
                wanted = are_unknown(boxes)
                known = np.flatnonzero(~wanted)
                wanted[known[near(boxes[known])]] = True
                found.add(np.flatnonzero(wanted) + first)
            return found

    def count(self, boxes: Sequence[Box]) -> int:
        """Return how many features the condition lets through."""
        return sum(len(keys) for keys, _ in self._touching(boxes))

    def expect(self, boxes: Sequence[Box], bounds: Box | None, features: int) -> int:
        """Return how many features the condition lets through: the file says it at once."""
        return self.count(boxes)

    def size(self) -> int:
        """Return how many features have a geometry."""
        with opened(self.place) as file:
            return file.rows - file.without_geometry()

    def boxes(self, boxes: Sequence[Box], every: int = 1) -> tuple[Array, Array]:
        """Return the keys of features near boxes and the boxes kept of them, or of every so many.

        Features that have no box are not among them.
        """
        found = [
            (keys[keys % every == 0], b[keys % every == 0]) for keys, b in self._touching(boxes)
        ]
        keys = np.concatenate([np.zeros(0, np.int64), *(keys for keys, _ in found)])
        kept = np.concatenate([np.zeros((0, 4)), *(boxes for _, boxes in found)])
        known = ~are_unknown(kept)
        return keys[known], kept[known]

    def _touching(self, boxes: Sequence[Box]) -> Iterator[tuple[Array, Array]]:
        near = Touching(boxes).near
        with opened(self.place) as file:
            for first, kept in _boxes_near(file, near):
                rows = np.flatnonzero(near(kept))
                yield rows + first, kept[rows]

    def _parts(self, keys: KeySet) -> list[Rows]:
        with opened(self.place) as file:
            starts = file.starts
        every = next(keys.blocks(max(1, len(keys)), 1), np.zeros(0, np.int64))
        edges = np.searchsorted(every, starts)
        parts = [every[a:b] for a, b in zip(edges[:-1], edges[1:], strict=True)]
        return [Rows(part) for part in parts if len(part)]


def _boxes_near(file: GeoParquet, near: Near) -> Iterator[tuple[int, Array]]:
    """Yield the boxes of row groups whose own box may hold what is wanted, some at a time.

    Each time with the place in the file of the first.
    """
    wanted = are_unknown(file.group_reach)
    known = np.flatnonzero(~wanted)
    wanted[known[near(file.group_reach[known])]] = True
    for group in np.flatnonzero(wanted).tolist():
        for start, boxes in file.boxes(group):
            yield int(file.starts[group]) + start, boxes
