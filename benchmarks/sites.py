"""What the engine is measured on: a layer of generated polygons, and the areas to cut it to."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyogrio
import shapely
import shapely.affinity

BATCH = 50_000
_CORNERS = 20
# West, south, east, north in degrees.
BOX = (-6.0, 30.0, 36.5, 46.0)


def make_layer(path: Path, features: int) -> Path:
    """Make a GeoPackage of polygons with 21 vertices and six attributes, once."""
    return write_layer(path, sites(features), "Polygon")


def write_layer(path: Path, batches: Iterator[Any], geometry_type: str) -> Path:
    """Write record batches to a GeoPackage, unless it is there; it appears whole or not at all."""
    if path.exists():
        return path
    first = next(batches)
    partial = path.with_name(f"partial-{path.name}")
    partial.unlink(missing_ok=True)
    pyogrio.write_arrow(
        pa.RecordBatchReader.from_batches(first.schema, itertools.chain([first], batches)),
        partial,
        driver="GPKG",
        layer="sites",
        geometry_type=geometry_type,
        geometry_name="geom",
        crs="EPSG:4326",
    )
    partial.replace(path)
    return path


def simple_area() -> Any:
    """Return a polygon of 12 corners over a thirteenth of the layer, as a person draws."""
    angles = np.linspace(0, 2 * math.pi, 13)[:-1]
    radii = np.array([3, 4.4, 3.6, 4.2, 2.8, 4.5, 3.9, 3.1, 4.4, 3.3, 4.1, 3.7])
    return shapely.Polygon(
        np.column_stack([15 + 1.25 * radii * np.cos(angles), 38 + radii * np.sin(angles)])
    )


def small_area() -> Any:
    """Return the simple area so much smaller that a thousandth of the layer lies in it."""
    return shapely.affinity.scale(simple_area(), 0.114, 0.114)


def complex_area() -> Any:
    """Return 22 rugged parts of 7,073 vertices over a third of the layer, as coasts are."""
    random = np.random.default_rng(7)
    coasts = [(5, 38, 2600, 5.2), (17, 37, 2600, 5.4), (29, 37.5, 1640, 4.6)]
    parts = [_coast(random, *coast) for coast in coasts]
    parts += [_islet(random) for _ in range(50)]
    repaired = shapely.make_valid(np.array(parts), method="structure")
    return shapely.union_all(repaired)


def _coast(random: Any, x: float, y: float, corners: int, radius: float) -> Any:
    angles = np.linspace(0, 2 * math.pi, corners + 1)[:-1]
    radii = np.ones(corners)
    for wave in range(1, 180):
        radii += 0.35 / wave**1.1 * np.cos(wave * angles + random.uniform(0, 6.28))
    radii = radius * np.clip(radii, 0.25, 1.6)
    north = y + 0.8 * radii * np.sin(angles)
    south_limit = 30.2 + random.uniform(0, 0.01, corners)
    return shapely.Polygon(
        np.column_stack([x + 1.15 * radii * np.cos(angles), np.clip(north, south_limit, 45.8)])
    )


def _islet(random: Any) -> Any:
    angles = np.linspace(0, 2 * math.pi, 23)[:-1]
    radii = random.uniform(0.05, 0.3) * random.uniform(0.7, 1.3, 22)
    return shapely.Polygon(
        np.column_stack(
            [
                random.uniform(-5, 35) + radii * np.cos(angles),
                random.uniform(31, 45) + radii * np.sin(angles),
            ]
        )
    )


def sites(features: int) -> Iterator[Any]:
    """Yield record batches of polygons spread evenly over the layer's box."""
    random = np.random.default_rng(4)
    for first in range(0, features, BATCH):
        ids = np.arange(first, min(first + BATCH, features))
        yield batch(random, ids, polygons(random, *places(random, len(ids))))


def places(random: Any, count: int) -> tuple[Any, Any]:
    """Return positions (x, y) spread evenly over the layer's box, shape (count, 1) each."""
    west, south, east, north = BOX
    return random.uniform(west, east, (count, 1)), random.uniform(south, north, (count, 1))


def batch(random: Any, ids: Any, geometries: Any) -> Any:
    """Return a record batch of geometries with their numbers and made attributes."""
    count = len(ids)
    columns = {
        "geom": pa.array(shapely.to_wkb(geometries, flavor="iso"), pa.binary()),
        "site_id": pa.array(ids),
        "name": pa.array([f"site {i % 9973} of reef {i % 131}" for i in ids]),
        "habitat_class": pa.array(
            random.choice(["coral", "seagrass", "kelp", "sand", "rock"], count)
        ),
        "depth_mean_m": pa.array(random.uniform(0, 200, count)),
        "rank": pa.array(random.integers(1, 100, count, dtype=np.int32)),
        "surveyed": pa.array(random.integers(0, 20_000, count).astype("datetime64[D]")),
    }
    return pa.RecordBatch.from_pydict(columns)


def polygons(random: Any, x: Any, y: Any) -> Any:
    """Return a polygon of 21 vertices around each position."""
    count = len(x)
    angles = np.linspace(0, 2 * math.pi, _CORNERS + 1)[:-1]
    radii = random.uniform(0.003, 0.02, (count, 1)) * random.uniform(0.7, 1.3, (count, _CORNERS))
    corners = np.stack([x + radii * np.cos(angles), y + radii * np.sin(angles)], axis=-1)
    return shapely.polygons(np.concatenate([corners, corners[:, :1]], axis=1))
