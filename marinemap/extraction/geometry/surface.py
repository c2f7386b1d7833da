"""Polygons taken apart, cut out of a globe that repeats every 360 degrees, and put together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from shapely.affinity import translate

TURN_DEGREES = 360.0
_WORLD = shapely.box(-180, -90, 180, 90)

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Rings:
    """The rings of polygons laid end to end: where each ring and each polygon begins."""

    coordinates: Array
    parts: Array
    polygons: Array


def rings_of(geometry: Any) -> Rings:
    """Return the rings of a polygon or multipolygon."""
    polygons = shapely.get_parts(geometry)
    _, coordinates, (rings, starts) = shapely.to_ragged_array(polygons, include_z=False)
    return Rings(coordinates, np.asarray(rings, np.int64), np.asarray(starts, np.int64))


def with_rings(rings: Rings, coordinates: Array, parts: Array) -> Any:
    """Return the same polygons with other positions in their rings; they may not be valid."""
    polygon = shapely.GeometryType.POLYGON
    polygons = shapely.from_ragged_array(polygon, coordinates, (parts, rings.polygons))
    return polygons[0] if len(polygons) == 1 else shapely.multipolygons(polygons)


def edges_of(area: Any) -> tuple[Array, Array]:
    """Return both ends of each edge of a polygon or multipolygon."""
    parts = shapely.get_parts(area)
    rings = shapely.get_rings(parts[shapely.get_dimensions(parts) == 2])
    corners, ring = shapely.get_coordinates(rings, return_index=True)
    same = ring[1:] == ring[:-1]
    return corners[:-1][same], corners[1:][same]


def filled(geometry: Any) -> Any:
    """Return a geometry's polygons, made valid, without points and lines."""
    if not shapely.is_valid(geometry):
        # The linework method takes seconds on a star of a hundred corners; structure does not.
        geometry = shapely.make_valid(geometry, method="structure")
    if geometry.geom_type in ("Polygon", "MultiPolygon"):
        return geometry
    parts = shapely.get_parts(geometry)
    return shapely.union_all(parts[shapely.get_dimensions(parts) == 2])


def window(geometry: Any, boxes: Sequence[Any]) -> Any:
    """Return what boxes show of a geometry that repeats every 360 degrees.

    Parameters
    ----------
    geometry : shapely Polygon or MultiPolygon
        In degrees; may be drawn in any turn round the globe.
    boxes : sequence of shapely Polygon
        In degrees; together at most some turns wide.

    Returns
    -------
    shapely Polygon or MultiPolygon
        Across an end of the turn in one piece. May be empty.
    """
    if geometry.is_empty:
        return geometry
    pane = shapely.union_all(boxes)
    shapely.prepare(pane)
    (west, _, east, _), (minx, _, maxx, _) = pane.bounds, geometry.bounds
    first = math.ceil((west - maxx) / TURN_DEGREES)
    last = math.floor((east - minx) / TURN_DEGREES)
    parts = []
    for turn in range(first, last + 1):
        copy = translate(geometry, xoff=turn * TURN_DEGREES) if turn else geometry
        parts.append(
            copy if shapely.covers(pane, copy) else filled(shapely.intersection(copy, pane))
        )
    parts = [part for part in parts if not part.is_empty]
    return parts[0] if len(parts) == 1 else shapely.union_all(parts)


def within_180(geometry: Any) -> Any:
    """Cut at 180 degrees what reaches beyond, and bring it back (RFC 7946, section 3.1.9)."""
    minx, _, maxx, _ = geometry.bounds
    if minx >= -180 and maxx <= 180:
        return geometry
    return window(geometry, [_WORLD])
