"""Generate `habitat_survey`: a made-up seabed survey of the Aegean. Nothing in it was measured.

The random numbers come from `random.Random`, whose sequence for a seed Python promises to keep,
so that the layer does not change with the version of NumPy.
"""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer
from shapely import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from samples.antimeridian import as_multipolygon
from samples.geopackage import Feature
from samples.seabed import observation

# Areas are true in this projection, and it is not the one of the other layers: both are wanted.
CRS = "EPSG:3035"
SEED = 20240601
# Clipping adds some three per cent: a cell across the shore is kept where enough of it is wet.
CELL_COUNT = 100_000

# A power of two, so that most bytes of a coordinate are zero and the packed file is small.
GRID_M = 32.0
STRIP_M = 4_000
_SLIVER_M2 = 5_000.0

# The Aegean, drawn by hand from cape to cape; the land is cut out of it. Longitude, latitude.
_AEGEAN_4326 = [
    (22.98, 36.45), (23.10, 35.85), (23.60, 35.45), (24.80, 35.25), (26.30, 35.15), (27.10, 35.45),
    (27.75, 35.95), (28.30, 36.65), (28.60, 37.20), (28.00, 38.00), (27.60, 38.90), (27.00, 39.80),
    (26.25, 39.95), (26.20, 40.10), (26.90, 40.60), (26.30, 41.10), (22.50, 41.10), (22.20, 39.50),
    (22.30, 38.75), (23.60, 38.30), (23.05, 37.93), (22.75, 37.70), (22.50, 37.40),
]  # fmt: skip


@dataclass(frozen=True)
class _Cell:
    geometry: MultiPolygon
    x: float
    y: float
    shore_m: float


def habitat_survey(land: list[Polygon]) -> Iterator[Feature]:
    """Yield the cells of the survey in strips from the north, clipped to the shore.

    Parameters
    ----------
    land : list of Polygon
        Land in EPSG:4326; only what lies near the Aegean is used.
    """
    sea, shore = _sea_and_shore(land)
    chance = random.Random(SEED)
    for number, cell in enumerate(_cells(sea, shore, chance), start=1):
        yield cell.geometry, observation(number, cell.x, cell.y, cell.shore_m, chance)


def _sea_and_shore(land: list[Polygon]) -> tuple[BaseGeometry, BaseGeometry]:
    project = _projection()
    aegean = Polygon(_AEGEAN_4326)
    frame = shapely.box(*aegean.bounds).buffer(1)
    near = [shapely.intersection(piece, frame) for piece in land if piece.intersects(frame)]
    ground, whole = (
        shapely.transform(geometry, project)
        for geometry in (shapely.union_all(near), shapely.segmentize(aegean, 0.1))
    )
    sea = shapely.set_precision(whole.difference(ground), GRID_M)
    # The hand-drawn outline also catches corners of other seas behind the land.
    return max(as_multipolygon(sea).geoms, key=lambda part: part.area), ground


def _projection() -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    transformer = Transformer.from_crs("EPSG:4326", CRS, always_xy=True)
    return lambda xy: np.column_stack(transformer.transform(xy[:, 0], xy[:, 1]))


def _cells(sea: BaseGeometry, shore: BaseGeometry, chance: random.Random) -> list[_Cell]:
    seeds = _seeds(sea, chance)
    diagram = shapely.voronoi_polygons(shapely.multipoints(seeds), extend_to=sea)
    grid = np.array(shapely.set_precision(shapely.get_parts(diagram), GRID_M))
    inside = _clipped(grid, sea)
    geometries = [as_multipolygon(piece) for piece in inside]
    kept = [piece for piece in geometries if piece.area > _SLIVER_M2]
    centres = shapely.get_coordinates(shapely.centroid(kept))
    shapely.prepare(shore)
    distances = np.asarray(shapely.distance(shapely.points(centres), shore))
    cells = [
        _Cell(piece, x, y, shore_m)
        for piece, (x, y), shore_m in zip(kept, centres.tolist(), distances.tolist(), strict=True)
    ]
    # Neighbours beside each other in the file: the index is tighter and the file packs better.
    return sorted(cells, key=lambda cell: (-math.floor(cell.y / STRIP_M), cell.x, cell.y))


def _clipped(grid: Any, sea: BaseGeometry) -> list[BaseGeometry]:
    """Clip the cells; only those across the shore need the slow way."""
    shapely.prepare(sea)
    touching = grid[shapely.intersects(sea, grid)]
    whole = shapely.contains_properly(sea, touching)
    pieces = touching.copy()
    pieces[~whole] = shapely.intersection(touching[~whole], sea, grid_size=GRID_M)
    return list(pieces)


def _seeds(sea: BaseGeometry, chance: random.Random) -> list[tuple[float, float]]:
    """Return points shaken off a staggered grid: one for each cell, some of them on land."""
    minx, miny, maxx, maxy = (round(edge) for edge in sea.bounds)
    step = math.sqrt(sea.area / CELL_COUNT)
    columns, rows = math.ceil((maxx - minx) / step) + 2, math.ceil((maxy - miny) / step) + 2
    return [
        (
            minx + (column - 0.5 + row % 2 / 2 + chance.uniform(-0.42, 0.42)) * step,
            miny + (row - 0.5 + chance.uniform(-0.42, 0.42)) * step,
        )
        for row in range(rows)
        for column in range(columns)
    ]
