"""What an operation is worth where a region reaches beyond the place that it is made for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyproj

from marinemap.extraction.projection.operations import Operation, projs_choice
from marinemap.sentences import say

# Less is not worth telling, and lies within what any operation is known to.
_TELLING_METRES = 0.5
_EARTH = pyproj.Geod(ellps="WGS84")

Array = np.ndarray[Any, Any]


def beyond_note(
    operation: Operation, source: pyproj.CRS, target: pyproj.CRS, start: Array, places: Array
) -> str:
    """Tell how far an operation leads from what PROJ chooses, place by place, beyond its own.

    Parameters
    ----------
    operation : Operation
    source, target : pyproj.CRS
        It leads from one to the other; the target has longitudes and latitudes.
    start : numpy.ndarray
        Positions in the source, shape (n, 2).
    places : numpy.ndarray
        The same in degrees.

    Returns
    -------
    str
        A sentence; empty where all lie within what the operation is made for, or differ by no
        more than it is known to.
    """
    outside = ~operation.is_made_for(places)
    if operation.is_ballpark or not outside.any():
        return ""
    metres = _metres_between(operation, projs_choice(source, target), start[outside], target)
    if metres <= max(operation.accuracy_m or 0.0, _TELLING_METRES):
        return ""
    west, south, east, north = operation.uses[0]
    return say(
        "Positions outside of longitude {west:g} to {east:g}, latitude {south:g} to {north:g} may "
        "be off by up to {metres:,} m: all are moved by {operation}, which is made for that place. "
        "Extract the rest by itself.",
        west=west,
        east=east,
        south=south,
        north=north,
        metres=int(np.ceil(metres)),
        operation=operation.name,
    )


def _metres_between(one: Operation, other: Operation, start: Array, target: pyproj.CRS) -> float:
    """Return the largest distance between what two operations make of positions."""
    factor = target.axis_info[0].unit_conversion_factor if target.axis_info else 0.0
    to_degrees = float(np.degrees(factor)) or 1.0
    there, elsewhere = (o.move(start) * to_degrees for o in (one, other))
    known = np.isfinite(there).all(axis=1) & np.isfinite(elsewhere).all(axis=1)
    if not known.any():
        return 0.0
    metres = _EARTH.inv(*there[known].T, *elsewhere[known].T)[2]
    return float(np.max(metres))
