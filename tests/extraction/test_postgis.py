"""Tables and views of a real PostGIS as sources, beside the same data in a GeoPackage."""

from __future__ import annotations

import io
import json
import os
import signal
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest
import shapely

from marinemap.errors import DatasetError, UnavailableError
from marinemap.extraction import (
    ExtractionRequest,
    Server,
    SourceLayer,
    Table,
    Wanted,
    allow_servers,
    check_servable,
    compile_filter,
    content_version,
    describe,
    estimate,
    extract,
    fingerprint,
    parse_area,
    read_geometries,
    read_one,
    read_page,
)
from marinemap.extraction.pages.page import attributes_schema
from marinemap.extraction.postgis.index import TableIndex
from marinemap.extraction.sources.source_files import unchanged
from marinemap.extraction.tiles import draw
from tests.extraction.layers import read, run, unpack, write_layer
from tests.postgis import running_postgis, schema_of_test
from tests.postgresql import Cluster

AREA = [1.25, 41.25, 6.75, 46.75]
_COLUMNS = """
    fid bigint PRIMARY KEY, name text, "Größe" integer, depth double precision, deep boolean,
    seen date, told timestamptz, geom geometry(Polygon, 4326)"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_postgis() as running:
        yield running


@pytest.fixture
def database(cluster: Cluster) -> Iterator[psycopg.Connection[Any]]:
    """A connection that writes; the tables of a test are gone after it."""
    allow_servers([Server.parse(cluster.url("postgres"))], seconds=5)
    with schema_of_test(cluster) as connection:
        yield connection
    allow_servers([])


@pytest.fixture
def table_of(database: psycopg.Connection[Any], cluster: Cluster) -> Callable[..., Table]:
    """Return a table by its name in the schema of a test."""

    def of(name: str, **parts: str) -> Table:
        more = "".join(f"&{key}={value}" for key, value in parts.items())
        return Table.parse(f"postgresql://127.0.0.1:{cluster.port}/postgres?table=sea.{name}{more}")

    return of


def _rows(count: int) -> list[tuple[Any, ...]]:
    """Return reefs, each in a cell of a degree; every seventh value is missing."""
    begin = datetime(2020, 2, 28, 23, 59, 59, 125_000, UTC)
    rows = []
    for n in range(count):
        x, y = n % 10 + 0.1, 40.1 + n // 10 % 10
        ring = [(x, y), (x + 0.8, y), (x + 0.7, y + 0.8 - n / 1e4), (x, y + 0.8)]
        known = n % 7 != 3
        rows.append(
            (
                n + 1,
                f"Récif {n} 珊瑚" if known else None,
                n * 3 if known else None,
                n / 7 if known else None,
                bool(n % 2) if known else None,
                date(1969, 12, 25) + timedelta(days=n) if known else None,
                begin + timedelta(days=n) if known else None,
                shapely.Polygon(ring),
            )
        )
    return rows


def _fill(database: psycopg.Connection[Any], name: str, rows: list[tuple[Any, ...]]) -> None:
    database.execute(f"CREATE TABLE sea.{name} ({_COLUMNS})")
    with database.cursor() as cursor:
        for row in rows:
            marks = ", ".join(["%s"] * (len(row) - 1))
            cursor.execute(
                f"INSERT INTO sea.{name} VALUES ({marks}, ST_GeomFromWKB(%s, 4326))",
                [*row[:-1], row[-1].wkb],
            )
    database.execute(f"CREATE INDEX ON sea.{name} USING gist (geom)")


def _as_geopackage(path: Path, rows: list[tuple[Any, ...]]) -> Path:
    def column(at: int, type_: Any) -> Any:
        return pa.array([row[at] for row in rows], type_)

    columns = {
        "name": column(1, pa.string()),
        "Größe": column(2, pa.int32()),
        "depth": column(3, pa.float64()),
        "deep": column(4, pa.bool_()),
        "seen": column(5, pa.date32()),
        "told": column(6, pa.timestamp("ms", "UTC")),
    }
    return write_layer(path, [row[-1] for row in rows], columns, kind="Polygon")


@pytest.mark.parametrize("mode", ["clip", "within", "intersects"])
@pytest.mark.parametrize(
    "filter_",
    [
        None,
        "\"Größe\" >= 30 AND name LIKE 'R%'",
        "depth < 5.5 OR deep = true",
        'NOT ("Größe" BETWEEN 100 AND 130)',
        "name IN ('Récif 12 珊瑚', 'Récif 33 珊瑚') OR name IS NULL",
        "seen > DATE('1970-01-20') AND depth <> 4",
    ],
)
def test_table_gives_the_extract_of_the_same_geopackage(
    database: psycopg.Connection[Any],
    table_of: Callable[..., Table],
    tmp_path: Path,
    mode: str,
    filter_: str | None,
) -> None:
    rows = _rows(100)
    _fill(database, "reefs", rows)
    chosen = {"mode": mode, "format": "geopackage", "full_copy": False}
    sources = [_as_geopackage(tmp_path / "reefs.gpkg", rows), table_of("reefs")]
    found = []
    for number, source in enumerate(sources):
        folder = tmp_path / str(number)
        folder.mkdir()
        result = run(source, folder, AREA, filter=filter_, **chosen)
        found.append(read(unpack(result) / "sea.gpkg"))
    (geometries, columns), (others, other_columns) = found
    assert len(geometries) > 0
    assert shapely.equals_exact(geometries, others, 0).all()
    assert list(columns) == list(other_columns)
    assert repr(columns) == repr(other_columns)


def test_table_gives_the_same_bytes_each_time(
    database: psycopg.Connection[Any], table_of: Callable[..., Table], tmp_path: Path
) -> None:
    _fill(database, "reefs", _rows(100))
    archives = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        archives.append(run(table_of("reefs"), folder, AREA).archive.read_bytes())
        # Where the rows lie is another now; what they say is not.
        database.execute("UPDATE sea.reefs SET name = name WHERE fid % 3 = 0")
    assert _members(archives[0]) == _members(archives[1])


def _members(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        # These state the version of the data, which is another after each write.
        told = ("README.txt", "report.json")
        return {n: opened.read(n) for n in opened.namelist() if not n.endswith(told)}


def test_one_run_reads_one_state(
    database: psycopg.Connection[Any], table_of: Callable[..., Table], tmp_path: Path
) -> None:
    _fill(database, "reefs", _rows(50))
    with unchanged(table_of("reefs")) as held:
        database.execute("DELETE FROM sea.reefs WHERE fid > 10")
        database.execute("UPDATE sea.reefs SET name = 'new'")
        assert describe(held).feature_count == 50
        result = run(held, tmp_path, AREA)
        assert result.features_written == run_count(_rows(50))
    assert describe(table_of("reefs")).feature_count == 10


_FILLED = "INSERT INTO sea.reefs SELECT * FROM kept"
# What a load does in one transaction, in which the table is nobody else's.
_LOADS = {
    "truncate": f"TRUNCATE sea.reefs; {_FILLED}",
    "alter": "ALTER TABLE sea.reefs ALTER depth TYPE real",
    "swap": "ALTER TABLE sea.reefs RENAME TO old; "
    f"CREATE TABLE sea.reefs (LIKE sea.old INCLUDING ALL); {_FILLED}",
    "refresh": "REFRESH MATERIALIZED VIEW sea.made",
}
_MADE_OF_REEFS = {
    "seen": "CREATE VIEW sea.seen AS SELECT * FROM sea.reefs",
    "parted": f"CREATE TABLE sea.parted ({_COLUMNS}) PARTITION BY RANGE (fid); "
    "ALTER TABLE sea.parted ATTACH PARTITION sea.reefs DEFAULT",
    "made": "CREATE MATERIALIZED VIEW sea.made AS SELECT * FROM sea.reefs",
}


@pytest.mark.parametrize(
    ("name", "load"),
    [
        ("reefs", "truncate"),
        ("reefs", "alter"),
        ("reefs", "swap"),
        ("seen", "truncate"),
        ("parted", "truncate"),
        ("made", "refresh"),
    ],
)
def test_table_that_is_being_loaded_is_waited_for(
    cluster: Cluster,
    database: psycopg.Connection[Any],
    table_of: Callable[..., Table],
    tmp_path: Path,
    name: str,
    load: str,
) -> None:
    _fill(database, "reefs", _rows(50))
    database.execute(_MADE_OF_REEFS.get(name, ""))
    allow_servers([Server.parse(cluster.url("postgres"))], seconds=120)
    with psycopg.connect(cluster.url("postgres")) as loader, ThreadPoolExecutor() as threads:
        loader.execute("CREATE TEMPORARY TABLE kept AS SELECT * FROM sea.reefs")
        loader.execute(_LOADS[load])
        result = threads.submit(run, table_of(name, key="fid"), tmp_path, AREA)
        _wait_until_blocked(database, result)
        loader.commit()
        assert result.result(180).features_written == run_count(_rows(50))
    # Nothing is asked for that is refused each time, for each refusal stands in the server's log.
    assert "cannot lock" not in (cluster.folder / "log").read_text()


def _wait_until_blocked(database: psycopg.Connection[Any], result: Future[Any]) -> None:
    blocked = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    deadline = time.monotonic() + 120
    while not result.done() and database.execute(blocked).fetchone() == (0,):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("load", ["truncate", "swap"])
def test_rows_that_a_state_has_no_more_are_not_taken_for_none(
    database: psycopg.Connection[Any], table_of: Callable[..., Table], tmp_path: Path, load: str
) -> None:
    _fill(database, "reefs", _rows(50))
    database.execute("CREATE TEMPORARY TABLE kept AS SELECT * FROM sea.reefs")
    with unchanged(table_of("reefs")) as held:
        assert describe(held).feature_count == 50
        # Who loads waits for nobody who holds a state.
        database.execute("SET lock_timeout = '60s'")
        database.execute(_LOADS[load])
        with pytest.raises(UnavailableError, match="changed while they were read"):
            describe(held)
    assert run(table_of("reefs"), tmp_path, AREA).features_written == run_count(_rows(50))


def run_count(rows: list[tuple[Any, ...]]) -> int:
    area = shapely.box(*AREA)
    return sum(bool(shapely.area(shapely.intersection(area, row[-1]))) for row in rows)


def test_pages_hold_each_feature_once(
    database: psycopg.Connection[Any], table_of: Callable[..., Table]
) -> None:
    _fill(database, "reefs", _rows(100))
    dataset = describe(table_of("reefs"))
    after, seen = -(2**62), []
    while after is not None:
        page = read_page(dataset, "mark", Wanted(7, after=after))
        seen += [int(each) for part in page.parts for each in part.ids]
        after = page.next_after
    assert seen == list(range(1, 101))
    boxed = read_page(dataset, "mark", Wanted(100, box=(0.0, 40.0, 2.95, 41.95)))
    assert [int(i) for part in boxed.parts for i in part.ids] == [1, 2, 3, 11, 12, 13]
    only = [compile_filter('"Größe" = 33', attributes_schema(dataset))]
    filtered = read_page(dataset, "mark", Wanted(100, filters=only))
    assert [int(i) for part in filtered.parts for i in part.ids] == [12]
    skipped = read_page(dataset, "mark", Wanted(1, skip=41))
    assert [int(i) for part in skipped.parts for i in part.ids] == [42]
    assert read_one(dataset, 4711) is None
    found = read_one(dataset, 5)
    assert found is not None and found.attributes.column("Größe").to_pylist() == [12]


def test_estimate_drawing_and_geometries_come_from_tables(
    database: psycopg.Connection[Any], table_of: Callable[..., Table], tmp_path: Path
) -> None:
    _fill(database, "reefs", _rows(100))
    layer = SourceLayer("sea", table_of("reefs"))
    (told,) = estimate(ExtractionRequest([layer], AREA))
    assert told.is_exact and told.features == run_count(_rows(100))
    # More than are looked at one by one: boxes and a share of some are counted.
    database.execute(
        'INSERT INTO sea.reefs SELECT fid + 1000 * n, name, "Größe", depth, deep, seen, told, geom '
        "FROM sea.reefs, generate_series(1, 80) n"
    )
    (many,) = estimate(ExtractionRequest([layer], AREA))
    assert not many.is_exact and many.features_at_least <= many.features <= many.features_at_most
    assert many.features_at_least <= told.features * 81 <= many.features_at_most
    assert draw(layer, tmp_path / "sea.pmtiles").tiles > 0
    geometries = read_geometries(layer, parse_area(AREA), max_vertices=1_000_000)
    assert len(geometries) == told.features * 81


@pytest.mark.parametrize(
    ("declared", "wkt", "kind", "expected"),
    [
        ("PointZ", "POINT Z (1 2 -3)", "3D Point", "POINT Z (1 2 -3)"),
        ("PointM", "POINT M (1 2 9)", "Point", None),
        ("PointZM", "POINT ZM (1 2 -3 9)", "3D Point", None),
        (
            "MultiLineStringZ",
            "MULTILINESTRING Z ((0 0 1, 1 1 2))",
            "3D MultiLineString",
            "MULTILINESTRING Z ((0 0 1, 1 1 2))",
        ),
        ("CompoundCurve", "COMPOUNDCURVE((0 0, 1 0), CIRCULARSTRING(1 0, 2 1, 3 0))", None, None),
        ("CurvePolygon", "CURVEPOLYGON(CIRCULARSTRING(0 0, 2 0, 2 2, 0 2, 0 0))", "Polygon", None),
        (
            "Geometry",
            "GEOMETRYCOLLECTION(POINT(1 1), LINESTRING(0 0, 1 1))",
            "GeometryCollection",
            None,
        ),
    ],
)
def test_geometries_of_every_type_are_served(
    database: psycopg.Connection[Any],
    table_of: Callable[..., Table],
    tmp_path: Path,
    declared: str,
    wkt: str,
    kind: str | None,
    expected: str | None,
) -> None:
    database.execute(
        f"CREATE TABLE sea.odd (gid serial PRIMARY KEY, geom geometry({declared}, 4326))"
    )
    database.execute("INSERT INTO sea.odd (geom) VALUES (ST_GeomFromText(%s, 4326)), (NULL)", [wkt])
    database.execute("INSERT INTO sea.odd (geom) SELECT ST_Multi(NULL::geometry)")
    dataset = describe(table_of("odd"))
    check_servable(dataset)
    assert kind is None or dataset.geometry_type == kind
    result = run(table_of("odd"), tmp_path, [-10, -10, 10, 10], format="geopackage")
    assert result.features_written == 1
    assert result.layers[0].without_position == 2
    if expected:
        geometries, _ = read(unpack(result) / "sea.gpkg")
        assert shapely.to_wkt(geometries[0]) == expected


def test_geometry_that_cannot_be_read_is_left_out_and_named(
    database: psycopg.Connection[Any], table_of: Callable[..., Table], tmp_path: Path
) -> None:
    database.execute("CREATE TABLE sea.odd (gid serial PRIMARY KEY, geom geometry)")
    database.execute(
        "INSERT INTO sea.odd (geom) SELECT ST_SetSRID(ST_MakeLine(points), 4326) FROM (VALUES "
        "(ARRAY[ST_Point(1, 1), ST_Point(2, 2)]), (ARRAY[ST_Point(1, 1)]), "
        "(ARRAY[ST_Point(3, 3), ST_Point(4, 2)])) AS lines (points)"
    )
    (report,) = run(table_of("odd"), tmp_path).layers
    assert (report.features_written, report.unreadable) == (2, 1)
    assert [each.id for each in report.left_out] == [2]
    assert check_servable(describe(table_of("odd"))).ids == "2"


@pytest.mark.parametrize(("srid", "crs"), [(3035, "EPSG:3035"), (2154, "EPSG:2154")])
def test_crs_is_that_of_the_srid(
    database: psycopg.Connection[Any], table_of: Callable[..., Table], srid: int, crs: str
) -> None:
    database.execute("CREATE TABLE sea.plane (gid serial PRIMARY KEY, geom geometry)")
    database.execute("INSERT INTO sea.plane (geom) VALUES (ST_Point(4e6, 3e6, %s))", [srid])
    assert describe(table_of("plane")).crs == crs


@pytest.mark.parametrize("kind", ["geometry(Point, 3035)", "geography(Point, 4326)"])
def test_table_without_rows_is_served(
    database: psycopg.Connection[Any], table_of: Callable[..., Table], tmp_path: Path, kind: str
) -> None:
    database.execute(f"CREATE TABLE sea.bare (gid serial PRIMARY KEY, geom {kind})")
    srid = kind.removesuffix(")")[-4:]
    assert describe(table_of("bare")).crs == f"EPSG:{srid}"
    database.execute("INSERT INTO sea.bare (geom) VALUES (NULL)")
    assert describe(table_of("bare")).crs == f"EPSG:{srid}"
    assert run(table_of("bare"), tmp_path).layers[0].features_written == 0


def test_srids_that_differ_or_are_missing_are_refused(
    database: psycopg.Connection[Any], table_of: Callable[..., Table]
) -> None:
    database.execute("CREATE TABLE sea.mixed (gid serial PRIMARY KEY, geom geometry)")
    database.execute("INSERT INTO sea.mixed (geom) VALUES (ST_Point(1, 2, 4326))")
    database.execute("INSERT INTO sea.mixed (geom) VALUES (ST_Point(1, 2, 3035))")
    with pytest.raises(DatasetError, match="several CRS: SRID 3035 and 4326"):
        describe(table_of("mixed"))
    database.execute("UPDATE sea.mixed SET geom = ST_SetSRID(geom, 0)")
    with pytest.raises(DatasetError, match="has no CRS"):
        describe(table_of("mixed"))


def test_view_needs_a_key_that_is_unique(
    database: psycopg.Connection[Any], table_of: Callable[..., Table], tmp_path: Path
) -> None:
    _fill(database, "reefs", _rows(30))
    database.execute("CREATE VIEW sea.deep AS SELECT fid AS n, name, geom FROM sea.reefs")
    with pytest.raises(DatasetError, match="no key of whole numbers"):
        describe(table_of("deep"))
    assert describe(table_of("deep", key="n")).feature_count == 30
    assert run(table_of("deep", key="n"), tmp_path, AREA).features_written > 0
    database.execute("CREATE VIEW sea.twice AS SELECT 1 AS n, geom FROM sea.reefs")
    with pytest.raises(DatasetError, match="a number twice"):
        check_servable(describe(table_of("twice", key="n")))


def test_writes_are_noticed_and_reads_are_not(
    database: psycopg.Connection[Any], table_of: Callable[..., Table], tmp_path: Path
) -> None:
    _fill(database, "reefs", _rows(20))
    database.execute("CREATE VIEW sea.seen AS SELECT fid, geom FROM sea.reefs")
    places = [table_of("reefs"), table_of("seen", key="fid")]
    for write in (
        "UPDATE sea.reefs SET name = 'x' WHERE fid = 1",
        "DELETE FROM sea.reefs WHERE fid = 2",
        "INSERT INTO sea.reefs (fid, geom) SELECT 1000, geom FROM sea.reefs WHERE fid = 1",
        "ALTER TABLE sea.reefs ADD COLUMN more integer",
        "TRUNCATE sea.reefs",
    ):
        # What was counted of earlier writes is told by now.
        database.execute("SELECT pg_stat_force_next_flush()")
        marks = [fingerprint(place) for place in places]
        versions = [content_version(place) for place in places]
        run(places[0], tmp_path, AREA, full_copy=False)
        assert [fingerprint(place) for place in places] == marks
        assert [content_version(place) for place in places] == versions
        database.execute(write)
        database.execute("SELECT pg_stat_force_next_flush()")
        now = [fingerprint(place) for place in places]
        assert now[0] != marks[0]
        # A new column is none of the view's.
        assert now[1] != marks[1] or "ALTER" in write
        assert content_version(places[0]) != versions[0]


def test_what_may_be_read_is_part_of_the_mark(
    cluster: Cluster, database: psycopg.Connection[Any], table_of: Callable[..., Table]
) -> None:
    _fill(database, "reefs", _rows(20))
    database.execute(
        "CREATE ROLE reader LOGIN; GRANT USAGE ON SCHEMA sea TO reader; "
        "GRANT SELECT ON sea.reefs TO reader"
    )
    server = f"postgresql://reader@127.0.0.1:{cluster.port}/postgres"
    allow_servers([Server.parse(server)], seconds=60)
    table = table_of("reefs")
    try:
        assert describe(table).feature_count == 20
        for change, count in (
            ("ALTER TABLE sea.reefs ENABLE ROW LEVEL SECURITY", 0),
            ("CREATE POLICY few ON sea.reefs TO reader USING (fid < 6)", 5),
            ("ALTER POLICY few ON sea.reefs USING (fid < 3)", 2),
            ("DROP POLICY few ON sea.reefs", 0),
            ("ALTER TABLE sea.reefs DISABLE ROW LEVEL SECURITY", 20),
        ):
            mark = fingerprint(table)
            assert fingerprint(table) == mark
            database.execute(change)
            assert fingerprint(table) != mark, change
            assert describe(table).feature_count == count
        mark = fingerprint(table)
        database.execute("REVOKE SELECT ON sea.reefs FROM reader")
        assert fingerprint(table) != mark
        with pytest.raises(DatasetError, match="permission denied"):
            describe(table)
    finally:
        database.execute("DROP OWNED BY reader; DROP ROLE reader")


def test_addresses_hold_no_password_and_only_allowed_servers(
    database: psycopg.Connection[Any], cluster: Cluster
) -> None:
    secret = "postgresql://me:hunter2@127.0.0.1/gis?table=sea.reefs"
    for address in (secret, "PG:host=h dbname=gis password=hunter2 tables=reefs", f"{secret}&x=1"):
        with pytest.raises(DatasetError) as refused:
            Table.parse(address)
        assert "hunter2" not in refused.value.in_full
    assert "hunter2" not in repr(Server.parse("postgresql://me:hunter2@127.0.0.1/gis"))
    with pytest.raises(DatasetError, match="none that this site may read") as unknown:
        describe(Table.parse(f"postgresql://127.0.0.1:{cluster.port}/template1?table=reefs"))
    assert "MARINEMAP_POSTGIS_SERVERS" in unknown.value.in_full


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://gis.example.org:5432/gis?table=sea.reefs",
        "postgresql://reader@[::1]:5433/gis?table=sea.%22odd.name%22&geometry=geom&key=gid",
        "postgresql://:5432/gis?host=%2Frun%2Fpostgresql&table=sea.reefs",
    ],
)
def test_address_is_written_as_it_is_read(address: str) -> None:
    assert Table.parse(str(Table.parse(address))) == Table.parse(address)


def test_gdals_form_of_an_address_is_read() -> None:
    table = Table.parse("PG:host=gis.example.org port=5433 dbname=gis tables=sea.reefs")
    assert str(table) == "postgresql://gis.example.org:5433/gis?table=sea.reefs"


def test_infinite_date_is_refused_by_name(
    database: psycopg.Connection[Any], table_of: Callable[..., Table], tmp_path: Path
) -> None:
    _fill(database, "reefs", _rows(20))
    database.execute("UPDATE sea.reefs SET seen = 'infinity' WHERE fid = 12")
    with pytest.raises(DatasetError, match="field 'seen' .* holds 'infinity'"):
        run(table_of("reefs"), tmp_path, AREA)


def test_end_of_a_day_as_a_time_is_refused_by_name(
    database: psycopg.Connection[Any], table_of: Callable[..., Table], tmp_path: Path
) -> None:
    _fill(database, "reefs", _rows(20))
    database.execute("ALTER TABLE sea.reefs ADD COLUMN until time DEFAULT '23:59:59.999999'")
    assert run(table_of("reefs"), tmp_path, AREA).features_written
    database.execute("UPDATE sea.reefs SET until = '24:00' WHERE fid = 12")
    with pytest.raises(DatasetError, match="field 'until' .* holds '24:00:00'"):
        run(table_of("reefs"), tmp_path, AREA)


def test_moment_that_wraps_round_is_refused_by_name(
    database: psycopg.Connection[Any], table_of: Callable[..., Table], tmp_path: Path
) -> None:
    """PostgreSQL counts from 2000, Arrow from 1970."""
    _fill(database, "reefs", _rows(20))
    database.execute("ALTER TABLE sea.reefs ADD COLUMN until timestamp DEFAULT '294246-12-31'")
    database.execute("UPDATE sea.reefs SET until = '294276-12-31 23:59:59' WHERE fid = 12")
    with pytest.raises(DatasetError, match="field 'until' .* a moment after the year 294246"):
        run(table_of("reefs"), tmp_path, AREA)


def test_feature_with_a_coordinate_that_is_no_number_is_counted(
    database: psycopg.Connection[Any], table_of: Callable[..., Table], tmp_path: Path
) -> None:
    database.execute("CREATE TABLE sea.odd (gid serial PRIMARY KEY, geom geometry(Geometry, 4326))")
    database.execute(
        "INSERT INTO sea.odd (geom) SELECT ST_SetSRID(geom, 4326) FROM (VALUES (ST_Point(1, 1)), "
        "(ST_Point('NaN', 1)), (ST_MakeLine(ST_Point(1, 1), ST_Point(2, 'NaN'))), "
        "('POINT EMPTY'::geometry)) AS odd (geom)"
    )
    dataset = describe(table_of("odd"))
    check_servable(dataset)
    for kind in ("geometry", "geography"):
        database.execute(f"ALTER TABLE sea.odd ALTER geom TYPE {kind} USING geom::{kind}")
        assert describe(table_of("odd")).placed_count == TableIndex.of(table_of("odd")).size()
        (report,) = run(table_of("odd"), tmp_path).layers
        assert (report.features_written, report.without_position + report.not_finite) == (1, 3)


def test_progress_is_of_what_the_server_plans_where_that_is_near(
    database: psycopg.Connection[Any],
    table_of: Callable[..., Table],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _fill(database, "reefs", _rows(700))
    database.execute("ALTER TABLE sea.reefs SET (autovacuum_enabled = false)")
    dataset = describe(table_of("reefs"))
    west: tuple[float, float, float, float] = (0, 40, 3.5, 52)
    index = TableIndex.of(dataset.path)

    def expected() -> int:
        return index.expect([west], dataset.bounds, dataset.feature_count)

    true = index.count([west])
    assert true == expected() == 280
    database.execute("ANALYZE sea.reefs")
    with monkeypatch.context() as patch:
        patch.delattr(TableIndex, "count")
        assert true / 2 < expected() < true * 2
    # Statistics of other rows are worse than none.
    database.execute("UPDATE sea.reefs SET geom = ST_Translate(geom, 40, 0)")
    dataset = describe(table_of("reefs"))
    assert expected() == index.count([west]) == 0


def _backends(cluster: Cluster) -> list[int]:
    query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'MarineMap'"
    with psycopg.connect(cluster.url("postgres")) as connection:
        return [pid for (pid,) in connection.execute(query)]


def test_mute_server_is_named_and_waited_for(
    cluster: Cluster,
    database: psycopg.Connection[Any],
    table_of: Callable[..., Table],
    tmp_path: Path,
) -> None:
    _fill(database, "reefs", _rows(20))
    allow_servers([Server.parse(cluster.url("postgres"))], seconds=1)
    stopped: list[int] = []

    def freeze(fraction: float, message: str) -> None:
        if not stopped:
            stopped.extend(_backends(cluster))
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)

    request = ExtractionRequest(
        [SourceLayer("sea", table_of("reefs")), SourceLayer("other", table_of("reefs"))],
        AREA,
        tmp_path / "out.zip",
    )
    began = time.monotonic()
    try:
        with pytest.raises(UnavailableError, match="is away, silent, or busy"):
            extract(request, progress=freeze)
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    # For ever, where nothing is given up.
    assert stopped and time.monotonic() - began < 120
    assert extract(request).features_written > 0


def test_work_that_stops_ends_its_query(
    cluster: Cluster,
    database: psycopg.Connection[Any],
    table_of: Callable[..., Table],
    tmp_path: Path,
) -> None:
    _fill(database, "reefs", _rows(20))
    # Each row takes a second: the first batch is not there before the work is called off.
    database.execute(
        "CREATE FUNCTION sea.wait(bigint) RETURNS text STABLE LANGUAGE plpgsql "
        "AS 'BEGIN PERFORM pg_sleep(1); RETURN $1; END'"
    )
    database.execute("CREATE VIEW sea.slow AS SELECT fid, geom, sea.wait(fid) FROM sea.reefs")
    allow_servers([Server.parse(cluster.url("postgres"))], seconds=30)

    class CalledOff(Exception):
        pass

    began = time.monotonic()

    def stop(fraction: float, message: str) -> None:
        if time.monotonic() - began > 1.5:
            raise CalledOff

    slow = table_of("slow", key="fid")
    # Of a known version, so that it is not computed from all rows first.
    layer = SourceLayer("sea", slow, fingerprint=fingerprint(slow))
    with pytest.raises(CalledOff):
        extract(ExtractionRequest([layer], AREA, tmp_path / "out.zip"), progress=stop)
    # Sooner than its twenty rows are there.
    assert time.monotonic() - began < 20
    deadline = time.monotonic() + 120
    query = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE application_name = 'MarineMap' AND state = 'active'"
    )
    while database.execute(query).fetchone() != (0,):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_lost_server_is_no_fault_of_the_data(
    cluster: Cluster, database: psycopg.Connection[Any], table_of: Callable[..., Table]
) -> None:
    _fill(database, "reefs", _rows(20))
    table = table_of("reefs")
    describe(table)
    for pid in _backends(cluster):
        database.execute("SELECT pg_terminate_backend(%s)", [pid])
    # Connections that were kept are found dead, and others made.
    assert describe(table).feature_count == 20
    away = Table.parse("postgresql://127.0.0.1:1/gis?table=reefs")
    allow_servers([Server.parse("postgresql://127.0.0.1:1/gis")], seconds=1)
    for look in (describe, fingerprint, content_version):
        with pytest.raises(UnavailableError):
            look(away)


def test_threads_share_no_connection(
    database: psycopg.Connection[Any], table_of: Callable[..., Table]
) -> None:
    _fill(database, "reefs", _rows(20))
    counts: list[int] = []
    threads = [
        threading.Thread(target=lambda: counts.append(describe(table_of("reefs")).feature_count))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(180)
    assert counts == [20] * 8


def test_report_tells_of_no_server(
    database: psycopg.Connection[Any], table_of: Callable[..., Table], tmp_path: Path
) -> None:
    _fill(database, "reefs", _rows(20))
    result = run(table_of("reefs"), tmp_path, AREA)
    with zipfile.ZipFile(result.archive) as archive:
        texts = [archive.read(name) for name in archive.namelist()]
    assert not any(b"127.0.0.1" in text or b"postgresql:" in text for text in texts)
    report = next(json.loads(text) for text in texts if text.startswith(b"{"))
    assert report
