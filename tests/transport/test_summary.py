"""What the summary tells of queues, consumers and rates."""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import replace

import pytest

from marinemap import transport
from marinemap.transport.operating.summary import (
    ConsumerSummary,
    QueueSummary,
    RateSummary,
    Summary,
    summarize,
)
from tests.transport.conftest import Broker, Inbox, publish, wait_until

pytestmark = pytest.mark.usefixtures("patient_statements")


def test_empty_broker_has_an_empty_summary(broker: Broker) -> None:
    assert summarize(broker.database) == Summary((), (), ())


def test_each_message_is_counted_once_by_its_state(broker: Broker) -> None:
    transport.use_task_rates(lambda: {"clip": "2/h"})
    eta = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() + 1000))
    connection = broker.connect()
    for _ in range(6):
        publish(connection, "limited", headers={"task": "clip"})
    inbox = Inbox(broker.connect(), prefetch_count=3)
    inbox.receive(2)
    publish(connection, "plain", headers={"task": "echo"})
    inbox.receive(3)
    inbox.messages[2].reject()
    wait_until(lambda: broker.count("broker_dead_letters"), "burying one")
    inbox.consumer.cancel()
    for _ in range(4):
        publish(connection, "plain", headers={"task": "echo"})
    for _ in range(5):
        publish(connection, "later", headers={"task": "echo", "eta": eta})
    publish(connection, "other", exchange="", routing_key="undeclared", declare=[])

    summary = summarize(broker.database)
    assert [without_times(queue) for queue in summary.queues] == [
        QueueSummary(
            "tasks", waiting=4, waiting_for_rate=4, due_later=5, claimed=2, dead=1, dead_last_day=1
        ),
        QueueSummary("undeclared", waiting=1),
    ]
    # The limited ones were published first, the two in hand claimed before the others came.
    assert 0 <= summary.queues[1].oldest_seconds < summary.queues[0].oldest_seconds < 60
    assert 0 < summary.queues[0].claim_latency_seconds < 60
    # Asked for 2 an hour; the window is a quarter of a second longer.
    assert summary.rates == (RateSummary("clip", "2/h", 2, 0, 2, 3600.25),)
    assert [consumer.messages_held for consumer in summary.consumers] == [2]


def without_times(queue: QueueSummary) -> QueueSummary:
    return replace(queue, oldest_seconds=0.0, claim_latency_seconds=0.0)


def test_declared_queue_is_there_though_it_is_empty(broker: Broker) -> None:
    Inbox(broker.connect()).receives_nothing(0.05)
    assert summarize(broker.database).queues == (QueueSummary("tasks"),)


def test_start_that_left_the_window_is_not_counted(broker: Broker) -> None:
    transport.use_task_rates(lambda: {"clip": "1/h"})
    publish(broker.connect(), "x", headers={"task": "clip"})
    Inbox(broker.connect()).receive(1)
    kept = json.loads(broker.rows("SELECT recent_starts FROM broker_rates")[0][0])
    # An hour and more ago.
    kept["starts"][0][0] -= 3_700_000
    broker.rows(f"UPDATE broker_rates SET recent_starts = '{json.dumps(kept)}'")
    assert [rate.starts_in_window for rate in summarize(broker.database).rates] == [0]


def test_living_consumers_are_told_with_process_and_lease(broker: Broker) -> None:
    inbox = Inbox(broker.connect(lease_seconds=600))
    inbox.receives_nothing(0.2)
    broker.rows(
        "INSERT INTO broker_consumers VALUES ('dead', 'elsewhere', 1, 1000, 2000, 1000, NULL)"
    )
    (consumer,) = summarize(broker.database).consumers
    assert consumer == ConsumerSummary(
        socket.gethostname(),
        os.getpid(),
        # A minute for a loaded machine.
        lease_age_seconds=pytest.approx(30, abs=30),
        lease_seconds_left=pytest.approx(570, abs=30),
        messages_held=0,
    )
