"""Exchanges, bindings and queues that outlive or follow their users."""

from __future__ import annotations

import pytest
from kombu import Exchange, Producer, Queue

from marinemap.transport.publishing.routes import Route, Routes, matches_topic
from tests.transport.conftest import Broker, Inbox, publish, wait_until
from tests.transport.test_leases import start_holder, stop

pytestmark = pytest.mark.usefixtures("patient_statements")


@pytest.mark.parametrize(
    ("binding", "key", "expected"),
    [
        ("task.*", "task.sent", True),
        ("task.*", "task", False),
        ("task.*", "task.sent.twice", False),
        ("#", "", True),
        ("#", "any.thing.at.all", True),
        ("worker.#", "worker", True),
        ("worker.#", "worker.a.b", True),
        ("#.done", "done", True),
        ("#.done", "a.b.done", True),
        ("a.#.z", "a.z", True),
        ("a.#.z", "a.b.c.z", True),
        ("a.*.z", "a.z", False),
        ("a.b", "axb", False),
    ],
)
def test_topic_bindings_match_as_amqp_says(binding: str, key: str, expected: bool) -> None:
    assert matches_topic(binding, key) is expected


def test_fanout_reaches_every_bound_queue(broker: Broker) -> None:
    exchange = Exchange("news", "fanout")
    inboxes = [Inbox(broker.connect(), Queue(f"news{n}", exchange)) for n in range(3)]
    Producer(broker.connect().default_channel).publish("to all", exchange=exchange)
    for inbox in inboxes:
        assert inbox.receive(1) == ["to all"]


def test_topic_reaches_matching_queues_once(broker: Broker) -> None:
    exchange = Exchange("events", "topic")
    everything = Inbox(broker.connect(), Queue("all", exchange, "#"))
    tasks = Inbox(broker.connect(), Queue("tasks only", exchange, "task.*"))
    producer = Producer(broker.connect().default_channel, exchange=exchange)
    for key in ("task.sent", "worker.online"):
        producer.publish(key, routing_key=key)
    assert everything.receive(2) == ["task.sent", "worker.online"]
    assert tasks.receive(1) == ["task.sent"]
    assert tasks.receives_nothing(0.1)


def test_message_to_nobody_is_dropped_as_in_amqp(broker: Broker) -> None:
    exchange = Exchange("silence", "topic")
    Producer(broker.connect().default_channel, exchange=exchange).publish("?", routing_key="x")
    assert broker.count("broker_messages") == 0


def test_task_sent_before_any_worker_ran_waits_for_one(broker: Broker) -> None:
    publish(broker.connect(), "early", exchange="", declare=[])
    assert Inbox(broker.connect()).receive(1) == ["early"]


def test_exchange_of_another_type_is_refused(broker: Broker) -> None:
    connection = broker.connect()
    Exchange("shape", "direct")(connection.default_channel).declare()
    with pytest.raises(connection.channel_errors, match="is of type 'direct', not 'fanout'"):
        Exchange("shape", "fanout")(connection.default_channel).declare()


def test_unbound_queue_gets_no_more(broker: Broker) -> None:
    connection = broker.connect()
    queue = Queue("part-time", Exchange("office"), "work")(connection.default_channel)
    queue.declare()
    queue.unbind_from(Exchange("office"), "work")
    Producer(connection.default_channel).publish("?", exchange="office", routing_key="work")
    assert broker.count("broker_messages") == 0


def test_exclusive_queue_goes_with_its_consumer(broker: Broker) -> None:
    connection = broker.connect()
    Inbox(connection, Queue("mine", Exchange("private"), "mine", exclusive=True))
    assert broker.count("broker_queues", "queue_name = 'mine'") == 1
    connection.release()
    assert broker.count("broker_queues", "queue_name = 'mine'") == 0
    assert broker.count("broker_bindings") == 0


def test_used_queue_does_not_expire_and_unused_does(broker: Broker) -> None:
    kept = Queue("kept", Exchange("x"), "kept", expires=1)
    left = Queue("left", Exchange("x"), "left", expires=1)
    left(broker.connect().default_channel).declare()
    inbox = Inbox(broker.connect(), kept)
    wait_until(lambda: broker.count("broker_queues", "queue_name = 'left'") == 0, "expiry")
    assert inbox.receives_nothing(2)
    assert broker.count("broker_queues", "queue_name = 'kept'") == 1


def test_nothing_is_left_of_a_client_that_died(broker: Broker) -> None:
    code_queue = Queue("tasks", Exchange("tasks"), "tasks")
    publish(broker.connect(), "x", exchange=code_queue.exchange, declare=[code_queue])
    stop(start_holder(broker, lease_seconds=1))
    broker.rows("UPDATE broker_queues SET is_auto_delete = true, expires_after_ms = 500")
    other = Inbox(broker.connect(), Queue("other", Exchange("other"), "other"))
    wait_until(lambda: broker.count("broker_queues", "queue_name = 'tasks'") == 0, "expiry")
    # After the queue: first nothing more may come.
    wait_until(lambda: broker.count("broker_messages") == 0, "deleting its messages")
    assert broker.count("broker_bindings", "queue_name = 'tasks'") == 0
    assert other.receives_nothing(0.1)


def test_connection_without_consumers_leaves_no_lease(broker: Broker) -> None:
    connection = broker.connect()
    inbox = Inbox(connection)
    assert broker.count("broker_consumers") == 1
    inbox.consumer.cancel()
    assert broker.count("broker_consumers") == 0
    inbox.consumer.consume()
    publish(broker.connect(), "back")
    assert inbox.receive(1) == ["back"]


def test_deleting_a_queue_refuses_no_acknowledgement_of_its_messages(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    connection = broker.connect(flush_seconds=1)
    for number in range(20):
        replies = Queue(f"replies-{number}", exclusive=True, auto_delete=True)
        inbox = Inbox(connection, replies)
        publish(broker.connect(), number, exchange="", routing_key=replies.name, declare=[])
        inbox.receive(1)
        inbox.messages[0].ack()
        inbox.consumer.cancel()
    connection.release()
    assert "refused" not in caplog.text
    assert broker.count("broker_messages") == 0


def test_routes_to_queues_used_once_do_not_add_up(broker: Broker) -> None:
    """A web process that asked for a million replies remembered the way to each."""
    routes = Routes()
    with broker.database.session() as session:
        for number in range(2100):
            assert routes.find(session, "", f"reply {number}") == [Route(f"reply {number}")]
    assert 0 < len(routes._direct) <= 1000
