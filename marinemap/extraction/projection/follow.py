"""Geometries seen from another CRS, their edges where they run: straight in their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyproj
import shapely

from marinemap.extraction.geometry.ragged import Ragged, ragged
from marinemap.extraction.geometry.wkb import to_column, to_geometries
from marinemap.extraction.projection.bend import Move, Plane, TooManyCorners, bend

# As an area's edges are followed into a layer's CRS.
_TOLERANCE_METRES = 1.0
_MOST_ADDED = 500_000

Array = np.ndarray[Any, Any]


def follow(
    geometries: Array, moved: Array, move: Move, source: pyproj.CRS, target: pyproj.CRS
) -> Array:
    """Return moved geometries with corners added where their edges bend, to within a metre.

    Those whose edges the target tears apart, or that would need very many corners, stay as they
    are, as do geometry collections. Heights and measures are left out.

    Parameters
    ----------
    geometries : array of shapely geometries
        In the source CRS, x before y.
    moved : array of shapely geometries
        The same in the target CRS, by their corners; None for what cannot be moved.
    move : callable
        Moves x and y, shape (n, 2).
    source, target : pyproj.CRS
    """
    if source.is_geographic and target.is_geographic:
        return moved  # Edges hardly bend there.
    followed = np.array(moved, object)
    has_edges = shapely.get_dimensions(followed) > 0
    rows = np.flatnonzero(has_edges & ~shapely.is_empty(followed))
    planes = Plane.of(source), Plane.of(target)
    for group in ragged(to_column(shapely.force_2d(geometries[rows]))):
        for number, geometry in _followed(group, move, planes):
            followed[rows[number]] = geometry
    return followed


def _followed(
    group: Ragged, move: Move, planes: tuple[Plane, Plane]
) -> list[tuple[int, shapely.Geometry]]:
    """Return the geometries of a group that have corners now which they had not, by row."""
    if not group.has_edges:
        return []
    try:
        bent = bend(
            group.coordinates, group.parts, move, planes, _TOLERANCE_METRES, most=_MOST_ADDED
        )
    except TooManyCorners:
        return []
    torn = group.rows_of_parts[bent.torn]
    is_longer = np.diff(bent.starts) > np.diff(group.parts)
    longer = np.setdiff1d(group.rows_of_parts[is_longer], torn)
    if len(longer) == 0:
        return []
    column = group.replaced(bent.positions, bent.starts).to_column()
    found = to_geometries(column)[np.searchsorted(group.rows, longer)]
    sound = np.isfinite(shapely.bounds(found)).all(axis=1)
    return list(zip(longer[sound].tolist(), found[sound], strict=True))
