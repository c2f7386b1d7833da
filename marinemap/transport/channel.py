"""A channel: what kombu publishes and consumes through."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kombu.exceptions import ConnectionError as KombuConnectionError

from marinemap.transport.claims import Claimed, Demand, DemandKey
from marinemap.transport.declaring import Declarations
from marinemap.transport.payloads import read_payload
from marinemap.transport.publishing import PublishBatch
from marinemap.transport.received import ReceivedMessage

if TYPE_CHECKING:
    from marinemap.transport.transport import Transport


@dataclass(frozen=True)
class Subscription:
    """A consumer on a channel, by its tag."""

    queue_name: str
    callback: Callable[[Any], Any]
    no_ack: bool


class Channel(Declarations):
    """The AMQP channel of a connection, on tables: what it publishes and consumes."""

    Message = ReceivedMessage
    supports_batch_publish = True

    def __init__(self, connection: Transport, channel_id: int) -> None:
        super().__init__(connection)
        self.channel_id = channel_id
        self.closed = False
        self.prefetch_count = 0
        # Why a message is rejected, from `ReceivedMessage.reject` to `basic_reject`.
        self.rejections: dict[Any, str] = {}
        self.no_ack_consumers: set[str] = set()
        self._subscriptions: dict[str, Subscription] = {}
        self._demand_keys: list[DemandKey] = []
        # Claimed and not yet acknowledged, in order; shared with the thread that claims.
        self._unacknowledged: dict[int, Claimed] = {}
        self._lock = threading.Lock()

    # -- publishing

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

    def address_message(self, message: dict[str, Any], exchange: str, routing_key: str) -> None:
        """Write into a message where it is sent to."""
        message["properties"]["delivery_info"].update(exchange=exchange, routing_key=routing_key)

    def basic_publish(
        self, message: dict[str, Any], exchange: str, routing_key: str, **kwargs: Any
    ) -> None:
        """Store a message; it is durable when this returns, and raises when it is not stored."""
        self.address_message(message, exchange, routing_key)
        self.connection.publisher.publish(message, exchange, routing_key)
        self.connection.forget_rolled_back_declarations()

    def create_publish_batch(self, max_size: int) -> PublishBatch:
        """Return what gathers messages for one transaction."""
        return PublishBatch(self, self.connection.publisher, max_size)

    # -- consuming

    def basic_qos(
        self, prefetch_size: int = 0, prefetch_count: int = 0, apply_global: bool = False
    ) -> None:
        """Limit the messages that may be unacknowledged on this channel; 0 is no limit."""
        self.prefetch_count = prefetch_count
        self.connection.wake()

    def basic_consume(
        self,
        queue: str,
        no_ack: bool,
        callback: Callable[[Any], Any],
        consumer_tag: str,
        **kwargs: Any,
    ) -> str:
        """Deliver a queue's messages to a callback from now on."""
        with self._lock:
            self._subscriptions[consumer_tag] = Subscription(queue, callback, no_ack)
            self._group_queues()
        self.connection.start_consuming()
        return consumer_tag

    def basic_cancel(self, consumer_tag: str) -> None:
        """Deliver no more to a consumer; its auto-delete queue goes with it."""
        with self._lock:
            subscription = self._subscriptions.pop(consumer_tag, None)
            self._group_queues()
        if subscription is None:
            return
        self.connection.notice_consumers()
        self.connection.return_undelivered(self)
        if subscription.queue_name in self._exclusive:
            self.queue_delete(subscription.queue_name)
        self.connection.retire_if_idle()

    def basic_get(self, queue: str, no_ack: bool = False, **kwargs: Any) -> ReceivedMessage | None:
        """Return the next message of a queue, or None."""
        claimed = self.connection.claim_one(self, queue)
        if claimed is None:
            return None
        message = self._receive(claimed, no_ack)
        return None if message is None else message

    def basic_ack(self, delivery_tag: int, multiple: bool = False) -> None:
        """Acknowledge a message, or all up to it; it is deleted within milliseconds."""
        deliveries = self.connection.deliveries
        for message_id in self._settle(delivery_tag, multiple):
            deliveries.acknowledgements.acknowledge(message_id)
        if self._is_busy():
            deliveries.notice_acknowledgement()
        else:
            deliveries.wake()

    def basic_reject(self, delivery_tag: int, requeue: bool = False) -> None:
        """Give a message back, or move it to the dead letters."""
        reason = self.rejections.pop(delivery_tag, "rejected by its consumer")
        for message_id in self._settle(delivery_tag):
            if requeue:
                self.connection.deliveries.acknowledgements.requeue(message_id)
            else:
                self.connection.deliveries.acknowledgements.reject(message_id, reason)
        self.connection.wake()

    def basic_recover(self, requeue: bool = False) -> None:
        """Give all unacknowledged messages back."""
        for message_id in list(self._unacknowledged):
            self.basic_reject(message_id, requeue=True)

    def flow(self, active: bool = True) -> None:
        """Refuse: to stop a channel, cancel its consumers."""
        raise NotImplementedError("channel flow is not offered; cancel the consumers instead")

    def message_to_python(self, raw_message: Any) -> Any:
        """Return a received message, which is one already."""
        return raw_message

    # -- what the connection asks of its channels

    @property
    def is_consuming(self) -> bool:
        """Whether it has consumers, or messages that are not acknowledged."""
        return bool(self._subscriptions or self._unacknowledged)

    @property
    def queue_names(self) -> set[str]:
        """The queues it consumes from."""
        with self._lock:
            return {one.queue_name for one in self._subscriptions.values()}

    def find_demands(self, batch: int) -> list[Demand]:
        """Return what it has room for: with acknowledgement by prefetch, without always."""
        room = batch
        if self.prefetch_count:
            room = min(batch, max(0, self.prefetch_count - len(self._unacknowledged)))
        return [
            Demand(key, key.queue_names, batch, False, self._hand_over)
            if key.no_ack
            else Demand(key, key.queue_names, room, self._is_busy(), self._hand_over)
            for key in self._demand_keys
        ]

    def deliver(self, claimed: Claimed) -> None:
        """Pass a claimed message to its consumer."""
        with self._lock:
            wanted = [s for s in self._subscriptions.values() if s.queue_name == claimed.queue_name]
        if not wanted or claimed.message_id not in self._unacknowledged:
            self.return_unseen(claimed)
            return
        subscription = wanted[0]
        message = self._receive(claimed, subscription.no_ack)
        if message is not None:
            subscription.callback(message)

    def return_unseen(self, claimed: Claimed) -> None:
        """Give back a message that no callback has seen."""
        if self._unacknowledged.pop(claimed.message_id, None) is not None:
            self.connection.deliveries.acknowledgements.requeue_unseen(claimed.message_id)

    def close(self) -> None:
        """Cancel all consumers and give back what is not acknowledged."""
        if self.closed:
            return
        self.closed = True
        if self.connection.is_alive:
            for tag in list(self._subscriptions):
                self.basic_cancel(tag)
            self.connection.return_undelivered(self)
            self.basic_recover(requeue=True)
            self.connection.retire_if_idle()
        self._subscriptions.clear()
        self.connection.close_channel(self)

    def hold(self, claimed: list[Claimed]) -> None:
        """Count messages as unacknowledged from their claim on, also while they wait here."""
        self._unacknowledged.update((one.message_id, one) for one in claimed)

    def _is_busy(self) -> bool:
        """Tell whether more than a quarter of its messages are still there to go on with.

        Earlier, and claims are so small that they take the processor from the tasks; later, and
        the tasks wait for the claim.
        """
        return 0 < self.prefetch_count < 4 * len(self._unacknowledged)

    def _group_queues(self) -> None:
        """Find which queues can be claimed from in one statement."""
        wanted = self._subscriptions.values()
        grouped = (
            DemandKey(
                self.channel_id,
                no_ack,
                tuple(sorted({s.queue_name for s in wanted if s.no_ack == no_ack})),
            )
            for no_ack in (True, False)
        )
        self._demand_keys = [key for key in grouped if key.queue_names]

    def _hand_over(self, claimed: list[Claimed]) -> None:
        self.hold(claimed)
        self.connection.queue_deliveries(self, claimed)

    def _receive(self, claimed: Claimed, no_ack: bool) -> ReceivedMessage | None:
        try:
            message = self._read_message(claimed)
        except Exception as error:
            self.rejections[claimed.message_id] = f"the stored message cannot be read: {error}"
            self.basic_reject(claimed.message_id)
            return None
        if no_ack:
            self.basic_ack(claimed.message_id)
        return message

    def _read_message(self, claimed: Claimed) -> ReceivedMessage:
        stored = read_payload(claimed.payload)
        properties = stored["properties"]
        info = properties.setdefault("delivery_info", {})
        # Celery's task reads `redelivered` here (celery.app.trace).
        info.update(redelivered=claimed.attempts > 1, attempts=claimed.attempts)
        headers = {**(stored.get("headers") or {}), "delivery_attempt": claimed.attempts}
        return ReceivedMessage(
            body=stored["body"],
            channel=self,
            # Any value will do for kombu, whatever its type stubs say.
            delivery_tag=claimed.message_id,  # type: ignore[arg-type]
            content_type=stored.get("content-type"),
            content_encoding=stored.get("content-encoding"),
            headers=headers,
            properties=properties,
            delivery_info=info,
            postencode="utf-8",
        )

    def _settle(self, delivery_tag: int, multiple: bool = False) -> list[int]:
        if self.closed or not self.connection.is_alive:
            raise KombuConnectionError(
                "the connection on which the message came is closed: it has been given back"
            )
        tags = [delivery_tag]
        if multiple:
            held = list(self._unacknowledged)
            tags = held[: held.index(delivery_tag) + 1] if delivery_tag in held else []
        return [tag for tag in tags if self._unacknowledged.pop(tag, None) is not None]
