"""Sources that lie, break or change: a named failure, or a count; never a smaller extract."""

from __future__ import annotations

import math
import os
import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely

from marinemap.errors import DatasetError
from marinemap.extraction import ExtractionRequest, SourceLayer, extract
from marinemap.extraction.sources.shapefile_records import check_records
from marinemap.extraction.sources.source_files import unchanged
from tests.extraction.layers import AREA, read, run, unpack, write_layer

BOXES = [shapely.box(x, y, x + 0.5, y + 0.5) for x in range(1, 8) for y in range(1, 8)]


def shapefile(folder: Path, geometries: Any = BOXES, **columns: Any) -> Path:
    columns = columns or {"number": pa.array(range(len(geometries)), pa.int32())}
    return write_layer(folder / "sea.shp", geometries, columns, driver="ESRI Shapefile")


def change(path: Path, at: int, data: bytes) -> None:
    content = bytearray(path.read_bytes())
    content[at : at + len(data)] = data
    path.write_bytes(content)


def record_at(path: Path, number: int) -> int:
    index = path.with_suffix(".shx").read_bytes()
    return int(struct.unpack_from(">i", index, 100 + 8 * number)[0]) * 2


@pytest.mark.parametrize(
    ("suffix", "place", "data", "message"),
    [
        (".shx", lambda p: 108, struct.pack(">i", 50), "twice at the same place"),
        (".shx", lambda p: 108, struct.pack(">i", 2**30), "outside of its .shp"),
        (".shp", lambda p: record_at(p, 3) + 4, struct.pack(">i", 99), "differ from its index"),
        (".shp", lambda p: record_at(p, 3) + 8, struct.pack("<i", 3), "differ from its index"),
        (".shp", lambda p: 36, struct.pack("<4d", 60, 60, 61, 61), "extent in its header"),
        (".shp", lambda p: 32, struct.pack("<i", 7), "shape type 7"),
        (".dbf", lambda p: 4, struct.pack("<I", 48), "48 rows for 49 geometries"),
        (".dbf", lambda p: 8, struct.pack("<H", 66), "does not fit its columns"),
        (".dbf", lambda p: 10, struct.pack("<H", 8), "rows of 8 bytes for columns of"),
        (".dbf", lambda p: 43, b"!", "type '!', which there is not"),
        (".dbf", lambda p: 66, b"seven", "holds 'seven.*' in field 'number', which is no number"),
        (".cpg", lambda p: 0, b"../..", "sea.cpg names no encoding"),
    ],
)
def test_lie_in_a_shapefile_is_named(
    tmp_path: Path, suffix: str, place: Callable[[Path], int], data: bytes, message: str
) -> None:
    path = shapefile(tmp_path)
    change(path.with_suffix(suffix), place(path), data)
    with pytest.raises(DatasetError, match=message):
        run(path, tmp_path)


@pytest.mark.parametrize(
    ("place", "data", "why"),
    [
        (12, struct.pack("<d", 1e6), "lies outside of the box that it states"),
        (12, struct.pack("<d", math.nan), "lies outside of the box that it states"),
        (44, struct.pack("<i", 2), "does not hold the parts and points that it states"),
        (48, struct.pack("<i", -1), "does not hold the parts and points that it states"),
        (52, struct.pack("<i", 1), "does not hold the parts and points that it states"),
        (72, struct.pack("<d", 1e300), "lies outside of the box that it states"),
    ],
)
def test_record_that_contradicts_itself_is_left_out_and_named(
    tmp_path: Path, place: int, data: bytes, why: str
) -> None:
    path = shapefile(tmp_path)
    change(path, record_at(path, 3) + place, data)
    (report,) = run(path, tmp_path).layers
    assert (report.features_written, report.unreadable) == (48, 1)
    assert [(each.id, each.reason) for each in report.left_out] == [(3, f"it {why}")]
    geometries, columns = read(unpack(run(path, tmp_path)) / "sea.shp")
    assert columns["number"] == [number for number in range(49) if number != 3]
    # Where the area does not reach, it is told of as well: nobody knows where it lies.
    (report,) = run(path, tmp_path, [6.0, 6.0, 9.0, 9.0]).layers
    assert (report.features_written, report.unreadable) == (4, 1)


def test_shapefile_of_which_most_contradicts_itself_is_damaged(tmp_path: Path) -> None:
    path = shapefile(tmp_path)
    for number in range(25):
        change(path, record_at(path, number) + 44, struct.pack("<i", 2))
    with pytest.raises(
        DatasetError, match=r"25 of the 49 geometries .* sea\.shp cannot be read: f"
    ):
        run(path, tmp_path)


@pytest.mark.parametrize(("kind", "value"), [("D", b"2026112x"), ("L", b"x")])
def test_date_or_truth_value_that_is_none_is_named(tmp_path: Path, kind: str, value: bytes) -> None:
    column = pa.array([10_000], pa.date32()) if kind == "D" else pa.array([True])
    source = write_layer(tmp_path / "a.gpkg", BOXES[:1], {"v": column}, kind="Polygon")
    folder = unpack(run(source, tmp_path))
    change(folder / "sea.dbf", 66, value)
    with pytest.raises(DatasetError, match="in field 'v', which is no (date|truth value)"):
        run(folder / "sea.shp", tmp_path)


def test_numbers_as_other_programs_write_them_are_taken(tmp_path: Path) -> None:
    path = shapefile(tmp_path, BOXES[:8], v=pa.array([0.5] * 8))
    texts = ["1", " 2.", "+3", "-.5", "1.5E+3", "*" * 24, "", "nan"]
    for row, text in enumerate(texts):
        change(path.with_suffix(".dbf"), 65 + row * 25 + 1, text.rjust(24).encode())
    _, columns = read(unpack(run(path, tmp_path)) / "sea.shp")
    assert columns["v"] == pytest.approx([1, 2, 3, -0.5, 1500, *[math.nan] * 3], nan_ok=True)


@pytest.mark.parametrize(
    ("wkts", "kind"),
    [
        (["POINT (1 2)", "POINT (3 4)"], "Point"),
        (["POINT Z (1 2 3)"], "Point Z"),
        (["MULTIPOINT (1 2, 3 4)"], "MultiPoint"),
        (["MULTIPOINT Z (1 2 5, 3 4 6)"], "MultiPoint Z"),
        (["LINESTRING (1 1, 2 2)", "MULTILINESTRING ((1 1, 2 2), (3 3, 4 4))"], "LineString"),
        (["LINESTRING Z (1 1 5, 2 2 6)"], "LineString Z"),
        (["POLYGON Z ((1 1 5, 2 1 6, 2 2 7, 1 1 5))"], "Polygon Z"),
        (["POLYGON ((1 1, 9 1, 9 9, 1 1), (5 2, 6 2, 6 3, 5 2))", "POLYGON EMPTY"], "Polygon"),
    ],
)
def test_sound_records_of_each_shape_type_pass(tmp_path: Path, wkts: list[str], kind: str) -> None:
    path = write_layer(
        tmp_path / "sea.shp",
        [shapely.from_wkt(wkt) for wkt in wkts],
        kind=kind,
        driver="ESRI Shapefile",
    )
    assert check_records(path).nowhere == sum("EMPTY" in wkt for wkt in wkts)


def test_features_of_a_shapefile_that_lie_nowhere_are_counted(tmp_path: Path) -> None:
    path = shapefile(tmp_path, [*BOXES[:4], None])
    change(path, record_at(path, 1) + 72, struct.pack("<d", math.nan))
    (report,) = run(path, tmp_path).layers
    assert report.features_written == 3
    assert (report.without_position, report.not_finite) == (2, 0)
    assert any("2 features of the layer left out" in note for note in report.notes)


@pytest.mark.parametrize(("encoding", "text"), [("ISO-8859-1", "récif"), ("UTF-8", "珊瑚")])
def test_table_that_does_not_state_its_encoding_keeps_its_texts(
    tmp_path: Path, encoding: str, text: str
) -> None:
    # As long in either encoding, so that the table can be changed in place.
    blank = "x" * len(text.encode(encoding))
    path = shapefile(tmp_path, BOXES[:2], **{"text": [blank, "y"]})
    path.with_suffix(".cpg").unlink()
    place = path.with_suffix(".dbf").read_bytes().index(blank.encode())
    change(path.with_suffix(".dbf"), place, text.encode(encoding))
    _, columns = read(unpack(run(path, tmp_path)) / "sea.shp")
    assert columns["text"] == [text, "y"]


def test_text_in_another_encoding_than_stated_is_named(tmp_path: Path) -> None:
    path = shapefile(tmp_path, BOXES[:1], text=["recif"])
    place = path.with_suffix(".dbf").read_bytes().index(b"recif")
    change(path.with_suffix(".dbf"), place, "récif".encode("latin-1"))
    path.with_suffix(".cpg").write_text("UTF-8")
    with pytest.raises(DatasetError, match=r"sea\.shp.*text|text.*field 'text'"):
        run(path, tmp_path)


def change_geometry(source: Path, change: Callable[[bytes], bytes]) -> None:
    """Change the geometry of feature 7 of a GeoPackage, behind the back of its index."""
    with closing(sqlite3.connect(source)) as database:
        triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        for (name,) in database.execute(triggers).fetchall():
            database.execute(f'DROP TRIGGER "{name}"')
        (column,) = database.execute("SELECT column_name FROM gpkg_geometry_columns").fetchone()
        (blob,) = database.execute(f"SELECT {column} FROM sea WHERE number = 7").fetchone()
        database.execute(f"UPDATE sea SET {column} = ? WHERE number = 7", [change(blob)])
        database.commit()


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(lambda blob: blob[:-40], id="cut"),
        pytest.param(lambda blob: blob[:41] + b"\xff" * 4 + blob[45:], id="no such type"),
        pytest.param(lambda blob: None, id="null"),
    ],
)
@pytest.mark.parametrize("kind", ["Polygon", "Unknown"])
def test_broken_geometry_of_a_geopackage_is_left_out_and_named(
    tmp_path: Path, kind: str, harm: Callable[[bytes], bytes]
) -> None:
    source = write_layer(tmp_path / "sea.gpkg", BOXES, kind=kind)
    change_geometry(source, harm)
    (report,) = run(source, tmp_path).layers
    assert (report.features_written, report.unreadable) == (48, 1)
    assert [each.id for each in report.left_out] == [8]


def shrink(path: Path) -> None:
    smaller = path.with_name("smaller.gpkg")
    write_layer(smaller, BOXES[:5], kind="Polygon")
    smaller.rename(path)


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(shrink, id="replaced by a smaller one"),
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:8192]), id="cut"),
        pytest.param(lambda path: path.write_bytes(bytes(path.stat().st_size)), id="zeros"),
        pytest.param(os.unlink, id="removed"),
    ],
)
@pytest.mark.parametrize("suffix", [".gpkg", ".shp", ".geojson", ".fgb"])
def test_source_that_changes_while_read_is_read_again(
    tmp_path: Path, suffix: str, harm: Callable[[Path], None]
) -> None:
    if harm is shrink and suffix != ".gpkg":
        pytest.skip("one format shows what a replacement does")
    drivers = {".shp": "ESRI Shapefile", ".geojson": "GeoJSON", ".fgb": "FlatGeobuf"}
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    out.mkdir()
    many = np.repeat(np.array(BOXES, object), 1000)
    source = write_layer(
        data / f"sea{suffix}", many, kind="Polygon", driver=drivers.get(suffix, "GPKG")
    )
    told: list[float] = []

    def harm_once(fraction: float, message: str) -> None:
        if not told:
            harm(source)
        told.append(fraction)

    request = ExtractionRequest([SourceLayer("sea", source)], AREA, out / "out.zip")
    if harm is shrink:
        assert extract(request, work_folder=out, progress=harm_once).features_written == 5
        return
    with pytest.raises(DatasetError, match=rf"sea\{suffix}"):
        extract(request, work_folder=out, progress=harm_once)
    assert list(out.iterdir()) == []


def test_work_with_a_source_that_changes_is_a_named_failure(tmp_path: Path) -> None:
    source = write_layer(tmp_path / "sea.gpkg", BOXES, kind="Polygon")
    with pytest.raises(DatasetError, match=r"sea\.gpkg was changed"), unchanged(source):
        os.utime(source, ns=(1, 1))
    with pytest.raises(DatasetError, match=r"sea\.gpkg was changed"), unchanged(source):
        source.unlink()
        raise DatasetError("it cannot be read")
