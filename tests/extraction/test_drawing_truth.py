"""Drawings: as much of each place is filled as features cover there, at every zoom."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pyproj
import pytest
import shapely
from mapbox_vector_tile import decode
from pmtiles.reader import MemorySource, all_tiles
from shapely.geometry import shape

from marinemap.extraction import SourceLayer
from marinemap.extraction.tiles import draw

# mapbox_vector_tile 2.2.0 calls what shapely 2.2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
# A place is a square of 32 pixels; it is looked at in so many points along each side.
PLACES, LOOKS = 16, 12
TILES_A_ZOOM = 2
HALF_WORLD_M = 20037508.342789244
TO_MERCATOR = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:3857", always_xy=True)


def write(path: Path, geometries: Any) -> Path:
    """Write polygons without any field but a number."""
    pyogrio.raw.write(
        path,
        shapely.to_wkb(np.asarray(geometries, object)),
        field_data=[np.arange(len(geometries))],
        fields=["n"],
        geometry_type="Polygon",
        crs="EPSG:4326",
    )
    return path


def looked_at(chance: Any) -> Any:
    """Return points spread evenly over a tile, one of each small square: (x, y), 0 to 1."""
    count = PLACES * LOOKS
    columns, rows = np.meshgrid(np.arange(count), np.arange(count))
    places = np.stack([columns, rows], axis=-1) + chance.uniform(0, 1, (count, count, 2))
    return places.reshape(-1, 2) / count


def shares(points: Any, geometries: Any) -> Any:
    """Return which share of each place some polygons cover."""
    tree = shapely.STRtree(geometries)
    hits = tree.query(shapely.points(points), predicate="intersects")[0]
    covered = np.zeros(len(points))
    covered[hits] = 1
    return covered.reshape(PLACES, LOOKS, PLACES, LOOKS).mean(axis=(1, 3))


def compared(geometries: list[Any], folder: Path) -> Iterator[tuple[int, Any, Any]]:
    """Draw polygons; yield of each tile its zoom and the true and the filled shares."""
    archive = folder / "drawing.pmtiles"
    draw(SourceLayer("layer", write(folder / "layer.gpkg", geometries)), archive)
    true = shapely.transform(
        np.array(geometries), lambda xy: np.column_stack(TO_MERCATOR.transform(xy[:, 0], xy[:, 1]))
    )
    chance = np.random.default_rng(5)
    tiles = list(all_tiles(MemorySource(archive.read_bytes())))
    for (zoom, column, row), content in some_of_each_zoom(tiles, chance):
        points = looked_at(chance)
        size = 2 * HALF_WORLD_M / 2**zoom
        on_ground = np.array([-1, 1]) * HALF_WORLD_M + [size, -size] * (points + [column, row])
        (layer,) = decode(gzip.decompress(content), default_options={"y_coord_down": True}).values()
        found = np.array([shape(f["geometry"]) for f in layer["features"]])
        filled = shapely.get_parts(shapely.make_valid(found, method="structure"))
        yield zoom, shares(on_ground, true), shares(points * layer["extent"], filled)


def some_of_each_zoom(tiles: list[Any], chance: Any) -> Iterator[Any]:
    """Yield some tiles of each zoom, chosen by chance."""
    for zoom in range(tiles[-1][0][0] + 1):
        of_zoom = [tile for tile in tiles if tile[0][0] == zoom]
        for number in chance.permutation(len(of_zoom))[:TILES_A_ZOOM]:
            yield of_zoom[number]


def grid(count: int, west: float, south: float, size: float, side: float = 1.0) -> list[Any]:
    """Return squares, count by count, that take a share of their cell's side."""
    step = size / count
    edges = np.arange(count) * step
    x, y = (part.ravel() for part in np.meshgrid(west + edges, south + edges))
    return list(shapely.box(x, y, x + side * step, y + side * step))


def scattered(count: int, radius: float) -> list[Any]:
    """Return polygons of 20 corners, which may overlap, anywhere in 8 by 6 degrees."""
    chance = np.random.default_rng(4)
    places = chance.uniform((10, 40), (18, 46), (count, 1, 2))
    angles = np.linspace(0, 2 * np.pi, 21)[:-1]
    radii = chance.uniform(0.2, 1.0, (count, 1)) * chance.uniform(0.7, 1.3, (count, 20)) * radius
    corners = places + radii[..., None] * np.column_stack([np.cos(angles), np.sin(angles)])
    return list(shapely.polygons(corners))


def rivers(count: int) -> list[Any]:
    """Return winding strips a fiftieth of a degree wide and twelve degrees long."""
    chance = np.random.default_rng(6)
    along = np.linspace(0, 12, 200)
    found = []
    for south in np.linspace(40, 50, count):
        bends = sum(np.sin(along * w + chance.uniform(0, 6)) / w for w in (1, 2, 5, 11))
        bank = np.column_stack([10 + along, south + 0.3 * bends])
        found.append(shapely.Polygon([*bank, *(bank[::-1] + [0, 0.02])]))
    return found


LAYERS = {
    "seamless": lambda: grid(180, 10, 40, 12.0),
    "half empty": lambda: grid(180, 10, 40, 12.0, side=0.7),
    "mostly empty": lambda: grid(180, 10, 40, 12.0, side=0.4),
    "overlapping": lambda: scattered(25_000, 0.03),
    "thin strips": lambda: rivers(20),
    "a city in the open": lambda: [
        *grid(180, 10, 40, 2.0, side=0.7),
        *grid(30, 14, 40, 12.0, side=0.3),
    ],
}


@pytest.mark.parametrize("name", LAYERS)
def test_as_much_is_filled_as_features_cover(tmp_path: Path, name: str) -> None:
    """Squares of 32 pixels agree within a sixteenth on average, and each within a quarter."""
    differences: dict[int, list[Any]] = {}
    for zoom, true, filled in compared(LAYERS[name](), tmp_path):
        differences.setdefault(zoom, []).append((filled - true)[filled + true > 0])
    for zoom, found in differences.items():
        # One at least, so that there is a mean.
        off = np.append(np.concatenate(found), 0.0)
        assert np.abs(off).mean() < 1 / 16, zoom
        assert (np.abs(off) < 1 / 4).all(), zoom
