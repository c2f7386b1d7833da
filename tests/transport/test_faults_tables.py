"""What the tables, their indexes and their steps from version to version hold."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest
from kombu import Connection, Exchange, Producer, Queue

from marinemap.transport import use_task_rates
from marinemap.transport.consuming.delayed import promote
from marinemap.transport.database import schema
from marinemap.transport.database.sqlite_session import write_sql as write_sqlite
from marinemap.transport.publishing import queues
from marinemap.transport.publishing.statements import IS_FULL
from tests.postgresql import Cluster
from tests.transport.conftest import TASKS, Broker, Inbox, publish, wait_until

pytestmark = pytest.mark.usefixtures("patient_statements")

# Whatever is asked about one queue.
ABOUT_A_QUEUE = [queues.COUNT_WAITING, *queues._PURGE, queues._DELETE_CLAIMED, IS_FULL]


@pytest.mark.parametrize("statement", ABOUT_A_QUEUE)
def test_what_concerns_a_queue_is_found_by_an_index(broker: Broker, statement: str) -> None:
    """To delete an empty reply queue read all messages of the others: 138 ms of 50,000 (18)."""
    if broker.dialect == "postgresql":
        pytest.skip("its planner is told to take an index, and so always names one")
    publish(broker.connect(), "of another queue")
    plan = "\n".join(explain(broker, statement))
    assert "SEARCH broker_messages USING" in plan
    assert "SCAN broker_messages" not in plan


def explain(broker: Broker, statement: str) -> list[str]:
    sql = f"EXPLAIN QUERY PLAN {write_sqlite(statement)}"
    with closing(sqlite3.connect(broker.file)) as connection:
        names = {"queue_name": "reply", "last_id": 9, "max_length": 9}
        return [row[3] for row in connection.execute(sql, names)]


def test_messages_that_waited_for_their_time_take_turns(broker: Broker) -> None:
    """They had no turn: four of one owner came at once before anybody else's (19)."""
    use_task_rates(lambda: {"clip": "1/h"})
    publish(broker.connect(), "known", headers={"task": "clip"})
    inbox = Inbox(broker.connect(), prefetch_count=1)
    inbox.receive(1)
    eta = (datetime.now(UTC) + timedelta(seconds=3)).isoformat()
    for number in range(3):
        headers = {"task": "clip", "owner": "ann", "eta": eta}
        publish(broker.connect(), f"ann{number}", headers=headers)
    due = "due_at_ms IS NULL AND rate_key = 'clip' AND claimed_by IS NULL"
    wait_until(lambda: broker.count("broker_messages", due) == 3, "their time")
    turns = [row[0] for row in broker.rows(f"SELECT turn FROM broker_messages WHERE {due}")]
    assert [later - earlier for earlier, later in pairwise(sorted(turns))] == [3_600_000] * 2


def test_messages_whose_time_has_come_together_are_counted_from_one_time(broker: Broker) -> None:
    """Each row was counted on from its own millisecond, so that turns of one owner drifted."""
    connection = broker.connect()
    producer = Producer(connection.default_channel, TASKS.exchange, "tasks")
    with producer.batch():
        for number in range(400):
            producer.publish(number, declare=[TASKS], headers={"task": "clip"})
    middle = broker.rows("SELECT min(id) + 199 FROM broker_messages")[0][0]
    for which in (f"id <= {middle}", f"id > {middle}"):
        broker.rows(f"UPDATE broker_messages SET rate_key = 'clip', due_at_ms = 1 WHERE {which}")
        with broker.database.session() as session:
            assert promote(broker.database, session) == {"tasks"}
    turns = [row[0] for row in broker.rows("SELECT turn FROM broker_messages ORDER BY id")]
    assert {later - earlier for earlier, later in pairwise(turns)} == {3_600_000}


def test_tables_of_the_first_release_are_upgraded_with_what_is_in_them(
    broker: Broker, tmp_path: Path
) -> None:
    """The first migration made the newest tables, and the second then failed (23)."""
    url = first_release(broker, tmp_path)
    options = {"create_tables": True, "lease_seconds": 2.0}
    with Connection(f"marinemap+{url}", transport_options=options) as connection:
        inbox = Inbox(connection)
        assert sorted(inbox.receive(2)) == ["claimed by the dead", "waiting"]
        connection.transport.database.close()


def first_release(broker: Broker, tmp_path: Path) -> str:
    """Make version 1's tables, with a message that waits and one of a consumer that died."""
    rows = (
        "INSERT INTO broker_queues VALUES ('tasks', false, NULL, NULL, NULL, 0)",
        _message("waiting", "NULL"),
        _message("claimed by the dead", "'dead'"),
    )
    statements = [*schema.step_statements(broker.dialect, 1), *rows]
    if broker.dialect == "sqlite":
        path = tmp_path / "first.sqlite3"
        with closing(sqlite3.connect(path)) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()
        return f"sqlite:///{path}"
    broker.database.close()
    with psycopg.connect(broker.url, autocommit=True) as admin:
        for statement in ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public", *statements):
            admin.execute(statement)
    return broker.url


def _message(body: str, claimed_by: str) -> str:
    payload = (
        f'{{"body": "\\"{body}\\"", "content-type": "application/json", '
        '"content-encoding": "utf-8", "headers": {}, "properties": {"delivery_info": {}}}'
    )
    return (
        "INSERT INTO broker_messages (queue_name, priority, owner, turn, payload, "
        "published_at_ms, claimed_by, attempts) "
        f"VALUES ('tasks', 0, '', 0, '{payload}', 0, {claimed_by}, 0)"
    )


def test_property_that_is_not_of_amqp_is_left_out(broker: Broker) -> None:
    """What no message can hold was refused: a chord passes its signature along (28)."""
    publish(broker.connect(), "sent", chord=object(), correlation_id="kept")
    inbox = Inbox(broker.connect(), TASKS)
    inbox.receive(1)
    properties = inbox.messages[0].properties
    assert properties["correlation_id"] == "kept"
    assert "chord" not in properties


@pytest.mark.parametrize("broker", ["postgresql"], indirect=True)
def test_queue_of_a_name_beyond_ascii_is_consumed_whatever_the_servers_encoding(
    broker: Broker, cluster: Cluster
) -> None:
    """By the server's own encoding its messages came under another name, and went back for ever."""
    with psycopg.connect(broker.url, autocommit=True) as admin:
        admin.execute("DROP DATABASE IF EXISTS latin")
        admin.execute("CREATE DATABASE latin ENCODING LATIN1 LOCALE 'C' TEMPLATE template0")
    latin = Broker(cluster.url("latin"), broker.options)
    coast = Queue("küste", Exchange("küste"), "küste")
    names = {"exchange": coast.exchange, "routing_key": "küste", "declare": [coast]}
    publish(latin.connect(), "found", **names)
    assert Inbox(latin.connect(), coast).receive(1) == ["found"]
    assert latin.rows("SELECT queue_name FROM broker_messages") == [("küste",)]
    latin.close()
