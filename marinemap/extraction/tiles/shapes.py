"""Features of one kind as flat arrays: millions of corners without an object for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

# Geometry types of a vector tile (Mapbox Vector Tile Specification 2.1, section 4.3.4).
POINT, LINE, POLYGON = 1, 2, 3

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Shapes:
    """Features of one kind.

    Feature ``f`` has the parts ``starts[f]`` to ``starts[f + 1]``, and part ``p`` the positions
    ``offsets[p]`` to ``offsets[p + 1]`` of ``xy``; none is without. A ring does not repeat its
    first position; ``holes`` tells which parts are inner rings, each behind its outer one.
    """

    kind: int
    xy: Array
    offsets: Array
    holes: Array
    starts: Array
    ids: Array

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def lengths(self) -> Array:
        """How many positions each part has."""
        return np.diff(self.offsets)

    @property
    def sizes(self) -> Array:
        """How many positions each feature has."""
        return np.diff(self.offsets[self.starts])

    def boxes(self) -> Array:
        """Return (minx, miny, maxx, maxy) of each feature."""
        begins = self.offsets[self.starts[:-1]]
        if len(begins) == 0:
            return np.zeros((0, 4), self.xy.dtype)
        low = np.minimum.reduceat(self.xy, begins, axis=0)
        return np.hstack([low, np.maximum.reduceat(self.xy, begins, axis=0)])

    def take(self, features: Array) -> Shapes:
        """Return some features, in the order given."""
        counts = np.diff(self.starts)[features]
        parts = ranges(self.starts[:-1][features], counts)
        lengths = self.lengths[parts]
        xy = self.xy[ranges(self.offsets[:-1][parts], lengths)]
        return Shapes(
            self.kind, xy, ends(lengths), self.holes[parts], ends(counts), self.ids[features]
        )

    def take_parts(self, features: Array) -> Shapes:
        """Return what :meth:`take` does, without the positions."""
        counts = np.diff(self.starts)[features]
        parts = ranges(self.starts[:-1][features], counts)
        offsets = ends(self.lengths[parts])
        nothing = np.zeros((0, 2), self.xy.dtype)
        return Shapes(
            self.kind, nothing, offsets, self.holes[parts], ends(counts), self.ids[features]
        )

    def keep(self, positions: Array, parts: Array) -> Shapes:
        """Return what is left when only some positions, and of them some parts, are kept."""
        of_part = np.repeat(np.arange(len(self.lengths)), self.lengths)
        positions = positions & parts[of_part]
        lengths = np.bincount(of_part[positions], minlength=len(parts))[parts]
        of_feature = np.repeat(np.arange(len(self)), np.diff(self.starts))
        counts = np.bincount(of_feature[parts], minlength=len(self))
        left = counts > 0
        return Shapes(
            self.kind,
            self.xy[positions],
            ends(lengths),
            self.holes[parts],
            ends(counts[left]),
            self.ids[left],
        )

    def to_geometries(self) -> tuple[Array, Array]:
        """Return shapely geometries, one for each line or polygon, and the feature of each."""
        of_feature = np.repeat(np.arange(len(self)), np.diff(self.starts))
        of_part = np.repeat(np.arange(len(self.lengths)), self.lengths)
        xy = self.xy.astype(float)
        if self.kind == POINT:
            return np.asarray(shapely.points(xy)), of_feature
        if self.kind == LINE:
            return np.asarray(shapely.linestrings(xy, indices=of_part)), of_feature
        rings = np.asarray(shapely.linearrings(xy, indices=of_part))
        polygon = np.cumsum(~self.holes) - 1
        return np.asarray(shapely.polygons(rings, indices=polygon)), of_feature[~self.holes]


def nothing(kind: int) -> Shapes:
    """Return no features."""
    numbers = np.zeros(0, np.int64)
    return Shapes(
        kind, np.zeros((0, 2), np.int64), ends(numbers), numbers > 0, ends(numbers), numbers
    )


def from_geometries(geometries: Array, ids: Array) -> list[Shapes]:
    """Return shapely geometries as shapes, by kind; what is empty is left out."""
    geometries, owners = _single(geometries)
    dimensions = shapely.get_dimensions(geometries)
    kinds = ((0, POINT), (1, LINE), (2, POLYGON))
    return [
        _of_kind(kind, geometries[dimensions == dimension], ids[owners[dimensions == dimension]])
        for dimension, kind in kinds
        if (dimensions == dimension).any()
    ]


def _single(geometries: Array) -> tuple[Array, Array]:
    """Return the parts of multi-part geometries and collections, however nested."""
    owners = np.arange(len(geometries))
    while (shapely.get_type_id(geometries) > 3).any():
        geometries, parts = shapely.get_parts(geometries, return_index=True)
        owners = owners[parts]
    there = ~(shapely.is_missing(geometries) | shapely.is_empty(geometries))
    return geometries[there], owners[there]


def _of_kind(kind: int, geometries: Array, ids: Array) -> Shapes:
    parts, owners = geometries, np.arange(len(geometries))
    holes = np.zeros(len(parts), bool)
    if kind == POLYGON:
        parts, owners = shapely.get_rings(geometries, return_index=True)
        holes = np.diff(owners, prepend=-1) == 0
    xy, of_part = shapely.get_coordinates(parts, return_index=True)
    if kind == POLYGON:
        last = np.diff(of_part, append=-1) != 0
        xy, of_part = xy[~last], of_part[~last]
    lengths = np.bincount(of_part, minlength=len(parts))
    if kind == POINT:
        return Shapes(kind, xy, ends(lengths), holes, ends(np.ones(len(ids), int)), ids)
    # Parts of one feature follow one another: together they are one feature again.
    of_feature = ids[owners]
    firsts = np.flatnonzero(np.append(True, np.diff(of_feature) != 0))
    starts = np.append(firsts, len(parts))
    return Shapes(kind, xy, ends(lengths), holes, starts, of_feature[firsts])


def joined(many: list[Shapes]) -> Shapes:
    """Return shapes of one kind as one."""
    return Shapes(
        many[0].kind,
        np.concatenate([shapes.xy for shapes in many]),
        ends(np.concatenate([shapes.lengths for shapes in many])),
        np.concatenate([shapes.holes for shapes in many]),
        ends(np.concatenate([np.diff(shapes.starts) for shapes in many])),
        np.concatenate([shapes.ids for shapes in many]),
    )


def ends(lengths: Array) -> Array:
    """Return where runs of some lengths begin, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def ranges(begins: Array, lengths: Array) -> Array:
    """Return the numbers of several ranges, one behind the other."""
    offsets = np.repeat(begins - ends(lengths)[:-1], lengths)
    result: Array = offsets + np.arange(len(offsets))
    return result
