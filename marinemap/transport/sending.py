"""The half of a channel that publishes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kombu.exceptions import ConnectionError as KombuConnectionError

from .declaring import Declarations
from .publishing.batch import PublishBatch
from .refusals import refuse

if TYPE_CHECKING:
    from .transport import Transport


class Sending(Declarations):
    """Stores messages; what it returns from is durable."""

    connection: Transport
    supports_batch_publish = True

    def __init__(self, connection: Transport) -> None:
        super().__init__(connection)
        # kombu's producers add their `on_return` here.
        self.events: dict[str, set[Callable[..., Any]]] = {"basic_return": set()}

    def prepare_message(
        self,
        body: Any,
        priority: int | None = None,
        content_type: str | None = None,
        content_encoding: str | None = None,
        headers: dict[str, Any] | None = None,
        properties: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return a message as kombu passes it to `basic_publish`."""
        properties = properties or {}
        properties.setdefault("delivery_info", {})
        properties.setdefault("priority", priority or 0)
        return {
            "body": body,
            "content-encoding": content_encoding,
            "content-type": content_type,
            "headers": headers or {},
            "properties": properties,
        }

    def address_message(
        self,
        message: dict[str, Any],
        exchange: str,
        routing_key: str,
        *,
        immediate: bool = False,
        timeout: float | None = None,
        confirm_timeout: float | None = None,
    ) -> None:
        """Write into a message where it is sent to; every wait has the queue's own limits."""
        refuse("basic_publish", immediate=immediate)
        message["properties"]["delivery_info"].update(exchange=exchange, routing_key=routing_key)

    def basic_publish(
        self,
        message: dict[str, Any],
        exchange: str,
        routing_key: str,
        mandatory: bool = False,
        **kwargs: Any,
    ) -> None:
        """Store a message; it is durable when this returns, and raises when it is not stored."""
        self.address_message(message, exchange, routing_key, **kwargs)
        stored = self.connection.publisher.publish(message, exchange, routing_key)
        if mandatory and not stored:
            self._return_unroutable(message, exchange, routing_key)
        self.connection.forget_rolled_back_declarations()

    def create_publish_batch(self, max_size: int) -> PublishBatch:
        """Return what gathers messages for one transaction."""
        return PublishBatch(self, self.connection.publisher, max_size)

    def confirm_select(self, nowait: bool = False) -> None:
        """Every publish is confirmed: it returns when the message is stored."""

    def tx_select(self) -> None:
        """Refuse: publish in a transaction of the database, or use a batch."""
        raise NotImplementedError(
            "AMQP's transactions are not offered; publish a batch (Producer.batch) instead"
        )

    def _return_unroutable(self, message: dict[str, Any], exchange: str, routing_key: str) -> None:
        error = KombuConnectionError(f"NO_ROUTE - from exchange '{exchange}' by '{routing_key}'")
        for callback in self.events["basic_return"]:
            callback(error, exchange, routing_key, message)
