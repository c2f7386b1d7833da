"""The queue with several consumers at once, in real threads: each run's history is checked."""

from __future__ import annotations

import os
import random

import pytest

from marinemap.transport import use_task_rates
from tests.transport.actors import (
    LIMITED_TASK,
    Actor,
    ConsumingActor,
    CuttingActor,
    PublishingActor,
    drain_rest,
    run_actors,
)
from tests.transport.conftest import TASKS, Broker, Inbox, wait_until
from tests.transport.history import History, now
from tests.transport.test_faults_rates import PLANNER_METHODS

SECONDS = float(os.environ.get("MODEL_SECONDS", "5"))
LONG_SECONDS = float(os.environ.get("CHAOS_MODEL_SECONDS", "300"))
# Published before anything is taken: there the order can be told.
BACKLOG = 40
SEED = os.environ.get("MODEL_SEED") or str(random.randrange(1 << 32))


@pytest.mark.parametrize("consumers", [2, 3])
def test_history_of_several_consumers_is_one_that_a_queue_allows(
    broker: Broker, consumers: int
) -> None:
    check_run(broker, consumers, SECONDS)


@pytest.mark.chaos
@pytest.mark.parametrize("consumers", [2, 3, 6])
def test_long_history_of_several_consumers_is_one_that_a_queue_allows(
    broker: Broker, consumers: int
) -> None:
    check_run(broker, consumers, LONG_SECONDS)


@pytest.mark.chaos
@pytest.mark.parametrize("broker", ["postgresql"], indirect=True)
@pytest.mark.parametrize("method", PLANNER_METHODS)
def test_history_is_one_that_a_queue_allows_by_any_plan(broker: Broker, method: str) -> None:
    """With statistics of empty tables, and one of the planner's methods taken from it."""
    for table in ("messages", "consumers", "rates"):
        broker.rows(f"ALTER TABLE broker_{table} SET (autovacuum_enabled = off)")
        broker.rows(f"ANALYZE broker_{table}")
    broker.database.close()
    broker.url += f"?options=-c%20{method}%3Doff"
    check_run(broker, 3, 2 * SECONDS)


def check_run(broker: Broker, consumers: int, seconds: float) -> None:
    """Publish, claim, settle, cancel, close, crash, lose leases and connections; then look back.

    The first third is calm, for there the order of deliveries can be told.
    """
    print(f"MODEL_SEED={SEED}")
    state_rate(broker)
    history = History()
    calm_until = now() + seconds / 3
    actors: list[Actor] = [
        ConsumingActor(broker, history, f"{SEED} consumer {index}", calm_until)
        for index in range(consumers)
    ]
    publisher = PublishingActor(broker, history, f"{SEED} publisher")
    for _ in range(BACKLOG):
        publisher.act()
    actors.append(publisher)
    if broker.dialect == "postgresql":
        actors.append(CuttingActor(broker, history, f"{SEED} cutter", calm_until))
    run_actors(actors, seconds)
    drain_rest(broker, history)
    dead = {int(row[0]) for row in broker.rows("SELECT correlation_id FROM broker_dead_letters")}
    print(f"{len(history.sent)} messages, {len(history.holds)} deliveries, {len(dead)} dead")
    faults = history.find_faults(dead)
    assert not faults, f"MODEL_SEED={SEED}\n" + "\n".join(faults[:20])


def state_rate(broker: Broker) -> None:
    """Let a task have a rate that never binds: it is claimed in a way of its own."""
    use_task_rates(lambda: {LIMITED_TASK: "100000/s"})
    connection = broker.connect()
    TASKS(connection.default_channel).declare()
    Inbox(connection)
    wait_until(lambda: broker.count("broker_rates"), "storing the rate")
    connection.release()
