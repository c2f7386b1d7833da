"""The rings of an area as GeoJSON has them (RFC 7946), checked position by position."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from marinemap.errors import RequestError, quote
from marinemap.sentences import say

# A coastline drawn by a GIS has a few thousand corners; half a million is beyond any person
# and would hold a worker for minutes.
MAX_VERTICES = 500_000
# Collections are walked, not recursed into; five levels cover a feature collection of
# collections of multi-polygons. GEOS itself crashes at some 20,000 levels.
_MAX_DEPTH = 5
# Corners that are turned from lists into numbers, or back, at once: numpy holds Python's lock
# meanwhile, and half a million took a third of a second.
_AT_ONCE = 10_000
# What programs write by the draft before RFC 7946 where they mean longitude and latitude.
_CRS84 = ("urn:ogc:def:crs:OGC:1.3:CRS84", "urn:ogc:def:crs:OGC::CRS84", "OGC:CRS84")
ALLOWED = say(
    "a GeoJSON Polygon or MultiPolygon, a Feature or FeatureCollection of them, "
    "or bounds [west, south, east, north]"
)


def read_polygons(value: Mapping[str, Any], field: str) -> list[list[Any]]:
    """Return the polygons of a GeoJSON object, each as its rings, the outer one first.

    Parameters
    ----------
    value : mapping
        A Polygon or MultiPolygon, or a Feature or collection of them.
    field : str
        The name of the input, for messages.

    Returns
    -------
    list of list of ndarray
        Each ring is closed and has the shape (corners, 2), longitude before latitude.

    Raises
    ------
    RequestError
        If it is another kind of geometry, is empty, has too many corners, or a position that
        is no pair of finite numbers on the globe.
    """
    coordinates = _polygon_coordinates(value, field)
    if not coordinates:
        raise RequestError(
            say("the area is empty; give {allowed}", allowed=ALLOWED),
            field=field,
            value=_kind(value),
        )
    return [[_ring(ring, field) for ring in _as_list(rings, field)] for rings in coordinates]


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
    return RequestError(
        say("{what} is not an area; give {allowed}", what=what, allowed=ALLOWED),
        field=field,
        value=kind,
    )


def _geometries(value: Mapping[str, Any], field: str) -> Iterator[Mapping[str, Any]]:
    waiting: deque[tuple[Any, int]] = deque([(value, 0)])
    while waiting:
        item, depth = waiting.popleft()
        if not isinstance(item, Mapping):
            raise RequestError(
                say("not GeoJSON; give {allowed}", allowed=ALLOWED), field=field, value=item
            )
        if depth > _MAX_DEPTH:
            raise RequestError(
                say("collections are nested more than {most} deep", most=_MAX_DEPTH),
                field=field,
                value=_kind(item),
            )
        _check_crs(item.get("crs"), field)
        members = _members(item)
        if members is None:
            yield item
        else:
            waiting.extend((member, depth + 1) for member in members)


def _check_crs(crs: Any, field: str) -> None:
    """Refuse GeoJSON of a CRS (RFC 7946, section 4): passed over, it would lie elsewhere."""
    properties = crs.get("properties") if isinstance(crs, Mapping) else None
    name = properties.get("name") if isinstance(properties, Mapping) else None
    if crs is not None and name not in _CRS84:
        raise RequestError(
            say(
                "the GeoJSON names a CRS of its own, but is longitude, latitude in "
                "degrees (RFC 7946)"
            ),
            field=f"{field}.crs",
            value=name if isinstance(name, str) else crs,
            hint=say(
                "Give the area in degrees, without 'crs'; only bounds may name one: "
                '{"bbox": [...], "crs": "EPSG:3035"}.'
            ),
        )


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
            say(
                "the area has {count:,} corners; at most {most:,} are allowed",
                count=total,
                most=MAX_VERTICES,
            ),
            field=field,
            value=f"{total} corners",
            hint=say("Simplify the area, or cut it into several requests."),
        )


def _as_list(rings: Any, field: str) -> Sequence[Any]:
    # Python's geo interface has tuples where JSON has lists.
    if not isinstance(rings, list | tuple) or not rings:
        raise _not_rings(field, rings)
    return rings


def _ring(ring: Any, field: str) -> Any:
    """Return one ring as an array of shape (corners, 2), closed."""
    try:
        positions = np.concatenate(
            [np.array([_xy(position) for position in some], dtype=float) for some in _parts(ring)]
        )
    except (TypeError, ValueError, OverflowError, IndexError, KeyError) as error:
        raise _not_rings(field, ring) from error
    if positions.ndim != 2 or positions.shape[1:] != (2,):
        raise _not_rings(field, ring)
    _check_positions(positions, field)
    if len(positions) and (positions[0] != positions[-1]).any():
        positions = np.vstack([positions, positions[:1]])
    if len(positions) < 4:
        raise RequestError(
            say("a ring has fewer than three corners; a polygon needs at least three"),
            field=field,
            value=ring,
        )
    return positions


def to_positions(ring: Any) -> list[list[float]]:
    """Return the corners of a ring as lists: an array of ``read_polygons`` the other way round."""
    return [position for some in _parts(ring) for position in some.tolist()]


def _parts(ring: Any) -> Iterator[Any]:
    return (ring[first : first + _AT_ONCE] for first in range(0, len(ring), _AT_ONCE))


def _xy(position: Any) -> tuple[float, float]:
    x, y = position[0], position[1]
    if x is None or y is None:
        return math.nan, math.nan  # How some programs write a number that is not finite.
    if not (is_number(x) and is_number(y)):
        raise TypeError("a coordinate is not a number")
    return x, y


def is_number(value: Any) -> bool:
    """Tell whether a value of JSON is a number."""
    # JSON's true is Python's True, which counts as the number 1.
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_positions(positions: Any, field: str) -> None:
    if not np.isfinite(positions).all():
        raise RequestError(
            say("a coordinate is not a finite number; give degrees of longitude and latitude"),
            field=field,
            value="NaN or Infinity",
        )
    # OpenLayers and Leaflet count on beyond 180 when the map is dragged round the world.
    outside = (np.abs(positions[:, 0]) > 540) | (np.abs(positions[:, 1]) > 90)
    if outside.any():
        x, y = positions[outside][0]
        raise RequestError(
            say(
                "a corner lies off the globe; longitude is -180 to 180 and latitude -90 "
                "to 90 degrees, longitude first (RFC 7946)"
            ),
            field=field,
            value=[float(x), float(y)],
        )


def _kind(value: Mapping[str, Any]) -> Any:
    return value.get("type")


def _not_rings(field: str, value: Any) -> RequestError:
    return RequestError(
        say("the coordinates are not rings of [longitude, latitude] positions (RFC 7946)"),
        field=field,
        value=value,
    )
