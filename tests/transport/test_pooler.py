"""Behind PgBouncer in transaction mode, where each transaction may run in another session."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from marinemap.transport.database import verify
from marinemap.transport.errors import AwayError
from tests.postgresql import Cluster, make_database, pgbouncer
from tests.transport.conftest import Broker, Inbox, publish, wait_until
from tests.transport.test_faults_waits import RATE

BODIES = list(range(40))


@pytest.fixture
def pooled(cluster: Cluster) -> Iterator[Broker]:
    make_database(cluster.url("postgres"), "pooled")
    with pgbouncer(cluster) as port:
        url = f"postgresql://postgres@127.0.0.1:{port}/pooled"
        broker = Broker(url, {"create_tables": True, "lease_seconds": 2.0})
        yield broker
        broker.close()


def test_messages_arrive_without_notifications(pooled: Broker) -> None:
    inboxes = [Inbox(pooled.connect(poll_seconds=60), prefetch_count=1) for _ in range(2)]
    assert all(inbox.receives_nothing(0.2) for inbox in inboxes)
    publish(pooled.connect(), "late")
    # Below the slow poll.
    wait_until(lambda: any(not inbox.receives_nothing(0.1) for inbox in inboxes), "its arrival", 50)
    assert all(inbox.receives_nothing(1) for inbox in inboxes)


def test_prepared_statements_of_other_sessions_are_not_used(pooled: Broker) -> None:
    first, second = pooled.connect(), pooled.connect()
    # Both hold sessions at once now and then, which are dealt out anew.
    inbox = Inbox(first, prefetch_count=3)
    for body in BODIES:
        publish(second if body % 2 else first, body)
    while len(inbox.messages) < len(BODIES):
        inbox.connection.drain_events(timeout=120)
        inbox.messages[-1].ack()
    assert sorted(inbox.bodies) == BODIES


def test_no_session_is_left_less_durable_or_planning_otherwise(pooled: Broker) -> None:
    inbox = Inbox(pooled.connect())
    publish(pooled.connect(), 1)
    inbox.receive(1)
    inbox.messages[0].ack()
    pooled.close()
    with psycopg.connect(pooled.url, autocommit=True, prepare_threshold=None) as other:
        names = ("synchronous_commit", "plan_cache_mode", "enable_seqscan", "jit")
        found = [other.execute(f"SHOW {name}").fetchone() for name in names * 4]
    assert found == [("on",), ("auto",), ("on",), ("on",)] * 4


def test_who_is_frozen_amid_a_transaction_is_ended_behind_a_pooler_too(pooled: Broker) -> None:
    """It held its rows until somebody ended it: only sessions of one's own had the limits."""
    verify(pooled.database)
    pooled.rows(RATE)
    with pytest.raises(AwayError), pooled.database.transaction() as frozen:
        frozen.run("SELECT * FROM broker_rates FOR UPDATE")
        with psycopg.connect(pooled.url, autocommit=True, prepare_threshold=None) as other:
            other.execute("SET statement_timeout TO '20s'")
            other.execute("UPDATE broker_rates SET max_starts = 2")


def test_statement_that_is_given_up_is_not_done_later_behind_a_pooler(pooled: Broker) -> None:
    """Only this side gave it up: on the server it waited on, and was done when its lock came."""
    verify(pooled.database)
    pooled.rows(RATE)
    with psycopg.connect(pooled.url, prepare_threshold=None) as holder:
        holder.execute("SELECT * FROM broker_rates FOR UPDATE")
        with pytest.raises(AwayError), pooled.database.session() as session:
            session.run("UPDATE broker_rates SET max_starts = 9")
    waits = (
        "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'UPDATE broker_r%'"
    )
    wait_until(lambda: not pooled.rows(waits), "the end of the statement")
    assert pooled.rows("SELECT max_starts FROM broker_rates") == [(10,)]


def test_session_goes_on_after_a_statement_that_the_server_refused(pooled: Broker) -> None:
    verify(pooled.database)
    with pooled.database.session() as session:
        with pytest.raises(psycopg.errors.DivisionByZero):
            session.run("SELECT 1 / CAST(:number AS INTEGER) AS one", number=0)
        assert session.is_sound()
        assert session.run("SELECT CAST(:number AS INTEGER) AS one", number=1)[0].one == 1
        limits = "SELECT current_setting('statement_timeout') AS found"
        assert session.run(limits)[0].found == "2s"
        with session.begin():
            assert session.run(limits)[0].found == "2s"
    with psycopg.connect(pooled.url, autocommit=True, prepare_threshold=None) as other:
        assert {other.execute("SHOW statement_timeout").fetchone() for _ in range(8)} == {("0",)}
