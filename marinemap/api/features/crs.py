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
from marinemap.extraction import follow, parse_crs
from marinemap.processes.values import unknown

_CRS = "http://www.opengis.net/def/crs/"
CRS84 = f"{_CRS}OGC/1.3/CRS84"
_WGS84 = f"{_CRS}EPSG/0/4326"
_WEB = f"{_CRS}EPSG/0/3857"
# Web Mercator ends here, degrees of latitude.
_WEB_EDGE = 85.06
_TRANSFORMERS = 64
# A box in another CRS: corners along each edge, and what is added around it, as its share.
_BOX_CORNERS, _BOX_MARGIN = 101, 1e-3

Array = np.ndarray[Any, Any]
Box = tuple[float, float, float, float]
_local = threading.local()


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
        raise unknown(wanted, known, f"layer '{layer.pk}' does not offer", field)
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
    transformer = _transformer(layer.crs, target.uri)

    def move(coordinates: Array) -> Array:
        x, y = transformer.transform(coordinates[:, 0], coordinates[:, 1])
        return np.column_stack([x, y, *coordinates[:, 2:].T])

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


def box_in_layer(boxes: Sequence[Box], layer: Layer, crs: FeatureCrs) -> Box | None:
    """Return a box in the layer's CRS around all boxes; None where none can be told."""
    if len(boxes) > 1:
        return None
    (box,) = boxes
    if _is_same(layer.crs, crs.uri):
        return box
    found = _transformer(crs.uri, layer.crs).transform_bounds(*box, densify_pts=_BOX_CORNERS)
    west, south, east, north = map(float, found)
    is_sound = np.isfinite(found).all() and west <= east
    # An edge of the box bends between its corners; whatever is found too much is tested.
    x, y = (east - west) * _BOX_MARGIN, (north - south) * _BOX_MARGIN
    return (west - x, south - y, east + x, north + y) if is_sound else None


@lru_cache(maxsize=1024)
def _is_same(one: str, other: str) -> bool:
    return _pyproj(one).equals(_pyproj(other), ignore_axis_order=True)


def _pyproj(text: str) -> pyproj.CRS:
    return _crs_of(text).crs if text.startswith("http") else pyproj.CRS.from_user_input(text)


def _transformer(source: str, target: str) -> pyproj.Transformer:
    """Return a transformer of this thread: one is not to be used by two at a time."""
    kept: dict[tuple[str, str], pyproj.Transformer] = _local.__dict__.setdefault("kept", {})
    if (source, target) not in kept:
        if len(kept) >= _TRANSFORMERS:
            kept.clear()
        kept[source, target] = pyproj.Transformer.from_crs(
            _pyproj(source), _pyproj(target), always_xy=True
        )
    return kept[source, target]
