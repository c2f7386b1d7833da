"""Cut features to an area: what lies inside passes untouched, what crosses the edge is cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from marinemap.errors import RequestError, did_you_mean, quote
from marinemap.extraction.areas.grid import AreaGrid
from marinemap.extraction.areas.local import LocalParts
from marinemap.extraction.geometry.cut import cut
from marinemap.extraction.geometry.plain_rows import PlainRows, other_rows, plain_rows
from marinemap.extraction.geometry.raster import EDGE, INSIDE, OUTSIDE
from marinemap.extraction.geometry.readable import read_column, without_empty_parts
from marinemap.extraction.geometry.wkb import are_finite, to_column
from marinemap.sentences import say

MODES = ("clip", "intersects", "within")
# A grid of 64 x 64 cells is made in a few milliseconds; one of 512 x 512 pays from some ten
# thousand features on.
_COARSE_LEVEL, _FINE_LEVEL = 6, 9
_MANY_FEATURES = 20_000
# Some corners of features and area that are looked at together.
_MOST_TOGETHER = 2_000_000

Array = np.ndarray[Any, Any]


def check_mode(name: str) -> None:
    """Refuse a mode that there is not.

    Raises
    ------
    RequestError
        With the modes that there are.
    """
    if name not in MODES:
        shown = quote(name)
        raise RequestError(
            say(
                "no mode '{mode}'; there are {listed}.{nearest}",
                mode=shown,
                listed=", ".join(MODES),
                nearest=did_you_mean(shown, MODES),
            ),
            field="mode",
            value=name,
        )


@dataclass(frozen=True)
class Clipped:
    """What is left of a batch.

    ``rows`` are the places of the features kept, rising, and ``column`` their geometries as WKB.
    ``repaired`` counts the features mended before they were cut, ``trimmed`` those that lost parts
    of a lower dimension. Left out are the rows ``not_finite``, which have a coordinate that is no
    number, those ``collapsed``, which lie on the edge as polygons of no area or lines of no length,
    and those of which ``unreadable`` tells why they cannot be read.
    """

    rows: Array
    column: Any
    repaired: int = 0
    trimmed: int = 0
    not_finite: Array = field(default_factory=lambda: np.zeros(0, np.int64))
    unreadable: Mapping[int, str] = field(default_factory=dict)
    collapsed: Array = field(default_factory=lambda: np.zeros(0, np.int64))


class Clipper:
    """Cuts batches of features to one area.

    Parameters
    ----------
    area : shapely Polygon or MultiPolygon
        Valid, in the CRS of the features.
    mode : {"clip", "intersects", "within"}
        Cut at the edge; keep whole features that touch the area; keep those within it.
    features : int, optional
        How many are to be expected; a guess only settles how finely the area is indexed.
    """

    def __init__(self, area: Any, mode: str = "clip", features: int | None = None) -> None:
        many = features is None or features > _MANY_FEATURES
        self.grid = AreaGrid(area, _FINE_LEVEL if many else _COARSE_LEVEL)
        self.area = area
        self._mode = mode
        self._local = LocalParts(area)

    def clip(self, column: Any) -> Clipped:
        """Return the features of a batch that the area holds.

        A feature properly inside the area passes byte for byte, valid or not, but for rings that do
        not end where they begin, which are closed, and for parts that are empty. A feature that is
        cut keeps only parts of its own dimension: where a polygon merely touches the area, nothing
        is left of it.

        Parameters
        ----------
        column : pyarrow.BinaryArray
            WKB in the area's CRS. Null and empty geometries are left out.
        """
        groups = list(plain_rows(column))
        inside, unclear = self._by_grid(groups)
        unclear.append(other_rows(len(column), groups))
        rows = np.sort(np.concatenate(unclear))
        read = without_empty_parts(read_column(column, rows), rows)
        column, mended = read.column, read.mended
        edge, not_finite = self._on_edge(rows, read.geometries)
        kept = np.sort(np.concatenate([*inside, edge.whole, edge.cut_rows]))
        picked = column if len(kept) == len(column) else column.take(pa.array(kept))
        # Of those that are cut, the others are among the repaired already.
        sound = mended[shapely.is_valid(read.geometries[np.isin(rows, mended)])]
        repaired = edge.repaired + _count_in(edge.whole, mended) + _count_in(edge.cut_rows, sound)
        if len(edge.cut):
            is_cut = pa.array(np.isin(kept, edge.cut_rows, assume_unique=True))
            picked = pc.replace_with_mask(picked, is_cut, to_column(edge.cut))
        return Clipped(
            kept, picked, repaired, edge.trimmed, not_finite, read.unreadable, edge.collapsed
        )

    def _by_grid(self, groups: list[PlainRows]) -> tuple[list[Array], list[Array]]:
        """Settle by their boxes what can be; return the rows inside and those left open."""
        inside, unclear = [], []
        for group in groups:
            verdict = self.grid.classify(group.bounds)
            inside.append(group.rows[verdict == INSIDE])
            unclear.append(group.rows[verdict == EDGE])
        return inside, unclear

    def _on_edge(self, rows: Array, geometries: Array) -> tuple[_Edge, Array]:
        """Look at geometries that lie near the edge, or have many parts.

        Return what becomes of them, and the rows that have a coordinate that is no number.
        """
        boxes = shapely.bounds(geometries)
        present = ~(shapely.is_missing(geometries) | shapely.is_empty(geometries))
        finite = are_finite(geometries)
        near = present & finite & (self.grid.classify(boxes) != OUTSIDE)
        not_finite = rows[present & ~finite]
        rows, geometries, boxes = rows[near], geometries[near], boxes[near]
        local = self._local.around(boxes)
        pieces = [
            self._looked_at(rows[some], geometries[some], local[some])
            for some in _dear_together(geometries, local)
        ]
        return _joined(pieces), not_finite

    def _looked_at(self, rows: Array, geometries: Array, local: Array) -> _Edge:
        if self._mode == "within":
            whole = shapely.covers(local, geometries)
            return _Edge(rows[whole], rows[:0], geometries[:0], 0, 0, rows[:0])
        within = shapely.contains_properly(local, geometries)
        touching = ~within
        touching[touching] = shapely.intersects(local[touching], geometries[touching])
        if self._mode == "intersects":
            whole = within | touching
            return _Edge(rows[whole], rows[:0], geometries[:0], 0, 0, rows[:0])
        found = cut(geometries[touching], local[touching])
        left = ~shapely.is_missing(found.geometries)
        return _Edge(
            rows[within],
            rows[touching][left],
            found.geometries[left],
            found.repaired,
            found.trimmed,
            rows[touching][found.collapsed],
        )


@dataclass(frozen=True)
class _Edge:
    whole: Array
    cut_rows: Array
    cut: Array
    repaired: int
    trimmed: int
    collapsed: Array


def _count_in(rows: Array, some: Array) -> int:
    return int(np.isin(rows, some).sum())


def _dear_together(geometries: Array, local: Array) -> Iterator[slice]:
    """Yield runs of geometries that are looked at in a fraction of a second each.

    GEOS is not to be stopped on its way through an array: an area like a comb has a hundred
    thousand corners for each feature.
    """
    costs = shapely.get_num_coordinates(geometries) + shapely.get_num_coordinates(local)
    cuts = np.flatnonzero(np.diff(costs.cumsum() // _MOST_TOGETHER)) + 1
    for first, last in zip([0, *cuts.tolist()], [*cuts.tolist(), len(costs)], strict=True):
        yield slice(first, last)


def _joined(pieces: list[_Edge]) -> _Edge:
    return _Edge(
        np.concatenate([piece.whole for piece in pieces]),
        np.concatenate([piece.cut_rows for piece in pieces]),
        np.concatenate([piece.cut for piece in pieces]),
        sum(piece.repaired for piece in pieces),
        sum(piece.trimmed for piece in pieces),
        np.concatenate([piece.collapsed for piece in pieces]),
    )
