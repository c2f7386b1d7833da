"""The size that is estimated, held against the files that are then written."""

from __future__ import annotations

import datetime
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely

from marinemap.extraction import FORMATS, ExtractionRequest, SourceLayer, estimate
from tests.extraction.layers import run, write_layer

# Beyond what is cut in full: the rest is told from some of them.
MANY = 6_000
AREA = [-1.0, -1.0, 11.0, 11.0]
# As ``Weight`` states it. The old sizes were off by 8.8 (GeoPackage), 5.3 (KML), 4.7 (GeoParquet).
FACTOR = 1.5


def geometries(kind: str, count: int) -> Any:
    random = np.random.default_rng(7)
    x, y = random.uniform(1, 9, (2, count))
    if kind == "LineString":
        steps = random.normal(0, 0.001, (count, 40, 2)).cumsum(axis=1)
        return shapely.linestrings(steps + np.stack([x, y], axis=1)[:, None])
    points = shapely.points(x, y)
    if kind == "two decimals":
        return shapely.points(np.round(x, 2), np.round(y, 2))
    return points if kind == "Point" else shapely.buffer(points, 0.1)


def columns(count: int, reals: int) -> dict[str, Any]:
    random = np.random.default_rng(8)
    day = datetime.date(2020, 1, 1)
    fields: dict[str, Any] = {
        "id": pa.array(range(count), pa.int64()),
        "name": pa.array([f"place {n} {'x' * (n % 40)}" for n in range(count)]),
        "seen": pa.array([day + datetime.timedelta(n % 900) for n in range(count)]),
    }
    return fields | {f"real_{n}": pa.array(random.uniform(0, 1, count)) for n in range(reals)}


def layer(folder: Path, kind: str, count: int, reals: int) -> Path:
    declared = kind if kind in ("LineString", "Polygon") else "Point"
    shapes = geometries(kind, count)
    return write_layer(folder / "sea.gpkg", shapes, columns(count, reals), kind=declared)


def written_bytes(source: Path, folder: Path, **request: Any) -> int:
    """Return what the layer's own files take, within the archive of an extract."""
    archive = run(source, folder, AREA, full_copy=False, **request).archive
    with zipfile.ZipFile(archive) as opened:
        members = opened.infolist()
    return sum(m.file_size for m in members if m.filename.startswith("sea"))


def estimated_bytes(source: Path, **request: Any) -> int:
    (found,) = estimate(ExtractionRequest([SourceLayer("sea", source)], AREA, **request))
    return found.size_bytes


@pytest.mark.parametrize(
    ("kind", "count", "reals"),
    [
        ("Point", MANY, 0),
        ("Point", 1_000, 20),
        ("two decimals", 1_000, 1),
        ("LineString", 500, 1),
        ("Polygon", MANY, 1),
        ("Polygon", 20, 1),
        ("Point", 1, 0),
    ],
)
@pytest.mark.parametrize("format_", FORMATS)
def test_size_is_that_of_the_format(
    tmp_path: Path, format_: str, kind: str, count: int, reals: int
) -> None:
    source = layer(tmp_path, kind, count, reals)
    size = estimated_bytes(source, format=format_)
    written = written_bytes(source, tmp_path, format=format_)
    assert written / FACTOR <= size <= written * FACTOR


@pytest.mark.parametrize("kind", ["Point", "Polygon"])
@pytest.mark.parametrize("format_", FORMATS)
def test_size_without_fields(tmp_path: Path, format_: str, kind: str) -> None:
    source = layer(tmp_path, kind, 1_000, 0)
    layers = [SourceLayer("sea", source, fields=[])]
    (found,) = estimate(ExtractionRequest(layers, AREA, format=format_))
    written = written_bytes(source, tmp_path, format=format_, fields=[])
    assert written / FACTOR <= found.size_bytes <= written * FACTOR


@pytest.mark.parametrize("format_", ["csv", "shapefile", "geoparquet"])
def test_reprojected_coordinates_have_all_their_digits(tmp_path: Path, format_: str) -> None:
    source = layer(tmp_path, "two decimals", 1_000, 0)
    request = {"format": format_, "crs": "EPSG:3857"}
    size, written = estimated_bytes(source, **request), written_bytes(source, tmp_path, **request)
    assert written / FACTOR <= size <= written * FACTOR


@pytest.mark.parametrize("format_", FORMATS)
def test_nothing_has_no_size(tmp_path: Path, format_: str) -> None:
    source = layer(tmp_path, "Point", 10, 0)
    (found,) = estimate(
        ExtractionRequest([SourceLayer("sea", source)], [20.0, 20.0, 21.0, 21.0], format=format_)
    )
    assert found.size_bytes == 0
