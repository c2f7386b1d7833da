"""Publishing, claiming, acknowledging: what becomes of a message."""

from __future__ import annotations

import math
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from kombu import Connection, Exchange, Producer, Queue
from kombu.asynchronous import Hub

from marinemap.transport.consuming import settlements
from marinemap.transport.errors import QueueFullError
from tests.transport.conftest import TASKS, Broker, Inbox, publish, wait_until

pytestmark = pytest.mark.usefixtures("patient_statements")


def test_acknowledged_message_is_deleted(broker: Broker) -> None:
    publish(broker.connect(), {"n": 1})
    inbox = Inbox(broker.connect())
    assert inbox.receive(1) == [{"n": 1}]
    assert broker.count("broker_messages") == 1
    inbox.messages[0].ack()
    wait_until(lambda: broker.count("broker_messages") == 0, "deleting the message")


def test_two_consumers_share_messages_without_overlap(broker: Broker) -> None:
    connection = broker.connect()
    first, second = (Inbox(broker.connect(), prefetch_count=3) for _ in range(2))
    for number in range(40):
        publish(connection, number)
    received: list[int] = []
    deadline = time.monotonic() + 120
    while len(received) < 40 and time.monotonic() < deadline:
        for inbox in (first, second):
            inbox.receives_nothing(0.05)
            for message in inbox.messages:
                received.append(message.decode())
                message.ack()
            inbox.messages.clear()
    assert sorted(received) == list(range(40))


def test_messages_come_by_priority_then_age(broker: Broker) -> None:
    connection = broker.connect()
    for label, priority in [("a", 0), ("b", 9), ("c", 4), ("d", 9), ("e", 0)]:
        publish(connection, label, priority=priority)
    # One at a time: it is the claim that must choose.
    inbox = Inbox(broker.connect(), prefetch_count=1)
    for count in range(1, 6):
        inbox.receive(count)
        inbox.messages[-1].ack()
    assert inbox.bodies == ["b", "d", "c", "a", "e"]


def test_prefetch_limit_leaves_the_rest_in_the_database(broker: Broker) -> None:
    connection = broker.connect()
    for number in range(5):
        publish(connection, number)
    inbox = Inbox(broker.connect(), prefetch_count=2)
    assert inbox.receive(2) == [0, 1]
    assert inbox.receives_nothing(0.2)
    assert broker.count("broker_messages", "claimed_by IS NULL") == 3
    inbox.messages[0].ack()
    assert inbox.receive(3) == [0, 1, 2]


def test_body_of_bytes_and_of_any_text_arrives_as_sent(broker: Broker) -> None:
    connection = broker.connect()
    publish(connection, bytes(range(256)), content_type="application/data", serializer=None)
    publish(connection, {"name": "Récif 珊瑚 \x00 \U0001f420"})
    inbox = Inbox(broker.connect(), accept=["json", "application/data"])
    inbox.receive(2)
    assert inbox.messages[0].body == bytes(range(256))
    assert inbox.messages[1].payload == {"name": "Récif 珊瑚 \x00 \U0001f420"}


def test_requeued_message_comes_again_and_says_so(broker: Broker) -> None:
    publish(broker.connect(), "again")
    inbox = Inbox(broker.connect())
    inbox.receive(1)
    first = inbox.messages[0]
    assert first.delivery_info["redelivered"] is False
    first.requeue()
    inbox.receive(2)
    second = inbox.messages[1]
    assert second.properties["delivery_info"]["redelivered"] is True
    assert second.headers["delivery_attempt"] == 2


def test_rejected_message_becomes_a_dead_letter(broker: Broker) -> None:
    publish(broker.connect(), "bad")
    inbox = Inbox(broker.connect())
    inbox.receive(1)
    inbox.messages[0].reject()
    wait_until(lambda: broker.count("broker_dead_letters"), "burying the message")
    assert broker.count("broker_messages") == 0
    assert broker.rows("SELECT reason, attempts FROM broker_dead_letters") == [
        ("rejected by its consumer", 1)
    ]


def test_message_delivered_too_often_becomes_a_dead_letter(broker: Broker) -> None:
    publish(broker.connect(), "poison")
    inbox = Inbox(broker.connect(delivery_limit=3))
    for count in (1, 2, 3):
        inbox.receive(count)
        inbox.messages[-1].requeue()
    wait_until(lambda: broker.count("broker_dead_letters"), "burying the message")
    assert inbox.receives_nothing(0.2)
    (reason,) = broker.rows("SELECT reason FROM broker_dead_letters")[0]
    assert reason == "delivered 3 times without being acknowledged"


def test_body_that_cannot_be_decoded_becomes_a_dead_letter(broker: Broker) -> None:
    publish(
        broker.connect(), "{not json", content_type="application/json", content_encoding="utf-8"
    )
    inbox = Inbox(broker.connect())
    with pytest.raises(Exception, match="Expecting property name"):
        inbox.receive(1)
    # As Celery's worker does on a decoding error.
    inbox.messages[0].ack()
    wait_until(lambda: broker.count("broker_dead_letters"), "burying the message")
    (reason,) = broker.rows("SELECT reason FROM broker_dead_letters")[0]
    assert reason.startswith("its body could not be decoded: ")


def test_stored_text_that_is_no_message_becomes_a_dead_letter(broker: Broker) -> None:
    connection = broker.connect()
    publish(connection, "spoiled")
    broker.rows("UPDATE broker_messages SET payload = '{'")
    publish(connection, "whole")
    inbox = Inbox(broker.connect())
    assert inbox.receive(1) == ["whole"]
    wait_until(lambda: broker.count("broker_dead_letters"), "burying the message")
    (reason,) = broker.rows("SELECT reason FROM broker_dead_letters")[0]
    assert reason.startswith("the stored message cannot be read: ")


def test_closed_connection_gives_its_messages_back_at_once(broker: Broker) -> None:
    publish(broker.connect(), "next please")
    connection = broker.connect()
    Inbox(connection).receive(1)
    connection.release()
    assert broker.count("broker_consumers") == 0
    assert Inbox(broker.connect()).receive(1) == ["next please"]


def test_expired_message_is_not_delivered_and_goes_away(broker: Broker) -> None:
    connection = broker.connect()
    publish(connection, "late", expiration=0.05)
    publish(connection, "in time", expiration=600)
    wait_until(
        lambda: broker.count("broker_messages", f"expires_at_ms < {time.time() * 1000}"), "expiry"
    )
    inbox = Inbox(broker.connect())
    assert inbox.receive(1) == ["in time"]
    wait_until(lambda: broker.count("broker_messages") == 1, "clearing the expired message")


def test_queue_ttl_applies_to_its_messages(broker: Broker) -> None:
    queue = Queue("brief", Exchange("brief"), "brief", message_ttl=600)
    connection = broker.connect()
    Producer(connection.default_channel).publish(
        "gone", exchange=queue.exchange, routing_key="brief", declare=[queue]
    )
    ((life_ms,),) = broker.rows("SELECT expires_at_ms - published_at_ms FROM broker_messages")
    # PostgreSQL looks at its clock for each of the two.
    assert life_ms == pytest.approx(600_000, abs=60_000)


def test_event_loop_gets_to_other_work_between_two_messages(broker: Broker) -> None:
    """The first of a claim's tasks waited until the loop had taken in all the others."""
    connection = broker.connect()
    for number in range(3):
        publish(connection, number)
    inbox = Inbox(connection)
    wait_until(lambda: len(connection.transport.inbox) == 3, "the claim")
    with closing(Hub()) as hub:
        connection.transport.register_with_event_loop(connection.connection, hub)
        for count in (1, 2, 3):
            hub.run_once()
            assert len(inbox.messages) == count


def test_message_with_eta_waits_in_the_database_until_then(broker: Broker) -> None:
    inbox = Inbox(broker.connect(poll_seconds=60))
    hour = datetime.now(UTC) + timedelta(hours=1)
    publish(broker.connect(), "much later", headers={"eta": hour.isoformat()})
    publish(broker.connect(), "now")
    assert inbox.receive(1) == ["now"]
    eta = datetime.now(UTC) + timedelta(seconds=3)
    publish(broker.connect(), "later", headers={"eta": eta.isoformat()})
    assert inbox.receive(2) == ["now", "later"]
    lateness = time.time() - eta.timestamp()
    assert lateness + 0.002 >= 0
    # Sooner than the slow poll.
    assert lateness < 50
    assert broker.count("broker_messages", "claimed_by IS NULL AND due_at_ms IS NOT NULL") == 1


def test_full_queue_refuses_the_publish(broker: Broker) -> None:
    queue = Queue("small", Exchange("small"), "small", max_length=2)
    producer = Producer(broker.connect().default_channel)
    target = {"exchange": queue.exchange, "routing_key": "small", "declare": [queue]}
    for number in range(2):
        producer.publish(number, **target)
    with pytest.raises(QueueFullError, match="queue 'small' is full: it may hold 2 messages"):
        producer.publish(2, **target)
    assert broker.count("broker_messages") == 2


def test_batch_that_does_not_fit_stores_nothing(broker: Broker) -> None:
    connection = broker.connect(max_queue_length=3)
    producer = Producer(connection.default_channel)
    with pytest.raises(QueueFullError), producer.batch():
        for number in range(5):
            producer.publish(number, routing_key="tasks", exchange="")
    assert broker.count("broker_messages") == 0


def test_length_option_limits_every_queue(broker: Broker) -> None:
    connection = broker.connect(max_queue_length=1)
    publish(connection, 1)
    with pytest.raises(QueueFullError):
        publish(connection, 2)


def test_purge_spares_what_is_claimed_and_delete_does_not(broker: Broker) -> None:
    connection = broker.connect()
    for number in range(3):
        publish(connection, number)
    Inbox(broker.connect(), prefetch_count=1).receive(1)
    queue = TASKS(connection.default_channel)
    assert queue.purge() == 2
    assert broker.count("broker_messages") == 1
    queue.delete()
    assert broker.count("broker_messages") == 0
    assert broker.count("broker_bindings") == 0


def test_single_message_can_be_fetched(broker: Broker) -> None:
    connection = broker.connect()
    publish(connection, "one")
    queue = TASKS(connection.default_channel)
    message = queue.get()
    assert message.payload == "one"
    assert queue.get() is None
    message.ack()
    wait_until(lambda: broker.count("broker_messages") == 0, "deleting the message")


def test_passive_declaration_counts_messages(broker: Broker) -> None:
    connection = broker.connect()
    publish(connection, 1)
    channel = connection.default_channel
    assert channel.queue_declare("tasks", passive=True).message_count == 1
    with pytest.raises(connection.channel_errors, match="no queue 'unknown'"):
        channel.queue_declare("unknown", passive=True)


def test_batch_is_stored_whole_or_not_at_all(broker: Broker) -> None:
    connection = broker.connect()
    producer = Producer(connection.default_channel)
    publish(connection, "declares the queue")
    with producer.batch():
        for number in range(50):
            producer.publish(number, routing_key="tasks", exchange="tasks")
        assert broker.count("broker_messages") == 1
    assert broker.count("broker_messages") == 51
    with pytest.raises(RuntimeError, match="stop"), producer.batch():
        producer.publish("never", routing_key="tasks", exchange="tasks")
        raise RuntimeError("stop")
    assert broker.count("broker_messages") == 51


def test_waiting_consumer_is_woken_at_once(broker: Broker) -> None:
    inbox = Inbox(broker.connect(poll_seconds=60))
    assert inbox.receives_nothing(0.1)
    publish(broker.connect(), "wake")
    # Below the slow poll: only a notification can have been the reason.
    assert inbox.receive(1, seconds=50) == ["wake"]


def test_slow_poll_finds_messages_that_no_notification_told_of(broker: Broker) -> None:
    inbox = Inbox(broker.connect(poll_seconds=0.2))
    publish(broker.connect(), "quiet")
    inbox.receive(1)
    broker.rows(
        "INSERT INTO broker_messages (queue_name, priority, owner, turn, payload,"
        " published_at_ms, attempts) SELECT queue_name, priority, owner, turn, payload,"
        " published_at_ms, 0 FROM broker_messages"
    )
    assert inbox.receive(2) == ["quiet", "quiet"]


def test_address_is_shown_without_its_password() -> None:
    connection = Connection("marinemap+postgresql://user:secret@localhost:1/db")
    assert connection.as_uri() == "marinemap+postgresql://user:**@localhost:1/db"


def test_address_is_shown_without_the_passwords_in_its_query() -> None:
    """libpq takes them there, too; Celery writes the address at a worker's start."""
    address = "marinemap+postgresql:///db?host=/run&password={0}&user=me&sslpassword={0}"
    shown = Connection(address.format("secret%26")).as_uri()
    assert shown == address.format("**")


def test_acknowledgement_is_due_by_the_first_of_those_that_wait(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(settlements, "monotonic", lambda: now)
    gathered = settlements.Settlements(broker.database, "consumer")
    assert gathered.seconds_left == math.inf
    for message_id in range(3):
        gathered.acknowledge(message_id)
        now += 0.004
    assert gathered.seconds_left == pytest.approx(0.01 - 0.012)
    assert gathered.take_acknowledged() == [0, 1, 2]
    assert gathered.seconds_left == math.inf
