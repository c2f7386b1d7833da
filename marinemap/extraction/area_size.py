"""How large an area is on the ellipsoid, by the straight lines in degrees that its edges are."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely

# WGS 84: half the longer axis in km, and the eccentricity.
_AXIS_KM = 6378.137
_E = 0.0818191908426215
# Between two corners a meridian's length is told by so many steps, degrees.
_STEP_DEGREES = 0.25
_MOST_STEPS = 1_000_000


def area_km2(degrees: Any) -> float:
    """Return the size of a polygon in longitude and latitude, km2.

    Exact but for long slanting edges, which are followed in steps: the plane in which it is
    measured shows each part of the ellipsoid in its true size (Lambert's cylindrical projection;
    Snyder, Map Projections, 10-15 and 3-12).

    >>> round(area_km2(shapely.box(-180, -90, 180, 90)))
    510065622
    """
    steps = degrees.length / _STEP_DEGREES
    step = _STEP_DEGREES * max(1.0, steps / _MOST_STEPS)
    return float(shapely.transform(shapely.segmentize(degrees, step), _equal_area).area)


def _equal_area(corners: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    longitude, latitude = np.radians(corners).T
    sine = np.sin(latitude)
    q = (1 - _E**2) * (sine / (1 - (_E * sine) ** 2) + np.arctanh(_E * sine) / _E)
    return np.column_stack([_AXIS_KM * longitude, _AXIS_KM * q / 2])
