"""A channel: what kombu publishes and consumes through."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from kombu.exceptions import ConnectionError as KombuConnectionError

from .consuming.demand import Claimed, Demand
from .consuming.held import Held
from .consuming.settlements import Returned
from .received import ReceivedMessage, read_message
from .refusals import refuse
from .sending import Sending
from .subscriptions import Subscription, Subscriptions

if TYPE_CHECKING:
    from .transport import Transport


class Channel(Sending):
    """The AMQP channel of a connection, on tables: what it publishes and consumes."""

    Message = ReceivedMessage

    def __init__(self, connection: Transport, channel_id: int) -> None:
        super().__init__(connection)
        self.channel_id = channel_id
        self.closed = False
        # Why a message is rejected, from `ReceivedMessage.reject` to `basic_reject`.
        self.rejections: dict[Any, str] = {}
        self.no_ack_consumers: set[str] = set()
        self._subscriptions = Subscriptions()
        self._held = Held(self._database.options.claim_batch)

    # -- consuming

    def basic_qos(
        self, prefetch_size: int = 0, prefetch_count: int = 0, apply_global: bool = False
    ) -> None:
        """Limit the messages that may be unacknowledged on this channel; 0 is no limit."""
        refuse("basic_qos", prefetch_size=prefetch_size)
        self._held.prefetch_count = prefetch_count
        self.connection.wake()

    def basic_consume(
        self,
        queue: str,
        no_ack: bool,
        callback: Callable[[Any], Any],
        consumer_tag: str = "",
        nowait: bool = False,
        arguments: dict[str, Any] | None = None,
        on_cancel: Callable[[str], Any] | None = None,
        exclusive: bool = False,
        no_local: bool = False,
    ) -> str:
        """Deliver a queue's messages to a callback from now on; nothing cancels it but us."""
        refuse("basic_consume", arguments=arguments, exclusive=exclusive, no_local=no_local)
        consumer_tag = consumer_tag or f"amq.ctag-{uuid4()}"
        self._subscriptions.add(consumer_tag, Subscription(queue, callback, no_ack))
        try:
            self.connection.start_consuming()
        except BaseException:
            self._subscriptions.remove([consumer_tag])
            raise
        return consumer_tag

    def basic_cancel(self, consumer_tag: str) -> None:
        """Deliver no more to a consumer; its auto-delete queue goes with the last one."""
        self._cancel([consumer_tag])

    def basic_get(self, queue: str, no_ack: bool = False) -> ReceivedMessage | None:
        """Return the next message of a queue, or None."""
        got: list[Claimed] = []
        demand = Demand(queue, no_ack, lambda: 1, lambda: False, got.extend)
        self.connection.start_consuming().claim_now(demand)
        message = self._receive(self._held.take(got[0]), got[0]) if got else None
        self.connection.retire_if_idle()
        return message

    def basic_ack(self, delivery_tag: int, multiple: bool = False) -> None:
        """Acknowledge a message, or all up to it; it is deleted within milliseconds."""
        consumer = self._require_consumer()
        for claimed in self._held.release(delivery_tag, multiple):
            consumer.settlements.acknowledge(claimed.message_id)
        consumer.notice_acknowledgement(has_time=self._held.is_busy())

    def basic_reject(self, delivery_tag: int, requeue: bool = False) -> None:
        """Give a message back, or move it to the dead letters."""
        consumer = self._require_consumer()
        reason = self.rejections.pop(delivery_tag, "rejected by its consumer")
        for claimed in self._held.release(delivery_tag):
            consumer.settlements.give_back(
                Returned(claimed.message_id, reason=None if requeue else reason)
            )
        consumer.wake()

    def basic_recover(self, requeue: bool = False) -> None:
        """Give all unacknowledged messages back."""
        for tag in self._held.tags:
            self.basic_reject(tag, requeue=True)

    def flow(self, active: bool = True) -> None:
        """Refuse: to stop a channel, cancel its consumers."""
        raise NotImplementedError("channel flow is not offered; cancel the consumers instead")

    # -- what the connection asks of its channels

    @property
    def is_consuming(self) -> bool:
        """Whether it has consumers, or messages that are not acknowledged."""
        return bool(self._subscriptions or self._held)

    def consumes(self, queue_name: str) -> bool:
        """Tell whether it consumes from a queue."""
        return queue_name in self._subscriptions

    @property
    def demands(self) -> list[Demand]:
        """What it consumes, for the consumer's thread to look for."""
        return self._subscriptions.find_demands(self._make_demand)

    def deliver(self, tag: int, claimed: Claimed) -> None:
        """Pass a claimed message to its consumer."""
        if self._held.note_seen():
            self.connection.wake()
        wanted = self._subscriptions.find(claimed)
        if not claimed.is_taken and tag not in self._held:
            # Recovered while it waited here: it comes again.
            return
        if not wanted:
            self._return_unseen(tag, claimed)
            return
        message = self._receive(tag, claimed)
        if message is not None:
            # In turn, as a server would.
            wanted[tag % len(wanted)].callback(message)

    def return_undelivered_one(self, tag: int, claimed: Claimed) -> None:
        """Give back a message handed over that no callback will see."""
        self._held.note_seen()
        self._return_unseen(tag, claimed)

    def close(self) -> None:
        """Cancel all consumers and give back what is not acknowledged."""
        if self.closed:
            return
        self.closed = True
        try:
            if self.connection.is_alive:
                self._cancel(self._subscriptions.tags)
        finally:
            # What is given back is written when it can be, whoever keeps the database busy now.
            if self.connection.is_alive:
                self.basic_recover(requeue=True)
                self.connection.retire_if_idle()
            self._subscriptions.remove(self._subscriptions.tags)
            self.connection.close_channel(self)
        # Last: with the database away it fails, and the channel is closed all the same.
        if not self.connection.is_inherited:
            for name in list(self._exclusive):
                self.queue_delete(name)

    # -- within

    def _cancel(self, tags: Collection[str]) -> None:
        names = self._subscriptions.remove(tags)
        if not names:
            return
        try:
            # Waits for a claim that is under way: what it brings goes back as well.
            self.connection.leave_queues(names)
        finally:
            self.connection.inbox.return_undelivered(self)
        for name in names & self._exclusive:
            self.queue_delete(name)
        self.connection.retire_if_idle()

    def _make_demand(self, queue_name: str, no_ack: bool) -> Demand:
        held = self._held
        return Demand(queue_name, no_ack, partial(held.room, no_ack), held.is_busy, self._hand_over)

    def _hand_over(self, claimed: list[Claimed]) -> None:
        self.connection.inbox.put(self, self._held.take_unseen(claimed))

    def _return_unseen(self, tag: int, claimed: Claimed) -> None:
        if self._held.release(tag):
            consumer = self._require_consumer()
            consumer.settlements.give_back(Returned(claimed.message_id, is_unseen=True))
            consumer.wake()

    def _receive(self, tag: int, claimed: Claimed) -> ReceivedMessage | None:
        try:
            return read_message(self, tag, claimed)
        except Exception as error:
            self.rejections[tag] = f"the stored message cannot be read: {error}"
            self.basic_reject(tag)
            return None

    def _require_consumer(self) -> Any:
        if not self.connection.is_alive:
            raise KombuConnectionError(
                "the connection on which the message came is closed: it has been given back"
            )
        return self.connection.consumer
