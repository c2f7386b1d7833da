"""Publish, drain, latency and idle cost, for any broker; and the floor under them all."""

from __future__ import annotations

import random
import sqlite3
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

import psycopg

from benchmarks.broker_app import WARM_UP
from benchmarks.broker_processes import Broker, Publisher, Worker, measure_cpu_shares
from marinemap.transport.database.sqlite_session import durable_pragmas

# A call of the empty task is as long, as a message.
_PAYLOAD = "x" * 1024
# SQLite is watched more closely for a quarter of a second after a change: by then all is idle.
_IDLE_SECONDS = 0.3
_SLOT_SECONDS = 0.045
_DRAIN_SECONDS = 300


@dataclass
class Figures:
    """What was measured of one broker, a value for each repetition."""

    publish_rates: list[float] = field(default_factory=list)
    send_rates: list[float] = field(default_factory=list)
    drain_rates: list[float] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)
    idle_shares: list[float] = field(default_factory=list)

    @property
    def publish(self) -> float | None:
        """Calls of a Celery task published a second."""
        return median(self.publish_rates) if self.publish_rates else None

    @property
    def send(self) -> float | None:
        """Messages published a second with kombu's producer alone."""
        return median(self.send_rates) if self.send_rates else None

    @property
    def drain(self) -> float | None:
        """Tasks run a second."""
        return median(self.drain_rates) if self.drain_rates else None

    @property
    def p50(self) -> float | None:
        """Milliseconds from call to start that half of the calls stay below."""
        return median(self.latencies_ms) if self.latencies_ms else None

    @property
    def p99(self) -> float | None:
        """Milliseconds from call to start that 99 of 100 calls stay below."""
        return quantiles(self.latencies_ms, n=100)[98] if len(self.latencies_ms) > 1 else None

    @property
    def idle(self) -> float | None:
        """Share of a core that an idle worker uses."""
        return median(self.idle_shares) if self.idle_shares else None


def publish_and_drain(broker: Broker, figures: Figures, count: int) -> None:
    """Publish with no worker running, then let one run all of it."""
    broker.forget_records()
    with broker.publishing() as publisher:
        figures.publish_rates.append(count / publisher.publish(count))
        figures.send_rates.append(count / publisher.send(count))
    with broker.working():
        broker.wait_for_records(count + WARM_UP, _DRAIN_SECONDS)
    figures.drain_rates.append(find_rate(broker.read_records()))


def find_rate(records: list[tuple[float, float]]) -> float:
    """Return tasks a second between the first start and the last."""
    return (len(records) - 1) / (records[-1][1] - records[0][1])


def measure_idle(
    brokers: list[Broker], figures: dict[str, Figures], calls: int, windows: int, seconds: float
) -> None:
    """Start a worker for each broker, call each now and then, then watch them do nothing."""
    with ExitStack() as stack:
        for broker in brokers:
            broker.forget_records()
        workers = [stack.enter_context(broker.starting("idle")) for broker in brokers]
        for worker in workers:
            worker.wait_ready()
        with ExitStack() as clients:
            publishers = [clients.enter_context(broker.publishing()) for broker in brokers]
            _call_in_turn(publishers, calls + WARM_UP)
            for broker in brokers:
                broker.wait_for_records(calls + WARM_UP, 60)
        for broker in brokers:
            called = sorted(broker.read_records())[WARM_UP:]
            figures[broker.name].latencies_ms += [1000 * (start - sent) for sent, start in called]
        _watch_idle(brokers, workers, figures, windows, seconds)


def _call_in_turn(publishers: list[Publisher], rounds: int) -> None:
    slot_seconds = max(_SLOT_SECONDS, _IDLE_SECONDS / len(publishers))
    for _ in range(rounds):
        for publisher in publishers:
            publisher.call_later("call")
            # Not in step with anything that polls.
            time.sleep(slot_seconds * random.uniform(0.8, 1.2))
    for publisher in publishers:
        for _ in range(rounds):
            publisher.read_answer()


def _watch_idle(
    brokers: list[Broker],
    workers: list[Worker],
    figures: dict[str, Figures],
    windows: int,
    seconds: float,
) -> None:
    time.sleep(2)
    for _ in range(windows):
        shares = measure_cpu_shares(workers, seconds)
        for broker, share in zip(brokers, shares, strict=True):
            figures[broker.name].idle_shares.append(share)


def insert_into_postgresql(url: str, count: int) -> float:
    """Return how many rows of a message's size the driver commits a second, one by one."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS floor")
        connection.execute(
            "CREATE TABLE floor (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, payload text)"
        )
        begin = time.perf_counter()
        for _ in range(count):
            connection.execute("INSERT INTO floor (payload) VALUES (%s)", (_PAYLOAD,))
        return count / (time.perf_counter() - begin)


def insert_into_sqlite(path: Path, count: int) -> float:
    """The same for SQLite, with the pragmas of the transport."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in durable_pragmas(sqlite3.sqlite_version_info):
            connection.execute(pragma)
        connection.execute("DROP TABLE IF EXISTS floor")
        connection.execute("CREATE TABLE floor (id INTEGER PRIMARY KEY, payload TEXT)")
        begin = time.perf_counter()
        for _ in range(count):
            connection.execute("INSERT INTO floor (payload) VALUES (?)", (_PAYLOAD,))
        return count / (time.perf_counter() - begin)
