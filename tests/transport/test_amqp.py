"""Each row of the table in docs/reference/queue.md: what is done, refused or different."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from amqp.exceptions import NotFound, PreconditionFailed
from kombu import Connection, Exchange, Producer, Queue
from kombu.exceptions import ChannelError

from marinemap.transport.errors import QueueFullError, TransportError
from tests.transport.conftest import TASKS, Broker, Inbox, WorkerStarter, publish, wait_until

pytestmark = pytest.mark.usefixtures("patient_statements")


@pytest.fixture
def channel(broker: Broker) -> Any:
    return broker.connect().default_channel


def get(channel: Any, queue: str = "q") -> Any:
    """Return the body of a queue's next message, None where none waits."""
    message = channel.basic_get(queue, no_ack=True)
    return message and message.decode()


def send(channel: Any, body: Any, exchange: str = "", routing_key: str = "q", **more: Any) -> None:
    Producer(channel).publish(body, exchange=exchange, routing_key=routing_key, **more)


# -- exchanges


@pytest.mark.parametrize("kind", ["direct", "topic", "fanout"])
def test_amqps_own_exchanges_are_there(channel: Any, kind: str) -> None:
    name = f"amq.{kind}"
    channel.exchange_declare(name, passive=True)
    channel.queue_declare("q")
    channel.queue_bind("q", name, "key")
    send(channel, "hello", name, "key")
    assert get(channel) == "hello"
    with pytest.raises(PreconditionFailed, match="always there"):
        channel.exchange_delete(name)


def test_headers_exchange_is_refused(channel: Any) -> None:
    with pytest.raises(ChannelError, match="no type 'headers'; there are direct, topic, fanout"):
        channel.exchange_declare("h", "headers")


def test_passive_declarations_tell_what_is_not_there(channel: Any) -> None:
    with pytest.raises(NotFound, match="no exchange 'none'"):
        channel.exchange_declare("none", passive=True)
    with pytest.raises(NotFound, match="no queue 'none'"):
        channel.queue_declare("none", passive=True)
    channel.queue_declare("q")
    assert channel.queue_declare("q").message_count == 0
    send(channel, 1)
    assert channel.queue_declare("q", passive=True) == ("q", 1, 0)


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.exchange_declare("x", arguments={"alternate-exchange": "y"}),
        lambda c: c.exchange_declare("x", internal=True),
        lambda c: c.queue_bind("q", "amq.direct", "k", arguments={"x-match": "all"}),
        lambda c: c.queue_unbind("q", "amq.direct", "k", arguments={"x-match": "all"}),
        lambda c: c.basic_consume("q", False, print, "t", arguments={"x-priority": 1}),
        lambda c: c.basic_consume("q", False, print, "t", exclusive=True),
        lambda c: c.basic_consume("q", False, print, "t", no_local=True),
        lambda c: c.basic_qos(prefetch_size=1),
        lambda c: send(c, 1, immediate=True),
        lambda c: c.queue_declare("q", arguments={"x-dead-letter-exchange": "y"}),
        lambda c: c.queue_declare("q", arguments={"x-queue-type": "quorum"}),
        lambda c: c.queue_declare("q", arguments={"x-single-active-consumer": True}),
        lambda c: c.queue_declare("q", arguments={"x-max-length-bytes": 1}),
        lambda c: c.queue_declare("q", arguments={"x-overflow": "drop-head"}),
        lambda c: c.queue_declare("q", arguments={"x-max-priority": 255}),
        lambda c: c.queue_declare("q", arguments={"x-expires": -1}),
        # More than the databases can count to.
        lambda c: c.queue_declare("q", arguments={"x-message-ttl": 2**63}),
    ],
)
def test_argument_that_is_not_offered_is_refused(channel: Any, call: Callable[[Any], None]) -> None:
    channel.queue_declare("q")
    with pytest.raises(TransportError) as error:
        call(channel)
    assert error.value.field
    assert not channel.is_consuming


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.exchange_bind(destination="x", source="y", routing_key=""),
        lambda c: c.exchange_unbind(destination="x", source="y", routing_key=""),
        lambda c: c.tx_select(),
        lambda c: c.flow(False),
    ],
)
def test_method_that_is_not_offered_is_refused(channel: Any, call: Callable[[Any], None]) -> None:
    with pytest.raises(NotImplementedError, match="not offered|cannot be bound"):
        call(channel)


@pytest.mark.parametrize("setting", [{"ssl": True}, {"alternates": ["marinemap+sqlite:////x"]}])
def test_setting_that_belongs_into_the_address_is_refused(
    broker: Broker, setting: dict[str, Any]
) -> None:
    connection = Connection(f"marinemap+{broker.url}", **setting)
    with pytest.raises(TransportError, match=next(iter(setting))):
        connection.connect()


def test_binding_needs_exchange_and_queue(channel: Any) -> None:
    channel.queue_declare("q")
    with pytest.raises(NotFound, match="no exchange 'none'"):
        channel.queue_bind("q", "none", "k")
    with pytest.raises(NotFound, match="no queue 'none'"):
        channel.queue_bind("none", "amq.direct", "k")


def test_publish_to_unknown_exchange_is_refused(channel: Any) -> None:
    with pytest.raises(NotFound, match="no exchange 'none'"):
        send(channel, 1, "none")


def test_exchange_in_use_is_not_deleted_if_unused(channel: Any) -> None:
    channel.exchange_declare("x")
    channel.queue_declare("q")
    channel.queue_bind("q", "x", "k")
    with pytest.raises(PreconditionFailed, match="in use"):
        channel.exchange_delete("x", if_unused=True)
    channel.queue_unbind("q", "x", "k")
    channel.exchange_delete("x", if_unused=True)
    with pytest.raises(NotFound):
        channel.exchange_declare("x", passive=True)


def test_auto_delete_exchange_goes_with_its_last_binding(channel: Any) -> None:
    channel.exchange_declare("x", auto_delete=True)
    channel.exchange_declare("stays")
    for queue in ("a", "b"):
        channel.queue_declare(queue)
        channel.queue_bind(queue, "x", "k")
        channel.queue_bind(queue, "stays", "k")
    channel.queue_unbind("a", "x", "k")
    channel.exchange_declare("x", passive=True)
    channel.queue_delete("b")
    with pytest.raises(NotFound, match="no exchange 'x'"):
        channel.exchange_declare("x", passive=True)
    channel.queue_delete("a")
    channel.exchange_declare("stays", passive=True)


# -- queues


def test_transient_queue_and_message_are_kept_as_durable(broker: Broker, channel: Any) -> None:
    channel.exchange_declare("x", durable=False)
    channel.queue_declare("q", durable=False)
    send(channel, "kept", delivery_mode=1)
    broker.database.close()
    assert get(broker.connect().default_channel) == "kept"


def test_queue_without_a_name_is_given_one(channel: Any) -> None:
    name = channel.queue_declare("").queue
    assert name.startswith("amq.gen-")
    send(channel, 1, routing_key=name)
    assert get(channel, name) == 1


def test_queue_is_declared_anew_with_other_arguments(broker: Broker, channel: Any) -> None:
    channel.queue_declare("q", arguments={"x-max-length": 1})
    channel.queue_declare("q", arguments={"x-max-length": 2})
    assert broker.rows("SELECT max_length FROM broker_queues") == [(2,)]


def test_exclusive_queue_goes_with_its_channel_never_consumed(broker: Broker) -> None:
    channel = broker.connect().channel()
    channel.queue_declare("mine", exclusive=True)
    channel.close()
    assert broker.count("broker_queues") == 0


def test_auto_delete_queue_goes_with_its_last_consumer(broker: Broker) -> None:
    queue = Queue("q", Exchange("x"), "q", auto_delete=True)
    first, second = Inbox(broker.connect(), queue), Inbox(broker.connect(), queue)
    subscribed = "SELECT count(*) FROM broker_subscriptions"
    wait_until(lambda: broker.rows(subscribed) == [(2,)], "both consuming")
    first.consumer.cancel()
    assert broker.count("broker_queues") == 1
    second.consumer.cancel()
    assert broker.count("broker_queues") == 0


def test_queue_is_deleted_only_if_unused_and_empty(broker: Broker, channel: Any) -> None:
    inbox = Inbox(broker.connect(), Queue("q", Exchange("x"), "q"))
    wait_until(lambda: channel.queue_declare("q", passive=True).consumer_count, "a consumer")
    with pytest.raises(PreconditionFailed, match="in use"):
        channel.queue_delete("q", if_unused=True)
    inbox.consumer.cancel()
    send(channel, 1)
    with pytest.raises(PreconditionFailed, match="not empty"):
        channel.queue_delete("q", if_empty=True)
    assert channel.queue_purge("q") == 1
    assert channel.queue_delete("q", if_unused=True, if_empty=True) == 0


def test_full_queue_refuses_what_is_published(channel: Any) -> None:
    channel.queue_declare("q", arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    send(channel, "first")
    with pytest.raises(QueueFullError, match="'q' is full"):
        send(channel, "second")
    assert get(channel) == "first"
    channel.queue_declare("none", arguments={"x-max-length": 0})
    with pytest.raises(QueueFullError, match="'none' is full"):
        send(channel, "first", routing_key="none")


def test_what_waits_for_its_time_counts_in_a_queue_with_a_limit(channel: Any) -> None:
    """It did not: whoever gave times to come put as much into the queue as they liked."""
    channel.queue_declare("q", arguments={"x-max-length": 2})
    eta = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    message = channel.prepare_message("later", headers={"eta": eta})
    for _ in range(2):
        channel.basic_publish(message, exchange="", routing_key="q")
    with pytest.raises(QueueFullError, match="'q' is full"):
        channel.basic_publish(message, exchange="", routing_key="q")
    with pytest.raises(QueueFullError, match="'q' is full"):
        send(channel, "without a time")
    assert channel.queue_declare("q", passive=True).message_count == 2


def test_time_to_live_is_the_shorter_of_queue_and_message(broker: Broker, channel: Any) -> None:
    channel.queue_declare("q", arguments={"x-message-ttl": 60_000})
    send(channel, "by the queue")
    send(channel, "by itself", expiration=10)
    send(channel, "gone", expiration=0)
    lives = broker.rows("SELECT expires_at_ms - published_at_ms FROM broker_messages ORDER BY id")
    assert [round(life[0] / 1000) for life in lives] == [60, 10, 0]
    assert [get(channel), get(channel), get(channel)] == ["by the queue", "by itself", None]


# -- messages


@pytest.mark.parametrize("expiration", ["soon", "-1", 1.5, 2**63])
def test_expiration_that_is_none_is_refused(channel: Any, expiration: Any) -> None:
    message = channel.prepare_message("1", properties={"expiration": expiration})
    with pytest.raises(PreconditionFailed, match="expiration"):
        channel.basic_publish(message, "", "q")
    assert get(channel) is None


def test_priorities_are_0_to_9(channel: Any) -> None:
    channel.queue_declare("q", arguments={"x-max-priority": 10})
    for body, priority in [("low", 0), ("nine", 9), ("beyond", 200), ("below", -5)]:
        send(channel, body, priority=priority)
    assert [get(channel) for _ in range(4)] == ["nine", "beyond", "low", "below"]
    with pytest.raises(PreconditionFailed, match="priority 'high'"):
        send(channel, "x", priority="high")


def test_message_keeps_its_properties_and_headers(channel: Any) -> None:
    given = {"message_id": "m", "type": "t", "app_id": "a", "user_id": "u", "timestamp": 1}
    send(channel, b"\x00\xff", headers={"n": 1}, correlation_id="c", reply_to="r", x="?", **given)
    message = channel.basic_get("q")
    assert message.body == b"\x00\xff" and message.headers == {"n": 1}
    kept = message.properties
    assert {name: kept[name] for name in given} == given
    assert (kept["correlation_id"], kept["reply_to"]) == ("c", "r")
    assert "x" not in kept
    assert message.delivery_info["redelivered"] is False


def test_mandatory_message_to_nobody_is_returned(channel: Any) -> None:
    returned: list[Any] = []
    channel.events["basic_return"].add(lambda *what: returned.append(what))
    send(channel, "x", "amq.direct", "nobody", mandatory=True)
    ((error, exchange, routing_key, _),) = returned
    assert "NO_ROUTE" in str(error) and (exchange, routing_key) == ("amq.direct", "nobody")
    with pytest.raises(TransportError, match="mandatory"), Producer(channel).batch():
        send_in_batch = Producer(channel)
        with send_in_batch.batch():
            send_in_batch.publish("x", exchange="amq.direct", routing_key="n", mandatory=True)


def test_publish_is_confirmed_whether_asked_or_not(broker: Broker, channel: Any) -> None:
    channel.confirm_select()
    send(channel, "stored", confirm_timeout=120)
    assert broker.count("broker_messages") == 1


def test_batch_is_stored_as_a_whole(broker: Broker, channel: Any) -> None:
    channel.queue_declare("full", arguments={"x-max-length": 1})
    producer = Producer(channel)
    with pytest.raises(QueueFullError), producer.batch():
        for number in range(2):
            producer.publish(number, exchange="", routing_key="full")
    assert broker.count("broker_messages") == 0


def test_message_to_a_queue_not_yet_declared_waits(channel: Any) -> None:
    send(channel, "early", routing_key="later")
    channel.queue_declare("later")
    assert get(channel, "later") == "early"


# -- consuming


def test_prefetch_count_bounds_what_is_unacknowledged(broker: Broker) -> None:
    inbox = Inbox(broker.connect(), prefetch_count=2)
    for number in range(4):
        publish(broker.connect(), number)
    assert inbox.receive(2) == [0, 1]
    assert inbox.receives_nothing(0.3)
    inbox.messages[1].ack(multiple=True)
    assert inbox.receive(4) == [0, 1, 2, 3]


def test_consumers_of_one_queue_take_turns(broker: Broker) -> None:
    connection = broker.connect()
    channel = connection.channel()
    TASKS(channel).declare()
    got: dict[str, list[Any]] = {"a": [], "b": []}
    for tag, seen in got.items():
        channel.basic_consume("tasks", True, seen.append, tag)
    with pytest.raises(TransportError, match="consumer_tag"):
        channel.basic_consume("tasks", True, print, "a")
    for number in range(4):
        publish(broker.connect(), number)
    for _ in range(4):
        connection.drain_events(timeout=120)
    assert {tag: len(seen) for tag, seen in got.items()} == {"a": 2, "b": 2}


def test_each_consumer_acknowledges_as_it_said(broker: Broker) -> None:
    connection = broker.connect()
    channel = connection.channel()
    TASKS(channel).declare()
    kept: list[Any] = []
    taken: list[Any] = []
    channel.basic_consume("tasks", True, taken.append, "taking")
    channel.basic_consume("tasks", False, kept.append, "keeping")
    publish(broker.connect(), 1)
    connection.drain_events(timeout=120)
    assert broker.count("broker_messages") == len(kept)
    assert len(kept) + len(taken) == 1


def test_no_ack_message_is_gone_when_delivered(broker: Broker) -> None:
    publish(broker.connect(), "once")
    inbox = Inbox(broker.connect(), no_ack=True)
    assert inbox.receive(1) == ["once"]
    assert broker.count("broker_messages") == 0


def test_rejected_recovered_and_given_back(broker: Broker) -> None:
    publish(broker.connect(), "x")
    channel = broker.connect().channel()
    channel.basic_get("tasks").requeue()
    again = channel.basic_get("tasks")
    assert again.delivery_info["redelivered"] is True
    assert again.headers == {"delivery_attempt": 2}
    channel.basic_recover(requeue=False)
    third = channel.basic_get("tasks")
    assert third.headers["delivery_attempt"] == 3
    third.reject()
    wait_until(lambda: broker.count("broker_dead_letters") == 1, "the dead letter")
    assert channel.basic_get("tasks") is None


def test_acknowledging_what_is_not_held_does_nothing(broker: Broker, channel: Any) -> None:
    publish(broker.connect(), "x")
    message = channel.basic_get("tasks")
    channel.basic_ack(10_000)
    assert broker.count("broker_messages") == 1
    message.ack()
    wait_until(lambda: broker.count("broker_messages") == 0, "the acknowledgement")


def test_deleted_queues_consumer_goes_on_with_a_new_one(broker: Broker, channel: Any) -> None:
    inbox = Inbox(broker.connect())
    channel.queue_delete("tasks")
    publish(broker.connect(), "new")
    assert inbox.receive(1) == ["new"]


def test_heartbeats_are_not_asked_for(broker: Broker) -> None:
    connection = broker.connect()
    assert not connection.supports_heartbeats
    assert connection.get_heartbeat_interval() == 0


# -- what is made of it


def test_simple_queue_and_buffer_work(broker: Broker) -> None:
    connection = broker.connect()
    for kind in (connection.SimpleQueue, connection.SimpleBuffer):
        queue = kind(f"simple-{kind.__name__}")
        queue.put("in")
        assert queue.qsize() == 1
        message = queue.get(timeout=120)
        message.ack()
        assert message.payload == "in"
        with pytest.raises(queue.Empty):
            queue.get_nowait()
        queue.close()


def test_rpc_results_come_back_over_the_queue(broker: Broker, workers: WorkerStarter) -> None:
    workers.environment["RESULT_BACKEND"] = "rpc://"
    workers.start("-c", "1", "--without-mingle", "--without-gossip")
    code = """
import json
from celery import group
one = add.delay(1, 2)
many = group(add.s(n, n) for n in range(3))()
print(json.dumps([one.get(timeout=60), one.state, many.get(timeout=60)]))
"""
    assert json.loads(workers.call(code)) == [3, "SUCCESS", [0, 2, 4]]
    # What a caller leaves behind when it ends is cleared away by the queue's expiry.
    assert broker.count("broker_messages", "claimed_by IS NOT NULL") == 0


def test_each_row_of_the_reference_names_a_test_that_is_there() -> None:
    here = Path(__file__).parent
    tests = "".join(path.read_text() for path in here.glob("test_*.py"))
    page = (here.parents[1] / "docs/reference/queue.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    rows = [row for row in rows if not row.startswith("| behaviour")]
    assert len(rows) > 50
    for row in rows:
        named = re.findall(r"`(test_\w+)`", row)
        assert named, f"no test holds: {row}"
        assert [name for name in named if f"def {name}(" not in tests] == []
