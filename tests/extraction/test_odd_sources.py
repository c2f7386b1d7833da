"""Sources as other programs leave them: odd tables, open rings, places that are none."""

from __future__ import annotations

import math
import sqlite3
import struct
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyproj
import pytest
import shapely

from marinemap.errors import DatasetError, MarineMapError
from marinemap.extraction import FORMATS, check_servable, describe
from marinemap.extraction.pages.page import attributes_schema
from marinemap.extraction.projection.operations import find_operation
from tests.extraction.layers import read, run, unpack, write_layer

POINTS = [shapely.Point(1, 1), shapely.Point(2, 2)]
BOX = [-20.0, -20.0, 20.0, 20.0]
# dBASE's numbers of languages: Windows' own, Russian, Hebrew, Arabic.
ANSI, RUSSIAN, HEBREW, ARABIC = 0x57, 0xC9, 0x7D, 0x7E


def shapefile(folder: Path, field: bytes, text: bytes, language: int, cpg: str | None) -> Path:
    """Write two points with one field of texts, byte for byte."""
    path = write_layer(folder / "sea.shp", POINTS, {}, kind="Point", driver="ESRI Shapefile")
    head = struct.pack("<BBBBIHH16xBB2x", 3, 126, 1, 1, 2, 65, 21, 0, language)
    column = field.ljust(11, b"\0") + b"C" + bytes(4) + bytes([20, 0]) + bytes(14)
    rows = b"".join(b" " + value.ljust(20) for value in (text, b"plain"))
    path.with_suffix(".dbf").write_bytes(head + column + b"\r" + rows + b"\x1a")
    path.with_suffix(".cpg").unlink(missing_ok=True)
    if cpg is not None:
        path.with_suffix(".cpg").write_text(cpg, encoding="utf-8")
    return path


def changed_in(source: Path, statement: str, *values: object) -> None:
    """Change a GeoPackage without its triggers, which ask for functions of GDAL's own."""
    with closing(sqlite3.connect(source)) as database:
        found = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        for (name,) in database.execute(found).fetchall():
            database.execute(f'DROP TRIGGER "{name}"')
        database.execute(statement, values)
        database.commit()


@pytest.mark.parametrize(
    ("text", "encoding", "language", "cpg"),
    [
        ("Größe 5 €", "cp1252", 0, None),
        ("Größe 5 €", "cp1252", ANSI, None),
        ("Größe", "utf-8", 0, None),
        ("\x81\xe9", "latin-1", 0, None),
        ("Привет", "cp1251", RUSSIAN, None),
        ("سلام", "cp1256", ARABIC, None),
        ("5 €", "cp1252", 0, "ANSI 1252"),
        ("é", "cp437", 0, "OEM 437"),
        ("é", "latin-1", 0, "8859-1"),
        ("é", "latin-1", 0, "28591"),
        ("é", "utf-8", 0, "\N{ZERO WIDTH NO-BREAK SPACE}UTF-8\r\n"),
    ],
)
def test_texts_and_names_are_read_in_the_encoding_of_the_table(
    tmp_path: Path, text: str, encoding: str, language: int, cpg: str | None
) -> None:
    name = "Größe" if encoding in ("cp1252", "utf-8", "latin-1") else "name"
    source = shapefile(tmp_path, name.encode(encoding), text.encode(encoding), language, cpg)
    assert [field.name for field in describe(source).fields] == [name]
    _, columns = read(unpack(run(source, tmp_path, format="geopackage")) / "sea.gpkg")
    assert columns == {name: [text, "plain"]}


@pytest.mark.parametrize(("language", "cpg"), [(HEBREW, None), (0, "1255"), (0, "CP1258")])
def test_texts_that_gdal_cuts_are_refused(tmp_path: Path, language: int, cpg: str | None) -> None:
    source = shapefile(tmp_path, b"name", "שלום".encode("cp1255"), language, cpg)
    with pytest.raises(DatasetError, match="GDAL loses the last letter"):
        describe(source)


def test_fields_of_one_name_are_refused(tmp_path: Path) -> None:
    source = write_layer(tmp_path / "sea.shp", POINTS, driver="ESRI Shapefile", kind="Point")
    source = write_layer(
        source, POINTS, {"NAME": ["a", "b"], "NAMF": ["c", "d"]}, driver="ESRI Shapefile"
    )
    table = source.with_suffix(".dbf")
    table.write_bytes(table.read_bytes().replace(b"NAMF", b"NAME"))
    with pytest.raises(DatasetError, match="has 2 fields named 'NAME'"):
        describe(source)


@pytest.mark.parametrize("area", [[-20.0, -20.0, 20.0, 20.0], [-20.0, -20.0, 3.0, 20.0]])
def test_open_rings_are_closed(tmp_path: Path, area: list[float]) -> None:
    boxes = [shapely.box(0, 0, 4, 4), shapely.box(1, 1, 2, 2)]
    source = write_layer(tmp_path / "sea.shp", boxes, driver="ESRI Shapefile", kind="Polygon")
    data = bytearray(source.read_bytes())
    # The header, and what stands before the first corner of a record of one ring (Esri, 1998).
    first = 100 + 8 + 48
    data[first + 64 : first + 80] = struct.pack("<2d", 2.5, 3.5)
    corners = np.frombuffer(data[first : first + 80], "<f8").reshape(5, 2)
    source.write_bytes(data)
    check_servable(describe(source))
    for name in ("shapefile", "geopackage"):
        result = run(source, tmp_path, area, format=name)
        (report,) = result.layers
        assert (report.features_written, report.repaired) == (2, 1)
        suffix = ".shp" if name == "shapefile" else ".gpkg"
        geometries, columns = read(unpack(result) / f"sea{suffix}")
        found = geometries[columns["number"].index(0)]
        expected = shapely.make_valid(shapely.Polygon(corners)).intersection(shapely.box(*area))
        assert found.symmetric_difference(expected).area == pytest.approx(0, abs=1e-12)


def test_geometry_that_is_broken_is_named_when_it_is_added(tmp_path: Path) -> None:
    source = write_layer(tmp_path / "sea.gpkg", POINTS * 100)
    one_position = b"GP\0\1" + struct.pack("<iBIIdd", 4326, 1, 2, 1, 1.0, 1.0)
    # Behind the back of the index, and the first hundred are sound.
    changed_in(source, "UPDATE sea SET geom = ? WHERE fid = 150", one_position)
    lost = check_servable(describe(source))
    assert lost.ids_and_reasons == "150 (point array must contain 0 or >1 elements)"


def test_text_that_is_none_is_refused_when_it_is_added(tmp_path: Path) -> None:
    source = write_layer(tmp_path / "sea.gpkg", POINTS * 100, {"name": ["x"] * 200})
    changed_in(source, "UPDATE sea SET name = CAST(x'fffe' AS TEXT) WHERE fid = 150")
    with pytest.raises(DatasetError, match="a text of field 'name' is not in the encoding"):
        check_servable(describe(source))


def test_feature_at_infinity_does_not_hide_the_others(tmp_path: Path) -> None:
    source = write_layer(tmp_path / "sea.gpkg", [*POINTS, shapely.Point(math.inf, 0)])
    dataset = describe(source)
    assert dataset.bounds == (1, 1, 2, 2)
    check_servable(dataset)
    (report,) = run(source, tmp_path, BOX).layers
    assert (report.features_written, report.not_finite) == (2, 1)


def odd_days(folder: Path) -> Path:
    days = pa.array([0, 0], pa.int32()).cast(pa.date32())
    source = write_layer(folder / "sea.gpkg", POINTS, {"day": days})
    changed_in(source, "UPDATE sea SET day = iif(fid = 1, '-0044-03-15', '2026-01-31')")
    return source


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "geoparquet"])
def test_dates_before_the_year_one_are_lost_with_a_word(tmp_path: Path, name: str) -> None:
    (report,) = run(odd_days(tmp_path), tmp_path, format=name).layers
    assert report.features_written == 2
    assert [(loss.field, loss.count) for loss in report.losses if loss.kind == "value_lost"] == [
        ("day", 1)
    ]
    if report.full_copy:
        assert (
            "sea.gpkg holds the same features with all but this: 1 of the values"
            in report.notes[-1]
        )


def test_times_after_the_year_9999_are_texts_in_a_shapefile(tmp_path: Path) -> None:
    source = write_layer(
        tmp_path / "sea.gpkg", POINTS, {"at": pa.array([0, None], pa.timestamp("ms"))}
    )
    changed_in(source, "UPDATE sea SET at = '10000-01-01T00:00:00.5Z' WHERE fid = 1")
    _, columns = read(unpack(run(source, tmp_path, full_copy=False)) / "sea.shp")
    assert columns["at"] == ["10000-01-01T00:00:00.500+00:00", None]


def test_crs_without_any_operation_has_a_ballpark_one() -> None:
    # pyproj fails by an IndexError where it finds no operation that is not a ballpark one.
    found = find_operation(pyproj.CRS("EPSG:9006"), pyproj.CRS("OGC:CRS84"), None)
    assert found.is_ballpark
    assert found.name == "Ballpark geographic offset from IGS00 to WGS 84"
    assert np.isfinite(found.move(np.array([[10.0, 50.0]]))).all()


@pytest.mark.parametrize("crs", ["EPSG:4978", "EPSG:5703"])
def test_crs_without_positions_on_a_map_is_refused(tmp_path: Path, crs: str) -> None:
    source = write_layer(tmp_path / "sea.gpkg", [shapely.Point(4e6, 1e6)], crs=crs)
    with pytest.raises(DatasetError, match=r"positions are none on a map|has no CRS"):
        describe(source)


@pytest.mark.parametrize("sign", [";", "!", "\n", "\t"])
def test_name_with_a_sign_at_which_it_is_cut_is_refused(tmp_path: Path, sign: str) -> None:
    source = write_layer(tmp_path / "sea.gpkg", POINTS)
    with pytest.raises(MarineMapError) as failure:
        describe(source.rename(tmp_path / f"a{sign}b.gpkg"))
    assert f"has the sign {sign!r}" in str(failure.value)
    assert str(tmp_path) not in str(failure.value)


def test_field_without_a_name_has_one_in_csv(tmp_path: Path) -> None:
    source = write_layer(tmp_path / "sea.gpkg", POINTS, {"": ["a", "b"]})
    _, columns = read(unpack(run(source, tmp_path, format="csv")) / "sea.csv")
    assert columns["field"] == ["a", "b"]


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("DELETE FROM rtree_sea_geom WHERE id = 2", "has 1 entries for 2 features"),
        ("INSERT INTO rtree_sea_geom VALUES (9, 0, 1, 0, 1)", "has 3 entries for 2 features"),
        ("UPDATE gpkg_ogr_contents SET feature_count = 7", "gives 2 features where 7 are stated"),
    ],
)
def test_index_that_a_change_left_behind_is_refused(
    tmp_path: Path, statement: str, words: str
) -> None:
    source = write_layer(tmp_path / "sea.gpkg", [*POINTS, None][:2])
    check_servable(describe(source))
    changed_in(source, statement)
    with pytest.raises(DatasetError, match=words):
        check_servable(describe(source))


def test_features_that_lie_nowhere_are_not_missed_in_the_index(tmp_path: Path) -> None:
    nowhere = [None, shapely.Point(), shapely.Point(math.nan, 1), shapely.MultiPolygon()]
    empty_part = shapely.from_wkt("MULTIPOLYGON (EMPTY)")
    source = write_layer(tmp_path / "sea.gpkg", [*POINTS, *nowhere, empty_part])
    check_servable(describe(source))


def test_layer_named_like_a_path_has_no_style_elsewhere(tmp_path: Path) -> None:
    source = write_layer(tmp_path / "sea.gpkg", POINTS)
    changed_in(source, "PRAGMA writable_schema = OFF")
    for table in ("gpkg_contents", "gpkg_geometry_columns", "gpkg_ogr_contents"):
        changed_in(source, f"UPDATE {table} SET table_name = '../sea'")
    changed_in(source, "DELETE FROM gpkg_extensions")
    changed_in(source, 'ALTER TABLE sea RENAME TO "../sea"')
    (tmp_path.parent / "sea.qml").write_text("<qgis/>")
    (report,) = run(source, tmp_path).layers
    assert report.features_written == 2
    assert not any(name.endswith(".qml") for name in report.files)


@pytest.mark.parametrize(
    ("types", "header", "row", "fields"),
    [
        (None, "WKT,name", '"LINESTRING (1 1, 20 1)",reef', ["name"]),
        ('"String","WKT"', "name,shape", 'reef,"LINESTRING (1 1, 20 1)"', ["name"]),
        ('"CoordX","CoordY","String"', "lon,lat,name", "3,4,reef", ["lon", "lat", "name"]),
    ],
)
def test_text_of_a_csvs_geometry_is_no_field_of_its_own(
    tmp_path: Path, types: str | None, header: str, row: str, fields: list[str]
) -> None:
    source = tmp_path / "sea.csv"
    source.write_text(f"{header}\n{row}\n")
    source.with_suffix(".prj").write_text(pyproj.CRS(4326).to_wkt("WKT1_ESRI"))
    if types:
        source.with_suffix(".csvt").write_text(f"{types}\n")
    assert [field.name for field in describe(source).fields] == fields
    assert attributes_schema(describe(source)).names == fields
    geometries, columns = read(unpack(run(source, tmp_path)) / "sea.shp")
    assert (list(columns), columns["name"]) == (fields, ["reef"])
    assert shapely.get_coordinates(geometries)[:, 0].max() <= 10
