"""Celery's `inspect scheduled`, told by the queue too: it keeps what waits for an ETA.

Celery itself lists what a worker has taken into its memory to wait there. Imported by workers
only, whose command it replaces.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from celery.worker import control
from celery.worker.request import Request
from kombu.message import Message
from kombu.serialization import prepare_accept_content

from marinemap import transport
from marinemap.transport.operating.waiting import DelayedMessage, find_delayed

# What one answer holds: it is a message too, and there may be millions that wait.
LONGEST_ANSWER = 1000
# Under which Celery's own timer keeps what waits for its ETA (celery.worker.strategy).
_TIMER_PRIORITY = 6

# The stubs do not know what the decorator gives.
_scheduled_in_memory: Any = vars(control)["scheduled"]


@control.inspect_command(alias="dump_schedule")
def scheduled(state: Any, **kwargs: Any) -> list[dict[str, Any]]:
    """List of currently scheduled ETA/countdown tasks."""
    in_memory: list[dict[str, Any]] = _scheduled_in_memory(state, **kwargs)
    return in_memory + [_describe(state, one) for one in _find_in_queue(state.consumer)]


def _find_in_queue(consumer: Any) -> list[DelayedMessage]:
    connection = consumer.connection.transport
    if connection.driver_type != transport.DRIVER_TYPE:
        return []
    names = [queue.name for queue in consumer.task_consumer.queues]
    return find_delayed(connection.database, names, LONGEST_ANSWER)


def _describe(state: Any, delayed: DelayedMessage) -> dict[str, Any]:
    request = _read_request(state, delayed)
    due_at = request.eta if request else None
    due_at = due_at or datetime.fromtimestamp(delayed.due_at_ms / 1000, UTC)
    return {
        "eta": due_at.isoformat(),
        "priority": _TIMER_PRIORITY,
        "request": request.info() if request else _summarize(state, delayed),
    }


def _read_request(state: Any, delayed: DelayedMessage) -> Request | None:
    """Return the request as a worker would make it, None where none could be made of it."""
    # A compressed one may be of any size when it is read.
    if delayed.message is None or "compression" in (delayed.message.get("headers") or {}):
        return None
    tasks = state.app.tasks
    try:
        message = _make_message(state.app, delayed)
        task = tasks.get(delayed.task_name, state.app.Task)
        return Request(message, app=state.app, hostname=state.hostname, task=task)
    # Whoever sent it chose what is in it: there is no telling how it fails.
    except Exception:
        return None


def _make_message(app: Any, delayed: DelayedMessage) -> Message:
    assert delayed.message is not None
    stored = delayed.message
    return Message(
        body=stored["body"],
        content_type=stored.get("content-type"),
        content_encoding=stored.get("content-encoding"),
        headers=stored.get("headers") or {},
        properties=stored["properties"],
        delivery_info={
            **stored["properties"].get("delivery_info", {}),
            "redelivered": delayed.attempts > 0,
        },
        postencode="utf-8",
        accept=prepare_accept_content(app.conf.accept_content),
    )


def _summarize(state: Any, delayed: DelayedMessage) -> dict[str, Any]:
    """Return what is known of a message that is too long to read for this, or unreadable."""
    return {
        "id": delayed.correlation_id,
        "name": delayed.task_name,
        "args": None,
        "kwargs": None,
        "type": delayed.task_name,
        "hostname": state.hostname,
        "time_start": None,
        "acknowledged": False,
        "delivery_info": {
            "exchange": "",
            "routing_key": delayed.queue_name,
            "priority": delayed.priority,
            "redelivered": delayed.attempts > 0,
        },
        "worker_pid": None,
    }
