"""How little a server does: it reads the corners of a few rows, and sorts what is not in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from marinemap.extraction import Server, Table, allow_servers
from marinemap.extraction.postgis import counted, layer
from marinemap.extraction.postgis.columns import shape_of
from marinemap.extraction.postgis.counted import Counted, count_rows
from marinemap.extraction.postgis.index import TableIndex
from marinemap.extraction.postgis.session import session
from tests.postgis import running_postgis, schema_of_test
from tests.postgresql import Cluster

Count = Callable[[], tuple[Counted, Counted]]
# Of degrees, of metres, and of metres far from their origin, where 32 bits tell them half apart.
PLACES = {4326: (-6.1, 30.3, 40.0), 3857: (1.5e6, 6.2e6, 40_000.0), 25832: (5e5, 5.9e6, 30.0)}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_postgis() as running:
        yield running


@pytest.fixture
def database(cluster: Cluster) -> Iterator[psycopg.Connection[Any]]:
    allow_servers([Server.parse(cluster.url("postgres"))], seconds=60)
    with schema_of_test(cluster) as connection:
        yield connection
    allow_servers([])


@pytest.fixture
def table(cluster: Cluster) -> Table:
    return Table.parse(f"postgresql://127.0.0.1:{cluster.port}/postgres?table=sea.reefs")


@pytest.fixture
def count(table: Table) -> Count:
    """Count the rows of a test's table as the column declares an SRID, and as if it did not."""

    def both() -> tuple[Counted, Counted]:
        with session(table) as opened:
            shape = shape_of(opened, table)
            ((srid,),) = opened.rows(counted.SQL("SELECT ST_SRID(geom) FROM sea.reefs LIMIT 1"))
            few = count_rows(opened, table, shape, int(srid or 0))
            return few, count_rows(opened, table, shape, 0)

    return both


def fill(database: psycopg.Connection[Any], srid: int, rows: int = 2_000) -> None:
    """Make squares that lie at random, the same each time."""
    west, south, size = PLACES[srid]
    database.execute("SELECT setseed(0.25)")
    database.execute(
        f"CREATE TABLE sea.reefs (fid int PRIMARY KEY, geom geometry(Geometry, {srid}))"
    )
    database.execute(
        "INSERT INTO sea.reefs SELECT n, ST_SetSRID(ST_Expand(ST_Point("
        f"{west} + {size} * random(), {south} + {size} * random()), {size / 500}), {srid}) "
        f"FROM generate_series(1, {rows}) AS n"
    )


def index(database: psycopg.Connection[Any]) -> None:
    database.execute("CREATE INDEX ON sea.reefs USING gist (geom)")
    database.execute("ANALYZE sea.reefs")


@pytest.mark.parametrize("srid", PLACES)
def test_bounds_are_exact_though_few_corners_are_read(
    database: psycopg.Connection[Any], count: Count, monkeypatch: pytest.MonkeyPatch, srid: int
) -> None:
    fill(database, srid)
    index(database)
    few, every = count()
    assert few == every
    assert every.rows == every.placed == 2_000

    def never(*_: Any) -> None:
        raise AssertionError("the corners of all rows were read")

    if srid != 25832:
        monkeypatch.setattr(counted, "_everywhere", never)
        with pytest.raises(AssertionError, match="all rows were read"):
            count()


@pytest.mark.parametrize("side", ["ST_XMin", "ST_YMin", "ST_XMax", "ST_YMax"])
def test_bounds_are_exact_where_the_index_still_knows_deleted_rows(
    database: psycopg.Connection[Any], count: Count, side: str
) -> None:
    fill(database, 4326)
    database.execute("ALTER TABLE sea.reefs SET (autovacuum_enabled = false)")
    index(database)
    order = "ASC" if side.endswith("Min") else "DESC"
    database.execute(
        f"DELETE FROM sea.reefs WHERE fid IN "
        f"(SELECT fid FROM sea.reefs ORDER BY {side}(geom) {order} LIMIT 100)"
    )
    few, every = count()
    assert few == every
    assert every.rows == 1_900


@pytest.mark.parametrize("statistics", ["missing", "older"])
def test_bounds_are_exact_where_no_index_tells_them(
    database: psycopg.Connection[Any], count: Count, statistics: str
) -> None:
    fill(database, 4326)
    if statistics == "older":
        database.execute("ANALYZE sea.reefs")
        database.execute(
            "UPDATE sea.reefs SET geom = ST_Translate(geom, 60, 3) WHERE fid % 100 = 1"
        )
    few, every = count()
    assert few == every


@pytest.mark.parametrize("has_index", [True, False])
def test_what_lies_nowhere_is_counted_among_what_lies_within(
    database: psycopg.Connection[Any], count: Count, has_index: bool
) -> None:
    """A coordinate that is no number is within any box, as PostGIS compares them."""
    fill(database, 4326)
    database.execute(
        "UPDATE sea.reefs SET geom = CASE fid % 4 WHEN 0 THEN NULL "
        "WHEN 1 THEN ST_SetSRID('POLYGON EMPTY'::geometry, 4326) "
        "WHEN 2 THEN ST_SetSRID(ST_Point('NaN', 45), 4326) "
        "ELSE ST_SetSRID(ST_Point('NaN', 44), 4326) END "
        "WHERE fid % 50 < 4"
    )
    database.execute("ANALYZE sea.reefs")
    if has_index:
        index(database)
    few, every = count()
    assert few == every
    assert (every.rows, every.placed) == (2_000, 1_840)


def test_bounds_are_of_what_is_finite(database: psycopg.Connection[Any], count: Count) -> None:
    fill(database, 4326)
    database.execute(
        "UPDATE sea.reefs SET geom = ST_SetSRID(ST_Point('Infinity', 45), 4326) WHERE fid = 7"
    )
    index(database)
    few, every = count()
    assert few == every
    assert every.bounds is not None
    assert every.bounds[2] < 40


# Of two areas, one of them small: two boxes each, with much between them that is not wanted.
BOXES = {
    "much": [(-6.1, 30.3, 12.0, 50.0), (20.0, 50.0, 33.9, 70.3)],
    "little": [(0.0, 40.0, 0.4, 40.4), (0.8, 40.8, 1.2, 41.2)],
}


@pytest.mark.parametrize(
    ("keys", "wanted", "is_sorted"),
    [
        ("as they were loaded", "much", False),
        ("as they were loaded", "little", True),
        ("mixed", "much", True),
    ],
)
def test_rows_are_sorted_only_where_an_index_of_keys_costs_much_more(
    database: psycopg.Connection[Any],
    table: Table,
    monkeypatch: pytest.MonkeyPatch,
    keys: str,
    wanted: str,
    is_sorted: bool,
) -> None:
    fill(database, 4326, 20_000)
    if keys == "mixed":
        database.execute("ALTER TABLE sea.reefs DROP CONSTRAINT reefs_pkey")
        database.execute("UPDATE sea.reefs SET fid = (fid * 7919::bigint) % 20011")
        database.execute("ALTER TABLE sea.reefs ADD PRIMARY KEY (fid)")
    index(database)
    told = []
    ask = layer.can_spare_sorting
    monkeypatch.setattr(
        layer, "can_spare_sorting", lambda *each: told.append(ask(*each)) or told[-1]
    )
    condition = TableIndex.of(table).condition(BOXES[wanted])
    batches = layer.TableLayer(table).stream({"where": condition})
    found = [key for batch in batches for key in batch.column(batch.num_columns - 1).to_pylist()]
    near = " OR ".join(f"geom && ST_MakeEnvelope{box}" for box in BOXES[wanted])
    query = f"SELECT fid FROM sea.reefs WHERE {near} ORDER BY fid"
    assert found == [key for (key,) in database.execute(query)]
    assert found
    assert told == [not is_sorted]
