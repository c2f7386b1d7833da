"""What ``manage.py queue`` asks of a site's broker: the queue in the database, RabbitMQ, Redis.

It goes by what kombu offers of all brokers; only looking at messages differs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

from celery import current_app

from marinemap import transport
from marinemap.errors import ServiceError, did_you_mean, quote
from marinemap.transport.operating.waiting import find_waiting


@dataclass(frozen=True)
class QueueDepth:
    """A queue as any broker tells of it; no count of consumers where that is not told."""

    queue_name: str
    waiting: int
    consumers: int | None


@dataclass(frozen=True)
class Waiting:
    """A message that waits."""

    task_id: str
    task_name: str
    owner: str


def queue_names() -> list[str]:
    """Return the names of the site's queues."""
    return sorted(current_app.amqp.queues)


def check_name(name: str) -> str:
    """Return the name of a queue of the site's.

    Raises
    ------
    ServiceError
        If there is none of that name.
    """
    names = queue_names()
    if name not in names:
        raise ServiceError(
            f"there is no queue '{quote(name)}'; there are {', '.join(names)}."
            f"{did_you_mean(name, names)}"
        )
    return name


def list_depths() -> list[QueueDepth]:
    """Return how many messages wait in each queue of the site's."""
    with _opened() as (connection, channel):
        is_told = connection.transport.driver_type == "amqp"
        return [_depth(channel, name, is_told) for name in queue_names()]


def purge(name: str) -> int:
    """Delete what waits in a queue; return how many. What workers have is left alone."""
    with _opened() as (_, channel):
        _declare(channel, name)
        return int(channel.queue_purge(name) or 0)


def show(name: str, limit: int) -> list[Waiting]:
    """Return messages that wait in a queue, the oldest first."""
    with _opened() as (connection, channel):
        kind = connection.transport.driver_type
        if kind == transport.DRIVER_TYPE:
            found = find_waiting(connection.transport.database, name, limit)
            return [Waiting(m.correlation_id or "", m.task_name or "", m.owner) for m in found]
        _declare(channel, name)
        peek = _peek_redis if kind == "redis" else _peek_amqp
        return [_describe(headers) for headers in islice(peek(channel, name, limit), limit)]


@contextmanager
def _opened() -> Iterator[tuple[Any, Any]]:
    """Give a connection, and a channel: what that took to look at goes back with its end."""
    with current_app.connection_for_write() as connection:
        try:
            connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
        except Exception as error:
            # Each client has errors of its own, whose words may hold the password.
            raise ServiceError(
                f"the broker does not answer: {type(error).__name__}. Is it running, and is "
                "CELERY_BROKER_URL right?"
            ) from error
        yield connection, connection.channel()


def _declare(channel: Any, name: str) -> None:
    """Declare a queue as the site does; one that is there is left as it is."""
    current_app.amqp.queues[name](channel).declare()


def _depth(channel: Any, name: str, is_told: bool) -> QueueDepth:
    # As the site declares it: asked passively, Redis knows no queue that is empty.
    told = channel.queue_declare(queue=name, durable=True, auto_delete=False)
    return QueueDepth(name, int(told.message_count), int(told.consumer_count) if is_told else None)


def _peek_amqp(channel: Any, name: str, limit: int) -> Iterator[dict[str, Any]]:
    """Yield the headers of messages, which RabbitMQ gives back to their place afterwards."""
    for _ in range(limit):
        message = channel.basic_get(name)
        if message is None:
            return
        yield dict(message.properties.get("application_headers") or {})


def _peek_redis(channel: Any, name: str, limit: int) -> Iterator[dict[str, Any]]:
    with channel.conn_or_acquire() as client:
        for priority in channel.priority_steps:
            # The oldest are at the end of the list.
            for text in reversed(client.lrange(channel._q_for_pri(name, priority), -limit, -1)):
                yield json.loads(text)["headers"]


def _describe(headers: dict[str, Any]) -> Waiting:
    return Waiting(
        str(headers.get("id", "")), str(headers.get("task", "")), str(headers.get("owner", ""))
    )
