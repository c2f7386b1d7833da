"""The dry run: held against what the extraction then gives."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyogrio
import pytest
import shapely

from marinemap.errors import RequestError
from marinemap.extraction import ExtractionRequest, LayerEstimate, SourceLayer, estimate, extract
from marinemap.extraction.areas.clip import MODES
from tests.extraction.layers import AREA, run, write_layer

DRIVERS = {"gpkg": "GPKG", "fgb": "FlatGeobuf", "geojson": "GeoJSON", "shp": "ESRI Shapefile"}
# An L along the south and the west of the unit square.
L_SHAPE = {
    "type": "Polygon",
    "coordinates": [[[0, 0], [1, 0], [1, 0.1], [0.1, 0.1], [0.1, 1], [0, 1], [0, 0]]],
}
SIXTEEN_DIGITS = 10**15


def estimated(source: Path, area: Any = AREA, **request: Any) -> LayerEstimate:
    of_layer = {key: request.pop(key) for key in ("fields", "filter") if key in request}
    layer = SourceLayer("sea", source, **of_layer)
    (found,) = estimate(ExtractionRequest([layer], area, **request))
    return found


def squares(folder: Path, suffix: str = "gpkg") -> Path:
    """Write 400 squares over and around the area; every third ``kind`` is null."""
    x, y = np.meshgrid(np.arange(20.0) - 5, np.arange(20.0) - 5)
    boxes = shapely.box(x.ravel() + 0.3, y.ravel() + 0.3, x.ravel() + 1.2, y.ravel() + 1.2)
    numbers = range(len(boxes))
    columns = {
        "number": pa.array(numbers, pa.int32()),
        "kind": pa.array([None if n % 3 == 0 else f"kind {n % 3}" for n in numbers]),
    }
    path = folder / f"squares.{suffix}"
    return write_layer(path, boxes, columns, kind="Polygon", driver=DRIVERS[suffix])


def points(folder: Path, suffix: str, x: Any, y: Any) -> Path:
    columns = {"number": pa.array(range(len(x)), pa.int32())}
    path = folder / f"points.{suffix}"
    geometries = shapely.points(x, y)
    return write_layer(path, geometries, columns, kind="Point", driver=DRIVERS[suffix])


@pytest.mark.parametrize("text", [None, "number < 150", "kind = 'kind 1'", "number < 0"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("suffix", DRIVERS)
def test_few_features_are_counted_exactly(
    tmp_path: Path, suffix: str, mode: str, text: str | None
) -> None:
    source = squares(tmp_path, suffix)
    found = estimated(source, mode=mode, filter=text)
    written = run(source, tmp_path, mode=mode, filter=text).features_written
    assert (found.features, found.is_exact) == (written, True)
    assert found.is_empty == (written == 0) == (found.size_bytes == 0)


@pytest.mark.parametrize("fields", [[], ["kind"], None])
def test_size_is_of_the_fields_that_are_kept(tmp_path: Path, fields: list[str] | None) -> None:
    source = squares(tmp_path)
    found = estimated(source, fields=fields, filter="number > 3")
    every = estimated(source, filter="number > 3")
    assert 0 < found.size_bytes <= every.size_bytes
    assert (found.size_bytes == every.size_bytes) == (fields is None)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("suffix", ["gpkg", "fgb"])
def test_thousands_of_features_are_counted_between_true_bounds(
    tmp_path: Path, suffix: str, mode: str
) -> None:
    x, y = np.random.default_rng(3).uniform(-2, 12, (2, 8_000))
    source = points(tmp_path, suffix, x, y)
    found = estimated(source, mode=mode)
    written = run(source, tmp_path, mode=mode).features_written
    assert found.features_at_least <= written <= found.features_at_most
    # A cell of the grid is a sixty-fourth of the area, its edge has four times as many.
    assert found.features == pytest.approx(written, rel=4 / 64)
    filtered = estimated(source, mode=mode, filter="number < 2000")
    written = run(source, tmp_path, mode=mode, filter="number < 2000").features_written
    assert filtered.features_at_least <= written <= filtered.features_at_most
    assert not filtered.is_exact


def test_share_that_passes_the_filter_is_found(tmp_path: Path) -> None:
    x, y = np.random.default_rng(4).uniform(0, 10, (2, 30_000))
    source = points(tmp_path, "gpkg", x, y)
    found = estimated(source, filter="number BETWEEN 10000 AND 12999")
    # A tenth of 2,500 features looked at: four standard deviations are 24 in 1,000.
    assert found.features == pytest.approx(3_000, abs=0.024 * 30_000)
    assert found.features_at_least == 0
    assert 3_000 <= found.features_at_most <= 30_000
    # A shapefile without fields gets one of the same width.
    some = {"filter": "number BETWEEN 10000 AND 12999", "format": "geopackage"}
    assert estimated(source, **some, fields=[]).size_bytes < estimated(source, **some).size_bytes


@pytest.mark.parametrize("suffix", ["gpkg", "shp"])
def test_one_feature_among_many_outside_is_never_ruled_out(tmp_path: Path, suffix: str) -> None:
    # All but the last lie in the corner that the L leaves out, within its box.
    count = 40_001
    x, y = np.random.default_rng(5).uniform(0.11, 0.12, (2, count))
    x[-1], y[-1] = 0.05, 0.05
    found = estimated(points(tmp_path, suffix, x, y), L_SHAPE)
    assert not found.is_empty
    assert found.features_at_least <= 1 <= found.features_at_most
    assert found.warnings == ()


def test_file_sorted_by_place_is_counted_over_all_of_the_area(tmp_path: Path) -> None:
    # The first 20,000 features lie north of the L's foot: they stand for none but themselves.
    y = np.linspace(1, 0, 40_000)
    x = np.random.default_rng(6).uniform(0, 1, len(y))
    source = points(tmp_path, "shp", x, y)
    found = estimated(source, L_SHAPE)
    # The L covers 0.19 of the square.
    assert found.features == pytest.approx(0.19 * len(y), rel=0.02)
    assert found.features_at_least <= found.features <= found.features_at_most == len(y)


def test_feature_in_several_boxes_of_the_cover_counts_once(tmp_path: Path) -> None:
    tall = [shapely.box(x, -5, x + 0.001, 15) for x in np.linspace(0, 9.9, 300)]
    found = estimated(write_layer(tmp_path / "tall.gpkg", tall, kind="Polygon"))
    assert (found.features, found.is_exact) == (300, True)


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"fields": ["nmber"]}, r"Did you mean 'number'\?"),
        ({"filter": "nmber > 1"}, r"Did you mean 'number'\?"),
        ({"crs": "EPSG:999999"}, "there is no CRS"),
        ({"crs": "EPSG:3851"}, "made for longitude 160"),
    ],
)
def test_what_the_extraction_refuses_is_refused(
    tmp_path: Path, request_: dict[str, Any], reason: str
) -> None:
    source = squares(tmp_path)
    for refuse in (estimated, lambda source, **request: run(source, tmp_path, **request)):
        with pytest.raises(RequestError, match=reason):
            refuse(source, **request_)


@pytest.mark.parametrize(("count", "looked_at"), [(10, ""), (5_000, r"Of [12],\d+ features.*: ")])
def test_losses_of_a_shapefile_are_told(tmp_path: Path, count: int, looked_at: str) -> None:
    columns = {
        "a_long_field_name": pa.array(range(count)),
        "first": pa.array([SIXTEEN_DIGITS] * count),
        "second": pa.array([-SIXTEEN_DIGITS] * count),
        "text": pa.array(["x" * 300] * count),
    }
    geometries = [shapely.Point(1 + n / count, 1) for n in range(count)]
    source = write_layer(tmp_path / "long.gpkg", geometries, columns, kind="Point")
    told = "\n".join(estimated(source).warnings)
    assert "'a_long_field_name' would be named 'a_long_fie'" in told
    for name in ("first", "second"):
        assert f"'{name}' has integers of more than 15 digits" in told
    assert re.search(
        rf"^{looked_at}[\d,]+ of the texts of 'text' had to be cut", told, re.MULTILINE
    )
    assert estimated(source, format="geopackage").warnings == ()


def test_empty_result_is_told_with_its_reason(tmp_path: Path) -> None:
    source = squares(tmp_path)
    assert estimated(source, [60, 60, 61, 61]).warnings == (
        "No feature of this layer lies within the area.",
    )
    assert estimated(source, filter="number < 0").warnings == (
        "No feature of this layer lies within the area and passes the filter.",
    )


def test_request_without_a_destination_can_be_estimated_only(tmp_path: Path) -> None:
    request = ExtractionRequest([SourceLayer("sea", squares(tmp_path))], AREA)
    assert estimate(request)
    with pytest.raises(RequestError, match="name the zip file"):
        extract(request)


@pytest.mark.parametrize("format_id", ["shapefile", "flatgeobuf", "filegdb", "geopackage", "csv"])
def test_collections_are_counted_as_the_format_has_them(tmp_path: Path, format_id: str) -> None:
    three = [
        shapely.Point(1, 41),
        shapely.box(1, 41, 2, 42),
        shapely.LineString([(0, 40), (3, 43)]),
    ]
    collections = [
        shapely.GeometryCollection(three),
        shapely.GeometryCollection([shapely.Point(4, 44), shapely.Point(5, 44)]),
        shapely.GeometryCollection([shapely.box(50, 41, 52, 42), shapely.Point(2, 42)]),
    ]
    path = tmp_path / "parts.gpkg"
    pyogrio.raw.write(
        path,
        geometry=shapely.to_wkb(np.array(collections, object)),
        field_data=[np.arange(3)],
        fields=np.array(["number"]),
        geometry_type="GeometryCollection",
        crs="EPSG:4326",
        layer="parts",
    )
    layers = (SourceLayer("parts", path, "parts"),)
    request = ExtractionRequest(layers, [0, 39, 11, 50], tmp_path / "x.zip", format=format_id)
    (expected,) = estimate(request)
    (written,) = extract(request).layers
    assert expected.is_exact
    assert expected.features == written.features_written
