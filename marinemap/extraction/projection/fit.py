"""How well an output's CRS fits the place: by how much it stretches distances where data lie."""

from __future__ import annotations

import numpy as np
import pyproj
import shapely

from marinemap.extraction.projection.crs import crs_label
from marinemap.extraction.projection.operations import Array, Box, grid_of
from marinemap.sentences import say

_SAMPLES = 9
# Less is the projection's own: UTM has 0.04 % in its middle and 0.1 % at its edge.
_TELLING_SHARE = 0.01


def stretch_note(crs: pyproj.CRS, region: Box | None) -> str:
    """Tell where a CRS is used beyond what it is made for, and what that does to distances.

    Parameters
    ----------
    crs : pyproj.CRS
    region : tuple of float or None
        (west, south, east, north) in degrees: where the data lie.

    Returns
    -------
    str
        A sentence; empty where the CRS is made for all of the region, or stretches nothing there.
    """
    use = crs.area_of_use
    if use is None or region is None or crs.is_geographic:
        return ""
    west, east = use.west, use.east if use.west <= use.east else use.east + 360
    made_for = shapely.box(west, use.south, east, use.north)
    places = _samples(region)
    outside = np.ones(len(places), bool)
    for turn in (-360, 0, 360):
        outside &= ~shapely.intersects_xy(made_for, places[:, 0] + turn, places[:, 1])
    scales = _scales(crs, places[outside])
    if len(scales) == 0 or np.abs(scales - 1).max() < _TELLING_SHARE:
        return ""
    worst = scales[np.argmax(np.abs(np.log(scales)))]
    return say(
        "{crs} is made for longitude {west:g} to {east:g}, latitude {south:g} to {north:g}; some "
        "of the extract may lie outside of it, where a distance can be {times:.2f} times its true "
        "length.",
        crs=crs_label(crs),
        west=use.west,
        east=use.east,
        south=use.south,
        north=use.north,
        times=worst,
    )


def _samples(region: Box) -> Array:
    west, south, east, north = region
    # At a pole itself no projection has a scale along the parallel.
    return grid_of((west, max(south, -89.9), east, min(north, 89.9)), _SAMPLES)


def _scales(crs: pyproj.CRS, places: Array) -> Array:
    if len(places) == 0:
        return np.zeros(0)
    factors = pyproj.Proj(crs).get_factors(places[:, 0], places[:, 1], errcheck=False)
    found = np.concatenate([factors.tissot_semimajor, factors.tissot_semiminor])
    scales: Array = found[np.isfinite(found) & (found > 0)]
    return scales
