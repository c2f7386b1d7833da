"""The CRS of features (OGC 18-058r1): which are offered, and the order of their axes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyproj
import shapely

from marinemap.catalogue.models import Layer
from marinemap.extraction import Route, follow, parse_crs, route_to
from marinemap.processes.values import unknown
from marinemap.sentences import say

_CRS = "http://www.opengis.net/def/crs/"
CRS84 = f"{_CRS}OGC/1.3/CRS84"
_WGS84 = f"{_CRS}EPSG/0/4326"
_WEB = f"{_CRS}EPSG/0/3857"
# Web Mercator ends here, degrees of latitude.
_WEB_EDGE = 85.06
_WAYS = 256
# What is added around a box in another CRS, as its share.
_BOX_MARGIN = 1e-3

Array = np.ndarray[Any, Any]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class FeatureCrs:
    """A CRS by its URI; ``is_swapped`` where its first axis points north."""

    uri: str
    crs: pyproj.CRS
    is_swapped: bool

    @property
    def header(self) -> str:
        """The value of the header Content-Crs; the angle brackets belong to it."""
        return f"<{self.uri}>"


def crs_uri(crs: str) -> str | None:
    """Return the OGC URI of a CRS that has an EPSG code, None for one that has none."""
    authority, _, code = crs.partition(":")
    if authority == "EPSG" and code.isdigit():
        return f"{_CRS}EPSG/0/{code}"
    epsg = pyproj.CRS.from_user_input(crs).to_epsg()
    return f"{_CRS}EPSG/0/{epsg}" if epsg else None


def offered(layer: Layer) -> list[str]:
    """Return the URIs of the CRS in which a layer's features are answered, CRS84 first."""
    own = crs_uri(layer.crs)
    bounds = layer.bounds_4326
    in_web = bounds is not None and bounds[1] >= -_WEB_EDGE and bounds[3] <= _WEB_EDGE
    others = [own, _WGS84, _WEB if in_web else None]
    return list(dict.fromkeys([CRS84, *(uri for uri in others if uri)]))


def choose_crs(layer: Layer, uri: str | None, field: str) -> FeatureCrs:
    """Return one of the CRS that a layer offers; CRS84 where none is named.

    Raises
    ------
    RequestError
        If the layer does not offer it.
    """
    known = offered(layer)
    # Some clients keep the angle brackets of the header.
    wanted = CRS84 if uri is None else uri.strip("<>")
    if wanted not in known:
        what = say("layer '{layer}' does not offer", layer=layer.pk)
        raise unknown(wanted, known, what, field)
    return _crs_of(wanted)


@lru_cache(maxsize=256)
def _crs_of(uri: str) -> FeatureCrs:
    crs = parse_crs(uri)
    first = crs.axis_info[0].direction.lower() if crs.axis_info else "east"
    return FeatureCrs(uri, crs, first in ("north", "south"))


def moved(geometries: Array, layer: Layer, target: FeatureCrs) -> Array:
    """Return a layer's geometries in a CRS, x before y; what lies beyond it becomes None."""
    if _is_same(layer.crs, target.uri):
        return geometries
    move = _mover(layer, target)
    # Empty arrays of coordinates have no shape that PROJ takes.
    there = np.array(geometries, object)
    is_real = ~(shapely.is_missing(there) | shapely.is_empty(there))
    with np.errstate(invalid="ignore"):
        there[is_real & shapely.has_z(there)] = shapely.transform(
            there[is_real & shapely.has_z(there)], move, include_z=True
        )
        flat = is_real & ~shapely.has_z(there)
        there[flat] = shapely.transform(there[flat], move)
    lost = is_real & ~np.isfinite(shapely.bounds(there)).all(axis=1)
    there[lost] = None
    return there


def followed(geometries: Array, corners: Array, layer: Layer, target: FeatureCrs) -> Array:
    """Return what :func:`moved` did, with edges where they run: straight in the layer's CRS."""
    if _is_same(layer.crs, target.uri):
        return corners
    with np.errstate(invalid="ignore"):
        return follow(
            geometries, corners, _mover(layer, target), _pyproj(layer.crs), _pyproj(target.uri)
        )


def _mover(layer: Layer, target: FeatureCrs) -> Callable[[Array], Array]:
    way = _way(layer, target)

    def move(coordinates: Array) -> Array:
        return np.column_stack([way.moved(coordinates[:, :2]), coordinates[:, 2:]])

    return move


def swapped(geometries: Array) -> Array:
    """Return geometries with y before x, as a CRS whose first axis points north has them."""
    there = np.array(geometries, object)
    deep = shapely.has_z(there)
    there[deep] = shapely.transform(there[deep], lambda c: c[:, [1, 0, 2]], include_z=True)
    there[~deep] = shapely.transform(there[~deep], lambda c: c[:, ::-1])
    return there


def boxes_of(bbox: Sequence[float], crs: FeatureCrs) -> list[Box]:
    """Return the boxes (minx, miny, maxx, maxy) of a bbox, two where it crosses 180 degrees."""
    first, second, third, fourth = bbox if len(bbox) == 4 else (*bbox[:2], *bbox[3:5])
    west, south, east, north = (
        (second, first, fourth, third) if crs.is_swapped else (first, second, third, fourth)
    )
    if west > east and crs.crs.is_geographic:
        return [(west, south, 180.0, north), (-180.0, south, east, north)]
    return [(west, south, east, north)]


def with_turns(boxes: Sequence[Box], layer: Layer, crs: FeatureCrs) -> list[Box]:
    """Return boxes with themselves a turn further, where the layer has something there.

    Longitudes count on beyond 180 in a layer (170 to 190) as well as in a box: -170 is 190.
    """
    if not crs.crs.is_geographic or not layer.bounds_4326:
        return list(boxes)
    first, _, last, _ = layer.bounds_4326
    if first > last:
        first, last = -180.0, 180.0
    if any(west <= first and last <= east for west, _, east, _ in boxes):
        return list(boxes)
    further = [
        (west + turn, south, east + turn, north)
        for turn in (-360.0, 360.0)
        for west, south, east, north in boxes
        if west + turn < last and first < east + turn
    ]
    return [*boxes, *further]


def box_in_layer(boxes: Sequence[Box], layer: Layer, crs: FeatureCrs) -> Box | None:
    """Return a box in the layer's CRS around all boxes; None where none can be told."""
    if len(boxes) > 1:
        return None
    (box,) = boxes
    if _is_same(layer.crs, crs.uri):
        return box
    found = _way(layer, crs).box_to_data(box)
    if found is None or found[0] > found[2]:
        return None
    west, south, east, north = found
    # An edge of the box bends between its corners; whatever is found too much is tested.
    x, y = (east - west) * _BOX_MARGIN, (north - south) * _BOX_MARGIN
    return west - x, south - y, east + x, north + y


@lru_cache(maxsize=1024)
def _is_same(one: str, other: str) -> bool:
    return _pyproj(one).equals(_pyproj(other), ignore_axis_order=True)


def _pyproj(text: str) -> pyproj.CRS:
    return _crs_of(text).crs if text.startswith("http") else pyproj.CRS.from_user_input(text)


def _way(layer: Layer, crs: FeatureCrs) -> Route:
    """Return the way from a layer to a CRS: that of an extract of the whole layer.

    So a page and the zip agree to the last digit.
    """
    bounds = tuple(layer.bounds) if layer.bounds else None
    # What a thread found is its own: PROJ's operations are not to be used by two at a time.
    return _way_of(layer.crs, crs.uri, bounds, threading.get_ident())


@lru_cache(maxsize=_WAYS)
def _way_of(source: str, target: str, bounds: Box | None, thread: int) -> Route:
    return route_to(None, _pyproj(source), _pyproj(target), bounds)
