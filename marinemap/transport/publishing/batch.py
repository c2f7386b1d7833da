"""Messages gathered for one transaction: kombu's `Producer.batch`."""

from __future__ import annotations

from typing import Any

from ..refusals import refuse
from .publisher import Addressed, Publisher


class PublishBatch:
    """Gathers messages to store them together, or not at all."""

    def __init__(self, channel: Any, publisher: Publisher, max_size: int) -> None:
        self.channel = channel
        self._publisher = publisher
        self._max_size = max_size
        self._waiting: list[Addressed] = []

    def publish(
        self,
        message: dict[str, Any],
        exchange: str,
        routing_key: str,
        mandatory: bool = False,
        **kwargs: Any,
    ) -> None:
        """Add a message; store all when the batch has its size."""
        refuse("a batch", mandatory=mandatory)
        self.channel.address_message(message, exchange, routing_key, **kwargs)
        self._waiting.append(Addressed(self._publisher.prepare(message), exchange, routing_key))
        if len(self._waiting) >= self._max_size:
            self.flush()

    def flush(self) -> None:
        """Store what has been added so far: all of it or, with an error, nothing."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._publisher.publish_all(waiting)

    def discard(self) -> None:
        """Forget what has been added since the last flush."""
        self._waiting.clear()

    def close(self) -> None:
        """Hold nothing back; kombu calls it after `flush` or `discard`."""
        self._waiting.clear()
