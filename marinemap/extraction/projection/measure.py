"""Areas and lengths of geometries as they are drawn: on the ellipsoid, or in a plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyproj

from marinemap.extraction.geometry.ragged import Ragged, ragged
from marinemap.extraction.geometry.wkb import kinds, leaves, to_column, to_geometries
from marinemap.extraction.projection.operations import horizontal

_COLLECTION = 7
# The first left out is below 1e-13 of the whole on any ellipsoid of Earth.
_TERMS = 6

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Measured:
    """The area of polygons and the length of lines, in square metres and metres."""

    area_m2: float = 0.0
    length_m: float = 0.0

    def __add__(self, other: Measured) -> Measured:
        return Measured(self.area_m2 + other.area_m2, self.length_m + other.length_m)


class Measure:
    """Measures geometries in one CRS.

    Edges in degrees are straight in longitude and latitude, as a map draws them, and are measured
    on the ellipsoid; those of a projection in its plane, scale and all.

    Parameters
    ----------
    crs : pyproj.CRS
    """

    def __init__(self, crs: pyproj.CRS) -> None:
        plain = horizontal(crs)
        ellipsoid = plain.ellipsoid
        self._unit = float(plain.axis_info[0].unit_conversion_factor or 1.0)
        self._is_geographic = plain.is_geographic and ellipsoid is not None
        if ellipsoid is not None:
            self._major = float(ellipsoid.semi_major_metre)
            self._square = 1 - (float(ellipsoid.semi_minor_metre) / self._major) ** 2

    @property
    def words(self) -> str:
        """Where it measures, for a person."""
        return "on the ellipsoid" if self._is_geographic else "in the plane of the CRS"

    def of(self, column: Any) -> Measured:
        """Return what geometries measure together; heights make no odds.

        Parameters
        ----------
        column : pyarrow.BinaryArray
            WKB, readable.
        """
        found = Measured()
        for group in ragged(column):
            found += self._of_group(group)
        collections = np.flatnonzero(kinds(column) == _COLLECTION)
        for geometry in to_geometries(column, collections):
            found += self.of(to_column(leaves(geometry)))
        return found

    def _of_group(self, group: Ragged) -> Measured:
        if not group.has_edges:
            return Measured()
        xy = group.coordinates[:, :2] * self._unit
        of_edges = self._areas(xy) if group.is_surface else self._lengths(xy)
        # From the end of one part to the begin of the next there is no edge.
        of_edges[group.parts[1:] - 1] = 0
        of_parts = np.add.reduceat(of_edges, group.parts[:-1])
        if not group.is_surface:
            return Measured(length_m=float(of_parts.sum()))
        # Whichever way rings go, the first is the outer one.
        rings = -np.abs(of_parts)
        rings[group.bodies[:-1]] *= -1
        return Measured(area_m2=float(rings.sum()))

    def _areas(self, xy: Array) -> Array:
        """Return the area between each edge and the equator, or the x axis; the last is no edge."""
        x, y = xy.T
        across = np.diff(x, append=x[-1:])
        after = np.append(y[1:], y[-1:])
        if not self._is_geographic:
            # From the first corner on: a plane's own zero is far away.
            areas: Array = across * ((y + after) / 2 - y[0])
            return areas
        ends, middles = self._zone(y), self._zone((y + after) / 2)
        areas = across * (ends + 4 * middles + np.append(ends[1:], ends[-1:])) / 6
        return areas

    def _lengths(self, xy: Array) -> Array:
        way = np.diff(xy, axis=0, append=xy[-1:])
        if not self._is_geographic:
            lengths: Array = np.hypot(*way.T)
            return lengths
        before, after = xy[:, 1], np.append(xy[1:, 1], xy[-1:, 1])
        begins, middles, ends = (
            np.hypot(*(way * self._scale(latitudes)).T)
            for latitudes in (before, (before + after) / 2, after)
        )
        lengths = (begins + 4 * middles + ends) / 6
        return lengths

    def _zone(self, latitudes: Array) -> Array:
        """Return the area from the equator to latitudes, for each radian of longitude.

        The integral of both radii of curvature, as a series (Snyder, Map Projections - A Working
        Manual, 1987, page 16: the authalic latitude).
        """
        sine = np.sin(latitudes)
        step = self._square * sine**2
        series = np.zeros_like(sine)
        for term in reversed(range(_TERMS)):
            series = series * step + (term + 1) / (2 * term + 1)
        zones: Array = self._major**2 * (1 - self._square) * sine * series
        return zones

    def _scale(self, latitudes: Array) -> Array:
        """Return metres for each radian of longitude and of latitude."""
        squares = 1 - self._square * np.sin(latitudes) ** 2
        normal = self._major / np.sqrt(squares)
        meridian = normal * (1 - self._square) / squares
        return np.column_stack([normal * np.cos(latitudes), meridian])
