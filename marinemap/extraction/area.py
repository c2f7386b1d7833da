"""The area of interest: read from GeoJSON or bounds, checked, repaired where that is safe."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyproj
import shapely

from marinemap.errors import RequestError, quote
from marinemap.extraction.crs import CRS84, fits, is_same_crs, made_for_elsewhere, parse_crs
from marinemap.extraction.degrees import are_plain_degrees, degrees_of, to_degrees
from marinemap.extraction.outline import join_outlines, repair_outline
from marinemap.extraction.surface import filled, within_180

# A coastline drawn by a GIS has a few thousand corners; half a million is beyond any person
# and would hold a worker for minutes.
MAX_VERTICES = 500_000
# Collections are walked, not recursed into; five levels cover a feature collection of
# collections of multi-polygons. GEOS itself crashes at some 20,000 levels.
_MAX_DEPTH = 5
# Beyond any coordinate on Earth in any unit, and still far from where arithmetic overflows.
_MAX_COORDINATE = 1e12
REPAIRED = (
    "The outline of the area crosses itself or overlaps; it was repaired, and the repaired area "
    "was used."
)
_ALLOWED = (
    "a GeoJSON Polygon or MultiPolygon, a Feature or FeatureCollection of them, "
    "or bounds [west, south, east, north]"
)


@dataclass(frozen=True)
class Area:
    """A checked area of interest.

    Its edges are straight lines in its CRS; that of an area drawn on a map is longitude and
    latitude.

    Parameters
    ----------
    geometry : shapely Polygon or MultiPolygon
        Valid, not empty, x before y.
    crs : pyproj.CRS
    given : dict
        The area as it was asked for, before any repair, without what says nothing about it:
        GeoJSON, or ``{"bbox": ..., "crs": ...}``. Parsing it again gives the same area.
    notes : tuple of str
        What was repaired, in sentences for a person.
    """

    geometry: Any
    crs: pyproj.CRS
    given: dict[str, Any]
    notes: tuple[str, ...] = ()

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
    def outline_4326(self) -> Any:
        """The area in longitude and latitude of WGS 84, cut at 180 degrees (RFC 7946).

        Raises
        ------
        RequestError
            If it reaches beyond what its CRS can hold.
        """
        target, found = parse_crs(CRS84), self.degrees
        if not is_same_crs(self.degrees_crs, target):
            found = to_degrees(found, self.degrees_crs, target, "area")
        return within_180(found)

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
        In OGC:CRS84 unless the bounds named another CRS; within -180 to 180 degrees; valid.

    Raises
    ------
    RequestError
        If it is not an area, is empty, has too many corners or a number that is not finite,
        lies off the globe, or covers no surface.
    """
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        value = {"bbox": value}
    if isinstance(value, Mapping) and "bbox" in value and "type" not in value:
        given = {"bbox": value["bbox"], "crs": value.get("crs", CRS84)}
        crs = parse_crs(given["crs"], field=f"{field}.crs")
        return _finish(_box(given["bbox"], crs, field), crs, given, field)
    if not isinstance(value, Mapping):
        raise RequestError(f"not an area; give {_ALLOWED}", field=field, value=value)
    coordinates = _polygon_coordinates(value, field)
    if not coordinates:
        raise RequestError(f"the area is empty; give {_ALLOWED}", field=field, value=_kind(value))
    rings = [[_ring(ring, field) for ring in _as_list(r, field)] for r in coordinates]
    # From what was checked, not from what was sent: a position may have carried anything along.
    given = {"type": "MultiPolygon", "coordinates": [[r.tolist() for r in p] for p in rings]}
    joined = join_outlines([shapely.Polygon(polygon[0], polygon[1:]) for polygon in rings], field)
    return _finish(joined, parse_crs(CRS84), given, field)


def _polygon_coordinates(value: Mapping[str, Any], field: str) -> list[Any]:
    """Collect the coordinates of each polygon, refusing every other kind of geometry."""
    found: list[Any] = []
    for geometry in _geometries(value, field):
        kind = geometry.get("type")
        coordinates = geometry.get("coordinates")
        if kind == "Polygon":
            found.extend([coordinates] if coordinates else [])
        elif kind == "MultiPolygon":
            found.extend(coordinates if isinstance(coordinates, list | tuple) else [])
        else:
            raise _not_an_area(kind, field)
    _check_vertices(found, field)
    return found


def _not_an_area(kind: object, field: str) -> RequestError:
    what = "GeoJSON without a 'type'" if kind is None else f"a {quote(kind)}"
    return RequestError(f"{what} is not an area; give {_ALLOWED}", field=field, value=kind)


def _geometries(value: Mapping[str, Any], field: str) -> Iterator[Mapping[str, Any]]:
    waiting: deque[tuple[Any, int]] = deque([(value, 0)])
    while waiting:
        item, depth = waiting.popleft()
        if not isinstance(item, Mapping):
            raise RequestError(f"not GeoJSON; give {_ALLOWED}", field=field, value=item)
        if depth > _MAX_DEPTH:
            raise RequestError(
                f"collections are nested more than {_MAX_DEPTH} deep",
                field=field,
                value=_kind(item),
            )
        members = _members(item)
        if members is None:
            yield item
        else:
            waiting.extend((member, depth + 1) for member in members)


def _members(item: Mapping[str, Any]) -> list[Any] | None:
    """Return what a Feature or a collection holds, None for a geometry."""
    kind = item.get("type")
    if kind == "Feature":
        return [item["geometry"]] if item.get("geometry") is not None else []
    key = {"FeatureCollection": "features", "GeometryCollection": "geometries"}.get(str(kind))
    if key is None:
        return None
    members = item.get(key)
    return list(members) if isinstance(members, list | tuple) else []


def _check_vertices(polygons: list[Any], field: str) -> None:
    total = sum(
        len(ring)
        for rings in polygons
        if isinstance(rings, list | tuple)
        for ring in rings
        if isinstance(ring, list | tuple)
    )
    if total > MAX_VERTICES:
        raise RequestError(
            f"the area has {total:,} corners; at most {MAX_VERTICES:,} are allowed",
            field=field,
            value=f"{total} corners",
            hint="Simplify the area, or cut it into several requests.",
        )


def _as_list(rings: Any, field: str) -> Sequence[Any]:
    # Python's geo interface has tuples where JSON has lists.
    if not isinstance(rings, list | tuple) or not rings:
        raise _not_rings(field, rings)
    return rings


def _ring(ring: Any, field: str) -> Any:
    """Return one ring as an array of shape (corners, 2), closed."""
    try:
        positions = np.array([_xy(position) for position in ring], dtype=float)
    except (TypeError, ValueError, OverflowError, IndexError, KeyError) as error:
        raise _not_rings(field, ring) from error
    if positions.ndim != 2 or positions.shape[1:] != (2,):
        raise _not_rings(field, ring)
    _check_positions(positions, field)
    if len(positions) and (positions[0] != positions[-1]).any():
        positions = np.vstack([positions, positions[:1]])
    if len(positions) < 4:
        raise RequestError(
            "a ring has fewer than three corners; a polygon needs at least three",
            field=field,
            value=ring,
        )
    return positions


def _xy(position: Any) -> tuple[float, float]:
    x, y = position[0], position[1]
    if x is None or y is None:
        return math.nan, math.nan  # How some programs write a number that is not finite.
    if not (_is_number(x) and _is_number(y)):
        raise TypeError("a coordinate is not a number")
    return x, y


def _is_number(value: Any) -> bool:
    # JSON's true is Python's True, which counts as the number 1.
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_positions(positions: Any, field: str) -> None:
    if not np.isfinite(positions).all():
        raise RequestError(
            "a coordinate is not a finite number; give degrees of longitude and latitude",
            field=field,
            value="NaN or Infinity",
        )
    # OpenLayers and Leaflet count on beyond 180 when the map is dragged round the world.
    outside = (np.abs(positions[:, 0]) > 540) | (np.abs(positions[:, 1]) > 90)
    if outside.any():
        x, y = positions[outside][0]
        raise RequestError(
            "a corner lies off the globe; longitude is -180 to 180 and latitude -90 to 90 "
            "degrees, longitude first (RFC 7946)",
            field=field,
            value=[float(x), float(y)],
        )


def _box(bounds: Any, crs: pyproj.CRS, field: str) -> Any:
    numbers = list(bounds) if isinstance(bounds, Sequence) and not isinstance(bounds, str) else []
    if len(numbers) not in (4, 6) or not all(_is_number(number) for number in numbers):
        raise RequestError(
            "bounds are four numbers: west, south, east, north", field=field, value=bounds
        )
    half = len(numbers) // 2
    west, south, east, north = numbers[0], numbers[1], numbers[half], numbers[half + 1]
    # Python's integers may be larger than any float.
    if not all(abs(edge) < _MAX_COORDINATE for edge in (west, south, east, north)):
        raise RequestError("a bound is not a finite number", field=field, value=bounds)
    if west > east and are_plain_degrees(crs):
        east += 360  # It crosses 180 degrees (RFC 7946, section 5.2).
    if south >= north or west >= east:
        raise RequestError(
            "the bounds hold no surface; south must be below north, and west differ from east",
            field=field,
            value=bounds,
        )
    return shapely.box(west, south, east, north)


def _finish(geometry: Any, crs: pyproj.CRS, given: dict[str, Any], field: str) -> Area:
    notes: list[str] = []
    if not shapely.is_valid(geometry):
        geometry = repair_outline(geometry, field)
        notes.append(REPAIRED)
    if are_plain_degrees(crs):
        geometry = _within_180(geometry, field)
    geometry = filled(geometry)
    if geometry.is_empty or geometry.area <= 0:
        raise RequestError(
            "the area covers no surface; its corners lie on one line or one point",
            field=field,
            value=geometry.geom_type,
        )
    area = Area(geometry, crs, given, tuple(notes))
    _ = area.degrees  # Refused now, if it cannot be brought there.
    return area


def _within_180(geometry: Any, field: str) -> Any:
    """Cut at 180 degrees what reaches beyond, and bring it back (RFC 7946, section 3.1.9)."""
    minx, miny, maxx, maxy = geometry.bounds if not geometry.is_empty else (0, 0, 0, 0)
    if miny < -90 or maxy > 90 or minx < -540 or maxx > 540 or maxx - minx > 360:
        raise RequestError(
            "the area lies off the globe; longitude is -180 to 180 and latitude -90 to 90 degrees",
            field=field,
            value=[minx, miny, maxx, maxy],
        )
    return within_180(geometry)


def _kind(value: Mapping[str, Any]) -> Any:
    return value.get("type")


def _not_rings(field: str, value: Any) -> RequestError:
    return RequestError(
        "the coordinates are not rings of [longitude, latitude] positions (RFC 7946)",
        field=field,
        value=value,
    )
