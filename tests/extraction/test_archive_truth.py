"""What an archive says of itself, and what must stop it from being made."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import os
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import pytest
import shapely

from marinemap.errors import DatasetError, RequestError, ServiceError
from marinemap.extraction import FORMATS, estimate, extract
from marinemap.extraction import ExtractionRequest as Request
from marinemap.extraction.extracts.verify import verify
from marinemap.extraction.formats import get_format
from marinemap.extraction.formats.plan import NO_DATE, WritePlan
from marinemap.extraction.formats.written import WrittenLayer
from marinemap.extraction.geometry.wkb import to_column
from marinemap.extraction.request import SourceLayer
from tests.extraction.layers import AREA, read, run, unpack, write_layer

MIDDLES = [(x, y) for x in range(-1, 12) for y in range(-1, 12)]
BOXES = [shapely.box(x - 0.25, y - 0.25, x + 0.25, y + 0.25) for x, y in MIDDLES]
COLUMNS = {
    "number": pa.array(range(len(BOXES)), pa.int32()),
    "name": pa.array([f"reef {i}" for i in range(len(BOXES))]),
    "depth": pa.array([i / 7 for i in range(len(BOXES))]),
    "day": pa.array([10_000 + i for i in range(len(BOXES))], pa.date32()),
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_layer(tmp_path / "sea.gpkg", BOXES, COLUMNS, kind="Polygon")


@pytest.mark.parametrize("name", FORMATS)
def test_same_request_gives_the_same_bytes(source: Path, tmp_path: Path, name: str) -> None:
    made_at = datetime(2026, 11, 21, 12, tzinfo=UTC)
    contents, archives = [], []
    for _ in range(2):
        result = run(source, tmp_path, format=name, made_at=made_at)
        with zipfile.ZipFile(result.archive) as archive:
            members = [(info, archive.read(info)) for info in archive.infolist()]
        contents.append({info.filename: hashlib.sha256(held).hexdigest() for info, held in members})
        packed = [(info.filename, info.compress_size) for info, _ in members]
        archives.append((packed, hashlib.sha256(result.archive.read_bytes()).hexdigest()))
    assert contents[0] == contents[1]
    assert archives[0] == archives[1]


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_holds_the_clipped_features(source: Path, tmp_path: Path, name: str) -> None:
    result = run(source, tmp_path, format=name)
    assert result.features_written == 121
    folder = unpack(result)
    if name == "geoparquet":
        table = pq.read_table(folder / "sea.parquet")
        geo = json.loads(pq.read_schema(folder / "sea.parquet").metadata[b"geo"])
        assert geo["columns"]["geometry"]["geometry_types"] == ["Polygon"]
        geometries = shapely.from_wkb(table["geometry"].to_pylist())
    else:
        geometries, _ = read(folder / f"sea{get_format(name).suffix}")
    # On each axis nine whole widths of a half and two halves of it; GeoJSON has 7 decimals.
    assert shapely.area(geometries).sum() == pytest.approx(25, abs=1e-6)


def test_report_lists_every_file_with_its_digest_and_the_request(
    source: Path, tmp_path: Path
) -> None:
    request = {"fields": ["name"], "filter": "number > 5", "mode": "intersects"}
    folder = unpack(run(source, tmp_path, **request))
    report = json.loads((folder / "report.json").read_text())
    listed = {file["name"]: file["sha256"] for file in report["files"]}
    found = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}
    found.pop("report.json")
    assert listed == found
    assert report["request"]["layers"] == [
        {"name": "sea", "fields": ["name"], "filter": "number > 5"}
    ]
    again = report["request"]["area"]
    assert run(source, tmp_path, again, **request).features_written > 0


def test_loss_brings_a_geopackage_with_everything(tmp_path: Path) -> None:
    columns = {"note": ["x" * 300], "when": pa.array([datetime(2026, 1, 2, 3, 4, tzinfo=UTC)])}
    source = write_layer(tmp_path / "sea.gpkg", [BOXES[20]], columns, kind="Polygon")
    _, full = read(unpack(run(source, tmp_path)) / "sea.gpkg")
    assert full["note"] == ["x" * 300]
    assert (
        "sea.gpkg" not in zipfile.ZipFile(run(source, tmp_path, full_copy=False).archive).namelist()
    )


def test_progress_rises_evenly_and_may_stop_the_work(source: Path, tmp_path: Path) -> None:
    told: list[float] = []
    request = Request([SourceLayer("sea", source)], AREA, tmp_path / "out.zip")
    extract(request, progress=lambda fraction, message: told.append(fraction))
    assert told == sorted(told) and told[-1] == 1.0

    class Stop(Exception):
        pass

    def stop(fraction: float, message: str) -> None:
        raise Stop

    os.unlink(tmp_path / "out.zip")
    with pytest.raises(Stop):
        extract(request, work_folder=tmp_path, progress=stop)
    assert [p.name for p in tmp_path.iterdir()] == ["sea.gpkg"]


def test_source_that_changes_without_end_is_a_named_failure(tmp_path: Path) -> None:
    source = write_layer(tmp_path / "sea.geojson", BOXES, COLUMNS, driver="GeoJSON")
    times = itertools.count(1)

    def touch(fraction: float, message: str) -> None:
        os.utime(source, ns=(1, next(times)))

    request = Request([SourceLayer("sea", source)], AREA, tmp_path / "out.zip")
    with pytest.raises(DatasetError, match="changed while it was read"):
        extract(request, progress=touch)
    assert not (tmp_path / "out.zip").exists()


@pytest.mark.parametrize("suffix", [".shp", ".shx", ".dbf"])
@pytest.mark.parametrize("damage", ["cut", "cut within", "longer", "null shape"])
def test_damaged_output_does_not_pass_the_reading_back(
    source: Path, tmp_path: Path, suffix: str, damage: str
) -> None:
    if (suffix, damage) in ((".shx", "null shape"), (".dbf", "null shape")):
        pytest.skip("only a .shp has shape types")
    path = unpack(run(source, tmp_path)) / "sea.shp"
    target = path.with_suffix(suffix)
    data = bytearray(target.read_bytes())
    cut = {"cut": data[:-8], "cut within": data[:-3]}
    changed = (cut | {"longer": data + b"\0" * 8}).get(damage, data)
    if damage == "null shape":
        changed[108:112] = bytes(4)
    target.write_bytes(changed)
    names = {name: name for name in COLUMNS}
    with pytest.raises(ServiceError):
        verify(WrittenLayer("shapefile", path, (path,), "sea", "Polygon", 121, names))


# Those two no library of geometries writes.
@pytest.mark.parametrize("name", sorted({*FORMATS} - {"csv", "geoparquet"}))
def test_feature_that_lies_elsewhere_does_not_pass_the_reading_back(
    tmp_path: Path, name: str
) -> None:
    """A library that moves or cuts what it writes is found out: GDAL cut what is beyond 360."""
    right, wrong = (written(tmp_path / str(x), name, shapely.box(x, 1, 5, 2)) for x in (-5, 0))
    verify(right)
    with pytest.raises(ServiceError, match="other bounds"):
        verify(dataclasses.replace(right, path=wrong.path, files=wrong.files))


def written(folder: Path, name: str, box: Any) -> WrittenLayer:
    folder.mkdir()
    batch = pa.RecordBatch.from_pydict({"number": [1]})
    plan = WritePlan(folder, "sea", batch.schema, pyproj.CRS(4326), "Polygon", False, NO_DATE)
    writer = get_format(name).writer(plan)
    writer.write(to_column(np.array([box], object)), batch)
    return writer.close()[0]


def test_file_that_is_damaged_before_packing_leaves_no_archive(
    source: Path, tmp_path: Path
) -> None:
    def damage(fraction: float, message: str) -> None:
        if message == "Clipping later":
            (shp,) = tmp_path.glob("extract-*/*/*/sea.shp")
            os.truncate(shp, shp.stat().st_size - 8)

    layers = [SourceLayer("sea", source), SourceLayer("later", source)]
    request = Request(layers, AREA, tmp_path / "out.zip")
    with pytest.raises(ServiceError, match=r"sea\.shp has"):
        extract(request, work_folder=tmp_path, progress=damage)
    assert [p.name for p in tmp_path.iterdir()] == ["sea.gpkg"]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"mode": "clop"}, "Did you mean 'clip'"),
        ({"format": "shapefil"}, "Did you mean 'shapefile'"),
        ({"format": "kml", "crs": "EPSG:3857"}, "always longitude, latitude"),
        ({"fields": ["nam"]}, "Did you mean 'name'"),
        ({"filter": "dept > 1"}, "Did you mean 'depth'"),
        ({"filter": "name > 1"}, "no value for a field of type string"),
        ({"filter": "depth > "}, "not CQL2"),
        ({"filter": "S_INTERSECTS(geom, POINT(1 2))"}, "not supported"),
        ({"filter": {"op": "not", "args": [{"op": "not", "args": []}]}}, "1 arguments"),
        ({"filter": {"op": "sql", "args": ["1=1"]}}, "'sql' is not supported"),
    ],
)
def test_request_that_makes_no_sense_is_refused(
    source: Path, tmp_path: Path, request_: dict[str, Any], message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        run(source, tmp_path, **request_)


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("number < 30", lambda n: n < 30),
        ("number BETWEEN 20 AND 40 AND NOT number = 33", lambda n: 20 <= n <= 40 and n != 33),
        ("number IN (27, 28) OR depth > 15", lambda n: n in (27, 28) or n / 7 > 15),
        ("name LIKE 'reef 3_'", lambda n: 30 <= n <= 39),
        ("CASEI(name) = CASEI('REEF 31')", lambda n: n == 31),
        ("name IS NULL", lambda n: False),
        ("day >= DATE('1997-07-01')", lambda n: 10_000 + n >= 10_043),
        ({"op": "<>", "args": [{"property": "number"}, 31]}, lambda n: n != 31),
    ],
)
def test_filter_lets_the_right_features_through(
    source: Path, tmp_path: Path, text: Any, passes: Any
) -> None:
    result = run(source, tmp_path, filter=text, fields=["number"])
    _, columns = read(unpack(result) / "sea.shp")
    inside = {n for n, box in enumerate(BOXES) if shapely.box(*AREA).intersection(box).area > 0}
    assert columns["number"] == sorted(n for n in inside if passes(n))


def test_estimate_agrees_with_the_extraction(source: Path, tmp_path: Path) -> None:
    (found,) = estimate(Request([SourceLayer("sea", source)], AREA, tmp_path / "x.zip"))
    written = run(source, tmp_path).features_written
    assert found.features_at_least <= written <= found.features_at_most
    assert found.size_bytes > 0 and not found.is_empty
    far = Request([SourceLayer("sea", source)], [60, 60, 61, 61], tmp_path / "x.zip")
    assert estimate(far)[0].is_empty


def test_archive_of_many_members_opens_elsewhere(source: Path, tmp_path: Path) -> None:
    result = run(source, tmp_path)
    with zipfile.ZipFile(result.archive) as archive:
        times = {info.date_time for info in archive.infolist()}
        assert times == {(1980, 1, 1, 0, 0, 0)}
        assert archive.testzip() is None
    sizes = itertools.accumulate(
        info.file_size for info in zipfile.ZipFile(result.archive).infolist()
    )
    assert list(sizes)[-1] > result.size_bytes
