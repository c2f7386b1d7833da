"""The area of interest as a layer needs it: in the layer's CRS, cut to where the layer can lie."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyproj
import shapely
from pyproj.exceptions import ProjError

from marinemap.extraction.area import Area
from marinemap.extraction.crs import is_same_crs, reproject_area

_WORLD = (-180.0, -90.0, 180.0, 90.0)
# Straight sides bend on the way between two CRSs; the widest bend between the 21 positions that
# PROJ moves on each side is far less than this share of the side.
_MARGIN_SHARE = 0.05
_LEAST_MARGIN_DEGREES = 1e-4

Box = tuple[float, float, float, float]


def area_near(area: Area, crs: pyproj.CRS, bounds: Box | None) -> Any:
    """Return an area in a layer's CRS, without what lies far from the layer.

    Few CRSs hold the whole world: a corner of the area on the other side of it has no coordinates
    there, or folds back upon the layer. So the area is cut first, in its own CRS, to the layer's
    extent and its CRS's area of use.

    Parameters
    ----------
    area : Area
    crs : pyproj.CRS
        The layer's.
    bounds : tuple of float or None
        (minx, miny, maxx, maxy) of the layer in its CRS; None where no feature has a geometry.

    Returns
    -------
    shapely Polygon or MultiPolygon
        Never empty; where the area is far from the layer, a square that holds no feature.
    """
    if is_same_crs(area.crs, crs):
        return area.geometry
    if not area.crs.is_geographic:
        return area.in_crs(crs)
    if bounds is None:
        return shapely.box(*_WORLD)
    reach = _reach(crs, bounds)
    if reach is None or shapely.covers(reach, area.geometry):
        return area.in_crs(crs)
    if shapely.covers(area.geometry, reach):
        return _grown(bounds)
    near = _surface(shapely.intersection(area.geometry, reach))
    return _beside(bounds) if near.is_empty else reproject_area(near, area.crs, crs)


def _reach(crs: pyproj.CRS, bounds: Box) -> Any | None:
    """Return where the layer may lie, in degrees; None if nobody can tell."""
    use = crs.area_of_use
    extents = [extent for extent in (_extent(crs, bounds), use.bounds if use else None) if extent]
    boxes = [box for extent in extents for box in _boxes(extent)]
    return shapely.union_all(boxes) if boxes else None


def _extent(crs: pyproj.CRS, bounds: Box) -> Box | None:
    """Return bounds in degrees; west is larger than east where they cross 180 degrees."""
    transformer = pyproj.Transformer.from_crs(crs, "OGC:CRS84", always_xy=True)
    try:
        extent: Box = transformer.transform_bounds(*bounds)
    except ProjError:
        return None
    return extent if np.isfinite(extent).all() else None


def _boxes(extent: Box) -> list[Any]:
    west, south, east, north = extent
    if west > east:
        return [*_boxes((west, south, 180, north)), *_boxes((-180, south, east, north))]
    margin = max(_MARGIN_SHARE * max(east - west, north - south), _LEAST_MARGIN_DEGREES)
    box = shapely.box(west - margin, south - margin, east + margin, north + margin)
    return [shapely.intersection(box, shapely.box(*_WORLD))]


def _grown(bounds: Box) -> Any:
    """Return a box around the layer, wide enough for bounds that a file states too small."""
    minx, miny, maxx, maxy = bounds
    return shapely.box(*bounds).buffer(max(maxx - minx, maxy - miny, 1), join_style="mitre")


def _beside(bounds: Box) -> Any:
    minx, miny, maxx, maxy = bounds
    size = max(maxx - minx, maxy - miny, 1)
    return shapely.box(maxx + size, maxy + size, maxx + 2 * size, maxy + 2 * size)


def _surface(geometry: Any) -> Any:
    parts = shapely.get_parts(geometry)
    return shapely.union_all(parts[shapely.get_dimensions(parts) == 2])
