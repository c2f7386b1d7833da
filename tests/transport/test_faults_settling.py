"""What became of messages between their claim and their end, and does no more."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import pytest
from kombu import Exchange, Producer, Queue

from marinemap.transport.consuming.demand import Claimed, Demand
from marinemap.transport.consuming.settlements import Settlements
from marinemap.transport.consuming.work import Work
from marinemap.transport.database.postgresql_watcher import channel_of
from marinemap.transport.errors import AwayError
from tests.transport.conftest import TASKS, Broker, Inbox, publish, wait_until
from tests.transport.interference import (
    count_waiting_at_gate,
    cut_connections,
    held_up,
    proxied,
)
from tests.transport.test_leases import bury_consumers

needs_server = pytest.mark.parametrize("broker", ["postgresql"], indirect=True)


@pytest.fixture
def exhausted(broker: Broker) -> Broker:
    """A broker with a dead consumer that held three messages at their delivery limit."""
    broker.options["delivery_limit"] = 1
    for body in range(3):
        publish(broker.connect(), body)
    connection = broker.connect(lease_seconds=600)
    Inbox(connection).receive(3)
    # As after its death, all three come back; one of them has been claimed for the last time.
    broker.rows("UPDATE broker_messages SET claimed_by = 'somebody dead'")
    return broker


@needs_server
def test_message_whose_burial_passes_a_claim_is_not_lost(exhausted: Broker) -> None:
    """Copy and delete were two snapshots: copied 1, deleted 2 (fault 4)."""
    broker = exhausted
    last = "WHERE id = (SELECT max(id) FROM broker_messages)"
    broker.rows(f"UPDATE broker_messages SET attempts = 0 {last}")
    with psycopg.connect(broker.url) as other:
        # A claim under way, at its last delivery: it commits while the burial is going on.
        other.execute(f"UPDATE broker_messages SET attempts = 1 {last}")
        with held_up(broker, "INSERT", "broker_dead_letters"):
            connection = broker.connect()
            inbox = Inbox(connection)
            wait_until(lambda: count_waiting_at_gate(broker), "the burial")
            other.commit()

    def total() -> int:
        return broker.count("broker_messages") + broker.count("broker_dead_letters")

    wait_until(lambda: broker.count("broker_dead_letters") == 3, "burying all three")
    assert total() == 3
    assert inbox.messages == []


def test_consumer_cancelled_and_begun_again_gets_each_message_once(broker: Broker) -> None:
    """What was claimed for the first came from the inbox, and once more by a claim (15)."""
    for body in range(60):
        publish(broker.connect(), body)
    inbox = Inbox(broker.connect(), prefetch_count=5)
    for count in range(1, 61):
        inbox.receive(count)
        inbox.messages[-1].ack()
        inbox.consumer.cancel()
        inbox.consumer.consume()
    wait_until(lambda: broker.count("broker_messages") == 0, "deleting all")
    assert inbox.receives_nothing(0)
    assert sorted(inbox.bodies) == list(range(60))


def test_what_a_cancelled_consumer_has_not_seen_goes_to_others(broker: Broker) -> None:
    """Also where its connection stays, for another queue, and nobody drains it any more."""
    other = Queue("others")
    inbox = Inbox(broker.connect(), TASKS, other, prefetch_count=2)
    for body in "ab":
        publish(broker.connect(), body)
    claimed = "claimed_by IS NOT NULL"
    wait_until(lambda: broker.count("broker_messages", claimed) == 2, "the claim")
    inbox.consumer.cancel_by_queue(TASKS.name)
    heir = Inbox(broker.connect(), prefetch_count=2)
    assert heir.receive(2) == ["a", "b"]
    # Nobody had seen them: these were no deliveries.
    assert [message.delivery_info["attempts"] for message in heir.messages] == [1, 1]
    assert inbox.messages == []


@pytest.mark.parametrize("way", ["reject", "requeue", "unseen"])
def test_one_taken_for_dead_takes_nothing_from_the_next_who_has_it(
    broker: Broker, way: str
) -> None:
    """Whatever it says of a message that it has lost says nothing of another's."""
    # It does not find out before it speaks.
    zombie = Inbox(broker.connect(lease_seconds=600), prefetch_count=1)
    publish(broker.connect(), "contested")
    if way == "unseen":
        wait_until(lambda: broker.count("broker_messages", "claimed_by IS NOT NULL"), "the claim")
    else:
        zombie.receive(1)
    assert bury_consumers(broker) == 1
    heir = Inbox(broker.connect(), prefetch_count=1)
    assert heir.receive(1) == ["contested"]
    mine = broker.rows("SELECT claimed_by, attempts FROM broker_messages")
    transport = zombie.connection.transport
    if way == "unseen":
        zombie.channel._subscriptions.remove(zombie.channel._subscriptions.tags)
        zombie.connection.drain_events(timeout=120)
    else:
        getattr(zombie.messages[0], way)()
    transport.settle_now()
    assert not transport.consumer.settlements
    assert broker.rows("SELECT claimed_by, attempts FROM broker_messages") == mine
    assert broker.count("broker_dead_letters") == 0


def test_recovered_messages_come_once_though_they_wait_to_be_delivered(broker: Broker) -> None:
    """The copies that waited here were delivered, and those of the claim after it (15)."""
    for body in range(5):
        publish(broker.connect(), body)
    inbox = Inbox(broker.connect(), prefetch_count=5)
    wait_until(
        lambda: broker.count("broker_messages", "claimed_by IS NOT NULL") == 5, "a claim of five"
    )
    inbox.channel.basic_recover(requeue=True)
    inbox.receive(5)
    wait_until(
        lambda: broker.count("broker_messages", "claimed_by IS NOT NULL") == 5, "a second claim"
    )
    inbox.receives_nothing(0.3)
    for message in inbox.messages:
        message.ack()
    wait_until(lambda: broker.count("broker_messages") == 0, "deleting all")
    assert sorted(inbox.bodies) == list(range(5))


@pytest.fixture
def cancelled(broker: Broker) -> Inbox:
    """A consumer that was cancelled while a claim for it was under way."""
    inbox = Inbox(broker.connect(), prefetch_count=5)
    assert inbox.receives_nothing(0.1)
    with held_up(broker, "UPDATE", "broker_messages", "NEW.claimed_by IS NOT NULL"):
        publish(broker.connect(), "in between")
        wait_until(lambda: count_waiting_at_gate(broker), "the claim")
        cancelling = threading.Thread(target=inbox.consumer.cancel)
        cancelling.start()
    cancelling.join(120)
    return inbox


@needs_server
def test_message_claimed_for_a_cancelled_consumer_comes_once_to_the_next(
    broker: Broker, cancelled: Inbox
) -> None:
    """A copy in the inbox, and another from the table: both were delivered (15)."""
    cancelled.consumer.consume()
    cancelled.receive(1)
    # A claim follows, and whatever it brings has come once its acknowledgement is written.
    publish(broker.connect(), "last")
    while "last" not in cancelled.bodies:
        cancelled.connection.drain_events(timeout=120)
    assert sorted(cancelled.bodies) == ["in between", "last"]


@needs_server
def test_message_claimed_for_a_cancelled_consumer_goes_to_others(
    broker: Broker, cancelled: Inbox
) -> None:
    """It came into the inbox after that was emptied, and stayed there unseen."""
    assert Inbox(broker.connect()).receive(1) == ["in between"]


@pytest.mark.parametrize("count", [500, 700, 1000, 1001])
def test_any_number_of_acknowledgements_is_written_soon(broker: Broker, count: int) -> None:
    """Of 700, 200 stuck for more than 10 s: one batch was written, and nothing woke (16)."""
    with broker.connect() as connection:
        producer = Producer(connection.default_channel)
        with producer.batch():
            for body in range(count):
                producer.publish(
                    body, exchange=TASKS.exchange, routing_key="tasks", declare=[TASKS]
                )
    # Nothing else wakes it for long.
    inbox = Inbox(broker.connect(poll_seconds=60, lease_seconds=600))
    inbox.receive(count)
    for message in inbox.messages:
        message.ack()
    wait_until(lambda: broker.count("broker_messages") == 0, "writing them", 50)


@needs_server
def test_message_whose_claim_was_never_answered_is_delivered(broker: Broker) -> None:
    """A claim belongs to a consumer: one that it never heard of must not be held for its life."""
    with proxied(broker) as (far, proxy):
        inbox = Inbox(far.connect())
        assert inbox.receives_nothing(0.1)
        proxy.lose_answer(b"precious")
        publish(broker.connect(), "precious", correlation_id="precious")
        assert proxy.lost.wait(120)
        assert inbox.receive(1) == ["precious"]
        inbox.messages[0].ack()
        wait_until(lambda: broker.count("broker_messages") == 0, "deleting the message")


@needs_server
def test_message_that_is_stored_is_published_though_nobody_could_be_told(broker: Broker) -> None:
    """Who publishes would send it once more, and by then it may have been worked on."""
    inbox = Inbox(broker.connect())
    expected = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock'"
    wait_until(lambda: broker.rows(expected), "a consumer that sleeps")
    with proxied(broker) as (far, proxy):
        proxy.lose_answer(b"pg_notify")
        publish(far.connect(), "stored", correlation_id="stored")
        assert proxy.lost.is_set()
        assert inbox.receive(1) == ["stored"]


@needs_server
@pytest.mark.usefixtures("patient_statements")
def test_message_whose_claim_was_under_way_as_its_connection_was_cut_is_delivered(
    broker: Broker,
) -> None:
    """The server goes on with the claim after the consumer has looked at what it holds."""
    publish(broker.connect(), "precious")
    with proxied(broker) as (far, proxy):
        with held_up(broker, "UPDATE", "broker_messages", "NEW.id = 1"):
            inbox = Inbox(far.connect())
            wait_until(lambda: count_waiting_at_gate(broker), "the claim")
            proxy.cut()
            # Delivered by another connection, after a look at what the first one left.
            publish(broker.connect(), "another")
            inbox.receive(1)
            assert count_waiting_at_gate(broker) == 1
        assert inbox.receive(2) == ["another", "precious"]
        for message in inbox.messages:
            message.ack()
        wait_until(lambda: broker.count("broker_messages") == 0, "deleting the messages")


def test_one_taken_for_dead_does_not_say_again_what_it_held(broker: Broker) -> None:
    """It took its messages back, or deleted them by an acknowledgement that was refused."""
    for body in ("held", "acknowledged too late"):
        publish(broker.connect(), body)
    gone = Settlements(broker.database, "gone")
    gone.hold([1, 2])
    gone.acknowledge(2)
    with broker.database.session() as session:
        gone.write(session)
        gone.say_again(session)
    messages = "SELECT id, claimed_by, attempts FROM broker_messages ORDER BY id"
    assert broker.rows(messages) == [(1, None, 0), (2, None, 0)]


@needs_server
def test_limited_message_whose_claim_was_never_answered_is_delivered(broker: Broker) -> None:
    """As above, for the claim of a task with a rate."""
    broker.rows(
        "INSERT INTO broker_rates (task_name, declared_rate, rate, max_starts, window_ms) "
        "VALUES ('clip', '10/s', '10/s', 10, 1250)"
    )
    with proxied(broker) as (far, proxy):
        inbox = Inbox(far.connect())
        assert inbox.receives_nothing(0.1)
        # The claim stands, and nobody knows.
        publish(broker.connect(), "unlimited", headers={"task": "other"})
        inbox.receive(1)
        proxy.lose_answer(b"precious")
        headers = {"task": "clip"}
        publish(broker.connect(), "precious", headers=headers, correlation_id="precious")
        assert proxy.lost.wait(120)
        assert inbox.receive(2) == ["unlimited", "precious"]


@needs_server
def test_message_given_back_is_not_given_back_again_from_under_its_next_claim(
    broker: Broker,
) -> None:
    """The answer to giving back was lost: repeated later, it would undo the claim after it."""
    publish(broker.connect(), "contested")
    with proxied(broker) as (far, proxy):
        inbox = Inbox(far.connect(), prefetch_count=1)
        inbox.receive(1)
        proxy.lose_answer(b"COMMIT\0")
        inbox.messages.pop().requeue()
        assert proxy.lost.wait(120)
        inbox.receive(1)
        rival = Inbox(broker.connect(), prefetch_count=1)
        assert rival.receives_nothing(1.0)
        inbox.messages[0].ack()
        wait_until(lambda: broker.count("broker_messages") == 0, "deleting the message")


def test_acknowledgements_outlast_the_loss_of_every_connection(broker: Broker) -> None:
    """Any hiccup gave a consumer's messages back while their tasks ran (8)."""
    if broker.dialect == "sqlite":
        pytest.skip("SQLite has no connections to lose")
    for body in range(10):
        publish(broker.connect(), body)
    inbox = Inbox(broker.connect(), prefetch_count=10)
    inbox.receive(10)
    for _ in range(3):
        broker.database.close()
        cut_connections(broker)
    rival = Inbox(broker.connect(), prefetch_count=10)
    for message in inbox.messages:
        message.ack()
    wait_until(lambda: broker.count("broker_messages") == 0, "writing the acknowledgements")
    assert rival.messages == []


@contextmanager
def busy(broker: Broker) -> Iterator[None]:
    """Keep everybody from writing who consumes from what."""
    if broker.dialect == "sqlite":
        with closing(sqlite3.connect(broker.file)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
    else:
        with psycopg.connect(broker.url) as other:
            other.execute("LOCK TABLE broker_subscriptions IN EXCLUSIVE MODE")
            yield


def test_channel_closed_while_the_database_is_busy_keeps_nothing(broker: Broker) -> None:
    """What it held stayed with its connection, and its auto-delete queue for ever."""
    connection = broker.connect(busy_timeout_seconds=0.1)
    # Another channel consumes on: the connection's consumer stays.
    other = Inbox(connection, Queue("others", Exchange("others"), "others"))
    inbox = Inbox(connection, TASKS, Queue("own", Exchange("own"), "own", auto_delete=True))
    publish(broker.connect(), "held")
    inbox.receive(1)
    with busy(broker), pytest.raises(AwayError):
        inbox.channel.close()
    assert other.receives_nothing(0.01)
    wait_until(lambda: not broker.count("broker_messages", "claimed_by IS NOT NULL"), "its return")
    wait_until(lambda: not broker.count("broker_queues", "queue_name = 'own'"), "its end")


@needs_server
def test_message_published_again_that_was_stored_is_told_and_not_returned(broker: Broker) -> None:
    """It counted for nothing: nobody was woken, and `mandatory` had it go nowhere."""
    properties = {"correlation_id": "it"}
    with proxied(broker) as (far, proxy), psycopg.connect(broker.url, autocommit=True) as listener:
        listener.execute(f"LISTEN {channel_of('wanted')}")
        channel = far.connect().default_channel
        returned: list[Any] = []
        channel.events["basic_return"].add(lambda *what: returned.append(what))
        message = channel.prepare_message("x", properties=properties)
        proxy.lose_answer(b"wanted")
        with pytest.raises(AwayError):
            channel.basic_publish(message, "", "wanted", mandatory=True)
        channel.basic_publish(message, "", "wanted", mandatory=True)
        assert broker.count("broker_messages") == 1 and not returned
        assert next(listener.notifies(timeout=120)).channel == channel_of("wanted")


@needs_server
def test_acknowledgement_whose_answer_was_lost_is_not_told_as_refused(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    """After each cut the log said of what was done that it would be delivered again."""
    publish(broker.connect(), "done")
    with proxied(broker) as (far, proxy):
        work, got = Work(far.database), list[Claimed]()
        with far.database.session() as session:
            work.lease.acquire(session)
            work.claim(session, Demand("tasks", False, lambda: 1, lambda: False, got.extend))
            work.settlements.acknowledge(got[0].message_id)
            proxy.lose_answer(b"acknowledged")
            with pytest.raises(AwayError), work.begin():
                work.settlements.write(session)
        with far.database.session() as session, work.begin():
            work.make_sure(session)
            work.release(session)
    assert broker.count("broker_messages") == 0
    assert "refused" not in caplog.text
