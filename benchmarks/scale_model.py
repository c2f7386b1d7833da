"""Workers and processors as a small discrete-event simulation; the database is PostgreSQL.

A worker takes the job that has waited longest. It waits for what the queue needs, and computes.
Who computes shares the cores evenly with all others that do. Nothing else is in the model; how far
it is from what was measured tells what that leaves out.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Demand:
    """What one job takes, seconds.

    Parameters
    ----------
    computing : float
        Of processors, all processes of the site together; spread over the threads it may use.
    waiting : float
        Not computing: the queue, the database, the disk, the reader's thread.
    width : float
        On how many cores one job computes at once, at most.
    """

    computing: float
    waiting: float
    width: float = 1.0


@dataclass(frozen=True)
class Order:
    """A request: when it comes, seconds from the beginning, and what it takes."""

    comes_at: float
    demand: Demand


def simulate(demand: Demand, workers: int, cores: float, jobs: int) -> float:
    """Return how long workers take for so many jobs that wait already, seconds."""
    return max(Simulation([Order(0.0, demand)] * jobs, workers, cores).run())


def random_orders(
    mix: Sequence[tuple[float, Demand]], per_hour: float, seconds: float, seed: int = 1
) -> list[Order]:
    """Return requests that come at random, each of a kind by its share; the same for a seed."""
    chance = random.Random(seed)
    shares, kinds = zip(*mix, strict=True)
    orders, now = [], 0.0
    while (now := now + chance.expovariate(per_hour / 3600)) < seconds:
        orders.append(Order(now, chance.choices(kinds, shares)[0]))
    return orders


class Simulation:
    """Some requests and some workers, from the first to the last.

    Parameters
    ----------
    orders : sequence of Order
        In the order in which they come.
    workers : int
    cores : float
        Of all machines together.
    """

    def __init__(self, orders: Sequence[Order], workers: int, cores: float) -> None:
        self._orders = orders
        self._cores = cores
        self._now = 0.0
        self._idle = workers
        self._queue: deque[int] = deque()
        # What happens when: who comes, has waited.
        self._events = [(each.comes_at, number, "comes") for number, each in enumerate(orders)]
        # How much computing there is left, by the request.
        self._computing: dict[int, float] = {}
        self._ends = [0.0] * len(orders)

    def run(self) -> list[float]:
        """Return when each request is done, seconds from the beginning."""
        while self._events or self._computing:
            event_in = self._events[0][0] - self._now if self._events else math.inf
            end_in, number = self._next_end()
            self._compute(min(event_in, end_in))
            if end_in <= event_in:
                self._end(number)
            else:
                self._happen(*heapq.heappop(self._events)[1:])
            self._begin()
        return self._ends

    def _begin(self) -> None:
        """Let workers take what waits."""
        while self._idle and self._queue:
            self._idle -= 1
            number = self._queue.popleft()
            self._later(self._orders[number].demand.waiting, number, "waited")

    def _happen(self, number: int, what: str) -> None:
        if what == "comes":
            self._queue.append(number)
        else:
            self._computing[number] = self._orders[number].demand.computing

    def _end(self, number: int) -> None:
        del self._computing[number]
        self._ends[number] = self._now
        self._idle += 1

    def _later(self, seconds: float, number: int, what: str) -> None:
        heapq.heappush(self._events, (self._now + seconds, number, what))

    def _speed(self, number: int) -> float:
        """Return how many cores a request computes on."""
        return min(self._orders[number].demand.width, self._cores / max(1, len(self._computing)))

    def _next_end(self) -> tuple[float, int]:
        ends = ((left / self._speed(number), number) for number, left in self._computing.items())
        return min(ends, default=(math.inf, -1))

    def _compute(self, seconds: float) -> None:
        for number in self._computing:
            self._computing[number] -= seconds * self._speed(number)
        self._now += seconds


def fit(
    measured: Mapping[int, float],
    computing: float,
    cores: Mapping[int, float],
    jobs: int,
) -> Demand:
    """Return the demand that gives the measured times best: the least sum of squared ratios.

    Parameters
    ----------
    measured : mapping of int to float
        Seconds for all jobs, by the number of workers.
    computing : float
        Seconds of processor that a job took, as the system counted them.
    cores : mapping of int to float
        How many cores there were to be had, by the number of workers.
    jobs : int
    """
    alone = measured[min(measured)] / jobs
    best, least = Demand(computing, 0.0), math.inf
    for width in (1.0, 1.25, 1.5, 1.75, 2.0):
        demand = Demand(computing, max(0.0, alone - computing / width), width)
        error = _error(demand, measured, cores, jobs)
        if error < least:
            best, least = demand, error
    return _refined(best, measured, cores, jobs)


def _refined(
    demand: Demand, measured: Mapping[int, float], cores: Mapping[int, float], jobs: int
) -> Demand:
    """Move each number by ever less while that brings the model nearer."""
    step = 0.2
    least = _error(demand, measured, cores, jobs)
    while step > 0.005:
        moved = [
            replace(demand, **{name: getattr(demand, name) * factor})
            for name in ("computing", "waiting")
            for factor in (1 - step, 1 + step)
        ]
        error, found = min(
            ((_error(each, measured, cores, jobs), place) for place, each in enumerate(moved))
        )
        if error < least:
            demand, least = moved[found], error
        else:
            step /= 2
    return demand


def _error(
    demand: Demand, measured: Mapping[int, float], cores: Mapping[int, float], jobs: int
) -> float:
    return sum(
        math.log(simulate(demand, workers, cores[workers], jobs) / seconds) ** 2
        for workers, seconds in measured.items()
    )
