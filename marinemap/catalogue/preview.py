"""Vector tiles of a layer for the map: what a person sees before asking for the data."""

from __future__ import annotations

import hashlib
import math
import os
import shutil
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
_MAX_FEATURES = 2_500
_SCREEN_PIXELS = 512

# (minx, miny, maxx, maxy)
Box = tuple[float, float, float, float]


def tile_bounds_3857(z: int, x: int, y: int) -> Box:
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

    Made once for each version of the data and then kept in the site's home. The 2,500 largest
    features are drawn as they are; what is smaller than two pixels, or beyond that number, is
    drawn together as the squares that it lies in.

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


def remove_stale_tiles() -> list[str]:
    """Remove the tiles of data that are no longer in the catalogue; return their folders."""
    current = {_folder(layer).name for layer in Layer.objects.all()}
    stale = [f for f in _tiles().glob("*") if f.is_dir() and f.name not in current]
    for folder in stale:
        shutil.rmtree(folder, ignore_errors=True)
    return [folder.name for folder in stale]


def _tiles() -> Path:
    return Path(settings.MARINEMAP_HOME) / "tiles"


def _folder(layer: Layer) -> Path:
    # The version is the file's; another layer of the same file is another picture.
    place = hashlib.sha256(f"{layer.source}\0{layer.source_layer}".encode()).hexdigest()[:8]
    return _tiles() / f"{layer.pk}-{layer.version}-{place}"


def _make_tile(layer: Layer, bounds: Box) -> bytes:
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
    box = _box_in_crs(window, layer)
    if box is None:
        return []
    name_field = _name_field(layer)
    _, _, wkb, columns = pyogrio.raw.read(
        layer.path, layer=layer.source_layer, bbox=box, columns=[name_field] if name_field else []
    )
    geometries = _in_mercator(shapely.from_wkb(wkb), layer.crs)
    names = columns[0] if name_field else np.full(len(geometries), None)
    drawn, rest = _by_size(geometries, 2 * pixel)
    shapes = shapely.simplify(geometries[drawn], pixel / 2, preserve_topology=False)
    features = list(zip(shapes, names[drawn], strict=True))
    features += [(shape, None) for shape in _coverage(geometries[rest], 2 * pixel)]
    return [
        {"geometry": shape, "properties": {"name": str(name)} if name else {}}
        for shape, name in zip(
            shapely.clip_by_rect([shape for shape, _ in features], *window),
            [name for _, name in features],
            strict=True,
        )
        if not shape.is_empty
    ]


def _by_size(geometries: Any, smallest: float) -> tuple[Any, Any]:
    """Return the indexes of what is drawn as it is, the largest, and of the rest."""
    size = _size(geometries)
    order = np.argsort(-size, kind="stable")
    order = order[np.isfinite(size[order])]
    is_point = shapely.get_dimensions(geometries[order]) == 0
    is_drawn = (is_point | (size[order] >= smallest)) & (np.arange(len(order)) < _MAX_FEATURES)
    return order[is_drawn], order[~is_drawn]


def _coverage(geometries: Any, cell: float) -> list[Any]:
    """Return where small features lie as one shape of squares, so that none goes unseen."""
    if len(geometries) == 0:
        return []
    cell = max(cell, float(np.median(_size(geometries))))
    bounds = shapely.bounds(geometries)
    columns_rows = np.floor((bounds[:, :2] + bounds[:, 2:]) / 2 / cell)
    corners = np.unique(columns_rows, axis=0) * cell
    squares = shapely.box(*corners.T, *(corners + cell).T)
    return [shapely.union_all(squares)]


def _size(geometries: Any) -> Any:
    bounds = shapely.bounds(geometries)
    return np.maximum(bounds[:, 2] - bounds[:, 0], bounds[:, 3] - bounds[:, 1])


def _in_mercator(geometries: Any, crs: str) -> Any:
    mover = pyproj.Transformer.from_crs(pyproj.CRS.from_user_input(crs), _MERCATOR, always_xy=True)

    def move(xy: Any) -> Any:
        x, y = mover.transform(xy[:, 0], xy[:, 1])
        # The poles lie at infinity in Mercator; the map ends at 85 degrees.
        limit = _HALF_WORLD_M * 2
        return np.column_stack([np.clip(x, -limit, limit), np.clip(y, -limit, limit)])

    return shapely.transform(geometries, move)


def _box_in_crs(window: Box, layer: Layer) -> Box | None:
    """Return a window of EPSG:3857 in the layer's CRS, None where the layer has nothing in it.

    Only as far as the layer reaches: beyond, its CRS may have no coordinates.
    """
    own = layer.bounds_4326
    if layer.bounds is None or own is None:
        return None
    whole: Box = tuple(layer.bounds)
    limit = _HALF_WORLD_M
    minx, miny, maxx, maxy = (max(-limit, min(limit, edge)) for edge in window)
    to_degrees = pyproj.Transformer.from_crs(_MERCATOR, "OGC:CRS84", always_xy=True)
    west, south, east, north = to_degrees.transform_bounds(minx, miny, maxx, maxy)
    if not layer.touches((west, south, east, north)):
        return None
    if own[0] > own[2]:
        return whole  # It crosses 180 degrees, where boxes of degrees have two parts.
    common = (max(west, own[0]), max(south, own[1]), min(east, own[2]), min(north, own[3]))
    to_layer = pyproj.Transformer.from_crs(
        "OGC:CRS84", pyproj.CRS.from_user_input(layer.crs), always_xy=True
    )
    box: Box = to_layer.transform_bounds(*common, densify_pts=21)
    return box if all(math.isfinite(edge) for edge in box) else whole


def _name_field(layer: Layer) -> str | None:
    """Return the field whose text names a feature, where there is one."""
    texts: list[str] = [f["name"] for f in layer.fields if f["type"].startswith("str")]
    named = [name for name in texts if "name" in name.lower()]
    return next(iter(named or texts), None)
