"""Move geometries from one CRS to another, their edges followed as they run there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from marinemap.extraction.geometry.ragged import Ragged, ragged
from marinemap.extraction.geometry.wkb import kinds, leaves, to_column, to_geometries
from marinemap.extraction.projection.bend import Bent, Move, Plane, TooManyCorners, bend
from marinemap.extraction.projection.route import Route, does_not_fit
from marinemap.extraction.projection.seam import Seam

# How far an edge of a feature may run from its chord, in metres of the output's CRS.
TOLERANCE_METRES = 0.1
# So many positions are moved at a time: some tens of megabytes, and a fraction of a second.
_SLICE_POSITIONS = 200_000
# A feature that needs more corners lies where the output's CRS stretches without end. Half a
# gigabyte is used for as many.
_MOST_ADDED = 4_000_000
_COLLECTION = 7
_BYTES_EACH = 16

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Moved:
    """Geometries in the output's CRS, as a column of WKB, and how many were cut on the way."""

    column: Any
    cut: int = 0


class Reprojection:
    """Moves a layer's geometries to the output's CRS; heights and measures stay as they are.

    Parameters
    ----------
    route : Route
    """

    def __init__(self, route: Route) -> None:
        self._route = route
        self._seam = Seam.of(route) if route.moves else None
        self._planes = Plane.of(route.data), Plane.of(route.output)

    def move(self, column: Any) -> Moved:
        """Return geometries in the output CRS, x before y on both sides.

        A feature on both sides of where the output's CRS ends, such as 180 degrees, is cut there.

        Parameters
        ----------
        column : pyarrow.BinaryArray
            WKB; none is null or empty.

        Raises
        ------
        RequestError
            If a position has no finite coordinates in the output CRS, or an edge is stretched
            there beyond what can be followed.
        """
        if self._seam is None or len(column) == 0:
            return Moved(column)
        moved = [part for piece in _slices(column) for part in self._parts(piece)]
        return Moved(pa.concat_arrays([m.column for m in moved]), sum(m.cut for m in moved))

    def _parts(self, column: Any) -> Iterator[Moved]:
        """Move geometries, in halves where all of them would have too many corners at a time."""
        try:
            whole = self._moved(column)
        except TooManyCorners as error:
            if len(column) == 1:
                raise does_not_fit(self._route.output) from error
        else:
            yield whole
            return
        half = len(column) // 2
        yield from self._parts(column[:half])
        yield from self._parts(column[half:])

    def _moved(self, column: Any) -> Moved:
        found: list[tuple[Array, Any]] = []
        cut = 0
        for group in ragged(column):
            bent = self._bent(group)
            torn = np.unique(group.rows_of_parts[bent.torn])
            whole = group.replaced(bent.positions, bent.starts).to_column()
            found.append((group.rows, self._sewn(group, whole)))
            for row in torn.tolist():
                found.append((np.array([row]), self._cut(column[row : row + 1])))
            cut += len(torn)
        collections = np.flatnonzero(kinds(column) == _COLLECTION)
        for row in collections.tolist():
            inner = self._collection(column[row : row + 1])
            found.append((np.array([row]), inner.column))
            cut += inner.cut
        return Moved(_in_order(found), cut)

    def _bent(self, group: Ragged) -> Bent:
        assert self._seam is not None
        if group.has_edges:
            return self._bend(group, self._seam.move)
        moved = self._seam.move(group.coordinates[:, :2])
        positions = np.column_stack([moved, group.coordinates[:, 2:]])
        return Bent(positions, group.parts, np.zeros(0, np.int64))

    def _bend(self, group: Ragged, move: Move) -> Bent:
        return bend(
            group.coordinates, group.parts, move, self._planes, TOLERANCE_METRES, _MOST_ADDED
        )

    def _sewn(self, group: Ragged, column: Any) -> Any:
        """Mend polygons that have 180 degrees for an edge, where the plane goes on across it."""
        assert self._seam is not None
        if not group.is_surface or not self._seam.touches_ends(group.coordinates):
            return column
        geometries = to_geometries(column)
        doubled = ~shapely.is_valid(geometries)
        geometries[doubled] = shapely.make_valid(geometries[doubled], method="structure")
        return to_column(geometries)

    def _cut(self, column: Any) -> Any:
        """Return one geometry moved in pieces, cut where the output's CRS ends."""
        assert self._seam is not None
        (geometry,) = to_geometries(column)
        divided = self._seam.divided(geometry)
        # A sliver or a line along the seam itself has nothing beside it.
        is_within = divided.is_empty
        pieces = column if is_within else to_column(np.array([divided], object))
        (group,) = ragged(pieces)
        move = self._seam.move_to_one_end if is_within else self._seam.move_to_end
        bent = self._bend(group, move)
        if len(bent.torn) and not self._seam.meets_pole(group.coordinates[:, :2]):
            raise does_not_fit(self._route.output)
        return group.replaced(bent.positions, bent.starts).to_column()

    def _collection(self, column: Any) -> Moved:
        (collection,) = to_geometries(column)
        moved = self.move(to_column(leaves(collection)))
        joined = shapely.geometrycollections(to_geometries(moved.column))
        return Moved(to_column(np.array([joined], object)), int(moved.cut > 0))


def _slices(column: Any) -> Iterator[Any]:
    """Yield rows of a column, some at a time."""
    _, offsets, _ = column.buffers()
    first = column.offset
    ends = np.frombuffer(offsets, np.int32)[first : first + len(column) + 1].astype(np.int64)
    number = (ends[:-1] - ends[0]) // (_SLICE_POSITIONS * _BYTES_EACH)
    edges = [0, *(np.flatnonzero(np.diff(number)) + 1).tolist(), len(column)]
    for begin, end in zip(edges[:-1], edges[1:], strict=True):
        yield column[begin:end]


def _in_order(found: list[tuple[Array, Any]]) -> Any:
    """Return columns as one, each row once, by its number; what comes later counts."""
    if len(found) == 1:
        return found[0][1]
    rows = np.concatenate([rows for rows, _ in found])
    column = pa.concat_arrays([column for _, column in found])
    # Of equal numbers the last: they are looked through from the end.
    _, last = np.unique(rows[::-1], return_index=True)
    return column.take(pa.array(len(rows) - 1 - last))
