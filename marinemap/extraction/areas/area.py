"""The area of interest: read from GeoJSON or bounds, checked, repaired where that is safe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyproj
import shapely

from marinemap.errors import RequestError
from marinemap.extraction.areas.geojson import ALLOWED, is_number, read_polygons, to_positions
from marinemap.extraction.areas.outline import join_outlines, repair_outline
from marinemap.extraction.geometry.surface import filled, within_180
from marinemap.extraction.geometry.wkb import to_column
from marinemap.extraction.projection.crs import (
    CRS84,
    fits,
    is_same_crs,
    made_for_elsewhere,
    parse_crs,
)
from marinemap.extraction.projection.degrees import are_plain_degrees, degrees_of, to_degrees
from marinemap.extraction.projection.measure import Measure
from marinemap.sentences import say

# Beyond any coordinate on Earth in any unit, and still far from where arithmetic overflows.
_MAX_COORDINATE = 1e12
REPAIRED = say(
    "The outline of the area crosses itself or overlaps; it was repaired, and the repaired area "
    "was used."
)


@dataclass(frozen=True, eq=False)
class Area:
    """A checked area of interest.

    Its edges are straight lines in its CRS; that of an area drawn on a map is longitude and
    latitude.

    Parameters
    ----------
    geometry : shapely Polygon or MultiPolygon
        Valid, not empty, x before y. In degrees as it was drawn: it may lie in any turn round the
        globe, and across 180 degrees in one piece, for a cut rounds the corners that it makes.
    crs : pyproj.CRS
    asked : dict
        What ``given`` says, the rings of GeoJSON as arrays of shape (corners, 2).
    notes : tuple of str
        What was repaired, in sentences for a person.
    """

    geometry: Any
    crs: pyproj.CRS
    asked: dict[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def given(self) -> dict[str, Any]:
        """The area as it was asked for, before any repair, without what says nothing about it.

        GeoJSON, or ``{"bbox": ..., "crs": ...}``; parsing it again gives the same area. It is
        made each time: as lists, half a million corners take ten times what arrays do.
        """
        if "coordinates" not in self.asked:
            return self.asked
        polygons = self.asked["coordinates"]
        lists = [[to_positions(ring) for ring in rings] for rings in polygons]
        return self.asked | {"coordinates": lists}

    @cached_property
    def degrees_crs(self) -> pyproj.CRS:
        """The longitudes and latitudes, in degrees, in which ``degrees`` is given."""
        return degrees_of(self.crs)

    @cached_property
    def degrees(self) -> Any:
        """The area in degrees; the same place repeats every 360.

        Raises
        ------
        RequestError
            If it reaches beyond what its CRS can hold.
        """
        if is_same_crs(self.crs, self.degrees_crs):
            return self.geometry
        return to_degrees(self.geometry, self.crs, self.degrees_crs, "area")

    @cached_property
    def degrees_within_180(self) -> Any:
        """The area in degrees, cut at 180 (RFC 7946, section 3.1.9).

        Raises
        ------
        RequestError
            If it reaches beyond what its CRS can hold.
        """
        return within_180(self.degrees)

    @cached_property
    def outline_4326(self) -> Any:
        """The area in longitude and latitude of WGS 84, cut at 180 degrees (RFC 7946).

        Raises
        ------
        RequestError
            If it reaches beyond what its CRS can hold.
        """
        target = parse_crs(CRS84)
        if is_same_crs(self.degrees_crs, target):
            return self.degrees_within_180
        return within_180(to_degrees(self.degrees, self.degrees_crs, target, "area"))

    @property
    def area_m2(self) -> float:
        """How large it is on the ellipsoid, whatever CRS it is given in.

        Raises
        ------
        RequestError
            If it reaches beyond what its CRS can hold.
        """
        column = to_column(np.array([self.degrees], object))
        return Measure(self.degrees_crs).of(column).area_m2

    @property
    def bounds_4326(self) -> tuple[float, float, float, float]:
        """The area's box (west, south, east, north) in degrees; of all the world across 180."""
        bounds = self.outline_4326.bounds
        return (bounds[0], bounds[1], bounds[2], bounds[3])

    @property
    def boxes_4326(self) -> list[tuple[float, float, float, float]]:
        """The box of each part of ``outline_4326``."""
        boxes = shapely.bounds(shapely.get_parts(self.outline_4326)).tolist()
        return [(west, south, east, north) for west, south, east, north in boxes]

    def check_fits(self, crs: pyproj.CRS, field: str) -> None:
        """Refuse a CRS that is not defined anywhere within the area.

        Raises
        ------
        RequestError
            If each part of the area lies outside of the CRS's area of use.
        """
        if not any(fits(crs, box) for box in self.boxes_4326):
            raise made_for_elsewhere(crs, field)


def parse_area(value: Any, *, field: str = "area") -> Area:
    """Return the area that a user described.

    Parameters
    ----------
    value : mapping or sequence of float
        GeoJSON (RFC 7946: longitude, latitude in degrees), or bounds
        ``[west, south, east, north]``, or ``{"bbox": [...], "crs": ...}`` as in OGC API -
        Processes. Bounds whose west is larger than their east cross 180 degrees.
    field : str
        The name of the input, for messages.

    Returns
    -------
    Area
        In OGC:CRS84 unless the bounds named another CRS; valid.

    Raises
    ------
    RequestError
        If it is not an area, is empty, has too many corners or a number that is not finite,
        lies off the globe, or covers no surface.
    """
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        value = {"bbox": value}
    if isinstance(value, Mapping) and "bbox" in value and "type" not in value:
        asked = {"bbox": value["bbox"], "crs": value.get("crs", CRS84)}
        crs = parse_crs(asked["crs"], field=f"{field}.crs")
        return _finish(_box(asked["bbox"], crs, field), crs, asked, field)
    if not isinstance(value, Mapping):
        raise RequestError(
            say("not an area; give {allowed}", allowed=ALLOWED), field=field, value=value
        )
    polygons = read_polygons(value, field)
    # From what was checked, not from what was sent: a position may have carried anything along.
    asked = {"type": "MultiPolygon", "coordinates": polygons}
    joined = join_outlines([shapely.Polygon(rings[0], rings[1:]) for rings in polygons], field)
    return _finish(joined, parse_crs(CRS84), asked, field)


def _box(bounds: Any, crs: pyproj.CRS, field: str) -> Any:
    numbers = list(bounds) if isinstance(bounds, Sequence) and not isinstance(bounds, str) else []
    if len(numbers) not in (4, 6) or not all(is_number(number) for number in numbers):
        raise RequestError(
            say("bounds are four numbers: west, south, east, north"), field=field, value=bounds
        )
    half = len(numbers) // 2
    west, south, east, north = numbers[0], numbers[1], numbers[half], numbers[half + 1]
    # Python's integers may be larger than any float.
    if not all(abs(edge) < _MAX_COORDINATE for edge in (west, south, east, north)):
        raise RequestError(say("a bound is not a finite number"), field=field, value=bounds)
    if west > east and are_plain_degrees(crs):
        east += 360  # It crosses 180 degrees (RFC 7946, section 5.2).
    if south >= north or west >= east:
        raise RequestError(
            say("the bounds hold no surface; south must be below north, and west differ from east"),
            field=field,
            value=bounds,
        )
    return shapely.box(west, south, east, north)


def _finish(geometry: Any, crs: pyproj.CRS, asked: dict[str, Any], field: str) -> Area:
    notes: list[str] = []
    if not shapely.is_valid(geometry):
        geometry = repair_outline(geometry, field)
        notes.append(REPAIRED)
    if are_plain_degrees(crs):
        _check_on_globe(geometry, field)
    geometry = filled(geometry)
    if geometry.is_empty or geometry.area <= 0:
        raise RequestError(
            say("the area covers no surface; its corners lie on one line or one point"),
            field=field,
            value=geometry.geom_type,
        )
    area = Area(geometry, crs, asked, tuple(notes))
    _ = area.degrees  # Refused now, if it cannot be brought there.
    return area


def _check_on_globe(geometry: Any, field: str) -> None:
    minx, miny, maxx, maxy = geometry.bounds if not geometry.is_empty else (0, 0, 0, 0)
    if miny < -90 or maxy > 90 or minx < -540 or maxx > 540 or maxx - minx > 360:
        raise RequestError(
            say(
                "the area lies off the globe; longitude is -180 to 180 and latitude -90 "
                "to 90 degrees"
            ),
            field=field,
            value=[minx, miny, maxx, maxy],
        )
