"""Repair the outline of an area that crosses itself, in a time that no request can stretch."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely

from marinemap.errors import RequestError

# Repairing takes time with the square of the crossings: a star of 1,001 corners took 19 s. An
# outline drawn or digitised by a person has a handful.
_MAX_CROSSINGS = 5_000


def repair_outline(geometry: Any, field: str) -> Any:
    """Return a valid geometry of what a crossing outline encloses.

    Parameters
    ----------
    geometry : shapely Polygon or MultiPolygon
        Not valid.
    field : str
        The name of the input, for the message.

    Raises
    ------
    RequestError
        If it crosses itself too often to be repaired in good time.
    """
    _check_crossings(geometry, field)
    # The linework method takes seconds on a star of a hundred corners; structure does not.
    return shapely.make_valid(geometry, method="structure")


def _check_crossings(geometry: Any, field: str) -> None:
    """Refuse an outline that crosses itself too often to be repaired in good time."""
    edges = _edges(geometry)
    tree = shapely.STRtree(edges)
    # In pieces, so that a hostile outline cannot fill the memory with pairs.
    piece = max(1, 2_000_000 // len(edges))
    crossings = 0
    for start in range(0, len(edges), piece):
        pairs = tree.query(edges[start : start + piece], predicate="crosses")
        crossings += pairs.shape[1] // 2
        if crossings > _MAX_CROSSINGS:
            raise RequestError(
                f"the outline of the area crosses itself more than {_MAX_CROSSINGS:,} times",
                field=field,
                value=f"{len(edges)} edges",
                hint='Repair it in a GIS ("fix geometries"), or draw it anew.',
            )


def _edges(geometry: Any) -> Any:
    rings = shapely.get_rings(shapely.get_parts(geometry))
    corners, ring = shapely.get_coordinates(rings, return_index=True)
    same = ring[1:] == ring[:-1]
    return shapely.linestrings(np.stack([corners[:-1][same], corners[1:][same]], axis=1))
