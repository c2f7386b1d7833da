"""Features of which a batch holds few: counted, and left in the middle without a crash."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely

from marinemap.extraction import ExtractionRequest, SourceLayer, estimate
from tests.running_site import PROJECT

AREA = [-1, 39, 11, 50]
# 200 kB each: 41 of them are the 8 MiB after which GDAL ends a batch.
CORNERS, LARGE = 12_500, 60
LEAVE = """
import sys
from pathlib import Path
from marinemap.extraction import ExtractionRequest, SourceLayer, estimate

layers = (SourceLayer("mixed", Path(sys.argv[1]), "mixed"),)
request = ExtractionRequest(layers, {area}, Path("x.zip"))
print(estimate(request)[0].features_at_most)
"""


def discs(count: int, corners: int, x: float) -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, corners)
    rings = [
        np.column_stack([x + n % 10 + 0.4 * np.cos(angles), 40 + n // 10 + 0.4 * np.sin(angles)])
        for n in range(count)
    ]
    return np.array([shapely.Polygon(ring) for ring in rings], object)


def write(path: Path, name: str, polygons: np.ndarray) -> Path:
    numbers = np.arange(len(polygons))
    pyogrio.raw.write(
        path,
        geometry=shapely.to_wkb(polygons),
        field_data=[numbers],
        fields=np.array(["number"]),
        geometry_type="Polygon",
        crs="EPSG:4326",
        layer=name,
    )
    return path


@pytest.mark.parametrize("suffix", [".gpkg", ".fgb", ".geojson"])
def test_all_of_few_large_features_are_counted(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"large{suffix}", "large", discs(LARGE, CORNERS, 0))
    request = ExtractionRequest((SourceLayer("large", path, "large"),), AREA, tmp_path / "x.zip")
    (found,) = estimate(request)
    assert (found.features, found.is_exact) == (LARGE, True)


def test_geopackage_is_left_behind_a_batch_that_ended_for_its_bytes(tmp_path: Path) -> None:
    # Far away there are so many small ones that rows alone would let a batch be large.
    polygons = np.concatenate([discs(LARGE, CORNERS, 0), discs(20_000, 4, 60)])
    path = write(tmp_path / "mixed.gpkg", "mixed", polygons)
    done = subprocess.run(
        [sys.executable, "-c", LEAVE.format(area=AREA), str(path)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    # A crash would be -11.
    assert (done.returncode, done.stdout.strip()) == (0, str(LARGE)), done.stderr
