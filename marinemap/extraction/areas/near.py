"""The area of interest as a layer needs it: in the layer's CRS, cut to where the layer can lie.

An area is a set of places in longitude and latitude, the same every 360 degrees. Few CRSs hold the
whole world: what lies far from the layer has no coordinates there, or folds back upon it. So the
area is cut first, in degrees counted on from the middle of the layer's CRS, to where the layer can
lie; then its edges are followed into the layer's CRS.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyproj
import shapely

from marinemap.errors import RequestError
from marinemap.extraction.areas.area import Area
from marinemap.extraction.areas.outline import check_bent
from marinemap.extraction.geometry.surface import filled, rings_of, window, with_rings
from marinemap.extraction.projection.bend import Plane, TooManyCorners, bend
from marinemap.extraction.projection.crs import CRS84, crs_label, parse_crs
from marinemap.extraction.projection.degrees import rough_degrees
from marinemap.extraction.projection.frame import Frame
from marinemap.extraction.projection.route import Route
from marinemap.sentences import say

# How far an edge of the area may run from its chord, in metres of the layer's CRS.
AREA_TOLERANCE_METRES = 1.0
# A comb of a hundred thousand teeth over a continent would need hundreds of millions.
_MAX_ADDED_CORNERS = 2_000_000
# The grid of positions that tells where a layer lies does not meet its outermost ones.
_MARGIN_SHARE = 0.05
_LEAST_MARGIN_DEGREES = 1e-4
_GRID = 33
# Parts of a polar area overlap by a hair, so that their union has no seam.
_OVERLAP_DEGREES = 1e-6
_SECTORS = 4

Box = tuple[float, float, float, float]
_FARTHEST = 540.0
# Farther than any place of Earth in any unit.
_NOWHERE = 1e15
_WORLD: Box = (-180.0, -90.0, 180.0, 90.0)


def route_to(
    area: Area | None, data: pyproj.CRS, output: pyproj.CRS | None, bounds: Box | None
) -> Route:
    """Return the way from an area to a layer, and from there to the output.

    Parameters
    ----------
    area : Area or None
    data : pyproj.CRS
        The layer's.
    output : pyproj.CRS or None
        The layer's own by default.
    bounds : tuple of float or None
        (minx, miny, maxx, maxy) of the layer in its CRS.
    """
    degrees = area.degrees_crs if area else parse_crs(CRS84)
    return Route.of(degrees, data, output, _region(area, data, bounds))


def area_near(area: Area, route: Route, bounds: Box | None) -> Any:
    """Return an area in a layer's CRS, without what lies far from the layer.

    Parameters
    ----------
    area : Area
    route : Route
        From the area's degrees to the layer's CRS.
    bounds : tuple of float or None
        (minx, miny, maxx, maxy) of the layer in its CRS; None where no feature has a geometry.

    Returns
    -------
    shapely Polygon or MultiPolygon
        Valid, never empty; where the area is far from the layer, a square that holds no feature.

    Raises
    ------
    RequestError
        If the area cannot be brought there, or only with more corners than are allowed.
    """
    if route.data.equals(area.crs, ignore_axis_order=True) and not area.crs.is_geographic:
        return area.geometry
    if bounds is None:
        return shapely.box(*_WORLD)
    if route.data.is_geographic and route.is_direct:
        return _turned(area, bounds)
    frame = Frame.of(route, bounds)
    reach = _reach(frame, route, bounds)
    near = window(area.degrees, reach)
    if near.is_empty:
        return _beside()
    # Of floats: what was cut along the sides of the reach may differ by their last digit.
    if near.area >= shapely.union_all(reach).area * (1 - 1e-12):
        return _grown(bounds)
    pieces = [_moved(piece, frame, route) for piece in _pieces(near, frame)]
    return pieces[0] if len(pieces) == 1 else filled(shapely.union_all(pieces))


def _region(area: Area | None, data: pyproj.CRS, bounds: Box | None) -> Box | None:
    """Return about where the area and the layer both lie, in degrees."""
    layer = None if bounds is None else rough_degrees(data, bounds)
    if area is None or layer is None:
        return layer
    boxes = [shapely.box(*layer)] if layer[0] <= layer[2] else _both_sides(layer)
    shared = shapely.intersection(shapely.box(*area.bounds_4326), shapely.union_all(boxes))
    if shared.is_empty or layer[0] > layer[2]:
        return layer
    west, south, east, north = shared.bounds
    return west, south, east, north


def _both_sides(box: Box) -> list[Any]:
    west, south, east, north = box
    return [shapely.box(west, south, 180, north), shapely.box(-180, south, east, north)]


def _turned(area: Area, bounds: Box) -> Any:
    """Return an area as it is, or as often round the globe as the layer's longitudes go."""
    west, _, east, _ = bounds
    if west > -180 and east < 180:
        return area.degrees_within_180
    # Longitudes of -360 to 360 occur; a damaged file may state any, and each turn is a copy.
    low, high = max(min(west, -180.0), -_FARTHEST), min(max(east, 180.0), _FARTHEST)
    return window(area.degrees, [shapely.box(low - 1, -90, high + 1, 90)])


def _reach(frame: Frame, route: Route, bounds: Box) -> list[Any]:
    """Return boxes in degrees, in the frame, where the layer may lie."""
    boxes = [*frame.use_boxes(route.data), *_extents(frame, route, bounds)]
    limit = shapely.box(frame.west, -90, frame.east, 90)
    found = [shapely.intersection(shapely.box(*box), limit) for box in boxes]
    return [box for box in found if box.area > 0] or [limit]


def _extents(frame: Frame, route: Route, bounds: Box) -> list[Box]:
    """Return the layer's bounds in degrees, with a margin, however they lie in its CRS."""
    minx, miny, maxx, maxy = bounds
    x, y = np.meshgrid(np.linspace(minx, maxx, _GRID), np.linspace(miny, maxy, _GRID))
    degrees = route.data_to_area(np.column_stack([x.ravel(), y.ravel()]))
    degrees = degrees[np.isfinite(degrees).all(axis=1)]
    if len(degrees) == 0:
        return []
    longitudes = frame.counted_on(degrees[:, 0])
    west, east = longitudes.min(), longitudes.max()
    south, north = degrees[:, 1].min(), degrees[:, 1].max()
    for pole in frame.poles_within(bounds):
        west, east = frame.west, frame.east
        south, north = min(south, pole), max(north, pole)
    margin = max(_MARGIN_SHARE * max(east - west, north - south), _LEAST_MARGIN_DEGREES)
    return [(west - margin, max(south - margin, -90), east + margin, min(north + margin, 90))]


def _pieces(near: Any, frame: Frame) -> list[Any]:
    """Divide what goes round a pole, where the plane goes on across the frame's ends."""
    west, _, east, _ = near.bounds
    if not frame.is_round or (west > frame.west and east < frame.east):
        return [near]
    ends = np.linspace(frame.west, frame.east, _SECTORS + 1)
    sectors = [
        window(near, [shapely.box(low - _OVERLAP_DEGREES, -90, high + _OVERLAP_DEGREES, 90)])
        for low, high in zip(ends[:-1], ends[1:], strict=True)
    ]
    return [sector for sector in sectors if not sector.is_empty]


def _moved(piece: Any, frame: Frame, route: Route) -> Any:
    """Follow the edges of a piece into the layer's CRS."""
    polygons = rings_of(piece)
    planes = Plane.of(route.area), Plane.of(route.data)
    try:
        bent = bend(
            polygons.coordinates,
            polygons.parts,
            frame.move,
            planes,
            AREA_TOLERANCE_METRES,
            _MAX_ADDED_CORNERS,
        )
    except TooManyCorners as error:
        raise _too_many_corners(route.data) from error
    moved = with_rings(polygons, bent.positions, bent.starts)
    check_bent(moved, "area", crs_label(route.data))
    return filled(moved)


def _too_many_corners(crs: pyproj.CRS) -> RequestError:
    return RequestError(
        say(
            "the edges of the area need more than {most:,} further "
            "corners to be followed into {crs} ({name}) to {area_tolerance_metres:g} "
            "m",
            most=_MAX_ADDED_CORNERS,
            crs=crs_label(crs),
            name=crs.name,
            area_tolerance_metres=AREA_TOLERANCE_METRES,
        ),
        field="area",
        hint=say("Simplify the area, or cut it into several requests."),
    )


def _grown(bounds: Box) -> Any:
    """Return a box around the layer, wide enough for bounds that a file states too small."""
    minx, miny, maxx, maxy = bounds
    # By hand: a buffer of a box without height, of stations in a row, holds but half of it.
    margin = max(maxx - minx, maxy - miny, 1)
    return shapely.box(minx - margin, miny - margin, maxx + margin, maxy + margin)


def _beside() -> Any:
    """Return a square where nothing lies, though bounds may be stated too small."""
    return shapely.box(_NOWHERE, _NOWHERE, 2 * _NOWHERE, 2 * _NOWHERE)
