"""What PostgreSQL is sent below psycopg's cursor."""

from __future__ import annotations

import psycopg
import pytest
from kombu import Exchange, Queue
from sqlalchemy import text

from marinemap.transport.engine import Database
from marinemap.transport.prepared import PreparedSession
from tests.transport.conftest import Broker, Inbox, publish

AWKWARD = 'a "b", {c} \\d \\"e% %s $1 NULL \' é 珊瑚'


@pytest.fixture
def database(broker: Broker) -> Database:
    if broker.dialect == "sqlite":
        pytest.skip("SQLite's driver is used as it is")
    with broker.database.session() as session:
        assert isinstance(session, PreparedSession)
    return broker.database


def test_awkward_names_come_through(broker: Broker) -> None:
    queues = [Queue(name, Exchange("odd", "direct"), name) for name in (AWKWARD, "NULL", "{}")]
    for queue in queues:
        publish(
            broker.connect(),
            queue.name,
            exchange=queue.exchange,
            routing_key=queue.routing_key,
            declare=[queue],
            correlation_id=AWKWARD,
        )
    inbox = Inbox(broker.connect(), *queues)
    assert sorted(inbox.receive(3)) == sorted(queue.name for queue in queues)
    assert {message.properties["correlation_id"] for message in inbox.messages} == {AWKWARD}


def test_nul_is_refused_rather_than_taken_for_the_end(broker: Broker, database: Database) -> None:
    connection = broker.connect()
    publish(connection, "whole")
    with pytest.raises(psycopg.DataError, match="NUL"):
        publish(connection, "cut", correlation_id="a\0b")
    publish(connection, "next")
    assert broker.count("broker_messages") == 2


def test_error_of_the_server_is_the_drivers_and_leaves_the_connection_fit(
    database: Database,
) -> None:
    with database.session() as session:
        with pytest.raises(psycopg.errors.UndefinedTable, match="no_such_table"):
            session.run(text("SELECT * FROM no_such_table"))
        with pytest.raises(psycopg.errors.DivisionByZero):
            session.run(text("SELECT 1 / :divisor"), divisor=0)
        assert session.run(text("SELECT 6 / :divisor, 'x%'"), divisor=2) == [(3, "x%")]
