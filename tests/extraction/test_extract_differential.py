"""Whole extractions against other computations: GEOS on the whole area, and bare arithmetic.

Each case goes all the way: a GeoPackage, `extract`, a zip, its shapefiles read by fiona. What is
expected comes from shapely, one feature at a time with the whole area: no grid, no parts of the
area, no batches. One polygon of each case is checked besides by arithmetic that knows no GEOS.

The tolerance is 1e-9: what differs (the symmetric difference) may have that share of the feature's
own area, or length. Doubles carry 16 digits; an intersection loses a few of them. Arithmetic may
differ besides by the last digit of the crossings, which it does not round as GEOS does: see
`rounding`.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import fiona
import numpy as np
import pytest
import shapely
from hypothesis import assume, given
from hypothesis import strategies as st
from shapely.affinity import translate
from shapely.geometry import mapping, shape

from tests.extraction.exact import covered
from tests.extraction.generated import areas, features, of_dimension, pierced_areas, rounding
from tests.extraction.layers import run, unpack, write_layer
from tests.extraction.sizes import unhurried
from tests.extraction.triangles import shared_area

TOLERANCE = 1e-9
MEASURES = (None, shapely.length, shapely.area)
SUFFIXES = {"sea_point": 0, "sea_line": 1, "sea_polygon": 2}
# Feature number and dimension: a collection may be in three files.
Found = dict[tuple[int, int], Any]


def each_turn(area: Any) -> Any:
    """Return an area as the globe has it: the same place every 360 degrees."""
    turns = (translate(area, xoff=turn) for turn in (-720, -360, 0, 360, 720))
    return of_dimension(shapely.geometrycollections(list(turns)), 2)


def extracted(given: list[Any], area: Any, mode: str) -> Found:
    """Return what the zip of a whole extraction holds, as fiona reads it."""
    with tempfile.TemporaryDirectory() as folder:
        source = write_layer(Path(folder) / "sea.gpkg", given)
        result = run(source, Path(folder), mapping(area), mode=mode, full_copy=False)
        found: Found = {}
        for path in unpack(result).glob("*.shp"):
            with fiona.open(path) as opened:
                rows = [(f.properties["number"], shape(f.geometry)) for f in opened]
            for number, geometry in rows:
                dimension = int(shapely.get_dimensions(geometry))
                assert SUFFIXES.get(path.stem, dimension) == dimension
                assert (number, dimension) not in found, "each feature once in each file"
                found[number, dimension] = geometry
    assert result.features_written == len(found)
    return found


def expected(given: list[Any], area: Any, mode: str) -> Found:
    """Return the same by GEOS, from the whole area and one feature at a time."""
    found: Found = {}
    choose = shapely.intersects if mode == "intersects" else covered
    is_chosen = choose(area, np.array(given, dtype=object))
    for number, feature in enumerate(given):
        leaves = defaultdict(list)
        for leaf in shapely.get_parts(feature):
            leaves[int(shapely.get_dimensions(leaf))].append(leaf)
        if mode == "clip":
            for dimension, parts in leaves.items():
                cut = shapely.intersection(shapely.union_all(parts), area)
                kept = of_dimension(cut, dimension)
                found |= {} if kept is None else {(number, dimension): kept}
        elif is_chosen[number]:
            found |= {(number, d): shapely.union_all(parts) for d, parts in leaves.items()}
    return found


def difference(found: Any, wanted: Any, feature: Any, dimension: int) -> float:
    """Return by how much two geometries differ, as a share of the feature's own measure."""
    if dimension == 0:
        return float(not (found is not None and wanted is not None and found.equals(wanted)))
    measure = MEASURES[dimension]
    assert measure is not None
    whole = max(float(measure(of_dimension(feature, dimension))), 1e-300)
    if found is None or wanted is None:
        # What one leaves out the other may have as a shred.
        return float(measure(wanted if found is None else found)) / whole
    if dimension == 2:
        return float(shapely.symmetric_difference(found, wanted).area) / whole
    # Lines that differ by rounding share no length; their lengths and distance tell.
    apart = shapely.hausdorff_distance(found, wanted) / max(1.0, whole)
    return max(abs(float(measure(found)) - float(measure(wanted))) / whole, float(apart))


def difference_by_triangles(found: Any, area: Any, feature: Any) -> float:
    """Return a bound of the symmetric difference to feature and area, by arithmetic alone."""
    size = shared_area(found, found)
    beyond = (size - shared_area(found, feature)) + (size - shared_area(found, area))
    missing = shared_area(feature, area) - size
    return (2 * abs(beyond) + abs(missing)) / shared_area(feature, feature)


@pytest.mark.fuzz
@unhurried(40)
@given(st.data(), st.sampled_from(["clip", "intersects", "within"]))
def test_extract_agrees_with_other_computations(data: st.DataObject, mode: str) -> None:
    drawn = data.draw(st.one_of(areas(), areas(), pierced_areas()))
    area = each_turn(drawn)
    near = data.draw(st.sampled_from([drawn, *shapely.get_parts(drawn)[:3]]))
    one = st.one_of(features(near, collections=True), features(drawn))
    given_features = data.draw(st.lists(one, min_size=1, max_size=8))
    # A layer that lies beyond the poles as a whole is refused, what lies beyond 540 is nowhere.
    west, south, east, north = shapely.total_bounds(given_features)
    assume(south <= 90 and north >= -90 and west >= -540 and east <= 540)
    found = extracted(given_features, drawn, mode)
    wanted = expected(given_features, area, mode)
    for number, dimension in found.keys() | wanted.keys():
        pair = found.get((number, dimension)), wanted.get((number, dimension))
        off = difference(*pair, given_features[number], dimension)
        assert off <= TOLERANCE, (number, dimension, off)
    polygons = [number for number, dimension in found if dimension == 2]
    if mode == "clip" and polygons:
        feature = of_dimension(given_features[polygons[0]], 2)
        off = difference_by_triangles(found[polygons[0], 2], area, feature)
        assert off <= TOLERANCE + rounding(feature), (polygons[0], "by triangles", off)


def test_arithmetic_of_triangles_is_right() -> None:
    square, hole = shapely.box(0, 0, 10, 10), shapely.box(4, 4, 6, 6)
    ring = square.difference(hole)
    assert shared_area(ring, ring) == pytest.approx(96, rel=1e-13)
    assert shared_area(ring, shapely.box(5, 5, 20, 20)) == pytest.approx(24, rel=1e-13)
    both = shapely.union(shapely.box(0, 0, 1, 1), shapely.box(9, 9, 11, 11))
    assert shared_area(both, square) == pytest.approx(2, rel=1e-13)
    assert shared_area(ring, hole) == pytest.approx(0, abs=1e-13)
    random = np.random.default_rng(1)
    for _ in range(20):
        one, other = (shapely.Point(p).buffer(1, 5) for p in random.uniform(0, 1.5, (2, 2)))
        share = shapely.intersection(one, other).area
        assert shared_area(one, other) == pytest.approx(share, rel=1e-12)
