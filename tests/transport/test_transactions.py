"""Publishing in the caller's transaction, and what a lock does to a publish."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
from kombu import Exchange, Producer, Queue

from marinemap.transport import CallerTransaction, use_caller_transaction
from marinemap.transport.database.postgresql import PostgresDatabase
from marinemap.transport.errors import AwayError, TransportError
from tests.transport.conftest import Broker, Inbox, publish, wait_until

pytestmark = pytest.mark.usefixtures("patient_statements")


class Caller:
    """An application with a connection of its own to the broker's database."""

    def __init__(self, broker: Broker) -> None:
        self.connection: Any
        if broker.dialect == "sqlite":
            self.connection = sqlite3.connect(broker.file, timeout=1, isolation_level=None)
        else:
            self.connection = psycopg.connect(broker.url, autocommit=True)
        self.url = broker.url
        self.run("CREATE TABLE IF NOT EXISTS job (name TEXT)")
        self.is_in_transaction = False

    def run(self, sql: str) -> list[Any]:
        cursor = self.connection.execute(sql)
        return cursor.fetchall() if cursor.description else []

    def begin(self) -> None:
        self.run("BEGIN")
        self.run("INSERT INTO job VALUES ('clip')")
        self.is_in_transaction = True

    def end(self, how: str) -> None:
        self.is_in_transaction = False
        self.run(how)

    def provide(self, url: str) -> CallerTransaction | None:
        is_here = self.is_in_transaction and url == self.url
        return CallerTransaction(self.connection) if is_here else None


@pytest.fixture
def caller(broker: Broker) -> Iterator[Caller]:
    caller = Caller(broker)
    use_caller_transaction(caller.provide)
    yield caller
    use_caller_transaction(None)
    caller.connection.close()


def test_message_commits_with_the_callers_rows(broker: Broker, caller: Caller) -> None:
    connection = broker.connect()
    inbox = Inbox(broker.connect())
    caller.begin()
    publish(connection, "together")
    assert inbox.receives_nothing(0.2)
    caller.end("COMMIT")
    assert inbox.receive(1) == ["together"]
    assert caller.run("SELECT name FROM job") == [("clip",)]


def test_message_is_rolled_back_with_the_callers_rows(broker: Broker, caller: Caller) -> None:
    connection = broker.connect()
    caller.begin()
    publish(connection, "never")
    with Producer(connection.default_channel).batch():
        publish(connection, "neither")
    caller.end("ROLLBACK")
    assert broker.count("broker_messages") == 0
    assert broker.count("job") == 0


def test_queue_declared_in_a_rolled_back_transaction_is_declared_again(
    broker: Broker, caller: Caller
) -> None:
    queue = Queue("fresh", Exchange("fresh"), "fresh")
    connection = broker.connect()
    target = {"exchange": queue.exchange, "routing_key": "fresh", "declare": [queue]}
    producer = Producer(connection.default_channel)
    caller.begin()
    producer.publish("lost with the transaction", **target)
    caller.end("ROLLBACK")
    producer.publish("must arrive", **target)
    assert Inbox(broker.connect(), queue).receive(1) == ["must arrive"]


def test_refused_publish_says_that_the_transaction_is_spoiled(
    broker: Broker, caller: Caller
) -> None:
    connection = broker.connect()
    publish(connection, "declares")
    caller.begin()
    broken = "ALTER TABLE broker_messages RENAME TO gone"
    caller.run(broken)
    with pytest.raises(TransportError, match="could not be stored in the caller's transaction"):
        publish(connection, "refused")
    caller.end("ROLLBACK")


def test_publish_outside_a_transaction_uses_its_own_connection(
    broker: Broker, caller: Caller
) -> None:
    publish(broker.connect(), "alone")
    assert broker.count("broker_messages") == 1


def test_publish_raises_when_sqlite_stays_locked(broker: Broker) -> None:
    if broker.dialect != "sqlite":
        pytest.skip("only SQLite has one lock for all writers")
    connection = broker.connect(busy_timeout_seconds=0.2)
    publish(connection, "before")
    other = sqlite3.connect(broker.file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(TransportError, match="the message was not stored: another program kept"):
        publish(connection, "refused")
    other.execute("ROLLBACK")
    other.close()
    publish(connection, "after")
    assert Inbox(broker.connect()).receive(2) == ["before", "after"]


def test_consumer_that_could_not_begin_may_try_again(broker: Broker) -> None:
    """Its tag was taken, by itself."""
    if broker.dialect != "sqlite":
        pytest.skip("only SQLite has one lock for all writers")
    publish(broker.connect(), "waits")
    connection = broker.connect(busy_timeout_seconds=0.1)
    channel, got = connection.channel(), list[Any]()
    with closing(sqlite3.connect(broker.file)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(AwayError):
            channel.basic_consume("tasks", False, got.append, "mine")
    assert not channel.is_consuming
    channel.basic_consume("tasks", False, got.append, "mine")
    connection.drain_events(timeout=120)
    assert len(got) == 1


def test_publish_waits_for_another_writer(broker: Broker, caller: Caller) -> None:
    if broker.dialect != "sqlite":
        pytest.skip("only SQLite has one lock for all writers")
    import threading

    connection = broker.connect()
    publish(connection, "declares")
    caller.begin()
    caller.is_in_transaction = False
    published = threading.Thread(target=publish, args=(connection, "patient"))
    published.start()
    assert broker.count("broker_messages") == 1
    caller.end("COMMIT")
    published.join()
    assert wait_until(lambda: broker.count("broker_messages") == 2, "the publish")


@pytest.mark.parametrize("broker", ["postgresql"], indirect=True)
def test_consumer_that_falls_asleep_before_the_callers_commit_is_woken_by_it(
    broker: Broker, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody slept as the message was stored, and so nobody was told: a poll found it, 5 s on."""
    monkeypatch.setattr(PostgresDatabase, "settling_seconds", 0.0)
    publish(broker.connect(), "declares")
    caller.begin()
    after_commit: list[Callable[[], None]] = []
    use_caller_transaction(lambda _: CallerTransaction(caller.connection, after_commit.append))
    publish(broker.connect(), "woken")
    use_caller_transaction(None)
    inbox = inbox_that_sleeps(broker)
    caller.end("COMMIT")
    for tell in after_commit:
        tell()
    assert inbox.receive(2, seconds=45) == ["declares", "woken"]


@pytest.mark.parametrize("broker", ["postgresql"], indirect=True)
def test_consumer_that_falls_asleep_during_a_commit_looks_again_by_itself(
    broker: Broker, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each publish that waits for its disk as a consumer runs out of work is such a one."""
    monkeypatch.setattr(PostgresDatabase, "settling_seconds", 0.0)
    publish(broker.connect(), "declares")
    caller.begin()
    publish(broker.connect(), "untold")
    caller.is_in_transaction = False
    inbox = inbox_that_sleeps(broker)
    caller.end("COMMIT")
    assert inbox.receive(2, seconds=45) == ["declares", "untold"]


def inbox_that_sleeps(broker: Broker) -> Inbox:
    """Return a consumer that has looked in vain for a second message, and waits to be told."""
    inbox = Inbox(broker.connect(poll_seconds=60))
    inbox.receive(1)
    # It takes its lock, and looks once more.
    sleeping = (
        "SELECT 1 FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid) "
        "WHERE l.locktype = 'advisory' AND a.state = 'idle' AND a.query NOT LIKE '%advisory%'"
    )
    for _ in range(2):  # The two views are not of one moment.
        wait_until(lambda: broker.rows(sleeping), "falling asleep")
    return inbox
