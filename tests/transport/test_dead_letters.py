"""Dead letters: listed, sent again, discarded."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from kombu import Exchange, Queue

from marinemap import transport
from marinemap.transport.errors import QueueFullError, TransportError
from marinemap.transport.operating import dead_letters
from marinemap.transport.operating.dead_letters import (
    Selection,
    discard_dead_letters,
    find_dead_letters,
    find_payload,
    requeue_dead_letters,
)
from tests.transport.conftest import TASKS, Broker, Inbox, publish, wait_until

pytestmark = pytest.mark.usefixtures("patient_statements")

ALL = Selection()


def bury(broker: Broker, *bodies: Any, queue: Queue = TASKS, **options: Any) -> None:
    """Publish messages and have a consumer reject them."""
    connection = broker.connect()
    before = broker.count("broker_dead_letters")
    where = {"exchange": queue.exchange, "routing_key": queue.routing_key, "declare": [queue]}
    for body in bodies:
        publish(connection, body, **where, **options)
    inbox = Inbox(broker.connect(), queue)
    inbox.receive(len(bodies))
    for message in inbox.messages:
        message.reject()
    wait_until(lambda: broker.count("broker_dead_letters") == before + len(bodies), "burying them")
    inbox.connection.release()


def ids(broker: Broker) -> list[int]:
    return [row[0] for row in broker.rows("SELECT id FROM broker_dead_letters ORDER BY id")]


def spoil(broker: Broker, dead_letter_id: int, payload: str) -> None:
    broker.rows(f"UPDATE broker_dead_letters SET payload = '{payload}' WHERE id = {dead_letter_id}")


def fill(broker: Broker, count: int) -> None:
    """Store many dead letters at once, by copying the one that is there."""
    names = "queue_name, task_name, owner, correlation_id, payload, attempts, reason, died_at_ms"
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"
    broker.rows(
        f"INSERT INTO broker_dead_letters (message_id, published_at_ms, {names}) "
        f"{numbers} SELECT i, published_at_ms, {names} FROM n, broker_dead_letters"
    )


def at(**difference: float) -> str:
    return (datetime.now(UTC) + timedelta(**difference)).isoformat()


def test_stored_form_of_a_dead_letter_is_shown_as_far_as_asked(broker: Broker) -> None:
    bury(broker, "a", headers={"task": "clip"}, correlation_id="a")
    (letter,) = find_dead_letters(broker.database, 2)
    whole = find_payload(broker.database, letter.id, 100_000)
    assert whole is not None
    text, length = whole
    assert '"clip"' in text and len(text) == length
    assert find_payload(broker.database, letter.id, 10) == (text[:10], length)
    assert find_payload(broker.database, letter.id + 1, 10) is None


def test_dead_letters_are_listed_newest_first(broker: Broker) -> None:
    headers = {"task": "clip", "owner": "ann"}
    for label in ("a", "b", "c"):
        bury(broker, label, headers=headers, correlation_id=label)
    newest, older = find_dead_letters(broker.database, 2)
    assert (newest.correlation_id, older.correlation_id) == ("c", "b")
    assert (newest.queue_name, newest.task_name, newest.owner) == ("tasks", "clip", "ann")
    assert (newest.attempts, newest.reason) == (1, "rejected by its consumer")
    assert newest.published_at_ms <= newest.died_at_ms
    assert newest.died_at_ms / 1000 == pytest.approx(time.time(), abs=60)


def test_message_sent_again_is_stored_as_if_published(broker: Broker) -> None:
    options: dict[str, Any] = {
        "headers": {"task": "clip", "owner": "ann"},
        "priority": 7,
        "correlation_id": "x",
    }
    columns = "queue_name, priority, task_name, owner, correlation_id, rate_key, turn, attempts"
    bury(broker, {"n": 1}, **options)
    assert requeue_dead_letters(broker.database, ALL) == 1
    assert broker.count("broker_dead_letters") == 0
    again = broker.rows(f"SELECT {columns}, due_at_ms, expires_at_ms FROM broker_messages")
    assert again == [("tasks", 7, "clip", "ann", "x", None, 0, 0, None, None)]
    inbox = Inbox(broker.connect())
    assert inbox.receive(1) == [{"n": 1}]
    assert inbox.messages[0].headers["owner"] == "ann"
    assert inbox.messages[0].delivery_info["redelivered"] is False


def test_body_of_bytes_survives(broker: Broker) -> None:
    publish(broker.connect(), bytes(range(256)), content_type="application/data", serializer=None)
    inbox = Inbox(broker.connect(), accept=["application/data"])
    inbox.receive(1)
    inbox.messages[0].reject()
    wait_until(lambda: ids(broker), "burying it")
    requeue_dead_letters(broker.database, ALL)
    inbox.receive(2)
    assert inbox.messages[1].body == bytes(range(256))


def test_message_sent_again_takes_its_owners_next_turn(broker: Broker) -> None:
    options = {"headers": {"task": "clip", "owner": "ann"}}
    bury(broker, "dead", **options)
    rates: dict[str, str | float | None] = {"clip": "1/h"}
    transport.use_task_rates(lambda: rates)
    connection = broker.connect()
    Inbox(connection).receives_nothing(0.1)
    wait_until(lambda: broker.count("broker_rates"), "storing the rate")
    connection.release()
    for label in ("a0", "a1"):
        publish(broker.connect(), label, **options)
    requeue_dead_letters(broker.database, ALL)
    rows = broker.rows("SELECT rate_key, turn FROM broker_messages ORDER BY id")
    assert [rate_key for rate_key, _ in rows] == ["clip"] * 3
    turns = [turn for _, turn in rows]
    # An hour behind the one before: `turn_seconds`.
    assert [later - earlier for earlier, later in pairwise(turns)] == [3_600_000, 3_600_000]


def test_times_that_have_passed_are_forgotten(broker: Broker) -> None:
    headers = {"task": "t", "eta": at(seconds=-60), "expires": at(seconds=-30)}
    bury(broker, "x", headers=headers, expiration=3600)
    broker.rows("UPDATE broker_dead_letters SET published_at_ms = published_at_ms - 7200000")
    requeue_dead_letters(broker.database, ALL)
    assert broker.rows("SELECT due_at_ms, expires_at_ms FROM broker_messages") == [(None, None)]
    inbox = Inbox(broker.connect())
    inbox.receive(1)
    received = inbox.messages[0]
    assert received.headers["eta"] is received.headers["expires"] is None
    assert "expiration" not in received.properties


def test_times_to_come_are_kept(broker: Broker) -> None:
    expires = at(hours=2)
    bury(broker, "x", headers={"task": "t", "expires": expires}, expiration=7200)
    broker.rows("UPDATE broker_dead_letters SET published_at_ms = published_at_ms - 3600000")
    requeue_dead_letters(broker.database, ALL)
    ((left_ms,),) = broker.rows("SELECT expires_at_ms - published_at_ms FROM broker_messages")
    # An hour of the two is over; 60 s for a loaded machine.
    assert 3_540_000 < left_ms <= 3_600_000
    inbox = Inbox(broker.connect())
    inbox.receive(1)
    assert inbox.messages[0].headers["expires"] == expires


def test_only_the_named_are_sent_again_or_discarded(broker: Broker) -> None:
    bury(broker, "a", "b", "c")
    first, second, third = ids(broker)
    assert requeue_dead_letters(broker.database, Selection(ids=frozenset([second]))) == 1
    assert discard_dead_letters(broker.database, Selection(ids=frozenset([first]))) == 1
    assert ids(broker) == [third]
    assert Inbox(broker.connect()).receive(1) == ["b"]


def test_all_of_a_task_are_sent_again_or_discarded(broker: Broker) -> None:
    for task in ("clip", "echo", "clip"):
        bury(broker, task, headers={"task": task})
    assert requeue_dead_letters(broker.database, Selection(task_name="clip")) == 2
    assert broker.rows("SELECT DISTINCT task_name FROM broker_messages") == [("clip",)]
    assert discard_dead_letters(broker.database, Selection(task_name="echo")) == 1
    assert ids(broker) == []


def test_waiting_consumer_is_woken(broker: Broker) -> None:
    bury(broker, "x")
    # It would look by itself only after a minute.
    inbox = Inbox(broker.connect(poll_seconds=60))
    assert inbox.receives_nothing(0.3)
    requeue_dead_letters(broker.database, ALL)
    assert inbox.receive(1, seconds=50) == ["x"]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ("{", "Expecting property name"),
        ("[]", "it has no properties"),
        ('{"properties": {}}', "it has no body"),
        ('{"properties": {}, "body": "x", "headers": [1]}', "its headers are no mapping"),
    ],
)
def test_unreadable_dead_letter_is_named_and_nothing_is_done(
    broker: Broker, payload: str, reason: str
) -> None:
    bury(broker, "a", "b")
    good, bad = ids(broker)
    spoil(broker, bad, payload)
    for which in (ALL, Selection(ids=frozenset([good, bad]))):
        with pytest.raises(TransportError, match=f"^id: .*cannot be read: {bad} .{reason}"):
            requeue_dead_letters(broker.database, which)
    assert ids(broker) == [good, bad]
    assert broker.count("broker_messages") == 0
    assert discard_dead_letters(broker.database, Selection(ids=frozenset([bad]))) == 1


def test_unreadable_one_far_behind_stops_all(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "_NAMED", 1)
    bury(broker, "x")
    fill(broker, 1200)
    last = ids(broker)[-1]
    spoil(broker, last - 1, "{")
    spoil(broker, last, "{")
    with pytest.raises(TransportError, match=rf"{last - 1} \(.*\) and 1 more\. Nothing was done"):
        requeue_dead_letters(broker.database, ALL)
    assert broker.count("broker_messages") == 0


def test_unknown_id_is_named_and_nothing_is_done(broker: Broker) -> None:
    bury(broker, "x")
    (known,) = ids(broker)
    which = Selection(ids=frozenset([known, known + 7]))
    for act in (requeue_dead_letters, discard_dead_letters):
        with pytest.raises(TransportError, match=f"id: there is no dead letter {known + 7}"):
            act(broker.database, which)
    assert ids(broker) == [known]
    assert broker.count("broker_messages") == 0


def test_unknown_task_is_named_with_the_nearest(broker: Broker) -> None:
    with pytest.raises(TransportError, match="no dead letters of 'clip'; nor of any task"):
        discard_dead_letters(broker.database, Selection(task_name="clip"))
    bury(broker, "x", headers={"task": "clip"})
    with pytest.raises(TransportError, match=r"task: .*some of clip\. Did you mean 'clip'\?"):
        requeue_dead_letters(broker.database, Selection(task_name="clap"))


def test_full_queue_takes_none_of_the_named(broker: Broker) -> None:
    queue = Queue("small", Exchange("small"), "small", max_length=2)
    bury(broker, "a", "b", queue=queue)
    publish(broker.connect(), "c", exchange=queue.exchange, routing_key="small", declare=[queue])
    with pytest.raises(QueueFullError, match=r"'small' is full.* Nothing was sent again"):
        requeue_dead_letters(broker.database, ALL)
    assert len(ids(broker)) == 2
    assert broker.count("broker_messages") == 1
    broker.rows("DELETE FROM broker_messages")
    assert requeue_dead_letters(broker.database, ALL) == 2


def test_full_queue_says_how_many_it_took(broker: Broker) -> None:
    queue = Queue("small", Exchange("small"), "small", max_length=900)
    bury(broker, "x", queue=queue)
    fill(broker, 999)
    with pytest.raises(QueueFullError, match="500 were sent again before that"):
        requeue_dead_letters(broker.database, ALL)
    assert (broker.count("broker_messages"), len(ids(broker))) == (500, 500)


def test_two_operators_double_nothing(broker: Broker) -> None:
    bury(broker, "x")
    fill(broker, 2999)
    sent: list[int] = []
    barrier = threading.Barrier(3)

    def send() -> None:
        barrier.wait()
        sent.append(requeue_dead_letters(broker.database, ALL))

    operators = [threading.Thread(target=send) for _ in range(3)]
    for operator in operators:
        operator.start()
    for operator in operators:
        operator.join()
    assert sum(sent) == broker.count("broker_messages") == 3000
    assert ids(broker) == []


def test_those_that_die_meanwhile_are_left(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    bury(broker, "x")
    check = dead_letters._check_readable

    def check_then_bury(*arguments: Any) -> None:
        check(*arguments)
        fill(broker, 1)

    monkeypatch.setattr(dead_letters, "_check_readable", check_then_bury)
    assert requeue_dead_letters(broker.database, ALL) == 1
    assert len(ids(broker)) == 1


def test_many_are_sent_again_in_the_order_in_which_they_died(broker: Broker) -> None:
    bury(broker, "x")
    fill(broker, 1999)
    marked = ids(broker)[::400]
    for number in marked:
        payload = {"properties": {"correlation_id": str(number)}, "body": ""}
        spoil(broker, number, json.dumps(payload))
    assert requeue_dead_letters(broker.database, ALL) == 2000
    stored = broker.rows(
        "SELECT correlation_id FROM broker_messages WHERE correlation_id IS NOT NULL ORDER BY id"
    )
    assert [int(row[0]) for row in stored] == marked
