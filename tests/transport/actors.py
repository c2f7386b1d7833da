"""Consumers, a publisher and a cutter of connections, each in a thread, who do as chance will."""

from __future__ import annotations

import random
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from kombu import Consumer as KombuConsumer
from kombu import Producer

from marinemap.transport.consuming.janitor import CONSUMERS, reclaim
from marinemap.transport.errors import LeaseLostError
from tests.transport.conftest import TASKS, Broker, wait_until
from tests.transport.history import NEVER, History, Hold, Life, Sent, now
from tests.transport.interference import cut_connections

LIMITED_TASK = "clip"


class Actor(threading.Thread):
    """Acts until a time; what fails in its thread is a fault of the run."""

    def __init__(self, broker: Broker, history: History, seed: str) -> None:
        super().__init__(name=seed, daemon=True)
        self.broker, self.history = broker, history
        self.chance = random.Random(seed)
        self.ends = NEVER

    def act(self) -> None:
        raise NotImplementedError

    def leave(self) -> None:
        """Come to a good end."""

    def run(self) -> None:
        try:
            while now() < self.ends:
                self.act()
            self.leave()
        except BaseException as error:
            self.history.faults.append(f"{self.name} failed: {error!r}")
            raise


class PublishingActor(Actor):
    """Publishes numbers, some with a priority, a rate and an owner, an ETA, a time to live."""

    def __init__(self, broker: Broker, history: History, seed: str) -> None:
        super().__init__(broker, history, seed)
        self.connection = broker.connect()
        self.errors = self.connection.connection_errors

    def act(self) -> None:
        number = len(self.history.sent)
        kind = self.chance.random()
        sent = Sent(number, self.chance.choice([0, 0, 0, 1, 5]), began=now())
        if kind < 0.3:
            sent.owner = self.chance.choice("ab")
        elif kind < 0.4:
            sent.due_wall = time.time() + self.chance.uniform(0, 0.5)
        elif kind < 0.6:
            sent.ttl = self.chance.uniform(0.05, 0.3)
        self.history.sent[number] = sent
        with suppress(*self.errors):
            self._publish(sent)
            sent.stored = now()
        if self.chance.random() < 0.1:
            # So long that consumers are idle, and must be woken.
            time.sleep(self.chance.choice([0.05, 0.2, 0.4]))

    def leave(self) -> None:
        self.broker.release(self.connection)

    def _publish(self, sent: Sent) -> None:
        headers = {"task": LIMITED_TASK, "owner": sent.owner} if sent.owner else {}
        if sent.due_wall is not None:
            headers["eta"] = datetime.fromtimestamp(sent.due_wall, UTC).isoformat()
        Producer(self.connection.default_channel).publish(
            sent.number,
            exchange=TASKS.exchange,
            routing_key="tasks",
            declare=[TASKS],
            priority=sent.priority,
            headers=headers,
            expiration=sent.ttl,
            correlation_id=str(sent.number),
            retry=False,
        )


class ConsumingActor(Actor):
    """Consumes, under one id after another, and settles what it holds as chance will."""

    def __init__(self, broker: Broker, history: History, seed: str, calm_until: float) -> None:
        super().__init__(broker, history, seed)
        self.calm_until = calm_until
        self.begin()

    # -- its lives

    def begin(self) -> None:
        self.held: list[tuple[Hold, Any]] = []
        self.settled: list[Hold] = []
        self.connection = self.broker.connect()
        channel = self.connection.channel()
        # While it is calm one at a time: then it is known when each was claimed.
        self.prefetch = 1 if now() < self.calm_until else self.chance.choice([1, 1, 2, 4])
        channel.basic_qos(0, self.prefetch, False)
        self.consumer = KombuConsumer(channel, [TASKS], on_message=self.receive)
        self.consume()

    def consume(self) -> None:
        """Nothing is delivered before `act` drains."""
        begun = now()
        self.consumer.consume()
        self.life = Life(self.transport.consumer.consumer_id, self.prefetch, begun)

    @property
    def transport(self) -> Any:
        return self.connection.transport

    def begin_again(self) -> None:
        """The database may be away for a moment."""
        while True:
            try:
                return self.begin()
            except self.connection.connection_errors:
                self.broker.release(self.connection)

    def receive(self, message: Any) -> None:
        is_known = self.life.prefetch == 1
        hold = Hold(
            number=message.decode(),
            life=self.life,
            delivered=now(),
            delivered_wall=time.time(),
            claimed_after=self.life.may_claim_from if is_known else NEVER,
            attempts=message.delivery_info["attempts"],
        )
        if self.history.sent[hold.number].ttl and self.chance.random() < 0.8:
            # In hand when it expires, and when that is looked for.
            hold.kept_until = now() + self.chance.uniform(0.3, 1.2)
        self.held.append((hold, message))
        self.history.add(hold)
        if len(self.held) > self.life.prefetch:
            self.history.faults.append(f"{len(self.held)} held, of {self.life.prefetch}")

    def act(self) -> None:
        try:
            with suppress(TimeoutError):
                self.connection.drain_events(timeout=self.chance.choice([0.001, 0.02]))
            self.chance.choice([self.settle, self.settle, self.settle, self.disturb])()
        except LeaseLostError:
            if self.life.lost == NEVER:
                self.history.faults.append(f"{self.life} lost its lease by itself")
            self.broker.release(self.connection)
            self.begin_again()

    def disturb(self) -> None:
        if now() < self.calm_until or self.chance.random() > 0.15:
            return
        ways = [self.cancel, self.cancel, self.say_goodbye, self.crash, self.lose_lease]
        begun = now()
        self.chance.choice(ways)()
        self.history.disturbances.append((begun, now()))

    # -- what it does with what it holds

    def settle(self) -> None:
        ready = [pair for pair in self.held if pair[0].kept_until < now()]
        if not ready:
            return
        hold, message = self.chance.choice(ready)
        self.held.remove((hold, message))
        hold.end = self.chance.choice(["ack", "ack", "ack", "requeue", "reject"])
        self.settled.append(hold)
        hold.ended = self.life.may_claim_from = now()
        with suppress(*self.connection.connection_errors):
            getattr(message, hold.end)()
        if self.chance.random() < 0.3:
            self.write()

    def write(self) -> None:
        with suppress(*self.connection.connection_errors):
            self.transport.settle_now()
            self.note_written()

    def note_written(self) -> None:
        for hold in self.settled:
            # One who had lost its lease by then may have been refused.
            hold.is_sure = self.life.lost == NEVER
        self.settled.clear()

    # -- how its lives end, or nearly

    def cancel(self) -> None:
        try:
            self.consumer.cancel()
            if self.transport.consumer is None:
                # It held nothing, and so has given up its name.
                self.end_life()
                self.consume()
            else:
                self.life.may_claim_from = now()
                self.consumer.consume()
        except self.connection.connection_errors:
            self.say_goodbye()

    def say_goodbye(self) -> None:
        self.life.lost = min(self.life.lost, now())
        self.broker.release(self.connection)
        self.end_life()
        self.begin_again()

    def end_life(self) -> None:
        """Where it left in good order, what it said was written first."""
        for hold in self.settled:
            hold.is_sure = self.life.is_over == NEVER and not self._is_registered()
        self.settled.clear()
        self.life.lost = min(self.life.lost, now())
        self.life.is_over = min(self.life.is_over, now())

    def crash(self) -> None:
        """Its thread does no more, and the kernel drops what its process held."""
        self.life.lost = min(self.life.lost, now())
        consumer = self.transport.consumer
        consumer._release = consumer._work.lease.end_life
        self.transport.inbox.failure = ConnectionError("crashed")
        consumer.stop()
        self.broker.release(self.connection)
        self.life.is_over = min(self.life.is_over, now())
        self.begin_again()

    def lose_lease(self) -> None:
        """Others take it for dead, and it settles what it holds before it knows."""
        if not self.held:
            return
        self.life.lost = min(self.life.lost, now())
        while self._is_registered():
            with suppress(*self.connection.connection_errors):
                reclaim(self.broker.database, self._own_rows())
        self.life.is_over = min(self.life.is_over, now())
        for _ in self.held[1:] or self.held[:]:
            self.settle()
        self.write()

    def leave(self) -> None:
        """Whatever it holds goes to others."""
        self.life.lost = min(self.life.lost, now())
        self.broker.release(self.connection)
        self.end_life()

    def _is_registered(self) -> bool:
        return bool(self._own_rows())

    def _own_rows(self) -> list[Any]:
        while True:
            with (
                suppress(*self.connection.connection_errors),
                self.broker.database.session() as session,
            ):
                rows = session.run(CONSUMERS)
                return [one for one in rows if one.consumer_id == self.life.consumer_id]


class CuttingActor(Actor):
    """Ends all connections of the queue, again and again, once it is no longer calm."""

    def __init__(self, broker: Broker, history: History, seed: str, calm_until: float) -> None:
        super().__init__(broker, history, seed)
        self.calm_until = calm_until

    def act(self) -> None:
        time.sleep(0.1)
        if now() > self.calm_until and self.chance.random() < 0.2:
            begun = now()
            cut_connections(self.broker)
            # Consumers find out at their next statement what became of the last.
            self.history.disturbances.append((begun, NEVER))


def run_actors(actors: list[Actor], seconds: float) -> None:
    ends = now() + seconds
    for actor in actors:
        actor.ends = ends
        actor.start()
    for actor in actors:
        actor.join(seconds + 60)
        assert not actor.is_alive(), f"{actor.name} hangs"


def drain_rest(broker: Broker, history: History) -> None:
    """Let one more consumer, who only acknowledges, take all that is left."""
    last = ConsumingActor(broker, history, "last", NEVER)

    def is_empty() -> bool:
        with suppress(TimeoutError):
            last.connection.drain_events(timeout=0.1)
        for hold, message in last.held:
            hold.end, hold.ended, hold.is_sure = "ack", now(), True
            last.life.may_claim_from = hold.ended
            message.ack()
        last.held.clear()
        return broker.count("broker_messages") == 0

    try:
        wait_until(is_empty, "taking all that was left")
    except pytest.fail.Exception:
        print(
            broker.rows("SELECT * FROM broker_messages"),
            broker.rows("SELECT * FROM broker_consumers"),
        )
        raise
    last.leave()
