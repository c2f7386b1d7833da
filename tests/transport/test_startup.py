"""What is refused before the first message: options, addresses, schemas, weak settings."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from kombu import Connection
from kombu.exceptions import OperationalError
from sqlalchemy import create_engine, inspect

from marinemap.transport.database import open_database, postgresql_session, verify
from marinemap.transport.database.schema import REVISION, step_statements, table_names
from marinemap.transport.database.sqlite_session import durable_pragmas
from marinemap.transport.errors import AwayError, TransportError
from marinemap.transport.options import Options, read_options
from marinemap.transport.publishing import publisher
from marinemap.transport.publishing.routes import Routes
from tests.postgresql import Cluster
from tests.transport.conftest import Broker, publish, wait_until


def test_unknown_option_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(TransportError, match="Did you mean 'lease_seconds'"):
        read_options({"lease_second": 10})


def test_option_out_of_its_range_is_refused() -> None:
    with pytest.raises(TransportError, match="lease_seconds: 0 is not between 1 and 3600"):
        read_options({"lease_seconds": 0})
    with pytest.raises(TransportError, match="'often' is not a number"):
        read_options({"poll_seconds": "often"})


def test_kombus_own_options_are_accepted() -> None:
    assert read_options({"max_retries": 3, "interval_start": 0}) == Options()


@pytest.mark.parametrize("url", ["mysql://host/db", "sqlite://", "sqlite:///:memory:", "nonsense"])
def test_address_of_no_supported_database_is_refused(url: str) -> None:
    with pytest.raises(TransportError, match="broker_url"):
        open_database(url, Options())


def test_missing_tables_are_told_in_one_line(tmp_path: Path) -> None:
    connection = Connection(f"marinemap+sqlite:///{tmp_path}/empty.sqlite3")
    with pytest.raises(TransportError, match="the queue's tables are missing") as caught:
        connection.connect()
    assert "\n" not in str(caught.value)
    assert "Migrate" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("revision", "oldest_code", "words"),
    [(REVISION - 1, 1, "older"), (REVISION + 1, REVISION + 1, "newer")],
)
def test_schema_of_another_version_is_told_in_one_line(
    tmp_path: Path, revision: int, oldest_code: int, words: str
) -> None:
    path = tmp_path / "queue.sqlite3"
    make_tables(path)
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"UPDATE broker_schema SET revision = {revision}")
        database.execute(f"UPDATE broker_schema SET oldest_code = {oldest_code}")
        database.commit()
    connection = Connection(f"marinemap+sqlite:///{path}")
    with pytest.raises(TransportError, match=f"tables are {words} than the code"):
        connection.connect()


def test_code_works_with_the_next_revision_that_allows_it(tmp_path: Path) -> None:
    path = tmp_path / "queue.sqlite3"
    make_tables(path)
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE broker_schema SET revision = 99")
        database.commit()
    connection = Connection(f"marinemap+sqlite:///{path}")
    connection.connect()
    connection.release()


def make_tables(path: Path) -> None:
    """Make the tables as migrations do."""
    with closing(sqlite3.connect(path)) as database:
        for revision in range(1, REVISION + 1):
            for statement in step_statements("sqlite", revision):
                database.execute(statement)
        database.commit()


def test_migrated_and_demanded_schemas_are_equal(broker: Broker, tmp_path: Path) -> None:
    by_migration = broker
    if broker.dialect == "sqlite":
        path = tmp_path / "migrated.sqlite3"
        make_tables(path)
        by_migration = Broker(f"sqlite:///{path}", {})
    migrated = describe(by_migration)
    if broker.dialect == "postgresql":
        broker.rows("DROP SCHEMA public CASCADE")
        broker.rows("CREATE SCHEMA public")
        fresh = open_database(broker.url, Options(create_tables=True, claim_batch=99))
        verify(fresh)
        fresh.close()
    assert describe(broker) == migrated
    by_migration.close()


def describe(broker: Broker) -> dict[str, object]:
    if broker.dialect == "sqlite":
        return dict(broker.rows("SELECT name, sql FROM sqlite_master"))
    engine = create_engine(broker.url.replace("postgresql", "postgresql+psycopg"))
    inspector = inspect(engine)
    described: dict[str, object] = {
        table: (str(inspector.get_columns(table)), str(inspector.get_indexes(table)))
        for table in inspector.get_table_names()
    }
    engine.dispose()
    return described


def test_workers_that_start_at_once_make_the_tables_once(broker: Broker) -> None:
    """PostgreSQL remembers that there was no such name: whoever had asked made them again."""
    one, other = broker.database, open_database(broker.url, read_options({"create_tables": False}))
    if one.name == "sqlite":
        pytest.skip("SQLite remembers no names")
    with one.session() as session, session.begin():
        for table in table_names():
            session.run(f"DROP TABLE {table} CASCADE")
    with one.session() as first, other.session() as second:
        assert other.read_revision(second) is None
        with other.upgrading(second):
            with psycopg.connect(broker.url, autocommit=False) as maker:
                for revision in range(1, REVISION + 1):
                    for statement in step_statements("postgresql", revision):
                        maker.execute(statement)
            found = other.read_revision(second)
        assert found is not None
        assert one.read_revision(first) is not None
    other.close()


def test_upgrade_takes_as_long_as_it_needs(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server was told to wait for it, and not the client: a long table never was upgraded."""
    if broker.dialect == "sqlite":
        pytest.skip("SQLite gives up no statement")
    monkeypatch.setattr(Options, "statement_seconds", 1.0)
    upgraded: list[str] = []

    def upgrade() -> None:
        database = broker.database
        with closing(database.open_session()) as session, database.upgrading(session):
            upgraded.append("yes")

    with psycopg.connect(broker.url, autocommit=True) as other:
        # As another does whose upgrade takes long.
        other.execute("SELECT pg_advisory_lock(718281828)")
        upgrading = threading.Thread(target=upgrade)
        upgrading.start()
        waits = (
            "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'advisory' "
            "AND clock_timestamp() - query_start > interval '2.5 s'"
        )
        wait_until(
            lambda: other.execute(waits).fetchone() or not upgrading.is_alive(), "a long wait"
        )
    upgrading.join(120)
    assert upgraded == ["yes"]


def test_sqlite_settings_survive_a_power_cut(broker: Broker) -> None:
    if broker.dialect != "sqlite":
        pytest.skip("SQLite's settings belong to each connection")
    has_log = "PRAGMA journal_mode=WAL" in durable_pragmas(sqlite3.sqlite_version_info)
    journal, synchronous = broker.rows("PRAGMA journal_mode"), broker.rows("PRAGMA synchronous")
    assert (journal[0][0], synchronous[0][0]) == (("wal", 2) if has_log else ("persist", 3))


@pytest.mark.parametrize(
    ("version", "has_log"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 46, 1), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 53, 0), True),
    ],
)
def test_sqlite_writes_ahead_where_its_log_is_sound(
    version: tuple[int, ...], has_log: bool
) -> None:
    """The two older releases that have the fix were passed over, and synced five times a commit."""
    log = ["PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL"]
    assert (durable_pragmas(version) == log) is has_log


def test_postgresql_that_may_lose_commits_is_refused(cluster: Cluster) -> None:
    url = cluster.url("postgres")
    weak = f"{url}?options=-c%20synchronous_commit%3Doff"
    with pytest.raises(TransportError, match="PostgreSQL runs with synchronous_commit off"):
        Connection(f"marinemap+{weak}").connect()
    accepted = {"accept_weak_durability": True, "create_tables": True}
    Connection(f"marinemap+{weak}", transport_options=accepted).connect()
    for name, options in ((weak, accepted), (weak, {})):
        open_database(name, read_options(options)).close()


@pytest.mark.parametrize("given", ["no", 1, None])
def test_durability_is_given_up_by_true_alone(given: object) -> None:
    with pytest.raises(TransportError, match=f"accept_weak_durability.*{given!r} is not True or"):
        read_options({"accept_weak_durability": given})


def test_question_mark_in_an_sqlite_address_is_refused(tmp_path: Path) -> None:
    # What follows it was passed over, and the queue was in another file.
    with pytest.raises(TransportError, match="this one means '.*/what'"):
        Connection(f"marinemap+sqlite:///{tmp_path}/what?.sqlite3").connect()
    url = f"marinemap+sqlite:///{tmp_path}/what%3F.sqlite3"
    with Connection(url, transport_options={"create_tables": True}) as connection:
        connection.connect()
    assert "what?.sqlite3" in {path.name for path in tmp_path.iterdir()}


def test_unreachable_database_is_a_connection_error() -> None:
    connection = Connection("marinemap+postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(OperationalError, match="Connection refused"):
        connection.ensure_connection(max_retries=1, interval_start=0)


def test_messages_given_up_while_the_database_is_away_do_not_add_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each left its id in the process."""
    monkeypatch.setattr(publisher, "_MOST_UNCERTAIN", 10)
    database = open_database("postgresql://127.0.0.1:1/nothing", Options())
    publishing = publisher.Publisher(database, Routes())
    for number in range(25):
        message = {"body": "x", "properties": {"correlation_id": str(number)}}
        with pytest.raises(AwayError):
            publishing.publish(message, "", "q")
    # Those that may be published again within seconds are there still.
    assert list(database.uncertain_ids) == [str(number) for number in range(15, 25)]


def test_lost_backend_costs_a_publisher_no_message(broker: Broker) -> None:
    if broker.dialect == "sqlite":
        pytest.skip("SQLite has no backend to lose")
    connection = broker.connect()
    publish(connection, 1)
    with psycopg.connect(broker.url, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'marinemap-queue'"
        )
    publish(connection, 2, retry=True, retry_policy={"max_retries": 3})
    assert broker.count("broker_messages") == 2


def test_connection_in_use_while_its_pool_is_disposed_of_is_closed(broker: Broker) -> None:
    with broker.database.session() as session:
        broker.database.close()
        session.connection.execute("SELECT 1")
    with pytest.raises((psycopg.OperationalError, sqlite3.ProgrammingError), match="closed"):
        session.connection.execute("SELECT 1")


def test_connection_that_cannot_be_made_ready_is_closed(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    if broker.dialect == "sqlite":
        pytest.skip("the server can be asked who is connected")
    broker.database.close()
    monkeypatch.setattr(postgresql_session, "_PLANNING", ("SET no_such_setting TO off",))
    # The error is kept, and with its frames the connection, which must be closed all the same.
    with pytest.raises(psycopg.Error, match="no_such_setting") as error:
        verify(broker.database)
    with psycopg.connect(broker.url, autocommit=True) as admin:
        # Of this test's database: those of others are their own matter.
        connected = (
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE application_name LIKE 'marine%' AND datname = current_database()"
        )
        wait_until(lambda: admin.execute(connected).fetchone() == (0,), "closing it")
    assert error.value is not None


def test_server_is_found_among_several_hosts(cluster: Cluster, broker: Broker) -> None:
    if broker.dialect == "sqlite":
        pytest.skip("a file has no hosts")
    hosts = f"127.0.0.1:1,127.0.0.1:{cluster.port}"
    url = f"postgresql://postgres:secret@{hosts}/postgres?target_session_attrs=read-write"
    with Connection(f"marinemap+{url}") as connection:
        publish(connection, "found")
        assert "secret" not in connection.as_uri()
        assert hosts in connection.as_uri()
        connection.transport.database.close()
    assert broker.count("broker_messages") == 1
