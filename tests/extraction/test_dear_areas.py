"""Areas that cost most: drawn upon the grid in linear time, cut alike for all who share an edge."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
import shapely

from marinemap.extraction.local import LocalParts
from marinemap.extraction.raster import EDGE, INSIDE, OUTSIDE, rasterised


def comb(teeth: int, slant: float = 0.0, *, lying: bool = False) -> Any:
    """Return a polygon with so many thin teeth, upright, leaning or lying on their side."""
    x = np.linspace(0, 10, 2 * teeth + 1)
    y = np.where(np.arange(len(x)) % 2 == 0, 0.1, 5.0)
    ring = np.vstack([np.column_stack([x + slant * y, y]), [[11, -0.5], [-1, -0.5]]])
    return shapely.Polygon(ring[:, ::-1] if lying else ring)


AREAS = {
    "comb": comb(300),
    "leaning comb": comb(300, 0.9),
    "lying comb": comb(300, lying=True),
    "box on the grid's lines": shapely.box(0, 0, 1, 1),
    "ring": shapely.Point(0, 0).buffer(5, 500).difference(shapely.Point(0, 0).buffer(4.9, 500)),
    "squares": shapely.multipolygons(
        shapely.box(
            *(np.mgrid[0:8, 0:8].reshape(2, -1) * [[1.5], [1.0]]),
            *(np.mgrid[0:8, 0:8].reshape(2, -1) * [[1.5], [1.0]] + 0.75),
        )
    ),
}


@pytest.mark.parametrize("level", [0, 3, 8])
@pytest.mark.parametrize("name", list(AREAS))
def test_cells_are_what_geos_says_of_them(name: str, level: int) -> None:
    area = AREAS[name]
    cells = rasterised(area, level)
    low = np.array(area.bounds[:2])
    size = (np.array(area.bounds[2:]) - low) / len(cells)
    shapely.prepare(area)
    for kind, holds in ((INSIDE, shapely.contains_properly), (OUTSIDE, shapely.disjoint)):
        rows, columns = np.nonzero(cells == kind)
        corners = low + np.column_stack([columns, rows]) * size
        boxes = shapely.box(*(corners - 2e-6 * size).T, *(corners + size * (1 + 2e-6)).T)
        assert holds(area, boxes).all()
    # As few as touch the edge, but for those next to it.
    if level == 8:
        rows, columns = np.nonzero(cells == EDGE)
        corners = low + np.column_stack([columns, rows]) * size
        boxes = shapely.box(*(corners - 1e-5 * size).T, *(corners + size * (1 + 1e-5)).T)
        assert shapely.intersects(area.boundary, boxes).all()


def test_cost_of_the_grid_is_linear_in_the_teeth() -> None:
    def cost(teeth: int) -> float:
        area = comb(teeth)
        spent = []
        for _ in range(3):
            begin = time.process_time()
            rasterised(area, 9)
            spent.append(time.process_time() - begin)
        return min(spent)

    # Sixteen times the teeth; with the square it would be 256 times.
    assert cost(64_000) < 40 * cost(4_000)


def test_edges_of_the_area_are_whole_in_its_parts() -> None:
    area = AREAS["comb"]
    edges = {tuple(e) for e in _ends(area)}
    box = np.array([[4.0, 2.0, 4.02, 2.02]])
    (part,) = LocalParts(area).around(box)
    assert shapely.get_num_coordinates(part) < shapely.get_num_coordinates(area)
    near = shapely.linestrings(np.array(_ends(part)).reshape(-1, 2, 2))
    near = near[shapely.intersects(near, shapely.box(*box[0]))]
    assert len(near) > 0
    assert all(tuple(shapely.get_coordinates(edge).ravel()) in edges for edge in near)


def _ends(area: Any) -> list[list[float]]:
    """Return the ends of each edge, in both directions."""
    found = []
    for ring in shapely.get_rings(shapely.get_parts(area)):
        corners = shapely.get_coordinates(ring)
        found += np.hstack([corners[:-1], corners[1:]]).tolist()
        found += np.hstack([corners[1:], corners[:-1]]).tolist()
    return found
