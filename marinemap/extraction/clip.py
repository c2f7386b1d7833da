"""Cut features to an area: what lies inside passes untouched, what crosses the edge is cut."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from marinemap.errors import DatasetError, RequestError, did_you_mean, quote
from marinemap.extraction.grid import AreaGrid
from marinemap.extraction.local import LocalParts
from marinemap.extraction.plain_rows import PlainRows, other_rows, plain_rows
from marinemap.extraction.raster import EDGE, INSIDE, OUTSIDE
from marinemap.extraction.wkb import leaves, to_column, to_geometries

MODES = ("clip", "intersects", "within")
_MAKE_MULTI: dict[int, Any] = {
    0: shapely.multipoints,
    1: shapely.multilinestrings,
    2: shapely.multipolygons,
}
# A grid of 64 x 64 cells is made in a few milliseconds; one of 512 x 512 pays from some ten
# thousand features on.
_COARSE_LEVEL, _FINE_LEVEL = 6, 9
_MANY_FEATURES = 20_000
# Checking so many takes some ten milliseconds; a second core then looks while the first one cuts.
_MANY_VERTICES = 50_000
# Some corners of features and area that are looked at together.
_MOST_TOGETHER = 2_000_000

_COLLECTION = shapely.GeometryType.GEOMETRYCOLLECTION

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
            f"no mode '{shown}'; there are {', '.join(MODES)}.{did_you_mean(shown, MODES)}",
            field="mode",
            value=name,
        )


@dataclass(frozen=True)
class Clipped:
    """What is left of a batch.

    ``rows`` are the places of the features kept, rising, and ``column`` their geometries as WKB.
    ``repaired`` counts the features mended before they were cut, ``not_finite`` those left out
    for a coordinate that is no number, ``trimmed`` those that lost parts of a lower dimension.
    """

    rows: Array
    column: Any
    repaired: int = 0
    not_finite: int = 0
    trimmed: int = 0


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
    of : str
        What to call the features' source in a message.
    """

    def __init__(
        self, area: Any, mode: str = "clip", features: int | None = None, of: str = "the layer"
    ) -> None:
        many = features is None or features > _MANY_FEATURES
        self.grid = AreaGrid(area, _FINE_LEVEL if many else _COARSE_LEVEL)
        self.area = area
        self._mode = mode
        self._of = of
        self._local = LocalParts(area)

    def clip(self, column: Any) -> Clipped:
        """Return the features of a batch that the area holds.

        A feature properly inside the area passes byte for byte, valid or not. A feature that is
        cut keeps only parts of its own dimension: where a polygon merely touches the area,
        nothing is left of it.

        Parameters
        ----------
        column : pyarrow.BinaryArray
            WKB in the area's CRS. Null and empty geometries are left out.

        Raises
        ------
        DatasetError
            If a geometry is broken.
        """
        groups = list(plain_rows(column))
        inside, unclear = self._by_grid(groups)
        unclear.append(other_rows(len(column), groups))
        rows = np.sort(np.concatenate(unclear))
        edge = self._on_edge(rows, self._parsed(column, rows))
        kept = np.sort(np.concatenate([*inside, edge.whole, edge.cut_rows]))
        picked = column if len(kept) == len(column) else column.take(pa.array(kept))
        if len(edge.cut):
            is_cut = pa.array(np.isin(kept, edge.cut_rows, assume_unique=True))
            picked = pc.replace_with_mask(picked, is_cut, to_column(edge.cut))
        return Clipped(kept, picked, edge.repaired, edge.not_finite, edge.trimmed)

    def _by_grid(self, groups: list[PlainRows]) -> tuple[list[Array], list[Array]]:
        """Settle by their boxes what can be; return the rows inside and those left open."""
        inside, unclear = [], []
        for group in groups:
            verdict = self.grid.classify(group.bounds)
            inside.append(group.rows[verdict == INSIDE])
            unclear.append(group.rows[verdict == EDGE])
        return inside, unclear

    def _on_edge(self, rows: Array, geometries: Array) -> _Edge:
        """Look at geometries that lie near the edge, or have many parts."""
        boxes = shapely.bounds(geometries)
        present = ~(shapely.is_missing(geometries) | shapely.is_empty(geometries))
        finite = _are_finite(geometries)
        near = present & finite & (self.grid.classify(boxes) != OUTSIDE)
        not_finite = int((present & ~finite).sum())
        rows, geometries, boxes = rows[near], geometries[near], boxes[near]
        local = self._local.around(boxes)
        pieces = [
            self._looked_at(rows[some], geometries[some], local[some])
            for some in _dear_together(geometries, local)
        ]
        return _joined(pieces, not_finite)

    def _looked_at(self, rows: Array, geometries: Array, local: Array) -> _Edge:
        if self._mode == "within":
            whole = shapely.covers(local, geometries)
            return _Edge(rows[whole], rows[:0], geometries[:0], 0, 0, 0)
        within = shapely.contains_properly(local, geometries)
        touching = ~within
        touching[touching] = shapely.intersects(local[touching], geometries[touching])
        if self._mode == "intersects":
            whole = within | touching
            return _Edge(rows[whole], rows[:0], geometries[:0], 0, 0, 0)
        cut = _cut(geometries[touching], local[touching])
        left = ~shapely.is_missing(cut.geometries)
        return _Edge(
            rows[within],
            rows[touching][left],
            cut.geometries[left],
            cut.repaired,
            0,
            cut.trimmed,
        )

    def _parsed(self, column: Any, rows: Array) -> Array:
        try:
            return to_geometries(column, rows)
        except shapely.errors.ShapelyError as error:
            raise DatasetError(
                f"a geometry of {self._of} is broken: {error}", field="source"
            ) from error


@dataclass(frozen=True)
class _Edge:
    whole: Array
    cut_rows: Array
    cut: Array
    repaired: int
    not_finite: int
    trimmed: int


@dataclass(frozen=True)
class _Cut:
    geometries: Array
    repaired: int
    trimmed: int


def _dear_together(geometries: Array, local: Array) -> Iterator[slice]:
    """Yield runs of geometries that are looked at in a fraction of a second each.

    GEOS is not to be stopped on its way through an array: an area like a comb has a hundred
    thousand corners for each feature.
    """
    costs = shapely.get_num_coordinates(geometries) + shapely.get_num_coordinates(local)
    cuts = np.flatnonzero(np.diff(costs.cumsum() // _MOST_TOGETHER)) + 1
    for first, last in zip([0, *cuts.tolist()], [*cuts.tolist(), len(costs)], strict=True):
        yield slice(first, last)


def _joined(pieces: list[_Edge], not_finite: int) -> _Edge:
    if len(pieces) == 1:
        return replace(pieces[0], not_finite=not_finite)
    return _Edge(
        np.concatenate([piece.whole for piece in pieces]),
        np.concatenate([piece.cut_rows for piece in pieces]),
        np.concatenate([piece.cut for piece in pieces]),
        sum(piece.repaired for piece in pieces),
        not_finite,
        sum(piece.trimmed for piece in pieces),
    )


def _cut(geometries: Array, local: Array) -> _Cut:
    """Cut geometries, each to the part of the area around it.

    Repair may not reach beyond a geometry's box: the structure method adds no new extremes.
    """
    dimensions = shapely.get_dimensions(geometries)
    collections = shapely.get_type_id(geometries) == _COLLECTION
    if shapely.get_num_coordinates(geometries).sum() > _MANY_VERTICES:
        valid, repaired, pieces = _cut_while_checked(geometries, local, collections)
    else:
        valid, repaired = _valid(geometries)
        pieces = _pieces(valid, local, collections)
    parts, trimmed = _parts_of_dimension(pieces, dimensions)
    for index in np.flatnonzero(collections):
        parts[index] = _cut_collection(geometries[index], local[index])
    return _Cut(parts, repaired, trimmed)


def _are_finite(geometries: Array) -> Array:
    """Tell which geometries have numbers only; GEOS leaves NaN out of a box without a word."""
    positions, owners = shapely.get_coordinates(geometries, return_index=True)
    finite = np.ones(len(geometries), bool)
    finite[owners[~np.isfinite(positions).all(axis=1)]] = False
    return finite


def _pieces(valid: Array, local: Array, collections: Array) -> Array:
    pieces = valid.copy()
    pieces[~collections] = shapely.intersection(valid[~collections], local[~collections])
    return pieces


def _cut_while_checked(
    geometries: Array, local: Array, collections: Array
) -> tuple[Array, int, Array]:
    """Cut as if all were valid, while another core looks; cut again if some are not."""
    with ThreadPoolExecutor(1) as pool:
        checking = pool.submit(_valid, geometries)
        try:
            pieces = _pieces(geometries, local, collections)
        except shapely.errors.GEOSException:
            # GEOS may fail on what is not valid: then it is mended, and there is another cut.
            pieces = None
        valid, repaired = checking.result()
    if repaired or pieces is None:
        pieces = _pieces(valid, local, collections)
    return valid, repaired, pieces


def _valid(geometries: Array) -> tuple[Array, int]:
    invalid = ~shapely.is_valid(geometries)
    if not invalid.any():
        return geometries, 0
    repaired = geometries.copy()
    # The linework method takes seconds on a star of a hundred corners; structure does not.
    repaired[invalid] = shapely.make_valid(geometries[invalid], method="structure")
    return repaired, int(invalid.sum())


def _parts_of_dimension(geometries: Array, dimensions: Array) -> tuple[Array, int]:
    """Keep of each geometry the parts of a dimension; count those that lost others."""
    wanted = shapely.get_dimensions(geometries) == dimensions
    wanted &= ~shapely.is_empty(geometries)
    mixed = shapely.get_type_id(geometries) == shapely.GeometryType.GEOMETRYCOLLECTION
    result: Array = geometries.copy()
    result[~wanted | mixed] = None
    for index in np.flatnonzero(wanted & mixed):
        result[index] = _largest_kind(geometries[index], int(dimensions[index]))
    return result, int((wanted & mixed).sum())


def _cut_collection(collection: Any, area: Any) -> Any:
    """Cut each part of a collection by itself, so that each keeps its own dimension."""
    valid, _ = _valid(leaves(collection))
    pieces = shapely.intersection(valid, area)
    parts, _ = _parts_of_dimension(pieces, shapely.get_dimensions(valid))
    left = parts[~shapely.is_missing(parts)]
    return shapely.geometrycollections(left) if len(left) else None


def _largest_kind(collection: Any, dimension: int) -> Any:
    """Return the parts of one dimension as a single or multi geometry, None if there are none."""
    parts = shapely.get_parts(shapely.get_parts(collection))
    parts = parts[shapely.get_dimensions(parts) == dimension]
    if len(parts) == 0:
        return None
    return parts[0] if len(parts) == 1 else _MAKE_MULTI[dimension](parts)
