"""Rates over all workers, turns among owners, and exact positions."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from marinemap.transport import (
    CallerTransaction,
    Position,
    use_caller_transaction,
    use_task_rates,
)
from marinemap.transport.consuming.demand import Demand
from marinemap.transport.consuming.starts import PERMIT_HEADER
from marinemap.transport.consuming.window import Rate, parse_rate
from marinemap.transport.consuming.work import Work
from marinemap.transport.errors import TransportError
from tests.transport.conftest import DEADLINE_SECONDS, Broker, Inbox, publish, wait_until

pytestmark = pytest.mark.usefixtures("patient_statements")

RATES: dict[str, str | float | None] = {}


@pytest.fixture(autouse=True)
def stated_rates() -> Iterator[None]:
    RATES.clear()
    use_task_rates(lambda: dict(RATES))
    yield
    use_task_rates(None)


def send(broker: Broker, label: str, owner: str | None = None, **options: Any) -> None:
    headers = {"task": "clip", "owner": owner}
    publish(broker.connect(), label, headers=headers, correlation_id=label, **options)


def drain(
    inboxes: list[Inbox],
    count: int,
    seconds: float = DEADLINE_SECONDS,
    note: Callable[[Any], Any] = str,
) -> list[tuple[str, float]]:
    """Return label and time of each message that the consumers receive, in order."""
    received: list[tuple[str, float]] = []
    deadline = time.monotonic() + seconds
    while len(received) < count:
        assert time.monotonic() < deadline, f"only {received} came"
        for inbox in inboxes:
            inbox.receives_nothing(0.02)
            for message in inbox.messages:
                received.append((message.decode(), time.monotonic()))
                note(message)
                message.ack()
            inbox.messages.clear()
    return received


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4/m", Rate(4, 60_000)),
        ("10/s", Rate(10, 1_000)),
        ("1/h", Rate(1, 3_600_000)),
        ("0.5/m", Rate(1, 120_000)),
        (2, Rate(2, 1_000)),
        (None, None),
        (0, None),
        ("0/m", None),
        # No column holds them: on PostgreSQL the worker claimed nothing any more.
        ("99999999999999999999/m", Rate(10**9, 60_000)),
        ("0.00000000000000000001/h", Rate(1, 3_162_240_000_000)),
    ],
)
def test_rates_are_read_as_celery_writes_them(text: Any, expected: Rate | None) -> None:
    assert parse_rate(text) == expected


def test_text_that_is_no_rate_is_refused() -> None:
    with pytest.raises(TransportError, match="rate_limit: a rate is a number of starts"):
        parse_rate("4/fortnight")


def test_rate_holds_for_all_consumers_in_every_window(broker: Broker) -> None:
    RATES["clip"] = "4/s"
    for number in range(13):
        send(broker, str(number))
    inboxes = [Inbox(broker.connect(), prefetch_count=4) for _ in range(2)]
    drain(inboxes, 13)
    # By the clock that counts: the database's, when the message was claimed.
    window_ms, max_starts, starts = broker.rows(
        "SELECT window_ms, max_starts, recent_starts FROM broker_rates"
    )[0]
    assert (window_ms, max_starts) == (1250, 4)
    assert sum(count for _, count in json.loads(starts)["starts"]) <= 4


def test_starts_are_a_window_apart(broker: Broker) -> None:
    """By the clock that counts, the database's: not by when a loaded test hears of it."""
    limit_now(broker, "3/s")
    for number in range(9):
        send(broker, str(number))
    inboxes = [Inbox(broker.connect(), prefetch_count=3) for _ in range(2)]
    permits: list[dict[str, int]] = []
    drain(inboxes, 9, note=lambda message: permits.append(message.headers[PERMIT_HEADER]))
    counted_ms = sorted(permit["counted_at_ms"] for permit in permits)
    assert all(
        later - earlier >= 1250 for earlier, later in zip(counted_ms, counted_ms[3:], strict=False)
    )
    assert len(set(counted_ms[:3])) == 1, "the first three may start at once"


def test_messages_waiting_for_a_rate_do_not_hold_up_others(broker: Broker) -> None:
    RATES["clip"] = "1/h"
    for label in ("first", "waits", "waits too"):
        send(broker, label)
    publish(broker.connect(), "other", headers={"task": "echo"})
    inbox = Inbox(broker.connect(), prefetch_count=10)
    assert sorted(inbox.receive(2)) == ["first", "other"]
    assert inbox.receives_nothing(0.3)
    assert broker.count("broker_messages", "claimed_by IS NULL") == 2


def test_message_published_before_the_rate_was_known_is_limited(broker: Broker) -> None:
    for label in ("a", "b", "c"):
        send(broker, label)
    assert broker.count("broker_messages", "rate_key IS NULL") == 3
    RATES["clip"] = "1/h"
    inbox = Inbox(broker.connect())
    assert inbox.receive(1) == ["a"]
    assert inbox.receives_nothing(0.3)


def test_message_that_passed_the_setting_of_its_rate_is_limited(broker: Broker) -> None:
    if broker.dialect == "sqlite":
        pytest.skip("SQLite has one writer at a time: nothing can pass")
    with psycopg.connect(broker.url) as caller:
        use_caller_transaction(lambda url: CallerTransaction(caller))
        for label in ("a", "b", "c"):
            send(broker, label)
        use_caller_transaction(None)
        RATES["clip"] = "1/h"
        inbox = Inbox(broker.connect(), prefetch_count=2)
        wait_until(lambda: broker.count("broker_rates", "max_starts = 1"), "setting the rate")
        caller.commit()
    assert len(inbox.receive(1)) == 1
    assert inbox.receives_nothing(0.5)
    assert broker.count("broker_messages", "rate_key = 'clip' AND claimed_by IS NULL") == 2
    assert broker.count("broker_messages", "attempts > 0") == 1


def test_look_that_finds_what_passed_its_rate_is_followed_by_another(broker: Broker) -> None:
    """The queue was taken for empty: what had just been put in turns waited for the next poll."""
    send(broker, "a")
    set_rate = "INSERT INTO broker_rates (task_name, rate, max_starts, window_ms) VALUES "
    broker.rows(f"{set_rate} ('clip', '1/h', 1, 3600000)")
    got: list[Any] = []
    demand = Demand("tasks", False, lambda: 2, lambda: False, got.extend)
    work = Work(broker.database)
    with broker.database.session() as session:
        work.lease.acquire(session)
        while not work.claim(session, demand).is_empty:
            pass
        assert len(got) == 1
        work.release(session)
    work.lease.end_life()


def test_changed_rate_counts_at_once_and_outlives_a_restart(broker: Broker) -> None:
    RATES["clip"] = "1/h"
    for number in range(4):
        send(broker, str(number))
    connection = broker.connect()
    inbox = Inbox(connection)
    inbox.receive(1)
    RATES["clip"] = "100/s"
    assert inbox.receive(4) == ["0", "1", "2", "3"]
    connection.release()
    RATES["clip"] = "1/h"
    Inbox(broker.connect()).receives_nothing(0.1)
    assert broker.rows("SELECT rate, declared_rate FROM broker_rates") == [("100/s", "1/h")]


def test_rate_changed_in_the_code_replaces_the_old_one(broker: Broker) -> None:
    stated = "SELECT rate, declared_rate FROM broker_rates"
    for rate in ("1/h", "2/h"):
        RATES["clip"] = rate
        connection = broker.connect()
        Inbox(connection)
        wait_until(lambda rate=rate: broker.rows(stated) == [(rate, rate)], f"stating {rate}")
        connection.release()


def test_lifted_rate_lets_all_go(broker: Broker) -> None:
    RATES["clip"] = "1/h"
    for number in range(3):
        send(broker, str(number))
    inbox = Inbox(broker.connect())
    inbox.receive(1)
    RATES["clip"] = None
    assert len(inbox.receive(3)) == 3


def limit_now(broker: Broker, rate: str) -> None:
    """Let the rate be known before the first message is published."""
    RATES["clip"] = rate
    connection = broker.connect()
    Inbox(connection).receives_nothing(0.05)
    wait_until(lambda: broker.count("broker_rates"), "storing the rate")
    connection.release()


def test_owners_are_served_in_turn(broker: Broker) -> None:
    limit_now(broker, "100/s")
    for number in range(4):
        send(broker, f"a{number}", owner="a")
    for number in range(2):
        send(broker, f"b{number}", owner="b")
    send(broker, "c0", owner="c")
    received = drain([Inbox(broker.connect(), prefetch_count=1)], 7)
    assert [label for label, _ in received] == ["a0", "b0", "c0", "a1", "b1", "a2", "a3"]


def test_owner_who_comes_late_is_served_next(broker: Broker) -> None:
    limit_now(broker, "100/s")
    for number in range(6):
        send(broker, f"a{number}", owner="a")
    inbox = Inbox(broker.connect(), prefetch_count=1)
    drain([inbox], 3)
    send(broker, "b0", owner="b")
    rest = [label for label, _ in drain([inbox], 4)]
    assert rest.index("b0") <= 2


def test_turns_hold_when_the_rate_is_set_after_publishing(broker: Broker) -> None:
    for label in ("a0", "a1", "a2", "b0"):
        send(broker, label, owner=label[0])
    RATES["clip"] = "100/s"
    received = drain([Inbox(broker.connect(), prefetch_count=1)], 4)
    assert [label for label, _ in received] == ["a0", "b0", "a1", "a2"]


def test_position_is_exact_and_tells_the_earliest_start(broker: Broker) -> None:
    limit_now(broker, "2/m")
    for number in range(6):
        send(broker, str(number))
    channel = broker.connect().default_channel
    window = 60.25
    for number in range(6):
        position = channel.find_position(str(number))
        assert position == Position(number, pytest.approx(number // 2 * window, abs=0.01))
    inbox = Inbox(broker.connect())
    inbox.receive(2)
    assert channel.find_position("0") is None
    for number in range(2, 6):
        position = channel.find_position(str(number))
        assert position.ahead == number - 2
        expected = ((number - 2) // 2 + 1) * window
        assert position.seconds_until_start == pytest.approx(expected, abs=20)


def test_position_follows_turns_and_priorities(broker: Broker) -> None:
    limit_now(broker, "1/h")
    for label in ("a0", "a1", "a2"):
        send(broker, label, owner="a")
    send(broker, "b0", owner="b")
    send(broker, "urgent", owner="a", priority=9)
    channel = broker.connect().default_channel
    places = {label: channel.find_position(label).ahead for label in ("urgent", "a0", "b0", "a1")}
    assert places == {"urgent": 0, "a0": 1, "b0": 2, "a1": 3}


def test_position_without_a_rate_counts_the_queue(broker: Broker) -> None:
    for label in ("x", "y", "z"):
        send(broker, label)
    channel = broker.connect().default_channel
    assert channel.find_position("z") == Position(2, 0.0)
    assert channel.find_position("unknown") is None


def test_position_of_a_message_with_eta_tells_its_time(broker: Broker) -> None:
    eta = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() + 100))
    publish(broker.connect(), "x", correlation_id="x", headers={"task": "t", "eta": eta})
    position = broker.connect().default_channel.find_position("x")
    assert position.seconds_until_start == pytest.approx(100, abs=10)


def test_positions_of_many_are_told_at_once_and_alike(broker: Broker) -> None:
    limit_now(broker, "2/m")
    for number in range(5):
        send(broker, str(number), owner=str(number % 2))
    publish(broker.connect(), "free", correlation_id="free", headers={"task": "unlimited"})
    channel = broker.connect().default_channel
    labels = [*map(str, range(5)), "free"]
    together = channel.find_positions([*labels, "unknown"])
    assert {label: place.ahead for label, place in together.items()} == {
        label: channel.find_position(label).ahead for label in labels
    }
    assert sorted(place.ahead for place in together.values()) == [0, 0, 1, 2, 3, 4]
    assert together["4"].seconds_until_start == pytest.approx(120.5, abs=0.01)
    assert channel.find_positions([]) == {}


def test_rate_that_the_code_has_no_more_is_lifted(broker: Broker) -> None:
    limit_now(broker, "1/h")
    for number in range(3):
        send(broker, str(number))
    RATES["clip"] = None
    inbox = Inbox(broker.connect())
    assert inbox.receive(3) == ["0", "1", "2"]
    assert broker.count("broker_rates", "max_starts IS NOT NULL") == 0


def test_claim_by_a_window_that_others_have_changed_since_brings_nothing(broker: Broker) -> None:
    """The window is read before the claim, without a lock."""
    inbox = Inbox(broker.connect(), prefetch_count=1)
    broker.rows(
        "INSERT INTO broker_rates (task_name, declared_rate, rate, max_starts, window_ms) "
        "VALUES ('clip', '2/h', '2/h', 2, 3600000)"
    )
    for label in range(3):
        publish(broker.connect(), label, headers={"task": "clip"})
    assert inbox.receive(1) == [0]
    started = json.loads(broker.rows("SELECT recent_starts FROM broker_rates")[0][0])["starts"]
    assert [count for _, count in started] == [1]
    claim = {
        "consumer_id": broker.rows("SELECT consumer_id FROM broker_consumers")[0][0],
        "task_name": "clip",
        "queue_name": "tasks",
        "room": 2,
        "max_starts": 2,
        "window_ms": 3600000,
        "recent_starts": None,
        "before": '{"starts":[[1,',
        "count": 0,
        "after": "]]}",
        "hurries": False,
    }
    with broker.database.session() as session:
        # As read before the first start was counted.
        assert broker.database.claim_limited(session, **claim) is None
        assert broker.count("broker_messages", "claimed_by IS NULL") == 2
        claim["recent_starts"] = broker.rows("SELECT recent_starts FROM broker_rates")[0][0]
        claimed = broker.database.claim_limited(session, **claim)
        assert claimed is not None and len(claimed) == 2
    assert broker.rows("SELECT recent_starts FROM broker_rates") == [('{"starts":[[1,2]]}',)]
