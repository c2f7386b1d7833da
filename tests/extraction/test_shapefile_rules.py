"""Rules of the format, each met by a whole extraction and looked up in the bytes it gives."""

from __future__ import annotations

import json
import struct
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import fiona
import pyarrow as pa
import pyproj
import pytest
import shapely

from marinemap.extraction.formats.plan import NO_DATE, WritePlan
from marinemap.extraction.formats.shapefile import ShapefileSet
from marinemap.extraction.geometry.wkb import to_column
from tests.extraction.layers import read, run, unpack, write_layer

POINT = shapely.Point(5, 5)
SHAPE_TYPES = {"Point": 1, "LineString": 3, "Polygon": 5, "MultiPoint": 8, "Point Z": 11}


def extracted(folder: Path, geometries: list[Any], columns: Any = None, **options: Any) -> Path:
    kind = options.pop("kind", "Point")
    source = write_layer(folder / "source.gpkg", geometries, columns, kind=kind)
    return unpack(run(source, folder, **options))


def shape_type(path: Path) -> int:
    return int(struct.unpack_from("<i", path.read_bytes(), 32)[0])


def columns_of(dbf: Path) -> dict[str, tuple[str, int, int]]:
    """Return name, type letter, width and decimals as the header states them."""
    data = dbf.read_bytes()
    header = struct.unpack_from("<H", data, 8)[0]
    found = (data[at : at + 32] for at in range(32, header - 1, 32))
    return {c[:11].split(b"\0")[0].decode(): (chr(c[11]), c[16], c[17]) for c in found}


def row_of(dbf: Path, number: int = 0) -> bytes:
    data = dbf.read_bytes()
    header, row = struct.unpack_from("<HH", data, 8)
    return data[header + number * row :][:row]


@pytest.mark.parametrize(
    "names",
    [
        ["Größe", "Tiefe (m)", "珊瑚", "1990", "a.b-c", "habitat_class", "HABITAT_CLASSES"],
        [f"same_long_name_{number}" for number in range(120)],
        ["OBJECTID", "Shape_Area", "shape", "x" * 60],
    ],
    ids=["odd", "120 that clash", "reserved"],
)
def test_any_field_names_read_back_through_both_libraries(tmp_path: Path, names: list[str]) -> None:
    columns = {name: pa.array([number], pa.int32()) for number, name in enumerate(names)}
    folder = extracted(tmp_path, [POINT], columns)
    _, by_pyogrio = read(folder / "sea.shp")
    with fiona.open(folder / "sea.shp") as source:
        (feature,) = source
    assert dict(feature.properties) == {name: value[0] for name, value in by_pyogrio.items()}
    assert list(feature.properties.values()) == list(range(len(names)))
    report = json.loads((folder / "report.json").read_text())["layers"][0]
    renamed = {new: old for old, new in report["renamed_fields"].items()}
    assert [renamed.get(new, new) for new in feature.properties] == names
    aliases = (folder / "sea.shp.xml").read_text()
    assert all(f">{new}<" in aliases for new in renamed)


def test_columns_are_as_wide_as_their_longest_value(tmp_path: Path) -> None:
    columns = {"text": ["abc", "é" * 10], "flag": [True, False], "day": [date(2026, 11, 21)] * 2}
    found = columns_of(extracted(tmp_path, [POINT] * 2, columns) / "sea.dbf")
    assert found == {"text": ("C", 20, 0), "flag": ("L", 1, 0), "day": ("D", 8, 0)}


def test_nulls_are_the_formats_fillers_and_the_readme_says_so(tmp_path: Path) -> None:
    columns = {
        "whole": pa.array([None], pa.int32()),
        "real": pa.array([None], pa.float64()),
        "day": pa.array([None], pa.date32()),
        "flag": pa.array([None], pa.bool_()),
        "text": pa.array([None], pa.string()),
    }
    folder = extracted(tmp_path, [POINT], columns)
    assert row_of(folder / "sea.dbf") == b" " + b"*" * (9 + 24) + b"00000000" + b"?" + b" "
    readme = " ".join((folder / "README.txt").read_text().split())
    assert "cannot tell an empty text from none" in readme
    assert "for no date and no number: some show nothing, some 0" in readme


def test_structure_becomes_json_and_is_told_of(tmp_path: Path) -> None:
    schema = pa.schema([("where", pa.struct([("a", pa.int32()), ("b", pa.string())]))])
    batch = pa.RecordBatch.from_pylist([{"where": {"a": 1, "b": "é"}}], schema=schema)
    written = write(tmp_path, batch, [POINT], "Point")
    assert read(written.path)[1] == {"where": ['{"a": 1, "b": "é"}']}
    assert [loss.kind for loss in written.losses] == ["type_changed"]


def write(folder: Path, batch: Any, geometries: list[Any], kind: str) -> Any:
    plan = WritePlan(folder, "sea", batch.schema, pyproj.CRS(4326), kind, False, NO_DATE)
    writer = ShapefileSet(plan)
    writer.write(to_column(geometries), batch)
    (written,) = writer.close()
    return written


def test_linear_rings_become_lines(tmp_path: Path) -> None:
    ring = shapely.LinearRing([(1, 1), (2, 1), (2, 2)])
    batch = pa.RecordBatch.from_pydict({"n": [1]})
    path = write(tmp_path, batch, [ring], "LinearRing").path
    assert (path.name, shape_type(path)) == ("sea.shp", 3)
    assert shapely.equals(read(path)[0][0], shapely.LineString(ring.coords))


def test_missing_and_empty_geometries_are_counted(tmp_path: Path) -> None:
    source = write_layer(
        tmp_path / "source.gpkg", [None, shapely.Polygon(), shapely.box(1, 1, 2, 2)], kind="Polygon"
    )
    (report,) = run(source, tmp_path).layers
    assert (report.features_written, report.without_position) == (1, 2)
    assert any("2 features of the layer left out" in note for note in report.notes)


@pytest.mark.parametrize("kind", SHAPE_TYPES)
@pytest.mark.parametrize("geometries", [[], [None, None]], ids=["no rows", "no geometries"])
def test_file_without_features_has_the_declared_type(
    tmp_path: Path, kind: str, geometries: list[Any]
) -> None:
    folder = extracted(tmp_path, geometries, kind=kind)
    assert shape_type(folder / "sea.shp") == SHAPE_TYPES[kind]
    assert struct.unpack_from("<I", (folder / "sea.dbf").read_bytes(), 4) == (0,)


def test_flat_features_among_high_ones_get_the_height_zero(tmp_path: Path) -> None:
    rows = [shapely.Point(1, 2, -7.5), shapely.Point(3, 4)]
    folder = extracted(tmp_path, rows, kind="Unknown")
    found, _ = read(folder / "sea.shp")
    assert shapely.get_coordinates(found, include_z=True)[:, 2].tolist() == [-7.5, 0]


@pytest.mark.parametrize(
    "crs", ["EPSG:4326", "EPSG:3857", "EPSG:32631", "+proj=laea +lat_0=5 +lon_0=5 +datum=WGS84"]
)
def test_report_has_the_crs_in_full(tmp_path: Path, crs: str) -> None:
    there = pyproj.Transformer.from_crs("OGC:CRS84", crs, always_xy=True).transform(5, 5)
    source = write_layer(tmp_path / "source.gpkg", [shapely.Point(there)], kind="Point", crs=crs)
    folder = unpack(run(source, tmp_path))
    layer = json.loads((folder / "report.json").read_text())["layers"][0]
    assert pyproj.CRS.from_wkt(layer["crs_wkt"]).equals(pyproj.CRS(crs), ignore_axis_order=True)
    assert crs not in ("EPSG:4326", "EPSG:3857") or layer["crs"] == crs
    assert (folder / "sea.prj").read_text().startswith(("GEOGCS[", "PROJCS["))


@pytest.mark.parametrize(
    ("made_at", "stamp"), [(None, (80, 1, 1)), (datetime(2026, 11, 21, tzinfo=UTC), (126, 11, 21))]
)
def test_table_has_the_date_that_it_was_made_for(
    tmp_path: Path, made_at: datetime | None, stamp: tuple[int, int, int]
) -> None:
    folder = extracted(tmp_path, [POINT], made_at=made_at)
    assert tuple((folder / "sea.dbf").read_bytes()[1:4]) == stamp


def test_zip_has_plain_names_and_its_sizes_in_64_bits(tmp_path: Path) -> None:
    source = write_layer(tmp_path / "source.gpkg", [POINT], kind="Point")
    result = run(source, tmp_path)
    data = result.archive.read_bytes()
    # APPNOTE 4.4.8: all ones say that the size stands in the extra field.
    assert struct.unpack_from("<II", data, 18) == (0xFFFFFFFF, 0xFFFFFFFF)
    assert data[-42:-38] == b"PK\x06\x07", "the locator of zip64's end"
    with zipfile.ZipFile(result.archive) as opened:
        assert all("/" not in name and ".." not in name for name in opened.namelist())
