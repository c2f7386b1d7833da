"""Many at once: publishers, workers, and tasks under a rate too high to matter."""

from __future__ import annotations

from contextlib import ExitStack
from statistics import median

from benchmarks.broker_app import WARM_UP
from benchmarks.broker_control import Control
from benchmarks.broker_measures import find_rate
from benchmarks.broker_processes import Broker, measure_cpu_shares

_DRAIN_SECONDS = 300
_QUEUE = "crowd"


def measure_publishers(broker: Broker, crowds: tuple[int, ...], messages: int) -> dict[int, float]:
    """Return calls published a second by so many processes at once, all together."""
    rates = {}
    with ExitStack() as stack:
        publishers = [stack.enter_context(broker.publishing()) for _ in range(max(crowds))]
        for publisher in publishers:
            publisher.publish(1)
        for crowd in crowds:
            each = max(1, messages // crowd)
            for publisher in publishers[:crowd]:
                publisher.call_later(f"publish {each}")
            seconds = max(publisher.read_answer() for publisher in publishers[:crowd])
            rates[crowd] = crowd * each / seconds
        # Or what is measured next would begin with these.
        publishers[0].call_later("purge")
        publishers[0].read_answer()
    return rates


def measure_limited(broker: Broker, messages: int) -> float:
    """Return how many tasks limited at 100,000 a second one child runs a second."""
    broker.forget_records()
    with broker.working(), broker.publishing() as publisher:
        # The rate is known before the first is published, as it is on a site that runs.
        publisher.call_later("publish_limited 1")
        publisher.read_answer()
        broker.wait_for_records(1 + WARM_UP, _DRAIN_SECONDS)
    broker.forget_records()
    with broker.publishing() as publisher:
        publisher.call_later(f"publish_limited {messages}")
        publisher.read_answer()
    with broker.working():
        broker.wait_for_records(messages + WARM_UP, _DRAIN_SECONDS)
    return find_rate(broker.read_records())


def measure_crowd(
    broker: Broker, crowds: tuple[int, ...], messages: int, repetitions: int, idle_seconds: float
) -> tuple[dict[int, float], float]:
    """Return tasks a second by number of workers, and what all of them use of a core idle."""
    rates: dict[int, list[float]] = {crowd: [] for crowd in crowds}
    names = [f"c{number}" for number in range(max(crowds))]
    with ExitStack() as stack:
        started = [stack.enter_context(broker.starting(name, "unused")) for name in names]
        for worker in started:
            worker.wait_ready()
        idle = sum(measure_cpu_shares(started, idle_seconds))
        publisher = stack.enter_context(broker.publishing())
        control = Control(broker)
        for _ in range(repetitions):
            for crowd in crowds:
                broker.forget_records()
                publisher.call_later(f"publish_to {messages} {_QUEUE}")
                publisher.read_answer()
                with control.consuming(names[:crowd], _QUEUE):
                    broker.wait_for_records(messages, _DRAIN_SECONDS)
                rates[crowd].append(find_rate(broker.read_records()))
    return {crowd: median(found) for crowd, found in rates.items()}, idle
