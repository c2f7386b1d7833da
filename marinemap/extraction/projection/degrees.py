"""Polygons of any CRS as polygons of longitude and latitude: across 180 degrees, round a pole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyproj
import shapely
from shapely.affinity import translate

from marinemap.errors import RequestError
from marinemap.extraction.geometry.surface import filled, rings_of
from marinemap.extraction.projection.bend import Plane, TooManyCorners, bend
from marinemap.extraction.projection.crs import crs_label
from marinemap.extraction.projection.operations import (
    Operation,
    find_operation,
    geographic,
    horizontal,
)
from marinemap.sentences import say

# Less than what is allowed for an area's edges in a layer's CRS: they come there by way of degrees.
_TOLERANCE_METRES = 0.1
_MAX_ADDED_CORNERS = 1_000_000
_SAMPLES = 9
_CRS84 = pyproj.CRS.from_authority("OGC", "CRS84")

Array = np.ndarray[Any, Any]
Box = tuple[float, float, float, float]


def are_plain_degrees(crs: pyproj.CRS) -> bool:
    """Tell whether coordinates are degrees of longitude from Greenwich and of latitude."""
    if not crs.is_geographic:
        return False
    meridian, axes = crs.prime_meridian, crs.axis_info
    in_degrees = all(abs(a.unit_conversion_factor - np.radians(1)) < 1e-12 for a in axes[:2])
    return in_degrees and (meridian is None or meridian.longitude == 0)


def degrees_of(crs: pyproj.CRS) -> pyproj.CRS:
    """Return the degrees on which a CRS is built: its own where they are plain, else CRS84."""
    base = crs if crs.is_geographic else geographic(horizontal(crs))
    return base if are_plain_degrees(base) else _CRS84


def bounds_in_degrees(crs: pyproj.CRS, bounds: Box) -> Box | None:
    """Return bounds of a CRS in degrees (OGC:CRS84), None where they cannot be told.

    The first is larger than the third across 180 degrees.
    """
    region = rough_degrees(crs, bounds)
    return find_operation(horizontal(crs), _CRS84, region).move_box(bounds)


def rough_degrees(crs: pyproj.CRS, bounds: Box) -> Box | None:
    """Return about the same, to a kilometre: without a shift of datums, so without a search."""
    plain = horizontal(crs)
    return find_operation(plain, degrees_of(plain), None).move_box(bounds)


def to_degrees(geometry: Any, source: pyproj.CRS, target: pyproj.CRS, field: str) -> Any:
    """Return polygons of a CRS in degrees, their edges followed as they run there.

    Parameters
    ----------
    geometry : shapely Polygon or MultiPolygon
        Valid, x before y.
    source : pyproj.CRS
    target : pyproj.CRS
        Longitudes and latitudes in degrees.
    field : str
        The name of the input, for the message.

    Returns
    -------
    shapely Polygon or MultiPolygon
        Longitudes are counted on beyond 180 where a polygon reaches there.

    Raises
    ------
    RequestError
        If a position lies beyond what the CRS can hold, or the polygon holds both poles.
    """
    operation = find_operation(horizontal(source), target, None)
    polygons = [
        _one(part, operation, source, target, field) for part in shapely.get_parts(geometry)
    ]
    joined = filled(shapely.union_all(polygons))
    _check(geometry, joined, operation, source, field)
    return joined


def _one(
    polygon: Any, operation: Operation, source: pyproj.CRS, target: pyproj.CRS, field: str
) -> Any:
    rings = rings_of(polygon)

    def move(positions: Array) -> Array:
        moved = operation.move(positions)
        if not np.isfinite(moved).all():
            raise _beyond(source, positions[~np.isfinite(moved).all(axis=1)][0], field)
        return moved

    planes = Plane.of(source), Plane.of(target)
    try:
        bent = bend(
            rings.coordinates, rings.parts, move, planes, _TOLERANCE_METRES, _MAX_ADDED_CORNERS
        )
    except TooManyCorners as error:
        raise RequestError(
            say(
                "the area needs more than {most:,} further corners for its "
                "edges to be followed into degrees",
                most=_MAX_ADDED_CORNERS,
            ),
            field=field,
            hint=say("Simplify it, or cut it into several requests."),
        ) from error
    outlines = [
        _outline(bent.positions[first:last], polygon, operation)
        for first, last in zip(bent.starts[:-1], bent.starts[1:], strict=True)
    ]
    return _pierced(outlines[0], outlines[1:])


def _outline(ring: Array, polygon: Any, operation: Operation) -> Any:
    """Return what a ring encloses; one that goes round a pole is closed by way of it."""
    longitudes = np.unwrap(ring[:, 0], period=360)
    corners = np.column_stack([longitudes, ring[:, 1]])
    turned = longitudes[-1] - longitudes[0]
    if abs(turned) > 180:
        pole = _pole_within(polygon, operation)
        corners = np.vstack([corners, [[longitudes[-1], pole], [longitudes[0], pole]]])
        corners = np.vstack([corners, corners[:1]])
    else:
        corners[-1] = corners[0]
    return filled(shapely.Polygon(corners))


def _pole_within(polygon: Any, operation: Operation) -> float:
    """Return the latitude of the pole in a polygon; any other is found out by the check."""
    poles = operation.move(np.array([[0.0, 90.0], [0.0, -90.0]]), back=True)
    north = np.isfinite(poles[0]).all() and shapely.intersects_xy(polygon.convex_hull, *poles[0])
    return 90.0 if north else -90.0


def _pierced(shell: Any, holes: list[Any]) -> Any:
    copies = [translate(hole, xoff=360 * turn) for hole in holes for turn in (-1, 0, 1)]
    return shapely.difference(shell, shapely.union_all(copies)) if copies else shell


def _check(
    geometry: Any, joined: Any, operation: Operation, source: pyproj.CRS, field: str
) -> None:
    """Look at some positions in and round the polygons: they must lie on the same side."""
    minx, miny, maxx, maxy = geometry.bounds
    margin = 0.05 * max(maxx - minx, maxy - miny)
    x, y = np.meshgrid(
        np.linspace(minx - margin, maxx + margin, _SAMPLES),
        np.linspace(miny - margin, maxy + margin, _SAMPLES),
    )
    samples = np.column_stack([x.ravel(), y.ravel()])
    moved = operation.move(samples)
    # Where a projection wraps round or ends, a position outside is none of the plane's.
    again = operation.move(moved, back=True)
    with np.errstate(invalid="ignore"):
        own = np.isfinite(moved).all(axis=1) & (np.abs(again - samples).max(axis=1) < 1e-3 * margin)
    clear = ~shapely.dwithin(shapely.points(samples), geometry.boundary, margin / 100)
    samples, moved = samples[own & clear], moved[own & clear]
    shapely.prepare(geometry)
    inside = shapely.contains_xy(geometry, *samples.T)
    found = np.zeros(len(samples), bool)
    shapely.prepare(joined)
    for turn in (-720, -360, 0, 360, 720):
        found |= shapely.intersects_xy(joined, moved[:, 0] + turn, moved[:, 1])
    if (found != inside).any():
        raise RequestError(
            say(
                "the area cannot be brought to degrees: in {crs} ({name}) it holds both "
                "poles, or reaches beyond where that CRS is one to one",
                crs=crs_label(source),
                name=source.name,
            ),
            field=field,
            value=[minx, miny, maxx, maxy],
            hint=say("Give the area in degrees, or a smaller one."),
        )


def _beyond(source: pyproj.CRS, position: Array, field: str) -> RequestError:
    return RequestError(
        say(
            "the area lies outside of its CRS: {crs} ({name}) has no place at ({x:g}, {y:g})",
            crs=crs_label(source),
            name=source.name,
            x=position[0],
            y=position[1],
        ),
        field=field,
        value=position.tolist(),
        hint=say("Give the area in degrees, or a smaller one."),
    )
