"""Areas that cost most: drawn upon the grid in linear time, cut alike for all who share an edge."""

from __future__ import annotations

import gc
import time
from typing import Any

import numpy as np
import pytest
import shapely

from benchmarks.dear_areas import KINDS, Watch
from marinemap.errors import RequestError
from marinemap.extraction import parse_area, parse_crs
from marinemap.extraction.areas.local import LocalParts
from marinemap.extraction.areas.near import area_near, route_to
from marinemap.extraction.geometry.raster import EDGE, INSIDE, OUTSIDE, rasterised
from marinemap.extraction.geometry.rectangle import OpenRings, Tangled


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


@pytest.mark.parametrize("seed", range(60))
def test_rings_in_a_box_are_what_geos_cuts(seed: int) -> None:
    random = np.random.default_rng(seed)
    discs = shapely.buffer(
        shapely.points(random.uniform(0, 10, (15, 2))), random.uniform(0.1, 2, 15), quad_segs=3
    )
    area = shapely.union_all(discs)
    if seed % 2:
        area = shapely.box(0, 0, 10, 10).difference(area).union(shapely.Point(5, 5).buffer(0.3))
    low = random.uniform(-1, 8, 2)
    box = np.concatenate([low, low + random.uniform(0.5, 6, 2)])
    found = OpenRings.of(area).within(box).geometry
    expected = shapely.intersection(area, shapely.box(*box))
    assert shapely.is_valid(found)
    # Rounding along the sides, of coordinates of about ten.
    assert shapely.symmetric_difference(found, expected).area < 1e-12


def test_island_in_a_hole_keeps_its_own_hole() -> None:
    middle = shapely.Point(5, 5)
    area = shapely.union_all(
        [middle.buffer(r).difference(middle.buffer(r - 0.5)) for r in (1.1, 2.1, 3.1, 4.1)]
    )
    for box in ([0.3, 0.3, 9.7, 9.7], [2.31, 0.3, 7.67, 6.43]):
        found = OpenRings.of(area).within(np.array(box)).geometry
        assert found.is_valid
        assert found.symmetric_difference(area.intersection(shapely.box(*box))).area < 1e-12


def test_side_through_a_corner_is_told() -> None:
    with pytest.raises(Tangled):
        OpenRings.of(shapely.Polygon([(0, 0), (4, 4), (8, 0)])).within(np.array([1, -1, 4, 3.0]))


def test_work_on_parts_is_linear_in_the_teeth(monkeypatch: pytest.MonkeyPatch) -> None:
    cut = OpenRings.within
    corners: list[int] = []

    def counted(rings: OpenRings, box: Any) -> OpenRings:
        corners.append(len(rings))
        return cut(rings, box)

    monkeypatch.setattr(OpenRings, "within", counted)
    places = np.random.default_rng(0).uniform([0.5, 0.5], [9.5, 4.5], (100, 2))

    def work(teeth: int) -> int:
        corners.clear()
        # Each edge in many pieces, leaning and bent as by a projection: their boxes overlap.
        area = shapely.segmentize(comb(teeth), 0.5)
        area = shapely.transform(
            area, lambda xy: xy + 0.08 * np.column_stack([xy[:, 1] ** 2, xy[:, 0]])
        )
        LocalParts(area).around(np.hstack([places, places + 0.02]))
        return sum(corners)

    # Four times the teeth: with the square it would be sixteen times.
    assert work(4_000) < 6 * work(1_000)


def test_other_threads_run_while_half_a_million_corners_are_read() -> None:
    """They waited a second: for lists of numbers, and for the search for cycles among them."""
    # What holds them does so each time; a busy machine may keep the watch waiting now and then.
    assert any(_longest_hold_seconds() < 0.2 for _ in range(4))


def _longest_hold_seconds() -> float:
    # As in a new process: a site has another threshold, and other tests have left much behind.
    threshold = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    gc.freeze()
    gc.collect()
    try:
        return _hold_seconds()
    finally:
        gc.unfreeze()
        gc.set_threshold(*threshold)


def _hold_seconds() -> float:
    ring = KINDS["wave"](480_000)[0].tolist()
    bounds = (3.0e6, 2.0e6, 5.5e6, 3.6e6)
    watch = Watch()
    watch.start()
    area = parse_area({"type": "Polygon", "coordinates": [[*ring, ring[0]]]})
    near = area_near(area, route_to(area, parse_crs("EPSG:3035"), None, bounds), bounds)
    LocalParts(near)
    rasterised(near, 9)
    assert area.given["coordinates"][0][0][7] == ring[7]
    watch.end()
    return watch.longest_seconds


def _ends(area: Any) -> list[list[float]]:
    """Return the ends of each edge, in both directions."""
    found = []
    for ring in shapely.get_rings(shapely.get_parts(area)):
        corners = shapely.get_coordinates(ring)
        found += np.hstack([corners[:-1], corners[1:]]).tolist()
        found += np.hstack([corners[1:], corners[:-1]]).tolist()
    return found


def test_strip_is_divided_along_its_length() -> None:
    y = np.linspace(0, 60, 20_000)
    x = 0.2 * np.sin(3 * y)
    strip = shapely.Polygon(
        np.vstack([np.column_stack([x, y]), np.column_stack([x + 0.4, y])[::-1]])
    )
    # As wide as the strip, and a thousandth of its length.
    boxes = np.column_stack([np.full(9, -0.2), np.arange(5, 50, 5), np.full(9, 0.6)])
    boxes = np.column_stack([boxes, boxes[:, 1] + 0.06])
    parts = LocalParts(strip).around(boxes)
    assert (shapely.get_num_coordinates(parts) < shapely.get_num_coordinates(strip) / 50).all()
    squares = shapely.box(*boxes.T)
    cut = shapely.intersection(parts, squares)
    expected = shapely.intersection(strip, squares)
    assert (shapely.area(shapely.symmetric_difference(cut, expected)) < 1e-12).all()


def test_area_that_a_projection_tangles_is_refused_at_once() -> None:
    """Teeth 18 cm apart and 500 km long: upright in degrees, all slanting in the layer's CRS."""
    x = np.linspace(0, 0.02, 8_001)
    y = np.where(np.arange(len(x)) % 2 == 0, 45.1, 50.0)
    ring = np.vstack([np.column_stack([x, y]), [[1, 44.5], [-1, 44.5]]])
    area = parse_area({"type": "Polygon", "coordinates": [[*ring.tolist(), ring[0].tolist()]]})
    bounds = (3.0e6, 2.0e6, 5.5e6, 3.6e6)
    begin = time.process_time()
    with pytest.raises(RequestError, match="tangled: .* in EPSG:3035") as caught:
        area_near(area, route_to(area, parse_crs("EPSG:3035"), None, bounds), bounds)
    assert caught.value.field == "area" and caught.value.hint
    # GEOS took 30 s to look at it.
    assert time.process_time() - begin < 10
