"""The Celery app that every broker is measured with, and the process that publishes to it.

The broker's address and options come from the environment, which workers inherit.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from celery import Celery, signals
from celery.signals import worker_ready
from celery.worker.consumer.gossip import Gossip
from celery.worker.consumer.mingle import Mingle

from marinemap import transport

QUEUE = "bench"
# Connecting, declaring, compiling: not what a publish costs.
WARM_UP = 20
# When a call was sent and when its task started, by the clock that all processes share.
RECORD = struct.Struct("dd")

transport.register()
Mingle.compatible_transports = {*Mingle.compatible_transports, transport.DRIVER_TYPE}
Gossip.compatible_transports = {*Gossip.compatible_transports, transport.DRIVER_TYPE}

app = Celery("benchmark")
app.conf.update(
    broker_url=os.environ.get("BENCHMARK_URL", ""),
    broker_transport_options=json.loads(os.environ.get("BENCHMARK_OPTIONS", "{}")),
    broker_connection_retry_on_startup=True,
    task_default_queue=QUEUE,
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=int(os.environ.get("BENCHMARK_PREFETCH", "4")),
    worker_disable_rate_limits=True,
    worker_cancel_long_running_tasks_on_connection_loss=False,
)
transport.bind(app, signals)

_records: int | None = None


@app.task(name="noop")
def noop(sent: float) -> None:
    global _records
    started = time.monotonic()
    if _records is None:
        path = os.environ["BENCHMARK_RECORDS"]
        _records = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644)
    # One small append is whole and in order, also from several processes.
    os.write(_records, RECORD.pack(sent, started))


@worker_ready.connect
def tell_ready(sender: Any = None, **kwargs: Any) -> None:
    """Leave a file that the benchmark waits for."""
    Path(os.environ["BENCHMARK_READY"]).touch()


@app.task(name="limited", rate_limit="100000/s")
def limited(sent: float) -> None:
    noop(sent)


def publish(count: int) -> float:
    """Publish calls of the empty task one by one; return the seconds that it took."""
    return _publish(noop, count, WARM_UP)


def publish_limited(count: int) -> float:
    """Publish calls of the limited task; return the seconds."""
    return _publish(limited, count, WARM_UP)


def publish_to(count: int, queue: str) -> float:
    """Publish calls of the empty task to a queue, and no others; return the seconds."""
    return _publish(noop, count, 0, queue=queue)


def _publish(task: Any, count: int, warm_up: int, **options: str) -> float:
    for _ in range(warm_up):
        task.apply_async((0.0,), **options)
    begin = time.perf_counter()
    for _ in range(count):
        task.apply_async((0.0,), **options)
    return time.perf_counter() - begin


def send(count: int) -> float:
    """Publish messages as long as a call's with kombu's producer; return the seconds.

    Celery itself takes as long for a call as a fast broker for the message.
    """
    body = "x" * 900
    with app.connection_for_write() as connection:
        queue = connection.SimpleQueue("bench-sent")
        producer = connection.Producer(serializer="json")
        for _ in range(WARM_UP):
            producer.publish(body, routing_key=queue.queue.name)
        begin = time.perf_counter()
        for _ in range(count):
            producer.publish(body, routing_key=queue.queue.name)
        seconds = time.perf_counter() - begin
        queue.clear()
    return seconds


def purge() -> float:
    """Delete what waits; return how many messages that were."""
    with app.connection_for_write() as connection:
        return float(connection.default_channel.queue_purge(QUEUE))


def call() -> float:
    """Publish one call that carries the time; return it."""
    now = time.monotonic()
    noop.apply_async((now,))
    return now


def main() -> None:
    """Obey the benchmark: a command and its arguments a line, as ``publish 1000``."""
    commands: dict[str, Callable[..., float]] = {
        "publish": publish,
        "publish_limited": publish_limited,
        "publish_to": publish_to,
        "send": send,
        "purge": purge,
        "call": call,
    }
    for line in sys.stdin:
        name, *arguments = line.split()
        given = [int(one) if one.isdigit() else one for one in arguments]
        print(commands[name](*given), flush=True)


if __name__ == "__main__":
    main()
