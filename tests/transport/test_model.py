"""The queue against a simple model of it, through any order of events."""

from __future__ import annotations

from typing import Any

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

from marinemap.transport.claims import Demand
from marinemap.transport.deliveries import Deliveries
from marinemap.transport.leases import reclaim
from marinemap.transport.payloads import read_payload
from tests.transport.conftest import TASKS, Broker, publish

DELIVERY_LIMIT = 4
_KEY = (1, False, ("tasks",))


class Consumer:
    """A consumer that claims only when told to, in the test's own thread."""

    def __init__(self, broker: Broker) -> None:
        database = broker.connect(delivery_limit=DELIVERY_LIMIT, lease_seconds=600)
        self.connection = database
        self.deliveries = Deliveries(database.transport.database, list, self._fail)
        self.deliveries.lease.acquire()
        self.deliveries.lease.stop()

    def _fail(self, error: BaseException) -> None:
        raise error

    def claim(self, room: int) -> list[Any]:
        claimed: list[Any] = []
        self.deliveries.claim_now(Demand(_KEY, ("tasks",), room, False, claimed.extend))
        return claimed

    def write(self) -> None:
        database = self.connection.transport.database
        with database.session() as session, self.deliveries.acknowledgements.writing(session):
            pass


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
        self.consumers = {index: Consumer(self.broker) for index in self.held}
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
        self.consumers[index].deliveries.acknowledgements.acknowledge(one.message_id)
        self.consumers[index].write()

    @precondition(_any_held)
    @rule(data=st.data())
    def requeue(self, data: Any) -> None:
        index, number = self._pick(data)
        one, rank = self.held[index].pop(number)
        self.consumers[index].deliveries.acknowledgements.requeue(one.message_id)
        self.consumers[index].write()
        self._give_back(rank, number)

    @precondition(_any_held)
    @rule(data=st.data())
    def reject(self, data: Any) -> None:
        index, number = self._pick(data)
        one, _ = self.held[index].pop(number)
        self.consumers[index].deliveries.acknowledgements.reject(one.message_id, "test")
        self.consumers[index].write()
        self.buried.add(number)

    @rule(index=st.sampled_from([0, 1]))
    def die(self, index: int) -> None:
        """The lease runs out; what was held comes back, and the dead one's ack is refused."""
        dead = self.consumers[index]
        consumer_id = dead.deliveries.lease.consumer_id
        self.broker.rows(
            "UPDATE broker_consumers SET lease_expires_at_ms = 0"
            f" WHERE consumer_id = '{consumer_id}'"
        )
        reclaim(dead.connection.transport.database)
        for number, (one, rank) in self.held[index].items():
            self.zombies.append((dead, one))
            self._give_back(rank, number)
        self.held[index] = {}
        assert dead.claim(1) == []
        self.consumers[index] = Consumer(self.broker)

    @precondition(lambda self: self.zombies)
    @rule()
    def acknowledge_too_late(self) -> None:
        dead, one = self.zombies.pop()
        dead.deliveries.acknowledgements.acknowledge(one.message_id)
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


def test_queue_behaves_as_its_model(broker: Broker) -> None:
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
