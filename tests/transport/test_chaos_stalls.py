"""Long runs in which no process dies, and something stands still: `make chaos` runs them."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from marinemap.transport.database import verify
from tests.postgresql import Cluster, free_port, running_cluster
from tests.transport.conftest import Broker, WorkerStarter, wait_until
from tests.transport.interference import FakeClock, proxied
from tests.transport.test_chaos import (
    TASKS_A_ROUND,
    WORKER,
    check_all_ran,
    count_runs,
    publish_round,
)

STALLS = int(os.environ.get("CHAOS_STALLS", "20"))
FAILOVERS = int(os.environ.get("CHAOS_FAILOVERS", "5"))
PUBLISHERS = int(os.environ.get("CHAOS_PUBLISHERS", "16"))
LEASE_SECONDS = 2.0
# So long that a stall which the queue must bear is no death: the default.
LONG_LEASE = {"broker_transport_options": {"create_tables": True, "lease_seconds": 20.0}}

# So many that a worker is still at it when their publisher has ended.
_TASKS = 3 * TASKS_A_ROUND

pytestmark = pytest.mark.chaos
needs_server = pytest.mark.parametrize("broker", ["postgresql"], indirect=True)


def keep_long_leases(workers: WorkerStarter) -> None:
    workers.environment["CELERY_SETTINGS"] = json.dumps(LONG_LEASE)


class Rounds:
    """Tasks published so far, of which some are still to run when something stands still."""

    def __init__(self, broker: Broker, workers: WorkerStarter) -> None:
        self.broker, self.workers = broker, workers
        self.count = 0

    def publish(self) -> None:
        publish_round(self.workers, self.count, _TASKS)
        self.count += 1
        self.wait_for_progress(1, 60)

    def missing(self) -> int:
        return self.count * _TASKS - len(count_runs(self.workers))

    def wait_for_progress(self, tasks: int = 20, seconds: float = 10) -> None:
        """Wait until some more have run: 5 s are promised, the rest is for the machine."""
        goal = max(0, self.missing() - tasks)
        wait_until(lambda: self.missing() <= goal, f"{tasks} more tasks", seconds)

    def count_repeated(self, what: str) -> int:
        repeated = check_all_ran(self.broker, self.workers, self.count, _TASKS)
        print(f"{self.broker.dialect}: {self.count} {what}, {repeated} runs were repeated")
        return repeated


def test_worker_stopped_for_longer_than_its_lease(broker: Broker, workers: WorkerStarter) -> None:
    """On PostgreSQL it is taken for dead; on SQLite its lock says that it lives."""
    started = [workers.start(*WORKER) for _ in range(2)]
    rounds = Rounds(broker, workers)
    for number in range(STALLS):
        known = consumer_ids(broker)
        rounds.publish()
        broker.freeze(started[number % 2])
        try:
            wait_until(lambda: rounds.missing() <= 6, "the other's work", 60)
            if broker.dialect == "postgresql":
                wait_until(lambda k=known: k - consumer_ids(broker), "taking it for dead", 60)
        finally:
            started[number % 2].send(signal.SIGCONT)
    # Two may be running in a stopped worker, two wait there, some are not yet acknowledged.
    most = 0 if broker.dialect == "sqlite" else STALLS * 10
    assert rounds.count_repeated("stops") <= most


def consumer_ids(broker: Broker) -> set[str]:
    return {row[0] for row in broker.rows("SELECT consumer_id FROM broker_consumers")}


@needs_server
def test_worker_whose_way_to_the_server_goes_mute(broker: Broker, workers: WorkerStarter) -> None:
    """It finds another connection before its lease is over, and keeps what it holds."""
    keep_long_leases(workers)
    with proxied(broker) as (far, proxy):
        workers.start(*WORKER)
        near_url = workers.environment["BROKER_DATABASE"]
        workers.environment["BROKER_DATABASE"] = far.url
        workers.start(*WORKER)
        workers.environment["BROKER_DATABASE"] = near_url
        rounds = Rounds(broker, workers)
        for _ in range(STALLS):
            rounds.publish()
            proxy.mute()
            rounds.wait_for_progress()
            proxy.revive()
        assert rounds.count_repeated("mute servers") == 0
        workers.stop_all()


@contextmanager
def postgresql_occupied(broker: Broker) -> Iterator[None]:
    """Hold a snapshot, and a transaction that has published and does not end."""
    with psycopg.connect(broker.url) as reader, psycopg.connect(broker.url) as writer:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT count(*) FROM broker_messages")
        writer.execute(
            "INSERT INTO broker_messages (queue_name, priority, owner, turn, payload, "
            "published_at_ms, attempts) VALUES ('celery', 0, '', 0, '{}', 0, 0)"
        )
        yield
        writer.rollback()


@contextmanager
def sqlite_occupied(broker: Broker, begin: str) -> Iterator[None]:
    with closing(sqlite3.connect(broker.file, timeout=30, isolation_level=None)) as other:
        other.execute(begin)
        other.execute("SELECT count(*) FROM broker_messages").fetchall()
        yield
        other.execute("ROLLBACK")


def test_long_reader_and_long_transaction_repeat_nothing(
    broker: Broker, workers: WorkerStarter
) -> None:
    """On PostgreSQL the queue goes on beside them; on SQLite it waits, and nobody is dead."""
    for _ in range(2):
        workers.start(*WORKER)
    rounds = Rounds(broker, workers)
    for number in range(STALLS):
        rounds.publish()
        if broker.dialect == "postgresql":
            with postgresql_occupied(broker):
                rounds.wait_for_progress()
        else:
            with sqlite_occupied(broker, ("BEGIN", "BEGIN IMMEDIATE")[number % 2]):
                # The time itself is what is tested.
                until = time.monotonic() + 1.5 * LEASE_SECONDS
                wait_until(lambda t=until: time.monotonic() > t, "more than a lease")
    assert rounds.count_repeated("long readers and transactions") == 0


def test_many_publishers_at_once(broker: Broker, workers: WorkerStarter) -> None:
    for _ in range(2):
        workers.start(*WORKER)
    with ThreadPoolExecutor(PUBLISHERS) as pool:
        list(pool.map(lambda number: publish_round(workers, number), range(PUBLISHERS)))
    repeated = check_all_ran(broker, workers, PUBLISHERS)
    print(f"{broker.dialect}: {PUBLISHERS} publishers at once, {repeated} runs were repeated")
    assert repeated == 0


@contextmanager
def under_clock(
    broker: Broker, workers: WorkerStarter, folder: Path
) -> Iterator[tuple[Broker, FakeClock]]:
    """Yield a broker whose database, and whose workers, live by a clock of the test's."""
    if broker.dialect == "sqlite":
        folder.chmod(0o755)
        clock = FakeClock(folder)
        workers.environment.update(clock.environment)
        yield broker, clock
        return
    cluster = Cluster.create()
    clock = FakeClock(cluster.folder)
    workers.environment.update(clock.environment)
    try:
        cluster.start(clock.environment)
        cluster.wait_settled()
        with at_server(workers, cluster.url("postgres")) as other:
            yield other, clock
    finally:
        workers.stop_all()
        cluster.remove()


@contextmanager
def at_server(workers: WorkerStarter, url: str) -> Iterator[Broker]:
    """Let workers work on another server, with the usual lease."""
    broker = Broker(url, LONG_LEASE["broker_transport_options"])
    verify(broker.database)
    workers.environment["BROKER_DATABASE"] = url
    try:
        yield broker
    finally:
        broker.close()


def test_clocks_that_are_set_repeat_nothing(
    broker: Broker, workers: WorkerStarter, tmp_path: Path
) -> None:
    """An hour forward and back, of the database and of all who use it."""
    with under_clock(broker, workers, tmp_path) as (site, clock):
        for _ in range(2):
            workers.start(*WORKER)
        rounds = Rounds(site, workers)
        for number in range(STALLS):
            rounds.publish()
            clock.set((3600.0, 0.0, -3600.0, 0.0)[number % 4])
            rounds.wait_for_progress()
        assert rounds.count_repeated("steps of the clock") == 0


@needs_server
def test_failover_loses_and_repeats_nothing(broker: Broker, workers: WorkerStarter) -> None:
    """The primary ends at once, and its synchronous standby is promoted."""
    keep_long_leases(workers)
    with ExitStack() as ending:
        primary = ending.enter_context(running_cluster())
        standby = primary.make_standby(free_port())
        ending.callback(standby.remove)
        hosts = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
        url = f"postgresql://postgres@{hosts}/postgres?target_session_attrs=read-write"
        site = ending.enter_context(at_server(workers, url))
        for _ in range(2):
            workers.start(*WORKER)
        ending.callback(workers.stop_all)
        rounds = Rounds(site, workers)
        for _ in range(FAILOVERS):
            rounds.publish()
            primary.stop("immediate")
            standby.promote()
            rounds.wait_for_progress()
            site.database.close()
            primary, standby = standby, standby.make_standby(primary.port)
            ending.callback(standby.remove)
        assert rounds.count_repeated("failovers") == 0
