"""What a shapefile cannot hold: each limit met, and told."""

from __future__ import annotations

import json
import struct
from datetime import date, datetime
from pathlib import Path
from typing import Any

import fiona
import numpy as np
import pyarrow as pa
import pyproj
import pytest
import shapely

from marinemap.errors import RequestError
from marinemap.extraction.extracts.verify import verify
from marinemap.extraction.formats.dbf import DbfColumn, DbfWriter
from marinemap.extraction.formats.plan import NO_DATE, WritePlan
from marinemap.extraction.formats.shapefile import ShapefileSet
from marinemap.extraction.geometry.wkb import to_column
from tests.extraction.layers import read, run, unpack, write_layer

POINT = shapely.Point(5, 5)


def write_columns(folder: Path, columns: dict[str, Any], **plan: Any) -> Path:
    """Write points with some columns as a shapefile, without a source."""
    batch = pa.RecordBatch.from_pydict(columns)
    writer = ShapefileSet(write_plan(folder, batch.schema, **plan))
    writer.write(to_column(np.array([POINT] * batch.num_rows, object)), batch)
    (written,) = writer.close()
    verify(written)
    return written.path


def write_plan(folder: Path, schema: Any, **more: Any) -> WritePlan:
    values = {"geometry_type": "Point", "has_z": False, "made_on": NO_DATE, **more}
    return WritePlan(folder, "sea", schema, pyproj.CRS(4326), **values)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([1, None, -(2**31)], pa.int32()), [1, None, -(2**31)]),
        (pa.array([10**15 - 1, None, -5], pa.int64()), [10**15 - 1, None, -5]),
        (pa.array([1 / 3, None, 1e300, -2.5e-300]), [1 / 3, None, 1e300, -2.5e-300]),
        (pa.array([0.1, 1.5], pa.float32()), [0.1, 1.5]),
        (pa.array([True, False, None]), [True, False, None]),
        (pa.array([date(2026, 11, 21), None, date(1, 2, 3)]), ["2026-11-21", None, "0001-02-03"]),
        (pa.array(["珊瑚", None, "", "a" * 254]), ["珊瑚", None, None, "a" * 254]),
        (pa.array([255, 0], pa.uint8()), [255, 0]),
    ],
    ids=lambda value: str(getattr(value, "type", "")),
)
def test_value_reads_back_as_it_was(tmp_path: Path, column: Any, expected: list[Any]) -> None:
    path = write_columns(tmp_path, {"value": column})
    with fiona.open(path) as source:
        assert [feature.properties["value"] for feature in source] == expected


@pytest.mark.parametrize(
    ("column", "expected", "kind"),
    [
        (pa.array([2**62, 1]), [str(2**62), "1"], "type_changed"),
        (pa.array([2**64 - 1], pa.uint64()), [str(2**64 - 1)], "type_changed"),
        (pa.array([datetime(2026, 1, 2, 3, 4)]), ["2026-01-02T03:04:00"], "type_changed"),
        (pa.array([[1, 2]]), ["[1, 2]"], "type_changed"),
        (pa.array([b"\x00\xff"]), ["00ff"], "type_changed"),
        (pa.array([float("inf"), float("nan"), 1.0]), [None, None, 1.0], "value_lost"),
        (pa.array(["é" * 200, "x"]), ["é" * 127, "x"], "text_cut"),
    ],
    ids=["int64", "uint64", "date-time", "list", "bytes", "infinite", "long text"],
)
def test_loss_is_named_with_what_is_kept(
    tmp_path: Path, column: Any, expected: list[Any], kind: str
) -> None:
    batch = pa.RecordBatch.from_pydict({"value": column})
    points = to_column(np.array([POINT] * len(column), object))
    writer = ShapefileSet(write_plan(tmp_path, batch.schema))
    writer.write(points, batch)
    (written,) = writer.close()
    assert [loss.kind for loss in written.losses][-1:] == [kind]
    with fiona.open(written.path) as source:
        assert [feature.properties["value"] for feature in source] == expected


def test_integers_of_sixteen_digits_become_text(tmp_path: Path) -> None:
    source = write_layer(tmp_path / "sea.gpkg", [POINT], {"key": pa.array([10**15])}, kind="Point")
    result = run(source, tmp_path, full_copy=False)
    _, columns = read(unpack(result) / "sea.shp")
    assert columns == {"key": [str(10**15)]}
    assert [loss.kind for loss in result.layers[0].losses] == ["type_changed"]


def test_longer_texts_later_widen_the_rows_written_before(tmp_path: Path) -> None:
    schema = pa.schema([("text", pa.string()), ("count", pa.int32())])
    writer = ShapefileSet(write_plan(tmp_path, schema))
    rows = [("a", 1), ("bb" * 20, 2**31 - 1), ("é" * 100, -(2**31)), (None, None)]
    for text, count in rows:
        batch = pa.RecordBatch.from_arrays(
            [pa.array([text]), pa.array([count], pa.int32())], schema=schema
        )
        writer.write(to_column(np.array([POINT], object)), batch)
    (written,) = writer.close()
    verify(written)
    with fiona.open(written.path) as source:
        assert [(f.properties["text"], f.properties["count"]) for f in source] == rows


def test_fields_beyond_255_are_left_out_and_named(tmp_path: Path) -> None:
    columns = {f"field_{i}": pa.array([i], pa.int32()) for i in range(300)}
    source = write_layer(tmp_path / "sea.gpkg", [POINT], columns, kind="Point")
    report = run(source, tmp_path).layers[0]
    dropped = [loss.field for loss in report.losses if loss.kind == "field_dropped"]
    assert dropped == [f"field_{i}" for i in range(255, 300)]
    assert report.full_copy == "sea.gpkg"


def test_row_of_more_than_65535_bytes_is_refused_with_the_limit(tmp_path: Path) -> None:
    columns = {f"text_{i}": pa.array(["x" * 254]) for i in range(255)}
    _, found = read(write_columns(tmp_path, columns))
    assert [len(text) for (text,) in found.values()] == [254] * 255
    wide = [DbfColumn(f"c{i}", "C", 254) for i in range(259)]
    with pytest.raises(RequestError, match="65,535"):
        DbfWriter(tmp_path / "wide.dbf", wide, NO_DATE)


@pytest.mark.parametrize(
    "wkts",
    [
        ["POLYGON ((1 1, 2 1, 2 2, 1 1))", "POLYGON ((1 1, 1 2, 2 2, 1 1))"],
        ["POLYGON ((1 1, 9 1, 9 9, 1 9, 1 1), (2 2, 3 2, 3 3, 2 2), (5 5, 5 6, 6 6, 5 5))"],
        [
            "MULTIPOLYGON (((1 1, 2 1, 2 2, 1 1)), "
            "((5 5, 8 5, 8 8, 5 5), (6 5.2, 7 5.2, 7 6, 6 5.2)))"
        ],
        ["LINESTRING (1 1, 2 2, 3 1)", "MULTILINESTRING ((1 1, 2 2), (4 4, 5 5, 6 4))"],
        ["POINT (1 2)", "POINT (3 4)"],
        ["MULTIPOINT (1 2, 3 4)", "POINT (5 6)"],
        ["POLYGON Z ((1 1 5, 2 1 6, 2 2 7, 1 1 5))"],
        ["LINESTRING Z (1 1 -3, 2 2 4)"],
        ["POINT Z (1 2 3)"],
        ["MULTIPOINT Z (1 2 3, 4 5 6)"],
    ],
)
def test_geometry_reads_back_through_two_libraries(tmp_path: Path, wkts: list[str]) -> None:
    geometries = [shapely.from_wkt(wkt) for wkt in wkts]
    kind = max((g.geom_type for g in geometries), key=len) + (" Z" if geometries[0].has_z else "")
    source = write_layer(tmp_path / "sea.gpkg", geometries, kind=kind)
    path = unpack(run(source, tmp_path)) / "sea.shp"
    found, columns = read(path)
    assert columns == {"number": list(range(len(wkts)))}
    assert shapely.equals(found, geometries).all()
    assert (shapely.has_z(found) == shapely.has_z(geometries)).all()
    heights = (
        np.nan_to_num(shapely.get_coordinates(g, include_z=True)[:, 2]) for g in (found, geometries)
    )
    assert sorted(next(heights)) == sorted(next(heights))
    with fiona.open(path) as opened:
        others = [shapely.geometry.shape(feature.geometry) for feature in opened]
    assert shapely.equals(others, geometries).all()


def test_outer_rings_run_clockwise_and_holes_the_other_way(tmp_path: Path) -> None:
    square, hole = shapely.box(1, 1, 9, 9), shapely.box(3, 3, 4, 4)
    source = write_layer(tmp_path / "sea.gpkg", [square.difference(hole), hole], kind="Polygon")
    (path,) = unpack(run(source, tmp_path)).glob("*.shp")
    data = path.read_bytes()
    rings = []
    at = 100
    while at < len(data):
        words = struct.unpack(">ii", data[at : at + 8])[1]
        parts, points = struct.unpack("<ii", data[at + 44 : at + 52])
        starts = [*struct.unpack(f"<{parts}i", data[at + 52 : at + 52 + 4 * parts]), points]
        xy = np.frombuffer(data, "<f8", 2 * points, at + 52 + 4 * parts).reshape(-1, 2)
        rings += [
            shapely.is_ccw(shapely.linearrings(xy[a:b]))
            for a, b in zip(starts, starts[1:], strict=False)
        ]
        at += 8 + 2 * words
    assert rings == [False, True, False]


def test_files_are_split_before_the_limit(tmp_path: Path) -> None:
    batch = pa.RecordBatch.from_pydict({"number": pa.array(range(100), pa.int32())})
    writer = ShapefileSet(write_plan(tmp_path, batch.schema, max_bytes=1_000))
    writer.write(to_column(np.array([POINT] * 100, object)), batch)
    written = writer.close()
    assert [layer.path.name for layer in written][:3] == ["sea.shp", "sea_2.shp", "sea_3.shp"]
    numbers: list[int] = []
    for layer in written:
        verify(layer)
        assert max(file.stat().st_size for file in layer.files) <= 1_000
        numbers += read(layer.path)[1]["number"]
    assert numbers == list(range(100))


def test_heights_that_come_too_late_are_dropped_and_told(tmp_path: Path) -> None:
    batch = pa.RecordBatch.from_pydict({"n": pa.array([1], pa.int32())})
    writer = ShapefileSet(write_plan(tmp_path, batch.schema))
    for point in (shapely.Point(1, 2), shapely.Point(1, 2, 3)):
        writer.write(to_column(np.array([point], object)), batch)
    (written,) = writer.close()
    assert [(loss.kind, loss.count) for loss in written.losses] == [("height", 1)]
    assert not shapely.has_z(read(written.path)[0]).any()


def test_heights_of_a_layer_declared_without_are_kept(tmp_path: Path) -> None:
    batch = pa.RecordBatch.from_pydict({"n": pa.array([1], pa.int32())})
    writer = ShapefileSet(write_plan(tmp_path, batch.schema))
    writer.write(to_column(np.array([shapely.Point(1, 2, 3)], object)), batch)
    (written,) = writer.close()
    assert written.losses == ()
    assert read(written.path)[0][0].z == 3


def test_full_names_stand_in_the_metadata_beside(tmp_path: Path) -> None:
    source = write_layer(tmp_path / "sea.gpkg", [POINT], {"habitat <class>": ["x"]}, kind="Point")
    result = run(source, tmp_path)
    text = (unpack(result) / "sea.shp.xml").read_text()
    assert '<attrlabl Sync="TRUE">habitat__c</attrlabl>' in text
    assert "habitat &lt;class&gt;" in text
    assert result.layers[0].renamed_fields == {"habitat <class>": "habitat__c"}


def test_layer_without_fields_gets_an_identifier(tmp_path: Path) -> None:
    source = write_layer(tmp_path / "sea.gpkg", [POINT, POINT], {}, kind="Point")
    _, columns = read(unpack(run(source, tmp_path)) / "sea.shp")
    assert columns == {"FID": [1, 2]}


def test_report_names_losses_for_programs(tmp_path: Path) -> None:
    source = write_layer(tmp_path / "sea.gpkg", [POINT], {"note": ["x" * 300]}, kind="Point")
    report = json.loads((unpack(run(source, tmp_path)) / "report.json").read_text())
    (loss,) = report["layers"][0]["losses"]
    assert (loss["kind"], loss["field"], loss["count"]) == ("text_cut", "note", 1)
