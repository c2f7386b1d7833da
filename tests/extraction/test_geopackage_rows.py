"""Rows of GeoPackages read without GDAL: the same to the bit, or left to GDAL."""

from __future__ import annotations

import random
import sqlite3
import warnings
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from marinemap.errors import DatasetError, UnavailableError
from marinemap.extraction import describe, read_one
from marinemap.extraction.geopackage.rows import PlainTable, Rows
from marinemap.extraction.pages.keys import Candidates
from marinemap.extraction.pages.page import Wanted, read_page
from marinemap.extraction.pages.rows import rows_by_gdal
from marinemap.extraction.pages.source import opened
from marinemap.extraction.sources.source_files import fingerprint
from tests.extraction.difficult import columns, write_difficult
from tests.extraction.layers import write_layer
from tests.extraction.test_odd_sources import changed_in

POINTS = [shapely.Point(x, 1) for x in range(6)]
# Types of columns (GeoPackage 1.3, table 1, and others that are met), and values as they are
# written; those that are read without GDAL first.
PLAIN: dict[str, list[Any]] = {
    "BOOLEAN": [0, 1, None],
    "TINYINT": [-128, 127, 300, None],
    "SMALLINT": [-32768, 32767],
    "MEDIUMINT": [-(2**31), 2**31 - 1],
    "INTEGER": [-(2**63), 2**63 - 1, 2**53 + 1, None],
    "INT": [5, None],
    "FLOAT": [0.1, -3.4e38, 5, 1e-50],
    "DOUBLE": [1 / 3, -0.0, 5e-324, 2**53, 1.7976931348623157e308],
    "REAL": [7, -7.5],
    "NUMERIC": [1.5, 2],
    "TEXT": ["", " blanks ", "\N{FISH}\x01\n", "x" * 70_000, "'\"", 7, 2.5],
    "TEXT(3)": ["longer", "\u00e9\u00e9\u00e9"],
    "BLOB": [b"", b"\0\xff", None],
    "DATE": ["0001-01-01", "9999-12-31", "1582-10-10"],
    "DATETIME": ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.678Z", "1899-12-31T23:59:59.001Z"],
}
ODD: dict[str, list[Any]] = {
    "BOOLEAN": [7, -1, "true", 0.5],
    "SMALLINT": [70_000, "word", 1.5, b"x"],
    "MEDIUMINT": [5_000_000_000],
    "INTEGER": ["word", 1e30, b"\x01"],
    "FLOAT": [1e300, float("inf"), "word"],
    "DOUBLE": [float("inf"), float("-inf"), "word", b"x"],
    "NUMERIC": [2**60 + 1, "word"],
    "TEXT": [b"bytes", "a\0b"],
    "BLOB": ["text", 5, 1.5],
    "DATE": ["2026/01/02", "2026-1-2", "-0044-03-15", "2026-02-30", "word", 5, "2026-01-02T00:00Z"]
    + ["0000-01-01", "10000-01-01", "20260102", " 2026-01-02", "\u0662026-01-02"],
    "DATETIME": [
        "2026-01-02T03:04Z",
        "2026-01-02T03:04:05+02:00",
        "2026-01-02 03:04:05",
        "2026-01-02T03:04:05.6789Z",
        "2026-01-02T03:04:05",
        "2026-01-02T25:00:00Z",
        "2026-01-02T03:04:60Z",
        "10000-01-01T00:00:00Z",
        "\u0662026-01-02T03:04:05Z",
        5,
    ],
}


def with_values(folder: Path, column: str, values: list[Any]) -> Path:
    """Write a layer with a column of a type; of its first feature it is null."""
    source = write_layer(folder / "sea.gpkg", [shapely.Point(1, 1)] * (len(values) + 1))
    changed_in(source, f"ALTER TABLE sea ADD COLUMN at {column}")
    with closing(sqlite3.connect(source)) as database:
        rows = [(value, key) for key, value in enumerate(values, 2)]
        database.executemany("UPDATE sea SET at = ? WHERE fid = ?", rows)
        database.commit()
    return source


def read_both(source: Path, layer: str | None = None) -> tuple[Rows | None, Rows]:
    """Return all rows as they are read without GDAL, and as GDAL reads them."""
    dataset = describe(source, layer)
    with opened(dataset, fingerprint(source)) as page, warnings.catch_warnings():
        # GDAL warns of what it makes something else of.
        warnings.simplefilter("ignore")
        assert page.database is not None
        assert page.index is not None
        keys = [row[0] for row in page.database.execute(f'SELECT "{page.index.key}" FROM sea')]
        table = page.plain_table
        assert table is None or isinstance(table, PlainTable)
        wanted = np.array(sorted(keys), np.int64)
        plain = table.read(page.database, wanted) if table else None
        return plain, rows_by_gdal(page, Candidates(wanted, {"fids": wanted}))


def check_same(plain: Rows, gdal: Rows) -> None:
    assert plain.keys.tolist() == gdal.keys.tolist()
    assert plain.geometries.equals(gdal.geometries)
    assert plain.attributes.schema.equals(gdal.attributes.schema, check_metadata=True)
    for name in plain.attributes.schema.names:
        own, other = (rows.attributes.column(name).combine_chunks() for rows in (plain, gdal))
        assert own.to_pylist() == other.to_pylist(), name
        # Zeros have a sign.
        assert str(own.to_pylist()) == str(other.to_pylist()), name
    assert plain.attributes.num_rows == gdal.attributes.num_rows


@pytest.mark.parametrize("column", PLAIN)
def test_plain_values_are_read_as_gdal_reads_them(tmp_path: Path, column: str) -> None:
    plain, gdal = read_both(with_values(tmp_path, column, PLAIN[column]))
    assert plain is not None
    check_same(plain, gdal)


@pytest.mark.parametrize("column", ODD)
def test_other_values_are_left_to_gdal(tmp_path: Path, column: str) -> None:
    source = with_values(tmp_path, column, ODD[column])
    with opened(describe(source), fingerprint(source)) as page:
        assert page.database is not None
        assert page.plain_table is not None
        assert page.plain_table.read(page.database, np.array([1])) is not None
        for key, value in enumerate(ODD[column], 2):
            assert page.plain_table.read(page.database, np.array([1, key])) is None, value


def test_text_that_is_none_is_refused_as_gdals_way_does(tmp_path: Path) -> None:
    source = with_values(tmp_path, "TEXT", ["words"])
    dataset, mark = describe(source), fingerprint(source)
    changed_in(source, "UPDATE sea SET at = CAST(x'fffe' AS TEXT) WHERE fid = 2")
    with pytest.raises(DatasetError, match="a text of field 'at' is not in the encoding"):
        read_page(dataset, mark, Wanted(limit=5))


GEOMETRIES = {
    "Point": shapely.Point(1, 2),
    "LineString": shapely.LineString([(0, 0), (1, 2)]),
    "Polygon": shapely.box(0, 0, 5, 5).difference(shapely.box(1, 1, 2, 2)),
    "MultiPoint": shapely.MultiPoint([(0, 0), (1, 1)]),
    "MultiLineString": shapely.MultiLineString([[(0, 0), (1, 2)]]),
    "MultiPolygon": shapely.MultiPolygon([shapely.box(0, 0, 1, 1)]),
    "GeometryCollection": shapely.GeometryCollection(
        [shapely.Point(1, 1), shapely.box(0, 0, 1, 1)]
    ),
}


@pytest.mark.parametrize("kind", GEOMETRIES)
@pytest.mark.parametrize("form", ["XY", "XYZ", "none"])
def test_geometries_are_read_as_gdal_reads_them(tmp_path: Path, kind: str, form: str) -> None:
    geometry = GEOMETRIES[kind] if form != "XYZ" else shapely.force_3d(GEOMETRIES[kind], 7.5)
    others = [None] if form == "none" else []
    kind = f"{kind} Z" if form == "XYZ" else kind
    plain, gdal = read_both(write_layer(tmp_path / "sea.gpkg", [geometry, *others], kind=kind))
    assert plain is not None
    check_same(plain, gdal)


@pytest.mark.parametrize(
    "wkt",
    [
        "POINT EMPTY",
        "POLYGON EMPTY",
        "GEOMETRYCOLLECTION EMPTY",
        "POINT M (1 2 3)",
        "LINESTRING ZM (1 2 3 4, 5 6 7 8)",
    ],
)
def test_odd_geometries_are_left_to_gdal_and_come_the_same(tmp_path: Path, wkt: str) -> None:
    source = write_layer(tmp_path / "sea.gpkg", [shapely.from_wkt(wkt), shapely.Point(1, 1)])
    plain, gdal = read_both(source)
    if plain is not None:
        check_same(plain, gdal)
    dataset = describe(source)
    found = read_page(dataset, fingerprint(source), Wanted(limit=5))
    assert sum(map(len, found.parts)) == 2


@pytest.mark.parametrize(
    "harm",
    [
        "x'0000'",
        "x''",
        "'words'",
        "5",
        # No header; one of another version; one that ends within its box; big-endian.
        "substr(geom, 9)",
        "x'475001' || substr(geom, 4)",
        "substr(geom, 1, 10)",
        "substr(geom, 1, 8) || x'00000000013ff00000000000004000000000000000'",
        "substr(geom, 1, 8) || x'0163000000'",
    ],
)
def test_geometry_that_is_none_is_left_to_gdal(tmp_path: Path, harm: str) -> None:
    source = write_layer(tmp_path / "sea.gpkg", POINTS)
    dataset, mark = describe(source), fingerprint(source)
    changed_in(source, f"UPDATE sea SET geom = CAST({harm} AS BLOB) WHERE fid = 2")
    with opened(dataset, mark) as page:
        assert page.database is not None
        assert page.plain_table is not None
        assert page.plain_table.read(page.database, np.array([1, 2])) is None
        assert page.plain_table.read(page.database, np.array([1, 3])) is not None


def test_difficult_names_and_extremes_come_the_same(tmp_path: Path) -> None:
    points = [shapely.Point(x, 1) for x in range(3)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source = write_difficult(tmp_path / "sea.gpkg", points)
    # Infinity and the text of a column of another zone are GDAL's.
    for name in ("real", "nan", "local"):
        changed_in(source, f'UPDATE sea SET "{name}" = NULL')
    plain, gdal = read_both(source)
    assert plain is not None
    assert len(plain.attributes.schema.names) == len(columns()) - 2 + 1, "and the key"
    check_same(plain, gdal)


@pytest.mark.parametrize("key", ["fid", "reef_id", "Reef Nr."])
def test_keys_of_any_size_and_name_come_the_same(tmp_path: Path, key: str) -> None:
    source = write_layer(tmp_path / "sea.gpkg", POINTS, layer_options={"FID": key})
    for old, new in ((1, -5), (2, 2**40), (3, 0), (4, 2**62)):
        changed_in(source, f'UPDATE sea SET "{key}" = {new} WHERE "{key}" = {old}')
        changed_in(source, f"UPDATE rtree_sea_geom SET id = {new} WHERE id = {old}")
    plain, gdal = read_both(source)
    assert plain is not None
    assert plain.keys.tolist() == [-5, 0, 5, 6, 2**40, 2**62]
    check_same(plain, gdal)


def test_view_without_index_is_left_to_gdal(tmp_path: Path) -> None:
    source = write_layer(tmp_path / "sea.gpkg", POINTS)
    changed_in(source, "ALTER TABLE sea RENAME TO land")
    changed_in(source, "CREATE VIEW sea AS SELECT * FROM land")
    dataset, mark = describe(source, "sea"), fingerprint(source)
    with opened(dataset, mark) as page:
        assert page.plain_table is None
    assert len(read_page(dataset, mark, Wanted(limit=9))) == len(POINTS)


def test_column_that_comes_later_is_read_though_file_and_time_look_the_same(tmp_path: Path) -> None:
    source = write_layer(tmp_path / "sea.gpkg", POINTS)
    dataset, mark = describe(source), fingerprint(source)
    assert read_page(dataset, mark, Wanted(limit=1)).parts[0].attributes.column_names == ["number"]
    changed_in(source, "ALTER TABLE sea ADD COLUMN later TEXT DEFAULT 'x'")
    # Under the old mark: times of files are coarse.
    found = read_page(dataset, mark, Wanted(limit=1)).parts[0].attributes
    assert found.column_names == ["number", "later"]


def test_latest_commits_are_read_from_the_log(tmp_path: Path) -> None:
    source = write_layer(tmp_path / "sea.gpkg", POINTS, {"name": ["old"] * len(POINTS)})
    dataset = describe(source)
    with closing(sqlite3.connect(source)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        for (name,) in writer.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            writer.execute(f'DROP TRIGGER "{name}"')
        writer.execute("UPDATE sea SET name = 'new'")
        writer.commit()
        found = read_one(dataset, 3)
    assert found is not None
    assert found.attributes.column("name").to_pylist() == ["new"]


def test_writer_that_lets_nobody_read_is_named(tmp_path: Path) -> None:
    source = write_layer(tmp_path / "sea.gpkg", POINTS)
    dataset, mark = describe(source), fingerprint(source)
    with closing(sqlite3.connect(source)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(UnavailableError, match=r"layer 'sea' of sea.gpkg is being written to"):
            read_page(dataset, mark, Wanted(limit=5))
    assert len(read_page(dataset, mark, Wanted(limit=5))) == 5


def test_pages_of_both_ways_are_the_same_page_by_page(tmp_path: Path) -> None:
    """A page of which one value is odd is GDAL's, the next SQLite's: none repeats or is missing."""
    chance = random.Random(3)
    points = [shapely.Point(chance.uniform(-9, 9), chance.uniform(-9, 9)) for _ in range(500)]
    source = write_layer(tmp_path / "sea.gpkg", points, {"at": ["2026-01-02"] * 500})
    changed_in(source, "UPDATE sea SET at = x'00' WHERE fid % 97 = 0")
    changed_in(source, "DELETE FROM sea WHERE fid % 13 = 0")
    dataset, mark = describe(source), fingerprint(source)
    seen: list[int] = []
    after: int | None = -(2**62)
    while after is not None:
        page = read_page(dataset, mark, Wanted(limit=37, after=after, box=(-5, -5, 5, 5)))
        seen += [int(number) for part in page.parts for number in part.ids]
        after = page.next_after
    inside = [at + 1 for at, each in enumerate(points) if max(abs(each.x), abs(each.y)) <= 5]
    assert seen == [number for number in inside if number % 13]
