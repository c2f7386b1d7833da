"""How the transport bears a long backlog, many workers and a long transaction."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from statistics import median
from typing import Any

import psycopg
from kombu import Connection, Consumer, Queue

from benchmarks.broker_app import QUEUE
from benchmarks.broker_control import Control
from benchmarks.broker_measures import find_rate
from benchmarks.broker_processes import Broker
from benchmarks.broker_servers import wait_until
from marinemap import transport

_DRAIN_SECONDS = 900
_COLUMNS = (
    "queue_name, priority, task_name, owner, correlation_id, rate_key, turn, payload, "
    "published_at_ms, attempts"
)
# Each copy with a task id of its own, as Celery keeps its requests by that.
_COPY = {
    "postgresql": (
        f"INSERT INTO broker_messages ({_COLUMNS}) "
        "SELECT '{queue}', 0, task_name, owner, correlation_id || n, rate_key, turn, "
        "replace(payload, correlation_id, correlation_id || n), published_at_ms, 0 "
        "FROM benchmark_message, generate_series(1, {count}) AS n"
    ),
    "sqlite": (
        f"INSERT INTO broker_messages ({_COLUMNS}) "
        "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers "
        "LIMIT {count}) "
        "SELECT '{queue}', 0, task_name, owner, correlation_id || n, rate_key, turn, "
        "replace(payload, correlation_id, correlation_id || n), published_at_ms, 0 "
        "FROM benchmark_message, numbers"
    ),
}


class Backlog:
    """The transport's tables of one broker, filled in single statements."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self._address = broker.url.removeprefix("marinemap+")
        self._kind = self._address.partition(":")[0]
        with broker.publishing() as publisher:
            publisher.publish(1)
        self.run("CREATE TABLE benchmark_message AS SELECT * FROM broker_messages LIMIT 1")
        self.clear()

    def run(self, sql: str) -> list[Any]:
        """Run a statement on a connection of its own, however long it takes."""
        with closing(self._connect()) as connection:
            cursor = connection.execute(sql)
            return [] if cursor.description is None else list(cursor.fetchall())

    def _connect(self) -> Any:
        if self._kind == "postgresql":
            return psycopg.connect(self._address, autocommit=True)
        return sqlite3.connect(
            self._address.removeprefix("sqlite:///"), timeout=60, isolation_level=None
        )

    def fill(self, count: int, queue: str = QUEUE) -> None:
        """Add copies of one message."""
        self.run(_COPY[self._kind].format(count=count, queue=queue))

    def clear(self) -> None:
        """Delete all messages, and what they leave behind."""
        self.run("DELETE FROM broker_messages")
        self.tidy()

    def tidy(self) -> None:
        """Do what autovacuum would have done a minute later."""
        is_postgresql = self._kind == "postgresql"
        self.run("VACUUM ANALYZE broker_messages" if is_postgresql else "VACUUM")

    def is_empty(self) -> bool:
        """Tell whether all messages are acknowledged and deleted."""
        return not self.run("SELECT 1 FROM broker_messages LIMIT 1")


def measure_claims(backlogs: dict[int, Backlog], rounds: int, messages: int) -> dict[int, float]:
    """Return milliseconds for claiming and acknowledging one message, by backlog.

    The backlogs take turns; each is filled up again outside the time measured.
    """
    for size, backlog in backlogs.items():
        backlog.fill(size)
        backlog.tidy()
    taken: dict[int, list[float]] = {size: [] for size in backlogs}
    for _ in range(rounds):
        for size, backlog in backlogs.items():
            taken[size].append(time_claims(backlog.broker, messages))
            backlog.fill(messages)
    return {size: 1000 * median(times) for size, times in taken.items()}


def time_claims(broker: Broker, count: int) -> float:
    """Claim and acknowledge through a channel as a worker does; return seconds a message."""
    transport.register()
    received: list[float] = []

    def acknowledge(message: Any) -> None:
        received.append(time.perf_counter())
        message.ack()

    with Connection(broker.url, transport_options=dict(broker.options)) as connection:
        channel: Any = connection.channel()
        channel.basic_qos(0, broker.prefetch, False)
        with Consumer(channel, [Queue(QUEUE)], on_message=acknowledge):
            while len(received) < count:
                connection.drain_events(timeout=60)
    return (received[-1] - received[0]) / (len(received) - 1)


def measure_workers(
    backlog: Backlog, few: int, many: int, messages: int, repetitions: int
) -> dict[int, float]:
    """Return tasks a second by number of workers, each with one child.

    All run all the time, and are told to consume when their turn has come.
    """
    rates: dict[int, list[float]] = {few: [], many: []}
    with ExitStack() as stack:
        names = [f"w{number}" for number in range(many)]
        started = [stack.enter_context(backlog.broker.starting(n, "unused")) for n in names]
        for worker in started:
            worker.wait_ready()
        control = Control(backlog.broker)
        for _ in range(repetitions):
            for count in (few, many):
                backlog.broker.forget_records()
                backlog.fill(messages, "shared")
                with control.consuming(names[:count], "shared"):
                    backlog.broker.wait_for_records(messages, _DRAIN_SECONDS)
                    wait_until(backlog.is_empty, "the last messages were not acknowledged")
                rates[count].append(find_rate(backlog.broker.read_records()))
    return {count: median(found) for count, found in rates.items()}


def measure_held_transaction(backlog: Backlog, messages: int) -> dict[str, float]:
    """Return tasks a second of one worker without and with a long transaction beside it."""
    rates = {}
    for label in ("without", "with"):
        backlog.broker.forget_records()
        backlog.fill(messages)
        backlog.tidy()
        with ExitStack() as stack:
            if label == "with":
                stack.enter_context(_holding_transaction(backlog.broker.url))
            stack.enter_context(backlog.broker.working())
            backlog.broker.wait_for_records(messages, _DRAIN_SECONDS)
        rates[label] = find_rate(backlog.broker.read_records())
        backlog.clear()
    return rates


@contextmanager
def _holding_transaction(url: str) -> Iterator[None]:
    """Hold a snapshot: until it ends PostgreSQL can clear away no row deleted since."""
    with psycopg.connect(url.removeprefix("marinemap+")) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute("SELECT pg_current_xact_id(), (SELECT count(*) FROM broker_queues)")
        yield
        connection.rollback()
