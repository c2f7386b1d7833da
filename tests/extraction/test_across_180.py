"""Areas across 180 degrees, against shapely with the area in one piece, turn by turn."""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely.affinity import translate
from shapely.geometry import mapping

from tests.extraction.generated import of_dimension, sound
from tests.extraction.layers import read, run, unpack, write_layer
from tests.extraction.sizes import unhurried

WORLD = shapely.box(-180, -90, 180, 90)
# Of a feature's area, and in degrees; see test_extract_differential.py for the share.
SHARE, CORNER_DEGREES = 1e-9, 1e-6


def star(random: np.random.Generator, x: float, y: float, size: float) -> Any:
    count = int(random.integers(3, 40))
    angles = np.sort(random.uniform(0, 2 * math.pi, count))
    radii = size * random.uniform(0.2, 1, count)
    return sound(np.column_stack([x + radii * np.cos(angles), y + radii * np.sin(angles)]))


def neighbours(random: np.random.Generator, area: Any, count: int) -> list[Any]:
    """Return polygons on both sides of 180 degrees, some with the area's own edges."""
    (west, south, east, north), found = area.bounds, []
    while len(found) < count:
        size = (east - west) * random.choice([0.05, 0.3, 1])
        polygon = star(random, random.uniform(west, east), random.uniform(south, north), size)
        if random.random() < 0.2:
            polygon = shapely.intersection(polygon, area)
        parts = [shapely.intersection(translate(polygon, turn), WORLD) for turn in (-360, 0, 360)]
        found += [p for p in parts if p.geom_type == "Polygon" and p.is_valid and p.area > 1e-9]
    return found[:count]


def write_geojson(path: Path, features: list[Any]) -> Path:
    """Write all digits, which GDAL would not."""
    listed = [
        {"type": "Feature", "properties": {"number": number}, "geometry": mapping(feature)}
        for number, feature in enumerate(features)
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": listed}))
    return path


def wanted(feature: Any, area: Any) -> Any:
    turns = (translate(area, turn) for turn in (-360, 0, 360))
    cut = [shapely.intersection(feature, turn) for turn in turns]
    return of_dimension(shapely.geometrycollections(cut), 2)


@pytest.mark.fuzz
@unhurried(15)
@given(st.integers(0, 2**32), st.sampled_from([179.5, 180.0, 181.0, -180.0, -179.0]))
def test_corners_of_a_geojson_source_are_where_they_belong(seed: int, middle: float) -> None:
    random = np.random.default_rng(seed)
    size = float(random.choice([0.5, 2, 8]))
    area = star(random, middle, random.uniform(-60, 60), size)
    features = neighbours(random, area, 40)
    with tempfile.TemporaryDirectory() as folder:
        source = write_geojson(Path(folder) / "sea.geojson", features)
        result = run(source, Path(folder), mapping(area), format="geopackage")
        geometries, columns = read(unpack(result) / "sea.gpkg")
    found = dict(zip(columns["number"], geometries, strict=True))
    for number, feature in enumerate(features):
        expected, got = wanted(feature, area), found.get(number)
        if expected is None or got is None:
            # What one leaves out the other may have as a shred.
            shred = expected or got
            assert shred is None or shred.area <= SHARE * feature.area
            continue
        assert shapely.symmetric_difference(got, expected).area <= SHARE * feature.area
        assert shapely.hausdorff_distance(got, expected) <= CORNER_DEGREES


@pytest.mark.parametrize("turn", [0, -360], ids=["same turn", "other turn"])
def test_area_itself_lies_within_an_area_across_180(tmp_path: Path, turn: float) -> None:
    """A cut at 180 degrees rounds the corner that it makes, and a hair lay beyond it."""
    random = np.random.default_rng(5)
    missed = []
    for number in range(60):
        area = star(random, 180 + random.uniform(-1, 1), random.uniform(-60, 60), 4)
        path = tmp_path / f"{number}.gpkg"
        source = write_layer(path, [area], kind="Polygon")
        folder = tmp_path / f"out {number}"
        folder.mkdir()
        given_area = mapping(translate(area, turn))
        if run(source, folder, given_area, mode="within").features_written != 1:
            missed.append(number)
    assert missed == []
