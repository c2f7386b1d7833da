"""What a channel declares and asks of queues rather than of messages."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import uuid4

from amqp.protocol import queue_declare_ok_t
from kombu.transport import base as kombu_base
from kombu.transport.base import StdChannel

from .database import Database
from .operating.position import Position, find_positions, has_message, withdraw
from .publishing import queues
from .publishing.topology import Topology
from .refusals import not_found, refuse

# kombu's type stubs do not know this function.
to_rabbitmq_queue_arguments: Any = vars(kombu_base)["to_rabbitmq_queue_arguments"]


class Declarations(StdChannel):
    """The half of a channel that speaks of exchanges and queues."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self._database: Database = connection.database
        self._topology: Topology = connection.topology
        self._exclusive: set[str] = set()

    def exchange_declare(
        self,
        exchange: str | None = None,
        type: str | None = "direct",
        passive: bool = False,
        durable: bool = True,
        auto_delete: bool = False,
        nowait: bool = False,
        arguments: dict[str, Any] | None = None,
        internal: bool = False,
    ) -> None:
        """Create an exchange; it is durable, and stays until it is deleted, or is unbound."""
        refuse("exchange_declare", arguments=arguments, internal=internal)
        kind = type or "direct"
        name = exchange or f"amq.{kind}"
        if not passive:
            self._topology.declare_exchange(name, kind, auto_delete=auto_delete)
        elif not self._topology.has_exchange(name):
            raise not_found("exchange", name, "Channel.exchange_declare")

    def exchange_delete(self, exchange: str, if_unused: bool = False, nowait: bool = False) -> None:
        """Delete an exchange with its bindings."""
        self._topology.delete_exchange(exchange, if_unused=if_unused)

    def exchange_bind(self, *args: Any, **kwargs: Any) -> None:
        """Refuse: bindings between exchanges are not offered."""
        raise NotImplementedError("exchanges cannot be bound to exchanges")

    exchange_unbind = exchange_bind

    def queue_declare(
        self,
        queue: str | None = None,
        passive: bool = False,
        exclusive: bool = False,
        auto_delete: bool = False,
        arguments: dict[str, Any] | None = None,
        durable: bool = True,
        nowait: bool = False,
    ) -> queue_declare_ok_t:
        """Create a queue; its messages and consumers are counted only when asked passively."""
        name = queue or f"amq.gen-{uuid4()}"
        if passive:
            return self._describe(name)
        self._topology.declare_queue(
            name, auto_delete=auto_delete or exclusive, arguments=arguments or {}
        )
        if exclusive:
            self._exclusive.add(name)
        self.connection.note_declaration()
        return queue_declare_ok_t(name, 0, 0)

    def prepare_queue_arguments(self, arguments: dict[str, Any] | None, **kwargs: Any) -> Any:
        """Return kombu's queue options as AMQP arguments."""
        return to_rabbitmq_queue_arguments(arguments or {}, **kwargs)

    def queue_bind(
        self,
        queue: str,
        exchange: str | None = None,
        routing_key: str = "",
        arguments: Any = None,
        nowait: bool = False,
    ) -> None:
        """Bind a queue to an exchange."""
        refuse("queue_bind", arguments=arguments)
        self._topology.bind(queue, exchange or "amq.direct", routing_key or "")
        self.connection.note_declaration()

    def queue_unbind(
        self,
        queue: str,
        exchange: str | None = None,
        routing_key: str = "",
        arguments: Any = None,
        nowait: bool = False,
    ) -> None:
        """Undo `queue_bind`."""
        refuse("queue_unbind", arguments=arguments)
        self._topology.unbind(queue, exchange or "amq.direct", routing_key or "")

    def queue_delete(
        self,
        queue: str,
        if_unused: bool = False,
        if_empty: bool = False,
        nowait: bool = False,
    ) -> int:
        """Delete a queue with its messages; return how many waited."""
        # Or they would find their messages gone with the queue, and be reported as refused.
        self.connection.settle_now()
        deleted = queues.delete_queue(self._database, queue, if_unused=if_unused, if_empty=if_empty)
        self._topology.routes.forget_queue(queue)
        self._exclusive.discard(queue)
        return deleted

    def queue_purge(self, queue: str, nowait: bool = False) -> int:
        """Delete the messages of a queue that nobody has claimed; return how many."""
        return queues.purge(self._database, queue)

    def after_reply_message_received(self, queue: str) -> None:
        """Delete a reply queue, as its only message has come."""
        self.queue_delete(queue)

    # -- beyond AMQP

    def find_position(self, correlation_id: str) -> Position | None:
        """Return the place of a waiting message, by its task's id; None when it is not there."""
        return self.find_positions([correlation_id]).get(correlation_id)

    def find_positions(self, correlation_ids: Collection[str]) -> dict[str, Position]:
        """Return the places of those messages that wait, by their tasks' ids."""
        with self._database.session() as session:
            return find_positions(session, correlation_ids)

    def has_message(self, correlation_id: str) -> bool:
        """Tell whether a message waits or is in a consumer's hands, by its task's id."""
        with self._database.session() as session:
            return has_message(session, correlation_id)

    def withdraw_all(self, correlation_ids: Collection[str]) -> int:
        """Delete waiting messages, by their tasks' ids; return how many nobody had claimed."""
        with self._database.session() as session:
            return withdraw(session, correlation_ids)

    def _describe(self, name: str) -> queue_declare_ok_t:
        if not self._topology.has_queue(name):
            raise not_found("queue", name, "Channel.queue_declare")
        with self._database.session() as session:
            waiting = queues.count_waiting(session, name)
            return queue_declare_ok_t(name, waiting, queues.count_consumers(session, name))
