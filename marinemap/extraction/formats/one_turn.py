"""Longitudes within one turn of the globe, as formats in degrees ask for them.

GDAL's driver for KML makes -175 of 185, so that what lies on both sides of 180 degrees spans the
world for whoever does not draw on a globe. That for GeoJSON (3.12) cuts there, but also what is
wide enough that it may cross it: of a polygon from -179 to 179 it leaves the two degrees that it
does not cover, and of one from 355 to 365 the half.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import shapely

from marinemap.extraction.geometry.multi import as_one
from marinemap.extraction.geometry.plain_rows import total_bounds
from marinemap.extraction.geometry.wkb import dimensions, leaves, replaced, to_column, to_geometries

_TURN = 360.0
# Longitudes of -540 to 540 occur in one layer.
_MOST_TURNS = 3
_WORLD = shapely.box(-180, -90, 180, 90)

Array = np.ndarray[Any, Any]


def within_one_turn(column: Any) -> Any:
    """Return a column of WKB in degrees from -180 to 180, cut at 180 where a feature crosses it."""
    west, _, east, _ = total_bounds(column)
    # Most layers lie there as they come, and nothing is parsed; NaN where nothing lies anywhere.
    if not (west < -_TURN / 2 or east > _TURN / 2):
        return column
    geometries = to_geometries(column)
    boxes = shapely.bounds(geometries)
    first = np.floor((boxes[:, 0] + _TURN / 2) / _TURN)
    last = np.ceil((boxes[:, 2] - _TURN / 2) / _TURN)
    # What lies on a meridian of 180 degrees is of two turns, and stays where it is if it can.
    first = np.where((first > last) & (last == 0), last, first)
    last = np.maximum(first, last)
    # Each turn is a copy, and a damaged file may state any number of them.
    are_few = last - first < _MOST_TURNS
    rows = np.flatnonzero(are_few & ((first != 0) | (last != 0)))
    if len(rows) == 0:
        return column
    has_z = dimensions(column)[0]
    made = [
        _in_turns(geometries[row], range(int(first[row]), int(last[row]) + 1), bool(has_z[row]))
        for row in rows.tolist()
    ]
    return replaced(column, rows, to_column(np.array(made, object)))


def _in_turns(geometry: Any, turns: range, has_z: bool) -> Any:
    """Return a geometry moved by one turn, or cut into its parts of each."""
    moved = [
        shapely.transform(geometry, partial(_moved, turn=turn), include_z=has_z) for turn in turns
    ]
    if len(moved) == 1:
        return moved[0]
    parts = [part for each in moved for whole in leaves(each) for part in _inside(whole)]
    dimensions_ = {int(shapely.get_dimensions(part)) for part in parts}
    if len(dimensions_) != 1:
        return shapely.geometrycollections(parts)
    made = as_one(np.array(parts, object), dimensions_.pop())
    # Of a layer from 0 to 360 degrees two parts meet at 0, where nothing parts them.
    return made if shapely.is_valid(made) else _joined(parts)


def _joined(parts: list[Any]) -> Any:
    joined = shapely.union_all(parts)
    return joined if shapely.is_valid(joined) else shapely.make_valid(joined)


def _moved(positions: Array, turn: int) -> Array:
    moved = positions.copy()
    moved[:, 0] -= _TURN * turn
    return moved


def _inside(geometry: Any) -> list[Any]:
    """Return the single parts in the world that have the dimension of the whole."""
    valid = geometry if shapely.is_valid(geometry) else shapely.make_valid(geometry)
    cut = shapely.get_parts(leaves(shapely.intersection(valid, _WORLD)))
    # An empty point has the dimension of a point.
    wanted = shapely.get_dimensions(cut) == shapely.get_dimensions(geometry)
    return list(cut[wanted & ~shapely.is_empty(cut)])
