"""Telling workers what to consume while they run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.broker_processes import Broker


class Control:
    """Tells workers what to consume, as ``celery control`` does."""

    def __init__(self, broker: Broker) -> None:
        from celery import Celery

        self._app = Celery("control", broker=broker.url, set_as_current=False)
        self._app.conf.broker_transport_options = dict(broker.options)

    @contextmanager
    def consuming(self, names: list[str], queue: str) -> Iterator[None]:
        self._tell("add_consumer", names, queue)
        yield
        self._tell("cancel_consumer", names, queue)

    def _tell(self, command: str, names: list[str], queue: str) -> None:
        to = [f"{name}@benchmark" for name in names]
        self._app.control.broadcast(
            command, arguments={"queue": queue}, destination=to, reply=True, timeout=30,
            limit=len(to),
        )  # fmt: skip
