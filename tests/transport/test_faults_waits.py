"""No one can stop the others: every wait has an end."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import threading
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from kombu import Exchange, Producer, Queue
from kombu.exceptions import OperationalError

from marinemap.transport.consuming.clearing import bury_forgotten
from marinemap.transport.consuming.janitor import Janitor
from marinemap.transport.database import open_database, verify
from marinemap.transport.database.contract import Session
from marinemap.transport.database.postgresql import PostgresDatabase
from marinemap.transport.database.schema import table_names
from marinemap.transport.errors import TransportError
from tests.postgresql import Cluster, make_database
from tests.transport.conftest import TASKS, Broker, Inbox, publish, wait_until
from tests.transport.interference import (
    count_waiting_at_gate,
    cut_connections,
    held_up,
    proxied,
)
from tests.transport.workers import WorkerStarter

needs_server = pytest.mark.parametrize("broker", ["postgresql"], indirect=True)
needs_file = pytest.mark.parametrize("broker", ["sqlite"], indirect=True)

RATE = (
    "INSERT INTO broker_rates (task_name, declared_rate, rate, max_starts, window_ms) "
    "VALUES ('clip', '10/s', '10/s', 10, 1250)"
)


def eta(seconds: float) -> dict[str, str]:
    return {"eta": (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(), "task": "t"}


@needs_server
def test_unlimited_messages_come_while_another_holds_the_row_of_a_rate(broker: Broker) -> None:
    """One frozen worker stopped all: no unlimited message in 8 s (5)."""
    broker.rows(RATE)
    with psycopg.connect(broker.url) as frozen:
        frozen.execute("SELECT * FROM broker_rates FOR UPDATE")
        publish(broker.connect(), "limited", headers={"task": "clip"})
        publish(broker.connect(), "free", headers={"task": "other"})
        inbox = Inbox(broker.connect(), prefetch_count=2)
        assert inbox.receive(1) == ["free"]
        frozen.rollback()
        assert inbox.receive(2) == ["free", "limited"]


@needs_server
def test_worker_frozen_amid_counting_is_passed_by(broker: Broker) -> None:
    """The server ends its transaction; the others start limited tasks again (5)."""
    broker.rows(RATE)
    publish(broker.connect(), "first", headers={"task": "clip"})
    with held_up(broker, "UPDATE", "broker_rates"):
        # A lease so long that only the limit of an idle transaction can free the row in time.
        holder = start_waiting(broker, lease_seconds=8)
        wait_until(lambda: count_waiting_at_gate(broker), "its counting")
        os.kill(holder, signal.SIGSTOP)
    try:
        publish(broker.connect(), "second", headers={"task": "clip"})
        inbox = Inbox(broker.connect(), prefetch_count=5)
        inbox.receive(2)
        assert sorted(inbox.bodies) == ["first", "second"]
    finally:
        os.kill(holder, signal.SIGKILL)
        os.waitpid(holder, 0)


def start_waiting(broker: Broker, lease_seconds: float) -> int:
    """Fork a consumer of the queue; return its process id."""
    process_id = os.fork()
    if process_id == 0:
        try:
            options = {**broker.options, "lease_seconds": lease_seconds}
            Inbox(Broker(broker.url, options).connect(), prefetch_count=1).receive(10, 60)
        finally:
            os._exit(0)
    return process_id


@needs_server
def test_mute_server_is_left_and_found_again(broker: Broker) -> None:
    """20 s in silence with a lease of 2 s: no error, no reconnection (6)."""
    with proxied(broker) as (far, proxy):
        inbox = Inbox(far.connect(), prefetch_count=1)
        publish(broker.connect(), 1)
        inbox.receive(1)
        proxy.mute()
        # New connections pass; those that are open stay mute.
        proxy.revive()
        inbox.messages[0].ack()
        wait_until(lambda: broker.count("broker_messages") == 0, "the acknowledgement")
        publish(broker.connect(), 2)
        assert inbox.receive(2) == [1, 2]
        assert inbox.messages[1].delivery_info["redelivered"] is False


@needs_server
def test_publishing_to_a_mute_server_fails_in_time(broker: Broker) -> None:
    """`delay` in a web process waited for TCP (6)."""
    with proxied(broker) as (far, proxy):
        connection = far.connect()
        publish(connection, 1)
        proxy.mute()
        begun = time.monotonic()
        with pytest.raises((OperationalError, *connection.connection_errors)):
            publish(connection, 2, retry=False)
        assert time.monotonic() - begun < 60


@needs_server
def test_server_that_turns_read_only_is_waited_for(broker: Broker, cluster: Cluster) -> None:
    """A demoted server killed workers: the error was not among those that reconnect (7)."""
    url = make_database(cluster.url("postgres"), "demoted")
    demoted = Broker(url, broker.options)
    try:
        inbox = Inbox(demoted.connect(), prefetch_count=1)
        publish(demoted.connect(), 1)
        inbox.receive(1)
        with psycopg.connect(cluster.url("postgres"), autocommit=True) as admin:
            set_read_only = "ALTER DATABASE demoted SET default_transaction_read_only = "
            admin.execute(f"{set_read_only}on")
            cut_connections(demoted)
            with pytest.raises(OperationalError):
                publish(demoted.connect(), 2, retry=False)
            inbox.messages[0].ack()
            admin.execute(f"{set_read_only}off")
        demoted.database.close()
        publish(demoted.connect(), 3)
        assert inbox.receive(2) == [1, 3]
    finally:
        demoted.close()


@needs_file
def test_commit_kept_waiting_by_a_long_reader_is_undone_and_tried_again(broker: Broker) -> None:
    """The next BEGIN raised "cannot start a transaction within a transaction" (9)."""
    inbox = Inbox(broker.connect(busy_timeout_seconds=0.3))
    assert inbox.receives_nothing(0.05)
    publish(broker.connect(), 1)
    inbox.receive(1)
    reader = sqlite3.connect(broker.file, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM broker_messages").fetchone()
    inbox.messages[0].ack()
    publishing = threading.Thread(target=publish, args=(broker.connect(), 2))
    publishing.start()
    with pytest.raises(TimeoutError):
        inbox.connection.drain_events(timeout=1.5)
    reader.execute("COMMIT")
    reader.close()
    publishing.join(120)
    assert inbox.receive(2) == [1, 2]


@needs_server
def test_message_that_others_lock_and_leave_is_found_soon(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With two queues a claim locked in both and took from one; others slept for 5 s (17)."""
    # A new consumer looks once more after this.
    monkeypatch.setattr(PostgresDatabase, "settling_seconds", 0.0)
    queues = [Queue(name, Exchange(name, "direct"), name) for name in ("one", "two")]
    hasty = {"lease_seconds": 1.0, "poll_seconds": 30.0}
    first, second = (Inbox(broker.connect(**hasty), *queues, prefetch_count=1) for _ in range(2))
    assert first.receives_nothing(0.1) and second.receives_nothing(0.1)
    with held_up(broker, "UPDATE", "broker_messages", "NEW.claimed_by IS NOT NULL"):
        with broker.connect() as connection:
            producer = Producer(connection.default_channel)
            with producer.batch():
                # The queue that is looked at first has the last one.
                for queue in reversed(queues):
                    producer.publish(queue.name, exchange=queue.exchange, routing_key=queue.name)
        wait_until(lambda: count_waiting_at_gate(broker), "a claim")
        # Only who is not held up renews: it has looked at both queues by then, or claims too.
        latest = "SELECT max(lease_expires_at_ms) FROM broker_consumers"
        seen = broker.rows(latest)
        wait_until(
            lambda: count_waiting_at_gate(broker) == 2 or broker.rows(latest) > seen, "a look"
        )
    # Below the slow poll.
    deadline = time.monotonic() + 25
    while len(first.bodies) + len(second.bodies) < 2 and time.monotonic() < deadline:
        for inbox in (first, second):
            inbox.receives_nothing(0.01)
    assert sorted(first.bodies + second.bodies) == ["one", "two"]
    assert len(first.bodies) == 1


@needs_server
def test_one_slow_commit_holds_up_no_other_publisher(broker: Broker, cluster: Cluster) -> None:
    """NOTIFY's lock was held through the commit, and the site's commits waited for it (20)."""
    inbox = Inbox(broker.connect())
    quick = Broker(f"{broker.url}?options=-c%20synchronous_commit%3Dlocal", broker.options)
    slow = broker.connect()
    publish(slow, 0)
    publish(quick.connect(), 1)
    inbox.receive(2)
    assert inbox.receives_nothing(0.2)
    try:
        with psycopg.connect(broker.url, autocommit=True) as admin:
            admin.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
            admin.execute("SELECT pg_reload_conf()")
            wait_until(
                lambda: admin.execute("SHOW synchronous_standby_names").fetchone() == ("nobody",),
                "the setting",
            )
            errors: list[BaseException] = []
            publishing = threading.Thread(target=try_to_publish, args=(slow, errors))
            publishing.start()
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
            wait_until(lambda: admin.execute(waiting).fetchone() != (0,), "a slow commit")
            publish(quick.connect(), "quick", retry=False)
            assert publishing.is_alive(), "it waited for the slow commit"
    finally:
        with psycopg.connect(
            f"{broker.url}?options=-c%20synchronous_commit%3Dlocal", autocommit=True
        ) as admin:
            admin.execute("ALTER SYSTEM RESET synchronous_standby_names")
            admin.execute("SELECT pg_reload_conf()")
        publishing.join(120)
        quick.close()


@needs_server
@pytest.mark.parametrize(("standby", "expected"), [("", "off"), ("nobody", "on")])
def test_claims_wait_for_a_standby_where_publishes_do(
    broker: Broker, standby: str, expected: str
) -> None:
    """A promoted standby knew nothing of the last claims, and gave them out again."""
    with psycopg.connect(broker.url, autocommit=True) as admin, broker.database.session() as own:
        try:
            admin.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{standby}'")
            admin.execute("SELECT pg_reload_conf()")
            wait_until(lambda: setting(own, "synchronous_standby_names") == standby, "the setting")
            with own.begin():
                broker.database.hurry(own)
                assert setting(own, "synchronous_commit") == expected
        finally:
            admin.execute("ALTER SYSTEM RESET synchronous_standby_names")
            admin.execute("SELECT pg_reload_conf()")


def setting(session: Session, name: str) -> str:
    return str(session.run(f"SELECT current_setting('{name}') AS value")[0].value)


def try_to_publish(connection: object, errors: list[BaseException]) -> None:
    try:
        publish(connection, "slow", retry=False)  # type: ignore[arg-type]
    except Exception as error:
        errors.append(error)


@pytest.mark.parametrize("count", [999, 1000, 1001, 2000])
def test_any_number_of_expired_messages_is_cleared(broker: Broker, count: int) -> None:
    """With exactly 1,000 the clearing never ended, in the thread that renews the lease (22)."""
    connection = broker.connect()
    producer = Producer(connection.default_channel)
    with producer.batch():
        for body in range(count):
            producer.publish(
                body,
                exchange=TASKS.exchange,
                routing_key="tasks",
                declare=[TASKS],
                expiration=0.001,
            )
    publish(connection, "fresh")
    inbox = Inbox(broker.connect())
    assert inbox.receive(1) == ["fresh"]
    wait_until(lambda: broker.count("broker_messages") == 1, "clearing")
    # The rest of tidying goes on: what the dead held comes back.
    broker.rows("UPDATE broker_messages SET claimed_by = 'somebody dead'")
    assert inbox.receive(2) == ["fresh", "fresh"]
    # The lease is renewed, and the next round of clearing does its work too.
    seen = broker.rows("SELECT lease_expires_at_ms FROM broker_consumers")[0][0]
    # Nobody consumes these: what expires in a moment may be claimed before.
    producer.publish("later", routing_key="others", declare=[Queue("others")], expiration=0.001)
    wait_until(lambda: broker.count("broker_messages") == 1, "clearing again")
    wait_until(
        lambda: broker.rows("SELECT lease_expires_at_ms FROM broker_consumers")[0][0] > seen,
        "renewing",
        5,
    )


@pytest.mark.parametrize("count", [1000, 1001])
def test_any_number_of_a_dead_consumers_messages_comes_back(broker: Broker, count: int) -> None:
    """The batch that is exactly full is the one that loops or stops too soon."""
    producer = Producer(broker.connect().default_channel)
    with producer.batch():
        for body in range(count):
            producer.publish(body, exchange=TASKS.exchange, routing_key="tasks", declare=[TASKS])
    broker.rows("UPDATE broker_messages SET claimed_by = 'somebody dead', attempts = 1")
    assert len(Inbox(broker.connect(claim_batch=1000)).receive(count)) == count


def test_any_number_of_forgotten_messages_is_buried_in_pieces(broker: Broker) -> None:
    """In one statement: on PostgreSQL a million took longer than one may, each minute anew.

    On SQLite 300,000 held the only write lock for 26 s.
    """
    digits = ", ".join(f"({digit})" for digit in range(10))
    broker.rows(
        f"WITH digits (digit) AS (VALUES {digits}) INSERT INTO broker_messages (queue_name, "
        "priority, owner, turn, payload, published_at_ms, attempts) SELECT 'nobody', 0, '', 0, "
        "'{}', 0, 0 FROM digits AS a, digits AS b, digits AS c, (VALUES (1), (2)) AS twice"
    )
    pieces: list[int] = []

    class Counting(type(broker.database)):  # type: ignore[misc]
        def bury(self, *args: Any, **names: Any) -> list[Any]:
            dead: list[Any] = super().bury(*args, **names)
            pieces.append(len(dead))
            return dead

    with closing(Counting(broker.url, broker.database.options)) as database:
        # A round is short, however slow the machine.
        while broker.count("broker_messages"):
            bury_forgotten(database)
    assert broker.count("broker_dead_letters") == sum(pieces) == 2000
    assert max(pieces) == 1000


@needs_file
def test_tidying_that_finds_nothing_to_do_asks_for_no_lock(broker: Broker) -> None:
    """Each idle worker waited for the only write lock, every 5 s, to free messages of no rate."""
    publish(broker.connect(), "waits")
    publish(broker.connect(), "in no declared queue", exchange="", routing_key="q", declare=[])
    with closing(sqlite3.connect(broker.file)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        options = replace(broker.database.options, busy_timeout_seconds=0.1)
        with closing(open_database(broker.url, options)) as database:
            Janitor(database, "nobody").tidy()
            bury_forgotten(database)


@needs_server
def test_due_message_that_another_has_locked_costs_no_processor(broker: Broker) -> None:
    """It was asked for again and again without a pause."""
    inbox = Inbox(broker.connect())
    publish(broker.connect(), "due", headers=eta(0.5))
    with psycopg.connect(broker.url) as other:
        other.execute("SELECT 1 FROM broker_messages FOR UPDATE")
        now = "SELECT extract(epoch FROM now()) * 1000 > max(due_at_ms) FROM broker_messages"
        wait_until(lambda: broker.rows(now) == [(True,)], "its time")
        seen = broker.rows("SELECT lease_expires_at_ms FROM broker_consumers")
        wait_until(
            lambda: broker.rows("SELECT lease_expires_at_ms FROM broker_consumers") != seen,
            "a renewal",
        )
        count = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
        before, begun = broker.rows(count)[0][0], time.monotonic()
        with pytest.raises(TimeoutError):
            inbox.connection.drain_events(timeout=2.0)
        statements = broker.rows(count)[0][0] - before
        # Some 20 a second are for asking anew, the lease, tidying and this test.
        assert statements / (time.monotonic() - begun) < 100
    assert inbox.receive(1) == ["due"]


def test_ten_refusals_of_a_full_queue_open_one_connection(broker: Broker) -> None:
    """Ten `QueueFullError`s opened nine (21)."""
    full = Queue("full", max_length=1)
    connection = broker.connect()
    producer = Producer(connection.default_channel)
    producer.publish(0, exchange="", routing_key="full", declare=[full])
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        with pytest.raises(TransportError, match="is full"):
            producer.publish(0, exchange="", routing_key="full", retry=False)
    assert len(os.listdir("/proc/self/fd")) <= before + 1


def test_worker_whose_tables_are_gone_says_so_seldom_and_ends_when_told(
    broker: Broker, workers: WorkerStarter
) -> None:
    """It logged seven lines a second, on PostgreSQL with tracebacks, and stayed deaf for good."""
    workers.environment["CELERY_SETTINGS"] = json.dumps(
        {"broker_transport_options": {"lease_seconds": 2.0}}
    )
    worker = workers.start("-c", "1")
    drop_tables(broker)
    wait_until(lambda: "migrate the database" in worker.read_log(), "a word on what to do")
    verify(broker.database)
    workers.call("record.delay('again')")
    wait_until(workers.journal, "a task, once the tables are back")
    drop_tables(broker)
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(120) == 0
    log = worker.read_log()
    assert "Traceback" not in log
    assert log.count("trying again") <= 2
    assert log.count("cannot be tidied") <= 2


def drop_tables(broker: Broker) -> None:
    with broker.database.session() as session:
        for name in table_names():
            session.run(f"DROP TABLE {name}")
