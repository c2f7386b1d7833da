"""What a long backlog costs others, what many owners cost, what an idle worker holds."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import psycopg
from kombu import Connection

from benchmarks.broker_backlog import Backlog, time_claims
from benchmarks.broker_processes import Broker
from marinemap import transport

# Messages in the queue that is purged and deleted beside the backlog.
_BESIDE = 10
_LIMITED_TASK = "noop"
_TURN_MS = 3_600_000


def measure_neighbours(backlogs: dict[int, Backlog], rounds: int) -> dict[str, dict[int, float]]:
    """Return milliseconds to declare, purge and delete another queue, by backlog."""
    taken: dict[str, dict[int, list[float]]] = {
        step: {size: [] for size in backlogs} for step in ("declare", "purge", "delete")
    }
    for _ in range(rounds):
        for size, backlog in backlogs.items():
            for step, seconds in _time_neighbour(backlog.broker).items():
                taken[step][size].append(seconds)
    return {step: _in_ms(times) for step, times in taken.items()}


def _time_neighbour(broker: Broker) -> dict[str, float]:
    transport.register()
    with Connection(broker.url, transport_options=dict(broker.options)) as connection:
        channel: Any = connection.channel()

        def fill() -> None:
            for body in range(_BESIDE):
                connection.Producer().publish(body, routing_key="beside")

        # The first declaration of a connection looks at more than the queue.
        channel.queue_declare("first")
        found = {"declare": _time(lambda: channel.queue_declare("beside"))}
        fill()
        found["purge"] = _time(lambda: channel.queue_purge("beside"))
        fill()
        found["delete"] = _time(lambda: channel.queue_delete("beside"))
        return found


def measure_owners(backlogs: dict[int, Backlog], waiting: int, rounds: int) -> dict[str, Any]:
    """Return milliseconds for a claim under a rate and for a position, by number of owners."""
    for owners, backlog in backlogs.items():
        backlog.fill(waiting)
        backlog.run(
            f"UPDATE broker_messages SET rate_key = '{_LIMITED_TASK}', "
            f"task_name = '{_LIMITED_TASK}', owner = 'owner ' || (id % {owners}), "
            f"turn = published_at_ms + (id / {owners}) * {_TURN_MS}"
        )
        backlog.tidy()
    taken: dict[str, dict[int, list[float]]] = {
        figure: {owners: [] for owners in backlogs} for figure in ("claim", "position")
    }
    transport.use_task_rates(lambda: {_LIMITED_TASK: "100000/s"})
    for _ in range(rounds):
        for owners, backlog in backlogs.items():
            taken["claim"][owners].append(time_claims(backlog.broker, 100))
            taken["position"][owners].append(_time_position(backlog))
    transport.use_task_rates(None)
    return {figure: _in_ms(times) for figure, times in taken.items()}


def _time_position(backlog: Backlog) -> float:
    """Ask for the one in the middle: the cost is that of those before it."""
    middle = "SELECT correlation_id FROM broker_messages ORDER BY turn, id LIMIT 1 OFFSET %d"
    count = backlog.run("SELECT count(*) FROM broker_messages")[0][0]
    correlation_id = backlog.run(middle % (count // 2))[0][0]
    broker = backlog.broker
    with Connection(broker.url, transport_options=dict(broker.options)) as connection:
        channel: Any = connection.channel()
        channel.find_position("nobody's")
        return median(_time(lambda: channel.find_position(correlation_id)) for _ in range(5))


def measure_connections(broker: Broker, seconds: float) -> int:
    """Return the most connections to PostgreSQL that an idle worker of one child had at once."""
    count = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    address = broker.url.removeprefix("marinemap+")
    with broker.working() as worker, psycopg.connect(address, autocommit=True) as watching:
        worker.wait_ready()
        until = time.monotonic() + seconds
        most = 0
        while time.monotonic() < until:
            row = watching.execute(count).fetchone()
            most = max(most, int(row[0]) if row else 0)
            time.sleep(0.1)
    return most


def _time(act: Callable[[], Any]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _in_ms(times: dict[int, list[float]]) -> dict[int, float]:
    return {key: 1000 * median(taken) for key, taken in times.items()}
