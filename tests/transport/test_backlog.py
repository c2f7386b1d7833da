"""Claiming from a long backlog, past what has been claimed before."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from marinemap.transport.database import postgresql_resuming as resuming
from tests.transport.conftest import Broker, Inbox, publish, wait_until

pytestmark = pytest.mark.usefixtures("patient_statements")


@pytest.fixture(params=["from the beginning", "resuming"])
def way_of_claiming(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claim as while looks from the beginning are quick, and as where they are slow."""
    if request.param == "resuming":
        monkeypatch.setattr(resuming, "_SLOW_SECONDS", 0.0)
        monkeypatch.setattr(resuming, "_LAST_FEW", 1)


@pytest.mark.usefixtures("way_of_claiming")
def test_urgent_message_overtakes_a_backlog_being_claimed(broker: Broker) -> None:
    sender = broker.connect()
    for number in range(20):
        publish(sender, number)
    inbox = Inbox(broker.connect(), prefetch_count=2)
    take(inbox, 6)
    publish(sender, "urgent", priority=9)
    assert "urgent" in take(inbox, 11)


@pytest.mark.usefixtures("way_of_claiming")
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


def test_claim_does_not_step_over_deleted_rows_again_and_again(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    if broker.dialect != "postgresql":
        pytest.skip("SQLite keeps no deleted rows")
    # A machine may step over so few in no time.
    monkeypatch.setattr(resuming, "_SLOW_SECONDS", 0.0)
    sender = broker.connect()
    for number in range(3000):
        publish(sender, number)
    with psycopg.connect(broker.url) as holder:
        holder.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        holder.execute("SELECT count(*) FROM broker_queues")
        take_and_leave(broker, 1500)
        before = count_blocks_read(broker)
        take_and_leave(broker, 1000)
        per_message = (count_blocks_read(broker) - before) / 1000
    # 16 where each claim begins where the last has ended, 49 where it does not.
    assert 0 < per_message < 25


def take(inbox: Inbox, count: int) -> list[Any]:
    """Receive and acknowledge until there have been `count` messages; return their bodies."""
    while len(inbox.messages) < count:
        inbox.connection.drain_events(timeout=120)
        for message in inbox.messages[-4:]:
            if not message.acknowledged:
                message.ack()
    return inbox.bodies


def take_and_leave(broker: Broker, count: int) -> None:
    """Receive and acknowledge on a connection that is gone afterwards."""
    left = broker.count("broker_messages") - count
    inbox = Inbox(broker.connect(), prefetch_count=4)
    take(inbox, count)
    wait_until(lambda: broker.count("broker_messages") <= left, "the last acknowledgement")
    inbox.connection.release()


def count_blocks_read(broker: Broker) -> int:
    # A server process tells what it has read at its end, and before that when it likes.
    broker.database.close()
    others = "pg_stat_activity WHERE application_name = 'marinemap-queue'"
    wait_until(
        lambda: broker.rows(f"SELECT count(*) FROM {others} AND pid <> pg_backend_pid()") == [(0,)],
        "the end of all others",
    )
    reads = "heap_blks_read + heap_blks_hit"
    table = "pg_statio_user_tables WHERE relname = 'broker_messages'"
    return int(broker.rows(f"SELECT {reads} FROM {table}")[0][0])
