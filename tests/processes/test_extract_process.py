"""The process ``extract``: what it refuses before it is queued, and what it makes."""

from __future__ import annotations

import json
import math
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyogrio
import pytest
import shapely

from marinemap.catalogue.models import Layer
from marinemap.catalogue.registration import register
from marinemap.errors import RequestError
from marinemap.processes import extract
from marinemap.processes.process import RunContext

pytestmark = pytest.mark.django_db
SQUARE = [[0, 40], [5, 40], [5, 45], [0, 45], [0, 40]]
AREA = {"type": "Polygon", "coordinates": [SQUARE]}
DEFAULTS = {"mode": "clip", "format": "shapefile", "full_copy": True}
NAN_SQUARE = [[0, 40], [math.nan, 40], [5, 45], [0, 45]]


def asked(**changes: Any) -> dict[str, Any]:
    return {"layers": ["reefs"], "area": AREA, **changes}


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({}, {}),
        ({"crs": "EPSG:3857"}, {"crs": "EPSG:3857"}),
        ({"crs": "urn:ogc:def:crs:EPSG::3857"}, {"crs": "EPSG:3857"}),
        ({"crs": "CRS84"}, {"crs": "OGC:CRS84"}),
        ({"layers": "reefs"}, {}),
    ],
)
def test_kept_inputs_are_json_in_one_form(
    reefs: Layer, changes: dict[str, Any], kept: dict[str, Any]
) -> None:
    found = extract.check(asked(**changes))
    area = {"type": "MultiPolygon", "coordinates": [[SQUARE]]}
    assert found == {"layers": ["reefs"], "area": area, **DEFAULTS, **kept}
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert extract.check(found) == found


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"layers": ["reef"]}, "layers", r"Did you mean 'reefs'\?"),
        ({"layers": []}, "layers", "at least one layer"),
        ({"layers": {"a": 1}}, "layers", "at least one layer"),
        ({"layers": [["reefs"]]}, "layers", "no layer"),
        ({"layers": [None]}, "layers", "no layer"),
        ({"layers": ["reefs'; DROP TABLE catalogue_layer; --"]}, "layers", "no layer"),
        ({"layers": ["../../etc/passwd"]}, "layers", "no layer"),
        ({"layers": ["reefs"] * 51}, "layers", "at most 50"),
        ({"area": {"type": "Polygon", "coordinates": []}}, "area", "empty"),
        ({"area": {"type": "Point", "coordinates": [1, 2]}}, "area", "Point is not an area"),
        ({"area": {"type": "Polygon", "coordinates": [NAN_SQUARE]}}, "area", "finite"),
        ({"area": [0, 0, math.inf, 1]}, "area", "finite"),
        ({"area": "0,40,5,45"}, "area", "not an area"),
        ({"area": [20, 40, 25, 45]}, "area", "outside of every layer.*0.1000 to 9.9000"),
        ({"area": [0, 10, 5, 15]}, "area", "outside of every layer"),
        ({"area": {"bbox": [4e6, 5e6, 5e6, 6e6], "crs": "EPSG:3857"}}, "area", "outside of every"),
        ({"crs": "EPSG:999999"}, "crs", "there is no CRS"),
        ({"crs": "mercator"}, "crs", "not a CRS"),
        ({"crs": 3857}, "crs", "not a CRS"),
        ({"crs": "EPSG:3851"}, "crs", "made for longitude 160"),
        ({"crs": "EPSG:5714"}, "crs", "Vertical"),
    ],
    ids=lambda value: repr(value)[:50] if isinstance(value, dict) else "",
)
def test_bad_input_is_refused_before_it_is_queued(
    reefs: Layer, changes: dict[str, Any], field: str, reason: str
) -> None:
    with pytest.raises(RequestError, match=reason) as caught:
        extract.check(asked(**changes))
    assert caught.value.field == field
    assert len(caught.value.value or "") <= 80


def test_bow_tie_is_no_reason_to_refuse(reefs: Layer) -> None:
    bow_tie = {"type": "Polygon", "coordinates": [[[0, 40], [5, 45], [5, 40], [0, 45], [0, 40]]]}
    assert extract.check(asked(area=bow_tie))


def test_one_layer_that_meets_the_area_is_enough(reefs: Layer, tmp_path: Path) -> None:
    far = tmp_path / "far.geojson"
    far.write_text(
        '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"n": 1},'
        ' "geometry": {"type": "Point", "coordinates": [100, 0]}}]}'
    )
    register("far", far)
    assert extract.check(asked(layers=["far", "reefs"]))
    with pytest.raises(RequestError, match="'far' covers"):
        extract.check(asked(layers=["far"]))


def test_pieces_of_an_area_are_looked_at_one_by_one(reefs: Layer) -> None:
    # Together their box covers the sea; neither meets it.
    pieces = [
        [[[-20, 30], [-10, 30], [-10, 60], [-20, 30]]],
        [[[20, 30], [30, 30], [30, 60], [20, 30]]],
    ]
    with pytest.raises(RequestError, match="outside of every layer"):
        extract.check(asked(area={"type": "MultiPolygon", "coordinates": pieces}))


def test_hidden_layer_cannot_be_asked_for(reefs: Layer) -> None:
    Layer.objects.update(is_published=False)
    with pytest.raises(RequestError, match="no layers yet"):
        extract.check(asked())


def test_one_feature_is_told_as_one(reefs: Layer, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    context = RunContext(work, tmp_path / "a.zip", lambda *_: None)
    result = extract.run(extract.check(asked(area=[0, 40, 1, 41])), context)
    assert result.message.startswith("reefs: 1 feature.")


def test_run_makes_the_archive_and_tells_of_it(
    reefs: Layer, marine_gpkg: Path, tmp_path: Path
) -> None:
    register("ports", marine_gpkg, "ports")
    told: list[str] = []
    work = tmp_path / "work"
    work.mkdir()
    context = RunContext(work, tmp_path / "a.zip", lambda _, message: told.append(message))
    kept = extract.check(asked(layers=["reefs", "ports"], crs="EPSG:3857"))
    begun_at = datetime.now(UTC)
    result = extract.run(kept, context)
    assert (result.media_type, result.file_name) == ("application/zip", "reefs-ports.zip")
    assert "reefs: 25 features, ports: 25 features" in result.message
    names = zipfile.ZipFile(tmp_path / "a.zip").namelist()
    assert {"reefs.shp", "ports.shp", "README.txt", "area.geojson"} <= set(names)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        readme = archive.read("README.txt").decode()
    # It may be midnight.
    assert any(f"Made:  {day:%Y-%m-%d}" in readme for day in (begun_at, datetime.now(UTC)))
    assert list(work.iterdir()) == []
    assert told[-1] == "Done"


def test_run_reads_again_data_that_changed_since(
    reefs: Layer, marine_gpkg: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.gpkg"
    copy.write_bytes(marine_gpkg.read_bytes())
    layer, _ = register("copy", copy, "ports")
    Layer.objects.filter(pk="copy").update(fingerprint="older", version="older")
    extract.run(asked(layers=["copy"]), RunContext(tmp_path, tmp_path / "a.zip", lambda *_: None))
    assert Layer.objects.get(pk="copy").version == layer.version


def test_layer_across_180_degrees_can_be_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "nz.gpkg"
    pyogrio.raw.write(
        path,
        shapely.to_wkb([shapely.box(2e6, 5e6, 4e6, 8e6)]),
        field_data=[],
        fields=[],
        geometry_type="Polygon",
        crs="EPSG:3851",
    )
    layer, _ = register("nz", path)
    assert layer.bounds_4326[0] > layer.bounds_4326[2]
    assert extract.check({"layers": ["nz"], "area": [172, -45, 176, -40]})


def test_layer_that_has_grown_is_not_refused_as_outside(tmp_path: Path) -> None:
    def write(*points: shapely.Point) -> Path:
        path = tmp_path / "p.geojson"
        wkb = shapely.to_wkb(list(points))
        pyogrio.raw.write(path, wkb, [], [], geometry_type="Point", crs="EPSG:4326")
        return path

    register("p", write(shapely.Point(1, 41)))
    write(shapely.Point(1, 41), shapely.Point(1, 61))
    assert extract.check({"layers": ["p"], "area": [0, 60, 2, 62]})["layers"] == ["p"]
    with pytest.raises(RequestError, match="latitude 41.0000 to 61.0000"):
        extract.check({"layers": ["p"], "area": [0, 20, 2, 22]})
