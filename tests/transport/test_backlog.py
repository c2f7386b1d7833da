"""Claiming from a long backlog, past what has been claimed before."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.transport.conftest import Broker, Inbox, publish, wait_until


def test_urgent_message_overtakes_a_backlog_being_claimed(broker: Broker) -> None:
    sender = broker.connect()
    for number in range(20):
        publish(sender, number)
    inbox = Inbox(broker.connect(), prefetch_count=2)
    take(inbox, 6)
    publish(sender, "urgent", priority=9)
    assert "urgent" in take(inbox, 11)


def test_message_given_back_is_found_again_during_a_backlog(broker: Broker) -> None:
    sender = broker.connect()
    for number in range(400):
        publish(sender, number)
    inbox = Inbox(broker.connect(), prefetch_count=2)
    take(inbox, 9)
    other = Inbox(broker.connect(), prefetch_count=1)
    other.receive(1)
    other.messages[0].requeue()
    other.connection.release()
    bodies = take(inbox, 400)
    assert sorted(set(bodies)) == list(range(400))


def test_claim_does_not_step_over_deleted_rows_again_and_again(broker: Broker) -> None:
    if broker.dialect != "postgresql":
        pytest.skip("SQLite keeps no deleted rows")
    sender = broker.connect()
    for number in range(3000):
        publish(sender, number)
    with psycopg.connect(broker.url) as holder:
        holder.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        holder.execute("SELECT count(*) FROM broker_queues")
        inbox = Inbox(broker.connect(), prefetch_count=4)
        take(inbox, 1500)
        before = count_blocks_read(broker)
        take(inbox, 2500)
        wait_until(lambda: broker.count("broker_messages") <= 500, "the last acknowledgement")
        per_message = (count_blocks_read(broker) - before) / 1000
    # 9 where each claim begins where the last has ended, 53 where it does not.
    assert per_message < 25


def take(inbox: Inbox, count: int) -> list[Any]:
    """Receive and acknowledge until there have been `count` messages; return their bodies."""
    while len(inbox.messages) < count:
        inbox.connection.drain_events(timeout=30)
        for message in inbox.messages[-4:]:
            if not message.acknowledged:
                message.ack()
    return inbox.bodies


def count_blocks_read(broker: Broker) -> int:
    reads = "heap_blks_read + heap_blks_hit"
    rows = broker.rows(
        f"SELECT pg_stat_force_next_flush(), {reads} FROM pg_statio_user_tables "
        "WHERE relname = 'broker_messages'"
    )
    return int(rows[0][1])
