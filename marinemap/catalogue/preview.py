"""Vector tiles of a layer for the map: what a person sees before asking for the data."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import mapbox_vector_tile
import numpy as np
import pyogrio
import pyproj
import shapely
from django.conf import settings

from marinemap.catalogue.models import Layer
from marinemap.errors import RequestError

MAX_ZOOM = 14
MEDIA_TYPE = "application/vnd.mapbox-vector-tile"
# Mapbox Vector Tile Specification 2.1, section 4.3: a tile's grid; 4096 is the customary extent.
_EXTENT = 4096
_BUFFER = 64
# Half the width of the world in EPSG:3857, metres (OGC 17-083r4, WebMercatorQuad).
_HALF_WORLD_M = 20_037_508.342789244
_MERCATOR = "EPSG:3857"
# Enough to fill a tile on a screen; a tile of more would take the browser longer than the eye.
_MAX_FEATURES = 5_000
_SCREEN_PIXELS = 512


def tile_bounds_3857(z: int, x: int, y: int) -> tuple[float, float, float, float]:
    """Return a tile's (minx, miny, maxx, maxy) in metres of EPSG:3857.

    Raises
    ------
    RequestError
        If there is no such tile.
    """
    if not 0 <= z <= MAX_ZOOM:
        raise RequestError(f"zoom levels are 0 to {MAX_ZOOM}", field="tileMatrix", value=z)
    tiles = 2**z
    for name, number in (("tileCol", x), ("tileRow", y)):
        if not 0 <= number < tiles:
            raise RequestError(f"zoom {z} has 0 to {tiles - 1}", field=name, value=number)
    size = 2 * _HALF_WORLD_M / tiles
    minx, maxy = x * size - _HALF_WORLD_M, _HALF_WORLD_M - y * size
    return (minx, maxy - size, minx + size, maxy)


def read_tile(layer: Layer, z: int, x: int, y: int) -> bytes:
    """Return a Mapbox vector tile of a layer, empty where nothing of it lies there.

    Made once for each version of the data and then kept in the site's home. Features smaller
    than half a pixel are thinned to one a pixel, and at most 5,000 are drawn.

    Parameters
    ----------
    layer : Layer
    z, x, y : int
        Zoom, column and row in WebMercatorQuad.

    Raises
    ------
    RequestError
        If there is no such tile.
    """
    bounds = tile_bounds_3857(z, x, y)
    kept = _folder(layer) / f"{z}-{x}-{y}.mvt"
    if kept.exists():
        return kept.read_bytes()
    tile = _make_tile(layer, bounds)
    kept.parent.mkdir(parents=True, exist_ok=True)
    fresh = kept.with_suffix(f".{os.getpid()}.{id(tile)}")
    fresh.write_bytes(tile)
    fresh.replace(kept)
    return tile


def _folder(layer: Layer) -> Path:
    return Path(settings.MARINEMAP_HOME) / "tiles" / f"{layer.pk}-{layer.version}"


def _make_tile(layer: Layer, bounds: tuple[float, float, float, float]) -> bytes:
    pixel = (bounds[2] - bounds[0]) / _SCREEN_PIXELS
    margin = (bounds[2] - bounds[0]) * _BUFFER / _EXTENT
    window = (bounds[0] - margin, bounds[1] - margin, bounds[2] + margin, bounds[3] + margin)
    features = _read(layer, window, pixel)
    if not features:
        return b""
    encoded: bytes = mapbox_vector_tile.encode(
        {"name": layer.pk, "features": features},
        default_options={"quantize_bounds": bounds, "extents": _EXTENT},
    )
    return encoded


def _read(
    layer: Layer, window: tuple[float, float, float, float], pixel: float
) -> list[dict[str, Any]]:
    box = _box_in_crs(window, layer.crs)
    if box is None or not _meet(box, layer.bounds):
        return []
    name_field = _name_field(layer)
    _, _, wkb, columns = pyogrio.raw.read(
        layer.path, layer=layer.source_layer, bbox=box, columns=[name_field] if name_field else []
    )
    geometries = _in_mercator(shapely.from_wkb(wkb), layer.crs)
    shown = _thin(geometries, pixel)
    geometries = shapely.simplify(geometries[shown], pixel / 2, preserve_topology=False)
    geometries = shapely.clip_by_rect(geometries, *window)
    names = columns[0][shown] if name_field else [None] * len(shown)
    return [
        {"geometry": geometry, "properties": {"name": str(name)} if name else {}}
        for geometry, name in zip(geometries, names, strict=True)
        if geometry is not None and not geometry.is_empty
    ]


def _thin(geometries: Any, pixel: float) -> Any:
    """Return the indexes of what is drawn: all that is large, one small feature a pixel."""
    bounds = shapely.bounds(geometries)
    size = np.maximum(bounds[:, 2] - bounds[:, 0], bounds[:, 3] - bounds[:, 1])
    drawable = np.isfinite(size)
    small = np.flatnonzero(drawable & (size < pixel / 2))
    large = np.flatnonzero(drawable & (size >= pixel / 2))
    cells = np.floor(bounds[small, :2] / pixel).astype(np.int64)
    _, first = np.unique(cells, axis=0, return_index=True)
    large = large[np.argsort(-size[large], kind="stable")]
    return np.concatenate([large, small[first]])[:_MAX_FEATURES]


def _in_mercator(geometries: Any, crs: str) -> Any:
    mover = pyproj.Transformer.from_crs(pyproj.CRS.from_user_input(crs), _MERCATOR, always_xy=True)

    def move(xy: Any) -> Any:
        x, y = mover.transform(xy[:, 0], xy[:, 1])
        # The poles lie at infinity in Mercator; the map ends at 85 degrees.
        limit = _HALF_WORLD_M * 2
        return np.column_stack([np.clip(x, -limit, limit), np.clip(y, -limit, limit)])

    return shapely.transform(geometries, move)


def _box_in_crs(
    window: tuple[float, float, float, float], crs: str
) -> tuple[float, float, float, float] | None:
    """Return a box of EPSG:3857 in the layer's CRS, None where it has no place in it."""
    limit = _HALF_WORLD_M
    west, south, east, north = (max(-limit, min(limit, edge)) for edge in window)
    mover = pyproj.Transformer.from_crs(_MERCATOR, pyproj.CRS.from_user_input(crs), always_xy=True)
    box = mover.transform_bounds(west, south, east, north, densify_pts=21)
    return box if all(math.isfinite(edge) for edge in box) else None


def _meet(box: tuple[float, float, float, float], bounds: list[float] | None) -> bool:
    if bounds is None:
        return False
    return bool(
        box[0] <= bounds[2] and box[2] >= bounds[0] and box[1] <= bounds[3] and box[3] >= bounds[1]
    )


def _name_field(layer: Layer) -> str | None:
    """Return the field whose text names a feature, where there is one."""
    texts: list[str] = [f["name"] for f in layer.fields if f["type"].startswith("str")]
    named = [name for name in texts if "name" in name.lower()]
    return next(iter(named or texts), None)
