"""What may be chosen of an extraction: mode, fields, filter, format; refused or heeded."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pyogrio
import pytest

from marinemap.catalogue.models import Layer
from marinemap.catalogue.registration import register
from marinemap.errors import RequestError
from marinemap.extraction import FORMATS
from marinemap.extraction.formats import get_format
from marinemap.processes import extract
from marinemap.processes.given import unwrap_inputs
from marinemap.processes.process import RunContext

pytestmark = pytest.mark.django_db
# Cuts the reefs of the second row and column in two: each is 0.8 degrees wide.
AREA = [0, 40, 1.5, 41.5]
DEEP = {"op": ">", "args": [{"property": "depth_m"}, 0.5]}
SUFFIXES = {name: get_format(name).suffix[1:] for name in FORMATS}


@pytest.fixture
def ports(db: None, marine_gpkg: Path) -> Layer:
    """The ports of the small sea, in the catalogue."""
    return register("ports", marine_gpkg, "ports")[0]


def asked(**changes: Any) -> dict[str, Any]:
    return {"layers": ["reefs"], "area": AREA, **changes}


def check(**changes: Any) -> dict[str, Any]:
    return extract.check(unwrap_inputs(extract.PROCESS, asked(**changes)))


def run(folder: Path, **changes: Any) -> Path:
    """Run a request as a job does, with the inputs that were kept; return the unpacked zip."""
    kept = json.loads(json.dumps(check(**changes)))
    archive = folder / "a.zip"
    extract.run(kept, RunContext(folder, archive, lambda *_: None))
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder / "out")
    return folder / "out"


def read(path: Path) -> tuple[Any, dict[str, list[Any]]]:
    """Return a layer's metadata and columns."""
    meta, _, _, data = pyogrio.raw.read(path)
    return meta, {name: data[i].tolist() for i, name in enumerate(meta["fields"])}


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"mode": "cut"}, "mode", "there are clip, intersects, within"),
        ({"mode": "intersect"}, "mode", r"Did you mean 'intersects'\?"),
        ({"mode": ["clip"]}, "mode", "no mode"),
        ({"mode": {"a": 1}}, "mode", "no mode"),
        ({"mode": 7}, "mode", "no mode"),
        ({"format": "gpkg"}, "format", r"Did you mean 'geopackage'\?"),
        ({"format": "ESRI Shapefile"}, "format", r"Did you mean 'shapefile'\?"),
        ({"format": ["csv"]}, "format", "there are shapefile, geopackage"),
        ({"format": {"mediaType": "text/csv"}}, "format", "no format"),
        ({"format": "x" * 5000}, "format", "no format"),
        ({"format": "kml", "crs": "EPSG:3857"}, "crs", "always longitude, latitude"),
        ({"format": "geojson", "crs": "EPSG:3035"}, "crs", "never EPSG:3035"),
        ({"fields": "name"}, "fields", "list of names"),
        ({"fields": [7]}, "fields", "list of names"),
        ({"fields": {"reefs": ["name"]}}, "fields", "list of names"),
        ({"fields": ["nmae"]}, "fields", r"no field 'nmae' in 'reefs'.*Did you mean 'name'\?"),
        ({"fields": ["name", "name"]}, "fields", "'name' is listed twice"),
        ({"fields": ["x" * 5000]}, "fields", "there are 'reef_id'"),
        ({"filter": "dept_m > 1"}, "filter", r"in 'reefs': .*Did you mean 'depth_m'\?"),
        ({"filter": "depth_m > "}, "filter", "not CQL2"),
        ({"filter": ""}, "filter", "not CQL2"),
        ({"filter": {}}, "filter", "not a condition"),
        ({"filter": 7}, "filter", "CQL2 text"),
        ({"filter": ["depth_m > 1"]}, "filter", "CQL2 text"),
        ({"filter": "depth_m = 'deep'"}, "filter", "no value for a field of type number"),
        ({"filter": {"op": "=", "arg": []}}, "filter", r"Did you mean 'args'\?"),
        ({"filter": {"op": "casei", "args": []}}, "filter", "not supported"),
        (
            {"filter": {"op": "like", "args": [{"property": "name"}, {"op": "casei"}]}},
            "filter",
            "1 arguments",
        ),
        ({"filter": {"op": "=", "args": [{"property": "name"}, "\0"]}}, "filter", "no value"),
        ({"filter": "name = 'x' OR " * 900 + "TRUE"}, "filter", "characters"),
        ({"filter": "NOT (" * 900 + "depth_m > 1" + ")" * 900}, "filter", "500 parts or 32"),
        ({"filter": "- " * 4900 + "1 = depth_m"}, "filter", "500 parts or 32"),
        ({"full_copy": "no"}, "full_copy", "true or false"),
        ({"full_copy": 0}, "full_copy", "true or false"),
        ({"layers": [{"name": "reef"}]}, "layers", r"Did you mean 'reefs'\?"),
        ({"layers": [{"id": "reefs"}]}, "layers", "it has 'name', 'fields' and 'filter'"),
        ({"layers": [{"fields": ["name"]}]}, "layers", "a layer is its id, or an object"),
        ({"layers": [{"name": "reefs", "feilds": []}]}, "layers", r"Did you mean 'fields'\?"),
        ({"layers": ["reefs", {"name": "reefs"}]}, "layers", "listed twice"),
        ({"layers": [{"name": "reefs", "filter": "dep > 1"}]}, "filter", "no field 'dep'"),
        ({"fromat": "csv"}, "fromat", r"Did you mean 'format'\?"),
    ],
    ids=lambda value: repr(value)[:60] if isinstance(value, dict) else "",
)
def test_bad_choice_is_refused_before_it_is_queued(
    reefs: Layer, changes: dict[str, Any], field: str, reason: str
) -> None:
    with pytest.raises(RequestError, match=reason) as caught:
        check(**changes)
    assert caught.value.field == field
    assert len(caught.value.value or "") <= 80
    assert len(caught.value.message) < 500


def test_choice_for_all_layers_must_suit_each(reefs: Layer, ports: Layer) -> None:
    with pytest.raises(RequestError, match="no field 'name' in 'ports'; there are 'port_id'"):
        check(layers=["reefs", "ports"], fields=["name"])
    assert check(layers=[{"name": "reefs", "fields": ["name"]}, "ports"])


@pytest.mark.parametrize(
    ("changes", "layers"),
    [
        ({"fields": ["name"]}, [{"name": "reefs", "fields": ["name"]}]),
        ({"fields": []}, [{"name": "reefs", "fields": []}]),
        ({"filter": "depth_m > 0.5"}, [{"name": "reefs", "filter": "depth_m > 0.5"}]),
        ({"filter": DEEP}, [{"name": "reefs", "filter": DEEP}]),
        ({"filter": {"value": DEEP}}, [{"name": "reefs", "filter": DEEP}]),
        ({"layers": [{"name": "reefs", "fields": None, "filter": None}]}, ["reefs"]),
        (
            {"layers": [{"name": "reefs", "fields": ["name"]}], "fields": ["depth_m"]},
            [{"name": "reefs", "fields": ["name"]}],
        ),
    ],
    ids=lambda value: repr(value)[:60] if isinstance(value, dict) else "",
)
def test_choices_are_kept_with_the_layer_and_can_be_asked_again(
    reefs: Layer, changes: dict[str, Any], layers: list[Any]
) -> None:
    kept = check(**changes)
    assert kept["layers"] == layers
    assert "fields" not in kept and "filter" not in kept
    assert extract.check(json.loads(json.dumps(kept))) == kept


@pytest.mark.parametrize("format_name", FORMATS)
def test_each_format_arrives_in_the_archive(reefs: Layer, tmp_path: Path, format_name: str) -> None:
    out = run(tmp_path, format=format_name)
    assert (out / f"reefs.{SUFFIXES[format_name]}").exists()
    readme = (out / "README.txt").read_text()
    assert f"The format is {get_format(format_name).title}." in readme
    assert ("Each shapefile is" in readme) == (format_name == "shapefile")
    if format_name != "geoparquet":  # The test's GDAL has no driver for it.
        assert read(out / f"reefs.{SUFFIXES[format_name]}")[1]["reef_id"]


@pytest.mark.parametrize(
    ("mode", "ids", "eastmost"),
    [("clip", [0, 1, 10, 11], 1.5), ("intersects", [0, 1, 10, 11], 1.9), ("within", [0], 0.9)],
)
def test_mode_cuts_or_keeps_whole(
    reefs: Layer, tmp_path: Path, mode: str, ids: list[int], eastmost: float
) -> None:
    shapefile = run(tmp_path, mode=mode) / "reefs.shp"
    assert read(shapefile)[1]["reef_id"] == ids
    assert pyogrio.read_info(shapefile)["total_bounds"][2] == pytest.approx(eastmost)


def test_fields_and_filter_of_each_layer_are_heeded(
    reefs: Layer, ports: Layer, tmp_path: Path
) -> None:
    layers = [{"name": "reefs", "fields": ["name"], "filter": "reef_id IN (1, 11)"}, "ports"]
    out = run(tmp_path, layers=layers)
    assert read(out / "reefs.shp")[1] == {"name": ["Récif 1 珊瑚", "Récif 11 珊瑚"]}
    # Three of the ports lie on the edge, which belongs to the area.
    assert read(out / "ports.shp")[1] == {"port_id": [0, 1, 10, 11]}
    assert "Filter:       reef_id IN (1, 11)" in (out / "README.txt").read_text()


def test_request_in_the_report_can_be_asked_again(reefs: Layer, tmp_path: Path) -> None:
    changes = {"fields": ["name"], "filter": DEEP, "format": "csv", "mode": "within"}
    out = run(tmp_path, full_copy=False, **changes)
    request = json.loads((out / "report.json").read_text())["request"]
    again = extract.check(unwrap_inputs(extract.PROCESS, request))
    assert again == check(full_copy=False, **changes)


@pytest.mark.parametrize("full_copy", [True, False])
def test_full_copy_comes_only_where_it_is_wanted(db: None, tmp_path: Path, full_copy: bool) -> None:
    source = tmp_path / "long.geojson"
    feature = {
        "type": "Feature",
        "properties": {"text": "x" * 300},
        "geometry": {"type": "Point", "coordinates": [0.5, 40.5]},
    }
    source.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    register("long", source)
    out = run(tmp_path, layers=["long"], full_copy=full_copy)
    assert (out / "long.gpkg").exists() == full_copy


def test_filter_that_nothing_passes_is_told_as_the_reason(reefs: Layer, tmp_path: Path) -> None:
    out = run(tmp_path, filter="reef_id > 1000")
    assert "lies within the area and passes the filter" in (out / "README.txt").read_text()


def test_job_kept_by_an_older_version_still_runs(reefs: Layer, tmp_path: Path) -> None:
    old = {"layers": ["reefs"], "area": {"bbox": AREA, "crs": "OGC:CRS84"}, "crs": "EPSG:3857"}
    extract.run(old, RunContext(tmp_path, tmp_path / "a.zip", lambda *_: None))
    assert "reefs.shp" in zipfile.ZipFile(tmp_path / "a.zip").namelist()
