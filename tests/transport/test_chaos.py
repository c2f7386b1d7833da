"""Long runs: workers killed at random, PostgreSQL restarted. `make chaos` runs them."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.postgresql import Cluster
from tests.transport.conftest import Broker, WorkerStarter, wait_until

KILLS = int(os.environ.get("CHAOS_KILLS", "300"))
RESTARTS = int(os.environ.get("CHAOS_RESTARTS", "20"))
CUTS = int(os.environ.get("CHAOS_CUTS", "50"))
WORKER = ("-c", "2", "--without-mingle", "--without-gossip")
TASKS_A_ROUND = 120

pytestmark = pytest.mark.chaos


def publish_round(workers: WorkerStarter, number: int, tasks: int = TASKS_A_ROUND) -> None:
    workers.call(f"[work.delay(f'{number}-{{n}}') for n in range({tasks})]")


@contextmanager
def publishing_round(workers: WorkerStarter, number: int) -> Iterator[None]:
    """Publish a round in the background; at the end wait until all of it is published."""
    with ThreadPoolExecutor(1) as pool:
        published = pool.submit(publish_round, workers, number)
        yield
        published.result()


def count_runs(workers: WorkerStarter) -> Counter[str]:
    return Counter(words[0] for words in workers.journal())


def check_all_ran(
    broker: Broker, workers: WorkerStarter, rounds: int, tasks: int = TASKS_A_ROUND
) -> int:
    """Wait until every message ran and none is left; return how many ran more than once."""
    expected = {f"{number}-{n}" for number in range(rounds) for n in range(tasks)}
    wait_until(lambda: expected <= set(count_runs(workers)), "running every message", 300)
    wait_until(lambda: broker.count("broker_messages") == 0, "an empty queue", 60)
    assert broker.count("broker_dead_letters") == 0
    return sum(runs - 1 for runs in count_runs(workers).values())


def test_no_message_is_lost_when_workers_are_killed_at_random(
    broker: Broker, workers: WorkerStarter
) -> None:
    chance = random.Random(1)
    alive = [workers.start(*WORKER) for _ in range(2)]
    for number in range(KILLS):
        goal = len(workers.journal()) + chance.randrange(1, TASKS_A_ROUND // 2)
        # Beside it: by the time that a publisher has ended, workers may have done all of it.
        with publishing_round(workers, number):
            wait_until(lambda goal=goal: len(workers.journal()) >= goal, "some tasks", 120)
            alive.pop(chance.randrange(len(alive))).kill()
        alive.append(workers.start(*WORKER))
    duplicates = check_all_ran(broker, workers, KILLS)
    # Two tasks may be running in a killed worker, and acknowledgements be not yet written.
    assert duplicates <= KILLS * 10
    # Else workers were killed in their sleep, and nothing was put to the test.
    assert duplicates >= KILLS / 2
    print(f"{broker.dialect}: {KILLS} kills, {duplicates} runs were repeated")


def test_no_message_is_lost_when_postgresql_fails(
    request: pytest.FixtureRequest, broker: Broker, workers: WorkerStarter
) -> None:
    if broker.dialect == "sqlite":
        pytest.skip("SQLite has no server to restart")
    cluster: Cluster = request.getfixturevalue("cluster")
    for _ in range(2):
        workers.start(*WORKER)
    for number in range(RESTARTS + CUTS):
        publish_round(workers, number)
        if number < RESTARTS:
            cluster.stop(random.Random(number).choice(["fast", "immediate"]))
            cluster.start()
        else:
            broker.rows(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND application_name = 'marinemap-queue'"
            )
        broker.database.close()
    duplicates = check_all_ran(broker, workers, RESTARTS + CUTS)
    # No worker died, so nothing may run again.
    assert duplicates == 0
    print(f"{RESTARTS} restarts, {CUTS} cuts: {duplicates} runs were repeated")
