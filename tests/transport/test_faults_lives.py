"""Who lives and who has died: leases, locks, descriptors, queues with consumers."""

from __future__ import annotations

import gc
import resource
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from kombu import Queue

from marinemap.transport.consuming.janitor import reclaim
from marinemap.transport.errors import AwayError, LeaseLostError
from tests.transport.conftest import Broker, Inbox, publish, wait_until
from tests.transport.interference import (
    count_waiting_at_gate,
    cut_connections,
    descriptors,
    held_up,
    proxied,
)
from tests.transport.test_leases import start_holder, stop

needs_server = pytest.mark.parametrize("broker", ["postgresql"], indirect=True)
needs_file = pytest.mark.parametrize("broker", ["sqlite"], indirect=True)


def test_nothing_is_written_to_files_opened_after_a_lease_was_lost(
    broker: Broker, tmp_path: Path
) -> None:
    """A closed pipe was written to, by its number: it was somebody else's file by then (2)."""
    connection = broker.connect()
    inbox = Inbox(connection)
    assert inbox.receives_nothing(0.1)
    broker.rows("DELETE FROM broker_consumers")
    with pytest.raises(LeaseLostError):
        while True:
            inbox.receives_nothing(1)
    wait_until(lambda: "queue-consumer" not in thread_names(), "the end of the thread")
    files = [(tmp_path / f"bystander{n}").open("w+b", buffering=0) for n in range(20)]
    connection.transport.close_connection(connection.transport)
    connection.release()
    written = [Path(file.name).stat().st_size for file in files]
    for file in files:
        file.close()
    assert written == [0] * 20


def thread_names() -> set[str]:
    return {thread.name.partition("-2")[0] for thread in threading.enumerate()}


def test_connections_opened_and_closed_leave_no_descriptors(broker: Broker) -> None:
    """50 left 100 behind (3)."""

    def use() -> None:
        with broker.connect() as connection:
            publish(connection, "x")
        with broker.connect() as connection:
            inbox = Inbox(connection)
            inbox.receive(1)
            inbox.messages[0].ack()
        broker.connections.clear()

    use()
    gc.collect()
    before = len(descriptors())
    for _ in range(10):
        use()
    gc.collect()
    wait_until(lambda: len(descriptors()) <= before + 2, "closing what was opened")


@needs_server
def test_connections_lost_again_and_again_leave_no_descriptors(broker: Broker) -> None:
    """Each reconnection of a consumer closes what it had before."""
    inbox, publisher = Inbox(broker.connect()), broker.connect()
    publish(publisher, 0)
    inbox.receive(1)
    before = len(descriptors())
    for number in range(1, 6):
        cut_connections(broker)
        publish(publisher, number, retry=True, retry_policy={"max_retries": 5})
        inbox.receive(number + 1)
    wait_until(lambda: len(descriptors()) <= before + 2, "closing what was lost")


def test_process_with_thousands_of_descriptors_publishes_and_consumes(broker: Broker) -> None:
    """A connection with a number above 1,023 could not be asked whether it still stands."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(2048, hard)), hard))
    broker.database.close()
    with ExitStack() as opened:
        for _ in range(1024):
            opened.enter_context(Path("/dev/null").open())
        for number in range(2):
            publish(broker.connect(), number)
        inbox = Inbox(broker.connect())
        assert inbox.receive(2) == [0, 1]
        broker.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@needs_server
@pytest.mark.parametrize("way", ["cut", "listening", "deadlock", "timeout"])
def test_a_hiccup_of_the_database_gives_nothing_back(broker: Broker, way: str) -> None:
    """Losing the listening connection alone ran the consumer's tasks again (8)."""
    publish(broker.connect(), "mine")
    inbox = Inbox(broker.connect(), prefetch_count=1)
    inbox.receive(1)
    with psycopg.connect(broker.url, autocommit=True) as admin:
        if way == "cut":
            cut_connections(broker)
        elif way == "listening":
            end(admin, "query LIKE 'LISTEN%' OR wait_event = 'ClientRead'")
        else:
            # A statement of the consumer's own that is given up: the renewal of its lease.
            admin.execute("BEGIN")
            admin.execute("LOCK TABLE broker_consumers IN EXCLUSIVE MODE")
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            wait_until(lambda: admin.execute(waiting).fetchone() != (0,), "the renewal")
            if way == "deadlock":
                end(admin, "wait_event_type = 'Lock'", "pg_cancel_backend")
            else:
                wait_until(lambda: admin.execute(waiting).fetchone() == (0,), "its end")
            admin.execute("ROLLBACK")
    broker.database.close()
    consumers = broker.rows("SELECT consumer_id, lease_expires_at_ms FROM broker_consumers")
    rival = Inbox(broker.connect(), prefetch_count=2)

    def is_renewed() -> bool:
        now = broker.rows("SELECT consumer_id, lease_expires_at_ms FROM broker_consumers")
        return any(a[0] == b[0] and b[1] > a[1] for a in consumers for b in now)

    wait_until(is_renewed, "a renewal under the same id")
    publish(broker.connect(), "for the rival")
    assert rival.receive(1) == ["for the rival"]
    inbox.messages[0].ack()
    wait_until(lambda: broker.count("broker_messages") == 1, "writing the acknowledgement")
    assert rival.bodies == ["for the rival"]


def end(admin: psycopg.Connection, which: str, how: str = "pg_terminate_backend") -> None:
    admin.execute(
        f"SELECT {how}(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
        f"AND application_name LIKE 'marinemap-%' AND ({which})"
    )


@needs_file
def test_writer_that_holds_the_file_for_longer_than_a_lease_kills_nobody(broker: Broker) -> None:
    """A stall was taken for death: the living consumer's job ran again (10)."""
    publish(broker.connect(), "mine")
    holder = start_holder(broker, lease_seconds=1)
    rival = None
    try:
        rival = Inbox(broker.connect(lease_seconds=1.0))
        writer = sqlite3.connect(broker.file, timeout=10)
        writer.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        # The time itself is what is tested: three leases.
        with pytest.raises(TimeoutError):
            rival.connection.drain_events(timeout=3)
        assert time.monotonic() - begun >= 3
        owner = "SELECT claimed_by FROM broker_messages"
        lease = f"SELECT lease_expires_at_ms FROM broker_consumers WHERE consumer_id = ({owner})"
        seen = broker.rows(lease)
        writer.rollback()
        writer.close()
        # So many that whoever waited to give back its messages has had its turn.
        for _ in range(3):
            wait_until(lambda before=seen: broker.rows(lease) > before, "a renewal")
            seen = broker.rows(lease)
        publish(broker.connect(), "for the rival")
        assert rival.receive(1) == ["for the rival"]
        assert broker.count("broker_messages", "attempts = 1") == 2
    finally:
        stop(holder)


@needs_file
def test_living_consumer_whose_row_was_removed_blocks_nobody(broker: Broker) -> None:
    """Its byte of the lock file was given to the next, who waited for it with the file locked."""
    publish(broker.connect(), "mine")
    holder = start_holder(broker, lease_seconds=600)
    try:
        broker.rows("DELETE FROM broker_consumers")
        inbox = connect_within(broker, seconds=60)
        publish(broker.connect(), "yours")
        inbox.receive(1)
    finally:
        stop(holder)


def connect_within(broker: Broker, seconds: float) -> Inbox:
    made: list[Inbox] = []
    connecting = threading.Thread(target=lambda: made.append(Inbox(broker.connect())), daemon=True)
    connecting.start()
    connecting.join(seconds)
    assert made, "a consumer waits for a lock that another holds for its life"
    return made[0]


@needs_file
def test_consumer_is_alive_though_another_of_its_process_has_ended(broker: Broker) -> None:
    """Two consumers of a process must never share the lock of one byte."""
    publish(broker.connect(), "mine")
    first = Inbox(broker.connect(lease_seconds=600.0))
    first.receive(1)
    # As between the end of a consumer's row and of its lock.
    broker.rows("DELETE FROM broker_consumers")
    second = Inbox(broker.connect(lease_seconds=600.0), prefetch_count=1)
    publish(broker.connect(), "yours")
    second.receive(1)
    first.connection.release()
    assert is_alive(broker), "the first one's end has unlocked the second one's byte"


def is_alive(broker: Broker) -> bool:
    """Tell whether another process finds the only consumer of this one alive."""
    code = (
        "import sys; from tests.transport.conftest import Broker\n"
        "from marinemap.transport.consuming.janitor import CONSUMERS\n"
        "broker = Broker(sys.argv[1], {})\n"
        "with broker.database.session() as session: rows = session.run(CONSUMERS)\n"
        "print(len(rows), len(broker.database.make_life().find_dead(rows)))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, broker.url], capture_output=True, text=True, check=True
    )
    return answer.stdout.split() == ["1", "0"]


def test_queue_with_a_living_consumer_never_expires(broker: Broker) -> None:
    """Expiry did not ask for consumers: this one stayed, and heard nothing more (11)."""
    brief = Queue("brief", expires=0.3)
    inbox = Inbox(broker.connect(lease_seconds=8.0), brief)
    assert inbox.receives_nothing(0.05)
    # Another's janitor looks every quarter of a second, far sooner than the lease is renewed.
    other = Inbox(broker.connect(lease_seconds=1.0))
    old = "UPDATE broker_queues SET last_used_at_ms = last_used_at_ms - 60000"
    broker.rows(old)
    seen = broker.rows("SELECT lease_expires_at_ms FROM broker_consumers ORDER BY 1")[0]
    wait_until(
        lambda: (
            broker.rows("SELECT lease_expires_at_ms FROM broker_consumers ORDER BY 1")[0]
            > (seen[0] + 600,)
        ),
        "several looks of the janitor",
    )
    publish(broker.connect(), "heard", exchange="", routing_key="brief", declare=[])
    assert inbox.receive(1) == ["heard"]
    assert broker.count("broker_queues", "queue_name = 'brief'") == 1
    inbox.connection.release()
    wait_until(lambda: not broker.count("broker_queues", "queue_name = 'brief'"), "expiring")
    other.connection.release()


def test_subscription_of_one_who_was_taken_for_dead_keeps_no_queue(broker: Broker) -> None:
    """Written after its row was removed, it would have kept the queue from expiring for ever."""
    broker.rows(
        "INSERT INTO broker_subscriptions (consumer_id, queue_name) VALUES ('gone', 'brief')"
    )
    Queue("brief", expires=0.1)(broker.connect().default_channel).declare()
    janitor = Inbox(broker.connect(lease_seconds=1.0))
    wait_until(lambda: not broker.count("broker_queues", "queue_name = 'brief'"), "expiring")
    janitor.connection.release()


@needs_server
def test_queue_of_one_who_died_goes_though_it_is_locked_at_first(broker: Broker) -> None:
    """It stayed for ever: nothing was left by which a later round would have found it."""
    Queue("brief", auto_delete=True)(broker.connect().default_channel).declare()
    broker.rows(
        "INSERT INTO broker_subscriptions (consumer_id, queue_name) VALUES ('gone', 'brief')"
    )
    with psycopg.connect(broker.url) as other:
        other.execute("SELECT 1 FROM broker_queues FOR UPDATE")
        with pytest.raises(AwayError):
            reclaim(broker.database, [])
    reclaim(broker.database, [])
    assert broker.count("broker_queues") == 0


@needs_server
def test_dead_are_found_while_a_lock_holds_up_the_rest_of_tidying(broker: Broker) -> None:
    """Each failure of whatever else made the watch begin anew, and nobody was found dead."""
    publish(broker.connect(), "survivor")
    stop(start_holder(broker, lease_seconds=1))
    Queue("idle", expires=0.001)(broker.connect().default_channel).declare()
    with psycopg.connect(broker.url) as other:
        other.execute("SELECT 1 FROM broker_queues WHERE queue_name = 'idle' FOR UPDATE")
        inbox = Inbox(broker.connect(lease_seconds=1.0))
        assert inbox.receive(1) == ["survivor"]


@needs_server
def test_consumer_survives_a_restart_under_its_own_id(
    broker: Broker, request: pytest.FixtureRequest
) -> None:
    """A restart of the server ran again all that was in hand (8)."""
    cluster: Any = request.getfixturevalue("cluster")
    for body in range(5):
        publish(broker.connect(), body)
    inbox = Inbox(broker.connect(), prefetch_count=5)
    inbox.receive(5)
    for _ in range(2):
        broker.database.close()
        cluster.stop("fast")
        cluster.start()
    publish(broker.connect(), "after", retry=True, retry_policy={"max_retries": 5})
    rival = Inbox(broker.connect())
    assert rival.receive(1) == ["after"]
    for message in inbox.messages:
        message.ack()
    wait_until(lambda: broker.count("broker_messages") == 1, "writing the acknowledgements")
    assert len(rival.messages) == 1


@needs_server
def test_connection_lost_while_leaving_keeps_nothing_back(broker: Broker) -> None:
    """It was given up: what the consumer had said was undone, and the rest waited for a lease."""
    for body in ("done", "held"):
        publish(broker.connect(), body)
    inbox = Inbox(broker.connect(lease_seconds=600.0))
    inbox.receive(2)
    consumer = inbox.connection.transport.consumer
    with held_up(broker, "DELETE", "broker_consumers"):
        leaving = threading.Thread(target=consumer.stop)
        # As if the thread had had no more time to write it.
        consumer.settlements.acknowledge(1)
        leaving.start()
        wait_until(lambda: count_waiting_at_gate(broker), "leaving")
        cut_connections(broker)
    leaving.join(120)
    assert broker.rows("SELECT claimed_by FROM broker_messages") == [(None,)]
    assert broker.count("broker_consumers") == 0


@needs_server
def test_stopping_while_the_server_is_mute_comes_to_an_end(broker: Broker) -> None:
    """`stop` joined its thread, and that waited for TCP (6)."""
    with proxied(broker) as (far, proxy):
        inbox = Inbox(far.connect())
        assert inbox.receives_nothing(0.1)
        proxy.mute()
        begun = time.monotonic()
        inbox.connection.release()
        assert time.monotonic() - begun < 60
