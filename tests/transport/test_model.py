"""The queue against a simple model of it, through any order of events."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from marinemap.transport.consuming.claims import Claims
from marinemap.transport.consuming.demand import Demand
from marinemap.transport.consuming.janitor import CONSUMERS, reclaim
from marinemap.transport.consuming.lease import Lease
from marinemap.transport.consuming.settlements import Returned, Settlements
from marinemap.transport.database import postgresql_resuming
from marinemap.transport.publishing.payloads import read_payload
from tests.transport.conftest import TASKS, Broker, publish

DELIVERY_LIMIT = 4


class Consumer:
    """A consumer that claims only when told to, in the test's own thread."""

    def __init__(self, broker: Broker, number: int) -> None:
        connection = broker.connect(delivery_limit=DELIVERY_LIMIT, lease_seconds=600)
        self.database = connection.transport.database
        self.consumer_id = f"consumer {number}"
        self.settlements = Settlements(self.database, self.consumer_id)
        self.claims = Claims(self.database, self.consumer_id, self.settlements)
        self.lease = Lease(self.database, self.consumer_id)
        with self.database.session() as session:
            self.lease.acquire(session)

    def claim(self, room: int) -> list[Any]:
        demand = Demand("tasks", False, lambda: room, lambda: False, lambda claimed: None)
        with self.database.session() as session:
            return self.claims.look(session, demand).claimed

    def write(self) -> None:
        with self.database.session() as session:
            self.settlements.write(session)

    def die(self) -> None:
        with self.database.session() as session:
            everyone = session.run(CONSUMERS)
        reclaim(self.database, [one for one in everyone if one.consumer_id == self.consumer_id])


class QueueMachine(RuleBasedStateMachine):
    """Publishes, claims, settles and kills; the model says who may hold what."""

    broker: Broker

    @initialize()
    def start(self) -> None:
        for table in ("messages", "dead_letters", "consumers"):
            self.broker.rows(f"DELETE FROM broker_{table}")
        self.publisher = self.broker.connect()
        self.waiting: list[tuple[int, int]] = []  # (-priority, number), the order of delivery
        self.held: dict[int, dict[int, Any]] = {0: {}, 1: {}}
        self.attempts: dict[int, int] = {}
        self.buried: set[int] = set()
        self.consumers = {index: Consumer(self.broker, index) for index in self.held}
        self.next_consumer = len(self.consumers)
        self.zombies: list[tuple[Consumer, Any]] = []
        self.next_number = 0

    @rule(priority=st.integers(0, 2))
    def publish(self, priority: int) -> None:
        publish(self.publisher, self.next_number, priority=priority)
        self.waiting.append((-priority, self.next_number))
        self.attempts[self.next_number] = 0
        self.next_number += 1

    @rule(index=st.sampled_from([0, 1]), room=st.integers(1, 3))
    def claim(self, index: int, room: int) -> None:
        claimed = self.consumers[index].claim(room)
        self.waiting.sort()
        expected, self.waiting = self.waiting[:room], self.waiting[room:]
        assert [_number(one) for one in claimed] == [number for _, number in expected]
        for one, (rank, number) in zip(claimed, expected, strict=True):
            self.attempts[number] += 1
            assert one.attempts == self.attempts[number]
            self.held[index][number] = (one, rank)

    def _any_held(self) -> bool:
        return any(self.held.values())

    def _pick(self, data: Any) -> tuple[int, int]:
        choices = [(index, number) for index, held in self.held.items() for number in held]
        return data.draw(st.sampled_from(choices))

    @precondition(_any_held)
    @rule(data=st.data())
    def acknowledge(self, data: Any) -> None:
        index, number = self._pick(data)
        one, _ = self.held[index].pop(number)
        self.consumers[index].settlements.acknowledge(one.message_id)
        self.consumers[index].write()

    @precondition(_any_held)
    @rule(data=st.data())
    def requeue(self, data: Any) -> None:
        index, number = self._pick(data)
        one, rank = self.held[index].pop(number)
        self.consumers[index].settlements.give_back(Returned(one.message_id))
        self.consumers[index].write()
        self._give_back(rank, number)

    @precondition(_any_held)
    @rule(data=st.data())
    def reject(self, data: Any) -> None:
        index, number = self._pick(data)
        one, _ = self.held[index].pop(number)
        self.consumers[index].settlements.give_back(Returned(one.message_id, reason="test"))
        self.consumers[index].write()
        self.buried.add(number)

    @rule(index=st.sampled_from([0, 1]))
    def die(self, index: int) -> None:
        """The lease runs out; what was held comes back, and the dead one's ack is refused."""
        dead = self.consumers[index]
        dead.die()
        for number, (one, rank) in self.held[index].items():
            self.zombies.append((dead, one))
            self._give_back(rank, number)
        self.held[index] = {}
        assert dead.claim(1) == []
        self.consumers[index] = Consumer(self.broker, self.next_consumer)
        self.next_consumer += 1

    @precondition(lambda self: self.zombies)
    @rule()
    def acknowledge_too_late(self) -> None:
        dead, one = self.zombies.pop()
        dead.settlements.acknowledge(one.message_id)
        dead.write()

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        if not hasattr(self, "publisher"):
            return
        held = {number for numbers in self.held.values() for number in numbers}
        waiting = {number for _, number in self.waiting}
        assert not held & waiting
        stored = self.broker.rows("SELECT claimed_by FROM broker_messages")
        assert len(stored) == len(held) + len(waiting)
        assert sum(row[0] is not None for row in stored) == len(held)
        assert self.broker.count("broker_dead_letters") == len(self.buried)

    def _give_back(self, rank: int, number: int) -> None:
        if self.attempts[number] >= DELIVERY_LIMIT:
            self.buried.add(number)
        else:
            self.waiting.append((rank, number))

    def teardown(self) -> None:
        for connection in self.broker.connections:
            connection.release()
        self.broker.connections.clear()


def _number(claimed: Any) -> int:
    return int(read_payload(claimed.payload)["body"])


def test_queue_behaves_as_its_model(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    # Where looks are slow, as on a busy machine, what came back is found within a second only.
    monkeypatch.setattr(postgresql_resuming, "_SLOW_SECONDS", math.inf)
    publish(broker.connect(), "declares the queue")
    TASKS(broker.connect().default_channel).purge()
    machine = type("BrokerMachine", (QueueMachine,), {"broker": broker})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=12,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
