"""What a channel declares: exchanges, queues and bindings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from amqp.protocol import queue_declare_ok_t
from kombu.exceptions import ChannelError
from kombu.transport import base as kombu_base
from kombu.transport.base import StdChannel

from marinemap.transport import exchanges as topology
from marinemap.transport.position import (
    Position,
    find_position,
    find_positions,
    has_message,
)

if TYPE_CHECKING:
    from marinemap.transport.transport import Transport

# kombu's type stubs do not know this function.
to_rabbitmq_queue_arguments: Any = vars(kombu_base)["to_rabbitmq_queue_arguments"]


class Declarations(StdChannel):
    """The half of a channel that speaks of queues rather than of messages."""

    def __init__(self, connection: Transport) -> None:
        self.connection = connection
        self._exclusive: set[str] = set()

    def exchange_declare(
        self,
        exchange: str | None = None,
        type: str | None = "direct",
        passive: bool = False,
        **kwargs: Any,
    ) -> None:
        """Create an exchange."""
        kind = type or "direct"
        name = exchange or f"amq.{kind}"
        if passive:
            if not self._exchanges.has_exchange(name):
                raise _not_found("exchange", name, "Channel.exchange_declare")
            return
        self._exchanges.declare_exchange(name, kind)

    def exchange_delete(self, exchange: str, **kwargs: Any) -> None:
        """Delete an exchange with its bindings."""
        self._exchanges.delete_exchange(exchange)

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
        **kwargs: Any,
    ) -> queue_declare_ok_t:
        """Create a queue; count its messages only when asked passively, which may take long."""
        name = queue or f"amq.gen-{uuid4()}"
        if passive:
            if not self._exchanges.has_queue(name):
                raise _not_found("queue", name, "Channel.queue_declare")
            return queue_declare_ok_t(name, self._size(name), 0)
        self._exchanges.declare_queue(
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
        **kwargs: Any,
    ) -> None:
        """Bind a queue to an exchange."""
        self._exchanges.bind(queue, exchange or "amq.direct", routing_key or "")
        self.connection.note_declaration()

    def queue_unbind(
        self,
        queue: str,
        exchange: str | None = None,
        routing_key: str = "",
        arguments: Any = None,
        **kwargs: Any,
    ) -> None:
        """Undo `queue_bind`."""
        self._exchanges.unbind(queue, exchange or "amq.direct", routing_key or "")

    def queue_delete(
        self, queue: str, if_unused: bool = False, if_empty: bool = False, **kwargs: Any
    ) -> None:
        """Delete a queue with its messages."""
        if if_empty and self._size(queue):
            return
        # Or they would find their messages gone with the queue, and be reported as refused.
        self.connection.write_acknowledgements()
        self._exchanges.delete_queue(queue)

    def queue_purge(self, queue: str, **kwargs: Any) -> int:
        """Delete the messages of a queue that nobody has claimed; return how many."""
        with self.connection.database.session() as session:
            return len(session.run(topology.purge_waiting, queue_name=queue))

    def after_reply_message_received(self, queue: str) -> None:
        """Delete a reply queue, as its only message has come."""
        self.queue_delete(queue)

    def list_bindings(self) -> list[tuple[str, str, str]]:
        """Return queue, exchange and routing key of each binding."""
        with self.connection.database.session() as session:
            return [(r[0], r[1], r[2]) for r in session.run(topology.all_bindings)]

    def find_position(self, correlation_id: str) -> Position | None:
        """Return the place of a waiting message, by its task's id; None when it is not there."""
        with self.connection.database.session() as session:
            return find_position(session, correlation_id)

    def find_positions(self, correlation_ids: Sequence[str]) -> dict[str, Position]:
        """Return the places of those of many messages that wait."""
        with self.connection.database.session() as session:
            return find_positions(session, correlation_ids)

    def has_message(self, correlation_id: str) -> bool:
        """Tell whether a task's message waits, or is held by a consumer that lives."""
        with self.connection.database.session() as session:
            return has_message(session, correlation_id)

    def _size(self, queue: str) -> int:
        with self.connection.database.session() as session:
            return int(session.run(topology.count_waiting, queue_name=queue)[0][0])

    @property
    def _exchanges(self) -> topology.Exchanges:
        return self.connection.exchanges


def _not_found(kind: str, name: str, method: str) -> ChannelError:
    return ChannelError(f"NOT_FOUND - no {kind} '{name}'", (50, 10), method, 404)
