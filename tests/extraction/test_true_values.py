"""Values that GDAL gives as others are delivered as they are, null, or refused by name."""

from __future__ import annotations

import csv
import json
import sqlite3
import struct
from contextlib import closing
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from marinemap.errors import DatasetError
from marinemap.extraction import check_servable, describe
from marinemap.extraction.pages.page import Wanted, read_page
from marinemap.extraction.sources.source_files import fingerprint
from tests.extraction.layers import read, run, unpack, write_layer
from tests.extraction.test_geopackage_rows import with_values
from tests.extraction.test_odd_sources import changed_in

WORLD = [-180.0, -90.0, 180.0, 90.0]
# GDAL warns of some of them.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
MISREAD: list[tuple[str, Any]] = [
    ("DATE", "20200229"),
    ("DATE", "29.02.2020"),
    ("DATE", "1970-13-01"),
    ("DATE", "2020-02-30"),
    ("DATE", "1900/2/29"),
    ("DATE", "2020-01-02T10:00:00Z"),
    ("DATETIME", "2020-06-31T12:00:00-05:00"),
    ("DATETIME", "12:00:00"),
    ("DATETIME", "2020-01-01T25:00:00Z"),
    ("DATETIME", "01.01.2020 12:00"),
    ("BOOLEAN", "true"),
    ("SMALLINT", 70_000),
    ("MEDIUMINT", -(2**31) - 1),
    ("INTEGER", 1.7),
    ("INTEGER", 1e300),
    ("INTEGER", "word"),
    ("FLOAT", 1e39),
    ("DOUBLE", "1,5"),
    ("TEXT", "ab\0cd"),
]
AS_THEY_ARE: dict[str, list[Any]] = {
    "BOOLEAN": [1],
    "SMALLINT": [-(2**15), 2**15 - 1],
    "MEDIUMINT": [-(2**31), 2**31 - 1],
    "INTEGER": [-(2**63), 2**63 - 1],
    "DOUBLE": [2.5, float("inf")],
    "DATE": ["1970-01-01"],
    "DATETIME": ["1970-01-01T00:00:00Z", "1970/01/01 00:00", "1969-12-31T23:00:00-01:00"],
}


@pytest.mark.parametrize(("column", "value"), MISREAD)
def test_value_of_a_geopackage_that_gdal_misreads_is_refused(
    tmp_path: Path, column: str, value: Any
) -> None:
    source = with_values(tmp_path, column, [None, value])
    words = r"feature 3 of layer 'sea' of sea\.gpkg has .* in field 'at'"
    for index in ("with", "without"):
        with pytest.raises(DatasetError, match=words) as failure:
            check_servable(describe(source))
        assert "Mend the value" in (failure.value.hint or "")
        with pytest.raises(DatasetError, match=words):
            run(source, tmp_path, WORLD)
        with pytest.raises(DatasetError, match=words):
            read_page(describe(source), fingerprint(source), Wanted(limit=10))
        if index == "with":
            changed_in(source, "DROP TABLE rtree_sea_geom")


@pytest.mark.parametrize("column", ["DATE", "DATETIME", "BOOLEAN", "SMALLINT", "INTEGER", "DOUBLE"])
def test_empty_text_in_a_geopackage_is_null(tmp_path: Path, column: str) -> None:
    plain = AS_THEY_ARE[column][0]
    source = with_values(tmp_path, column, ["", plain])
    check_servable(describe(source))
    _, columns = read(unpack(run(source, tmp_path, WORLD, format="geopackage")) / "sea.gpkg")
    assert [value is None or value != value for value in columns["at"]] == [True, True, False]


@pytest.mark.parametrize("column", AS_THEY_ARE)
def test_value_of_its_columns_type_is_read(tmp_path: Path, column: str) -> None:
    source = with_values(tmp_path, column, AS_THEY_ARE[column])
    check_servable(describe(source))
    _, columns = read(unpack(run(source, tmp_path, WORLD, format="geopackage")) / "sea.gpkg")
    first, *others = columns["at"]
    assert first is None or first != first
    if column in ("DATE", "DATETIME"):
        assert {str(value)[:16] for value in others} <= {"1970-01-01", "1970-01-01 00:00"}
    else:
        # Beside a null they are read back as reals.
        assert others == pytest.approx(AS_THEY_ARE[column])


def test_columns_of_types_that_a_geopackage_has_not_are_told(tmp_path: Path) -> None:
    source = with_values(tmp_path, "DECIMAL(10,2)", [1.5])
    changed_in(source, "ALTER TABLE sea ADD COLUMN code VARCHAR(5) DEFAULT '007'")
    (note,) = (note for note in run(source, tmp_path, WORLD).layers[0].notes if "not read" in note)
    assert "not read: 'at' (DECIMAL(10,2)), 'code' (VARCHAR(5))." in note
    assert describe(source).assumed == note


def test_each_column_that_a_geopackage_has_is_read(tmp_path: Path) -> None:
    types = "BOOLEAN TINYINT SMALLINT MEDIUMINT INT INTEGER FLOAT DOUBLE REAL TEXT(9) BLOB DATE"
    source = with_values(tmp_path, "DATETIME", [None])
    for name, type_ in enumerate(types.split()):
        changed_in(source, f"ALTER TABLE sea ADD COLUMN c{name} {type_}")
    changed_in(source, "ALTER TABLE sea ADD COLUMN made TEXT AS (fid || 'x')")
    assert describe(source).assumed == ""


def with_codes(folder: Path, column: str, values: list[Any]) -> Path:
    """Write a layer of which a field has a list of codes: 1 for rock and 4 for sand."""
    source = with_values(folder, column, values)
    for statement in (
        "CREATE TABLE gpkg_data_columns (table_name TEXT, column_name TEXT, name TEXT, title TEXT, "
        "description TEXT, mime_type TEXT, constraint_name TEXT)",
        "CREATE TABLE gpkg_data_column_constraints (constraint_name TEXT, constraint_type TEXT, "
        "value TEXT, min NUMERIC, min_is_inclusive BOOLEAN, max NUMERIC, max_is_inclusive BOOLEAN, "
        "description TEXT)",
        "INSERT INTO gpkg_data_columns (table_name, column_name, constraint_name) "
        "VALUES ('sea', 'at', 'ground')",
        "INSERT INTO gpkg_data_column_constraints (constraint_name, constraint_type, value, "
        "description) VALUES ('ground', 'enum', '1', 'rock'), ('ground', 'enum', '4', 'sand')",
        "INSERT INTO gpkg_extensions SELECT name, NULL, 'gpkg_schema', 'x', 'read-write' "
        "FROM sqlite_master WHERE name LIKE 'gpkg_data_column%' AND type = 'table'",
    ):
        changed_in(source, statement)
    return source


@pytest.mark.parametrize("column", ["SMALLINT", "MEDIUMINT"])
def test_codes_of_a_list_stay_codes(tmp_path: Path, column: str) -> None:
    codes = [1, 4, 0, 2, 77, -1]
    source = with_codes(tmp_path, column, codes)
    result = run(source, tmp_path, WORLD, format="csv")
    with (unpack(result) / "sea.csv").open(newline="") as file:
        assert [row["at"] for row in csv.DictReader(file)] == ["", *map(str, codes)]
    assert not [note for note in result.layers[0].notes if "'at'" in note]
    parquet = unpack(run(source, tmp_path, WORLD, format="geoparquet")) / "sea.parquet"
    assert pq.read_table(parquet).column("at").to_pylist() == [None, *codes]
    assert run(source, tmp_path, WORLD, filter="at = 77 OR at = 0").features_written == 2
    (page,) = read_page(describe(source), fingerprint(source), Wanted(limit=10)).parts
    assert page.attributes.column("at").to_pylist() == [None, *codes]


def with_view(folder: Path, query: str, classes: list[Any]) -> Path:
    """Write points, each of a class, and a view of them as the layer ``seen``."""
    source = with_values(folder, "INTEGER", classes)
    changed_in(source, f"CREATE VIEW seen AS SELECT {query} FROM sea")
    for table in ("gpkg_contents", "gpkg_geometry_columns"):
        with closing(sqlite3.connect(source)) as database:
            found = database.execute(f"SELECT name FROM pragma_table_info('{table}')").fetchall()
        names = [name for (name,) in found if name not in ("table_name", "identifier")]
        columns = ", ".join(names)
        changed_in(
            source,
            f"INSERT INTO {table} (table_name, {columns}) SELECT 'seen', {columns} FROM {table}",
        )
    return source


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("coalesce(at, 3) AS class, number, geom", [3, 5, 5, 7]),
        ("count(*) AS class, number, geom", [4]),
        ("fid AS class, number, geom", [1, 2, 3, 4]),
    ],
)
def test_first_column_of_a_view_is_a_field(tmp_path: Path, query: str, expected: list[int]) -> None:
    source = with_view(tmp_path, query, [5, 5, 7])
    dataset = describe(source, "seen")
    assert [field.name for field in dataset.fields] == ["class", "number"]
    result = run(source, tmp_path, WORLD, layer="seen", format="csv")
    with (unpack(result) / "sea.csv").open(newline="") as file:
        assert [int(row["class"]) for row in csv.DictReader(file)] == expected
    (page,) = read_page(dataset, fingerprint(source), Wanted(limit=10)).parts
    assert page.attributes.column("class").to_pylist() == expected


@pytest.mark.parametrize("value", [None, "x", 1.5])
def test_view_whose_first_column_is_misread_as_ids_is_refused(tmp_path: Path, value: Any) -> None:
    source = with_view(tmp_path, "at AS class, number, geom", [5, value])
    changed_in(source, "UPDATE sea SET at = 2 WHERE fid = 1")
    with pytest.raises(DatasetError, match="the first column of view 'seen' .* 'class'") as failure:
        describe(source, "seen")
    assert "give a key first" in (failure.value.hint or "")


def test_key_of_an_sqlite_table_is_a_field(tmp_path: Path) -> None:
    points = [shapely.Point(1, 1), shapely.Point(2, 1)]
    options = {"FID": "station"}
    source = write_layer(tmp_path / "sea.sqlite", points, driver="SQLite", layer_options=options)
    result = run(source, tmp_path, WORLD, format="csv")
    with (unpack(result) / "sea.csv").open(newline="") as file:
        assert [row["station"] for row in csv.DictReader(file)] == ["1", "2"]


@pytest.mark.parametrize("end", ["", " WITHOUT ROWID"])
def test_key_that_is_a_text_is_a_field_and_no_id(tmp_path: Path, end: str) -> None:
    source = with_values(tmp_path, "INTEGER", [])
    changed_in(source, "ALTER TABLE sea RENAME TO old")
    changed_in(source, f"CREATE TABLE sea (name TEXT PRIMARY KEY, geom POINT){end}")
    changed_in(source, "INSERT INTO sea SELECT 'reef', geom FROM old")
    changed_in(source, "DROP TABLE old")
    changed_in(source, "DELETE FROM gpkg_ogr_contents")
    (report,) = run(source, tmp_path, WORLD).layers
    assert report.features_written == 1
    assert [field.name for field in describe(source).fields] == ["name"]


def test_columns_that_differ_in_capitals_only_are_not_told_as_unread(tmp_path: Path) -> None:
    source = with_values(tmp_path, "INTEGER", [1])
    changed_in(source, "UPDATE gpkg_geometry_columns SET column_name = 'Geom'")
    assert describe(source).assumed == ""


def test_misread_value_elsewhere_is_no_reason_to_refuse(tmp_path: Path) -> None:
    source = with_values(tmp_path, "SMALLINT", [70_000])
    changed_in(source, "DELETE FROM rtree_sea_geom WHERE id = 2")
    changed_in(source, "UPDATE sea SET geom = NULL WHERE fid = 2")
    assert run(source, tmp_path, WORLD).features_written == 1


@pytest.mark.parametrize(
    ("ids", "is_told"),
    [(["7", "9"], True), (["7", "7"], True), (['"a"', '"b"'], False), (["null", "null"], False)],
)
@pytest.mark.parametrize("suffix", ["geojson", "geojsonl"])
def test_identifiers_that_are_not_read_are_told(
    tmp_path: Path, ids: list[str], is_told: bool, suffix: str
) -> None:
    point = '"geometry": {"type": "Point", "coordinates": [1, 1]}'
    each = [f'{{"type": "Feature", "id": {id_}, "properties": {{"n": 1}}, {point}}}' for id_ in ids]
    whole = '{"type": "FeatureCollection", "features": [' + ", ".join(each) + "]}\n"
    source = tmp_path / f"sea.{suffix}"
    source.write_text(whole if suffix == "geojson" else "\n".join(each) + "\n")
    told = describe(source).assumed
    assert ("numbers (the first is 7), which are not read" in told) is is_told
    notes = run(source, tmp_path, WORLD).layers[0].notes
    assert (told in notes) is is_told


@pytest.mark.parametrize("suffix", ["geojson", "geojsonl"])
def test_reals_beside_texts_have_no_needless_digits(tmp_path: Path, suffix: str) -> None:
    values = ["0.1", "[5.6, 1.5e-7]", '{"x": 12.34}', "0.30000000000000004"]
    texts = ["5.60000000000000001 m", '"', 'a "1.00000000000000001"']
    each = [
        f'{{"type": "Feature", "properties": {{"at": {value}}}, '
        '"geometry": {"type": "Point", "coordinates": [1, 1]}}'
        for value in [*values, *map(json.dumps, texts)]
    ]
    whole = '{"type": "FeatureCollection", "features": [' + ", ".join(each) + "]}\n"
    source = tmp_path / f"sea.{suffix}"
    source.write_text(whole if suffix == "geojson" else "\n".join(each) + "\n")
    result = run(source, tmp_path, WORLD, format="csv")
    with (unpack(result) / "sea.csv").open(newline="") as file:
        rows = [row["at"].replace(" }", "}").replace("{ ", "{") for row in csv.DictReader(file)]
    found = [row.replace("[ ", "[").replace(" ]", "]").replace("e-07", "e-7") for row in rows]
    assert found == [*values, *map(json.dumps, texts)]
    assert "'at' (JSON) is kept as text" in result.layers[0].notes
    (page,) = read_page(describe(source), fingerprint(source), Wanted(limit=2)).parts
    assert page.attributes.column("at").to_pylist()[0] in ("0.1", 0.1)


def test_moments_finer_than_a_millisecond_are_cut_to_it(tmp_path: Path) -> None:
    """GDAL makes 30.000 of 30.9996."""
    seconds = ["30.9996", "30.9999999", "59.9995", "59.999999", "30.9994", "30.9996+05:00"]
    source = with_values(tmp_path, "DATETIME", [f"2020-01-02T12:00:{each}" for each in seconds])
    page = read_page(describe(source), fingerprint(source), Wanted(limit=10))
    _, *found = page.parts[0].attributes.column("at").to_pylist()
    assert [str(each)[11:23] for each in found] == [
        *("12:00:30.999", "12:00:30.999", "12:00:59.999"),
        *("12:00:59.999", "12:00:30.999", "07:00:30.999"),
    ]
    check_servable(describe(source))


def of_days(path: Path, *days: str) -> Path:
    """Write a GeoJSON, or one of lines, of a field of these days and one of another."""
    features = [
        {
            "type": "Feature",
            "properties": {"at": day, "other": "2020-01-01"},
            "geometry": {"type": "Point", "coordinates": [1, 1]},
        }
        for day in days
    ]
    lines = "".join(f"{json.dumps(each)}\n" for each in features)
    whole = json.dumps({"type": "FeatureCollection", "features": features})
    path.write_text(whole if path.suffix == ".geojson" else lines)
    return path


@pytest.mark.parametrize(
    "day",
    ["2020-02-30", "1900-02-29", "2020-06-31T12:00:00Z", "2020/02/30", "2021/02/29 12:00:00"],
)
def test_day_that_there_is_not_stays_a_text(tmp_path: Path, day: str) -> None:
    """GDAL counts on, to 1 March."""
    source = of_days(tmp_path / "sea.geojson", "2020-05-01", day)
    page = read_page(describe(source), fingerprint(source), Wanted(limit=5))
    assert page.parts[0].attributes.column("at").to_pylist() == ["2020-05-01", day]
    _, columns = read(unpack(run(source, tmp_path, WORLD, format="geopackage")) / "sea.gpkg")
    assert columns["at"] == ["2020-05-01", day]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (
            "DATE",
            ["1967-04-07", "2000-02-29", "2020-03-01", "2020-01-02 00:00:00.000", "2020-01-02 "],
        ),
        ("DATETIME", ["1969-12-31T23:59:59Z", "2020-02-29T23:00:00-05:00", "1970-01-01T23:59:59Z"]),
    ],
)
def test_days_like_those_of_odd_texts_are_read(
    tmp_path: Path, column: str, values: list[str]
) -> None:
    check_servable(describe(with_values(tmp_path, column, values)))


@pytest.mark.parametrize("suffix", ["geojson", "geojsonl"])
def test_leap_days_are_days(tmp_path: Path, suffix: str) -> None:
    source = of_days(tmp_path / f"sea.{suffix}", "2000-02-29", "2020-02-29")
    page = read_page(describe(source), fingerprint(source), Wanted(limit=5))
    found = page.parts[0].attributes.column("at").to_pylist()
    assert found == [date(2000, 2, 29), date(2020, 2, 29)]


def test_day_whose_slashes_are_escaped_stays_a_text(tmp_path: Path) -> None:
    source = of_days(tmp_path / "sea.geojson", "2020/05/01", "2020/02/30")
    source.write_text(source.read_text().replace("/", r"\/"))
    page = read_page(describe(source), fingerprint(source), Wanted(limit=5))
    assert page.parts[0].attributes.column("at").to_pylist() == ["2020/05/01", "2020/02/30"]


@pytest.mark.parametrize("day", ["2020-02-30", "2020/02/30"])
def test_day_in_a_line_that_there_is_not_is_refused(tmp_path: Path, day: str) -> None:
    source = of_days(tmp_path / "sea.geojsonl", "2020-05-01", day)
    words = f"line 2 of sea.geojsonl has '{day}' in 'at', which is no date"
    with pytest.raises(DatasetError, match=words):
        check_servable(describe(source))
    with pytest.raises(DatasetError, match=words):
        run(source, tmp_path, WORLD)


@pytest.mark.parametrize("suffix", ["fgb", "gpx"])
def test_moment_of_a_day_that_there_is_not_is_refused(tmp_path: Path, suffix: str) -> None:
    source = tmp_path / f"sea.{suffix}"
    if suffix == "fgb":
        moments = pa.array([datetime(2020, 3, 1, 12)], pa.timestamp("ms"))
        write_layer(source, [shapely.Point(1, 1)], {"time": moments}, driver="FlatGeobuf")
        source.write_bytes(source.read_bytes().replace(b"2020-03-01", b"2020-02-30"))
    else:
        space = "http://www.topografix.com/GPX/1/1"
        time = "<time>2020-02-30T12:00:00Z</time>"
        point = f'<wpt lat="1" lon="1">{time}</wpt>'
        source.write_text(f'<gpx version="1.1" creator="x" xmlns="{space}">{point}</gpx>')
    words = "time: '2020-02-30T12:00:00Z?' is no moment"
    with pytest.raises(DatasetError, match=words) as failure:
        check_servable(describe(source, None if suffix == "fgb" else "waypoints"))
    assert "Mend the value" in (failure.value.hint or "")


def with_table(folder: Path, kind: str, width: int, values: list[bytes]) -> Path:
    """Write a shapefile of points whose table is one column, ``v``, with values as they stand."""
    points = [shapely.Point(number, 1) for number in range(1, len(values) + 1)]
    source = write_layer(folder / "sea.shp", points, driver="ESRI Shapefile", kind="Point")
    column = (
        b"v".ljust(11, b"\0")
        + kind.encode()
        + bytes(4)
        + bytes([width % 256, width // 256])
        + bytes(14)
    )
    head = struct.pack("<4BIHH", 3, 120, 1, 1, len(values), 65, 1 + width) + bytes(20)
    rows = [b" " + value.ljust(width) for value in values]
    source.with_suffix(".dbf").write_bytes(head + column + b"\r" + b"".join(rows) + b"\x1a")
    return source


@pytest.mark.parametrize(
    ("kind", "width", "value", "what"),
    [
        ("D", 8, b"20201301", "date"),
        ("D", 8, b"20200230", "date"),
        ("D", 8, b"20200132", "date"),
        ("N", 5, b"1.5", "whole number"),
        ("N", 5, b"1e3", "whole number"),
        ("N", 18, b"-0.9", "whole number"),
    ],
)
def test_value_of_a_shapefile_that_gdal_misreads_is_refused(
    tmp_path: Path, kind: str, width: int, value: bytes, what: str
) -> None:
    source = with_table(tmp_path, kind, width, [b"", value])
    words = f"holds '{value.decode()}' in field 'v', which is no {what}"
    with pytest.raises(DatasetError, match=words):
        check_servable(describe(source))
    with pytest.raises(DatasetError, match=words):
        run(source, tmp_path, WORLD)


@pytest.mark.parametrize(
    ("kind", "width"),
    [("+", 4), ("I", 4), ("T", 8), ("Y", 8), ("B", 8), ("Q", 9), ("W", 4), ("0", 1)],
)
def test_column_of_bytes_is_refused(tmp_path: Path, kind: str, width: int) -> None:
    with pytest.raises(DatasetError, match="keeps field 'v' as bytes") as failure:
        check_servable(describe(with_table(tmp_path, kind, width, [b"abcd"])))
    assert "a field of text" in (failure.value.hint or "")


def test_memo_of_dbase_5_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="keeps the texts of field 'v' in another file"):
        check_servable(describe(with_table(tmp_path, "B", 10, [b"0000000001"])))


def test_texts_longer_than_gdal_reads_are_refused(tmp_path: Path) -> None:
    source = with_table(tmp_path, "C", 300, [b"x" * 300])
    words = r"keeps texts of 300 letters in field 'v' .* of which 44 would be read"
    with pytest.raises(DatasetError, match=words):
        check_servable(describe(source))


@pytest.mark.parametrize(
    ("kind", "width", "values"),
    [
        ("D", 8, {b"20200229": "2020-02-29", b"20200000": "", b"20200100": "", b"202002": ""}),
        ("D", 8, {b"": "", b"00000000": "", b"********": "", b"19691231": "1969-12-31"}),
        ("L", 1, {b"": "", b"?": "", b"*": "", b"1": "1", b"t": "1", b"0": "0", b"n": "0"}),
        ("N", 5, {b"2.0": "2", b"+7": "7", b"99999": "99999", b"*****": ""}),
        ("M", 10, {b"": "", b"0000000000": "", bytes(10): ""}),
        ("B", 10, {b"": "", b"0000000000": ""}),
    ],
)
def test_value_of_a_shapefile_is_read_as_it_is_meant(
    tmp_path: Path, kind: str, width: int, values: dict[bytes, str]
) -> None:
    source = with_table(tmp_path, kind, width, list(values))
    check_servable(describe(source))
    folder = unpack(run(source, tmp_path, WORLD, format="csv"))
    with (folder / "sea.csv").open(encoding="utf-8", newline="") as file:
        assert [row["v"] for row in csv.DictReader(file)] == list(values.values())
    page = read_page(describe(source), fingerprint(source), Wanted(limit=10))
    nulls = sum(part.attributes.column("v").null_count for part in page.parts)
    assert nulls == list(values.values()).count("")


def in_sqlite(folder: Path, column: str, values: list[Any]) -> Path:
    """Write a plain SQLite database, of points with a column of a type."""
    points = [shapely.Point(number, 1) for number in range(1, len(values) + 1)]
    source = write_layer(folder / "sea.sqlite", points, driver="SQLite", kind="Point")
    changed_in(source, f"ALTER TABLE sea ADD COLUMN at {column}")
    with closing(sqlite3.connect(source)) as database:
        database.executemany(
            "UPDATE sea SET at = ? WHERE ogc_fid = ?",
            [(value, key) for key, value in enumerate(values, 1)],
        )
        database.commit()
    return source


@pytest.mark.parametrize(
    ("column", "value"),
    [("integer", 2**40), ("integer", "word"), ("float", "1,5"), ("date", "2021-02-29")],
)
def test_value_of_an_sqlite_database_that_gdal_misreads_is_refused(
    tmp_path: Path, column: str, value: Any
) -> None:
    source = in_sqlite(tmp_path, column, [7, value])
    words = r"feature 2 of layer 'sea' of sea\.sqlite has .* in field 'at'"
    with pytest.raises(DatasetError, match=words):
        check_servable(describe(source))
    with pytest.raises(DatasetError, match=words):
        run(source, tmp_path, WORLD)


def test_value_of_an_sqlite_database_is_read_as_it_is_meant(tmp_path: Path) -> None:
    source = in_sqlite(tmp_path, "integer", [7, "", -(2**31)])
    check_servable(describe(source))
    _, columns = read(unpack(run(source, tmp_path, WORLD, format="geopackage")) / "sea.gpkg")
    assert columns["at"][::2] == [7, -(2**31)] and columns["at"][1] != columns["at"][1]
