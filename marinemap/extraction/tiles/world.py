"""Where features lie on the map of the world, their long edges followed as they run there."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyproj

from marinemap.extraction.areas.near import route_to
from marinemap.extraction.projection.bend import Plane, TooManyCorners, bend
from marinemap.extraction.projection.route import Route
from marinemap.extraction.tiles.seam import sewn
from marinemap.extraction.tiles.shapes import POINT, POLYGON, Shapes, ends

# The world's width in bits: units of 4 cm at the equator.
WORLD_BITS = 30
# Half the width of the world in EPSG:3857, metres (OGC 17-083r4, WebMercatorQuad).
_HALF_WORLD_M = 20_037_508.342789244
_MERCATOR = "EPSG:3857"
# The poles lie at infinity in Mercator; beyond a world's width nothing is drawn.
_BEYOND = 1 << WORLD_BITS
# A shorter edge bends by less than a unit of the finest grid.
_LONG_METRES = 10_000
# How far from its chord an edge may run; more where that would take too many corners.
_TOLERANCES_METRES = (5.0, 500.0)
_MOST_CORNERS = 2_000_000

Array = np.ndarray[Any, Any]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class ToWorld:
    """The way from a source's CRS to units of the world, y downwards from the north-west corner."""

    route: Route
    planes: tuple[Plane, Plane]

    @classmethod
    def of(cls, crs: pyproj.CRS, bounds: Box | None) -> ToWorld:
        """Return the way of a whole layer's extract, from its CRS and its bounds there."""
        route = route_to(None, crs, pyproj.CRS.from_user_input(_MERCATOR), bounds)
        return cls(route, (Plane.of(crs), Plane.of(route.output)))

    def place(self, shapes: Shapes) -> Iterator[Shapes]:
        """Yield features in units of the world, with corners added where long edges bend."""
        moved = self._moved(shapes.xy)
        is_long = _has_long_edge(shapes, moved)
        short = np.flatnonzero(~is_long)
        placed = dataclasses.replace(shapes, xy=_in_units(moved))
        if len(short):
            yield placed.take(short) if is_long.any() else placed
        if is_long.any():
            yield from self._bent(shapes.take(np.flatnonzero(is_long)))

    def _bent(self, shapes: Shapes) -> Iterator[Shapes]:
        positions, starts = shapes.xy, shapes.offsets
        if shapes.kind == POLYGON:
            positions, starts = _closed(shapes)
        for tolerance in _TOLERANCES_METRES:
            try:
                bent = bend(positions, starts, self._moved, self.planes, tolerance, _MOST_CORNERS)
            except TooManyCorners:
                continue
            xy, offsets = _in_units(bent.positions), bent.starts
            if shapes.kind == POLYGON:
                xy, offsets = (
                    np.delete(xy, offsets[1:] - 1, axis=0),
                    offsets - np.arange(len(offsets)),
                )
            yield from sewn(dataclasses.replace(shapes, xy=xy, offsets=offsets), 1 << WORLD_BITS)
            return
        yield dataclasses.replace(shapes, xy=_in_units(self._moved(shapes.xy)))

    def _moved(self, xy: Array) -> Array:
        finite = np.nan_to_num(
            self.route.moved(xy), nan=3 * _HALF_WORLD_M, posinf=np.inf, neginf=-np.inf
        )
        within: Array = np.clip(finite, -3 * _HALF_WORLD_M, 3 * _HALF_WORLD_M)
        return within


def _has_long_edge(shapes: Shapes, moved: Array) -> Array:
    """Tell which features have an edge that may bend to be seen."""
    if shapes.kind == POINT or len(shapes) == 0:
        return np.zeros(len(shapes), bool)
    after = np.arange(1, len(moved) + 1)
    # A line's last position has no edge; a ring's has one to the first.
    after[shapes.offsets[1:] - 1] = (
        shapes.offsets[:-1] if shapes.kind == POLYGON else shapes.offsets[1:] - 1
    )
    is_long = np.abs(moved[after] - moved).max(axis=1) > _LONG_METRES
    found: Array = np.logical_or.reduceat(is_long, shapes.offsets[shapes.starts[:-1]])
    return found


def _closed(shapes: Shapes) -> tuple[Array, Array]:
    """Return positions with each ring's first behind its last as well, and where rings begin."""
    firsts = shapes.xy[shapes.offsets[:-1]]
    return np.insert(shapes.xy, shapes.offsets[1:], firsts, axis=0), ends(shapes.lengths + 1)


def _in_units(moved: Array) -> Array:
    world = np.column_stack([moved[:, 0] + _HALF_WORLD_M, _HALF_WORLD_M - moved[:, 1]])
    units = world / (2 * _HALF_WORLD_M) * (1 << WORLD_BITS)
    return np.rint(np.clip(units, -_BEYOND, 2 * _BEYOND - 1)).astype(np.int64)
