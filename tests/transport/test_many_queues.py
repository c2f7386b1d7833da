"""A connection that consumes from very many queues."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.transport.conftest import Broker, wait_until

pytestmark = pytest.mark.usefixtures("patient_statements")


@contextmanager
def counting_calls() -> Iterator[list[int]]:
    """Count what this thread calls: the cost of its work, whatever the machine's speed."""
    count = [0]

    def note(*_: Any) -> None:
        count[0] += 1

    sys.setprofile(note)
    try:
        yield count
    finally:
        sys.setprofile(None)


def close(channel: Any, tags: list[str]) -> None:
    channel.close()


def cancel(channel: Any, tags: list[str]) -> None:
    for tag in tags:
        channel.basic_cancel(tag)


@pytest.mark.parametrize("leave", [close, cancel])
def test_leaving_many_queues_costs_no_more_for_each(
    broker: Broker, leave: Callable[[Any, list[str]], None]
) -> None:
    """To close a connection of 1,000 queues took 9 s, of 5,000 minutes."""
    calls_each = {}
    for number in (20, 400):
        connection = broker.connect(poll_seconds=60)
        channel = connection.channel()
        tags = [
            channel.basic_consume(f"q{number}-{one}", False, print, f"t{one}")
            for one in range(number)
        ]
        wait_until(lambda n=number: broker.count("broker_subscriptions") == n, "subscribing")
        with counting_calls() as count:
            leave(channel, tags)
        assert broker.count("broker_subscriptions") == 0
        calls_each[number] = count[0] / number
        broker.release(connection)
    assert calls_each[400] < 1.2 * calls_each[20]


def test_closed_channel_is_gone_at_once(broker: Broker) -> None:
    """What waits for the garbage collector keeps its connection's sockets open."""
    channel: Any = broker.connect().channel()
    seen = weakref.ref(channel)
    gc.disable()
    try:
        channel.close()
        del channel
        assert seen() is None
    finally:
        gc.enable()
