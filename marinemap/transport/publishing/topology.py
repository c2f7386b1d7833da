"""Exchanges, queues and their bindings, kept in tables so that all processes see the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kombu.exceptions import ChannelError

from ..database import Database
from ..errors import TransportError, did_you_mean
from ..refusals import not_found, precondition_failed
from .payloads import MOST
from .routes import EXCHANGE_TYPES, FIND_QUEUE, PREDECLARED, Routes, read_type

# Arguments of a queue, and the columns that keep them. Others are refused: whoever asks for a
# dead-letter exchange or a quorum must not believe that he has one.
_ARGUMENTS = {
    "x-expires": "expires_after_ms",
    "x-message-ttl": "message_ttl_ms",
    "x-max-length": "max_length",
}
# What every queue does anyway, with the values that ask for no more.
_GIVEN: dict[str, tuple[Any, ...]] = {
    # There are ten, 0 to 9 (AMQP 0-9-1, 3.1.8); 10 counts as 9.
    "x-max-priority": tuple(range(1, 11)),
    "x-overflow": ("reject-publish",),
}

_ADD_EXCHANGE = (
    "INSERT INTO broker_exchanges (exchange_name, exchange_type, is_auto_delete) "
    "VALUES (:exchange_name, :exchange_type, :is_auto_delete) ON CONFLICT DO NOTHING"
)
_DELETE_EXCHANGE = (
    "DELETE FROM broker_bindings WHERE exchange_name = :exchange_name",
    "DELETE FROM broker_exchanges WHERE exchange_name = :exchange_name",
)
_HAS_BINDINGS = "SELECT 1 AS one FROM broker_bindings WHERE exchange_name = :exchange_name LIMIT 1"
_ADD_QUEUE = """
INSERT INTO broker_queues (queue_name, is_auto_delete, expires_after_ms, message_ttl_ms,
    max_length, last_used_at_ms)
VALUES (:queue_name, :is_auto_delete, :expires_after_ms, :message_ttl_ms, :max_length, {now})
ON CONFLICT (queue_name) DO UPDATE SET is_auto_delete = excluded.is_auto_delete,
    expires_after_ms = excluded.expires_after_ms, message_ttl_ms = excluded.message_ttl_ms,
    max_length = excluded.max_length, last_used_at_ms = excluded.last_used_at_ms
"""
_DELETE = "Channel.exchange_delete"
_BIND = (
    "INSERT INTO broker_bindings (exchange_name, routing_key, queue_name) "
    "VALUES (:exchange_name, :routing_key, :queue_name) ON CONFLICT DO NOTHING"
)
# Until it is bound: who deletes it waits for that, and so finds the binding.
_LOCK_QUEUE = "SELECT 1 AS one FROM broker_queues WHERE queue_name = :queue_name {lock_in_use}"
_FIND_BINDING = (
    "SELECT 1 AS one FROM broker_bindings WHERE exchange_name = :exchange_name "
    "AND routing_key = :routing_key AND queue_name = :queue_name"
)
_UNBIND = (
    "DELETE FROM broker_bindings WHERE exchange_name = :exchange_name "
    "AND routing_key = :routing_key AND queue_name = :queue_name"
)
# Of exchanges that have just lost a binding, those that go with their last one.
DELETE_UNBOUND = (
    "DELETE FROM broker_exchanges WHERE is_auto_delete AND exchange_name {in_names} AND NOT EXISTS "
    "(SELECT 1 FROM broker_bindings AS b WHERE b.exchange_name = broker_exchanges.exchange_name)"
)


class Topology:
    """Declares exchanges, queues and bindings."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.routes = Routes()

    def declare_exchange(self, name: str, exchange_type: str, *, auto_delete: bool) -> None:
        """Create an exchange unless it is there.

        Raises
        ------
        ChannelError
            There is one of that name but another type, or no such type.
        """
        if exchange_type not in EXCHANGE_TYPES:
            raise ChannelError(
                f"COMMAND_INVALID - exchange '{name}': no type '{exchange_type}'; there are "
                f"{', '.join(EXCHANGE_TYPES)}",
                (40, 10),
                "Channel.exchange_declare",
                503,
            )
        with self._database.declaring() as session:
            known = read_type(session, name)
            if known is None:
                session.run(
                    _ADD_EXCHANGE,
                    exchange_name=name,
                    exchange_type=exchange_type,
                    is_auto_delete=auto_delete,
                )
            elif known != exchange_type:
                raise precondition_failed(
                    f"exchange '{name}' is of type '{known}', not '{exchange_type}'",
                    "Channel.exchange_declare",
                )

    def has_exchange(self, name: str) -> bool:
        """Tell whether there is an exchange."""
        with self._database.session() as session:
            return read_type(session, name) is not None

    def delete_exchange(self, name: str, *, if_unused: bool) -> None:
        """Delete an exchange and its bindings; queues stay.

        Raises
        ------
        ChannelError
            It has bindings, and only an unused one was to be deleted; or it is AMQP's own.
        """
        if name in PREDECLARED or not name:
            raise precondition_failed(f"exchange '{name}' is always there", _DELETE)
        with self._database.transaction() as session:
            if if_unused and session.run(_HAS_BINDINGS, exchange_name=name):
                raise precondition_failed(f"exchange '{name}' in use", _DELETE)
            for statement in _DELETE_EXCHANGE:
                session.run(statement, exchange_name=name)
        self.routes.forget_exchange(name)

    def declare_queue(self, name: str, *, auto_delete: bool, arguments: Mapping[str, Any]) -> None:
        """Create a queue, or bring what it asks of messages up to date.

        Raises
        ------
        TransportError
            An argument that is not known here, or not with that value.
        """
        _check_arguments(name, arguments)
        wanted = {column: arguments.get(given) for given, column in _ARGUMENTS.items()}
        wanted["is_auto_delete"] = auto_delete
        with self._database.declaring() as session:
            found = session.run(FIND_QUEUE, queue_name=name)
            is_same = bool(found) and all(
                getattr(found[0], column) == value for column, value in wanted.items()
            )
            # One that may expire is declared anew: that is a use of it.
            if not is_same or wanted["expires_after_ms"] is not None:
                session.run(_ADD_QUEUE, queue_name=name, **wanted)
        self.routes.forget_queue(name)

    def has_queue(self, name: str) -> bool:
        """Tell whether a queue has been declared."""
        with self._database.session() as session:
            return bool(session.run(FIND_QUEUE, queue_name=name))

    def bind(self, queue_name: str, exchange_name: str, routing_key: str) -> None:
        """Let messages to an exchange reach a queue.

        Raises
        ------
        NotFound
            One of both has not been declared.
        """
        names = {"queue_name": queue_name, "exchange_name": exchange_name}
        with self._database.declaring() as session:
            if session.run(_FIND_BINDING, routing_key=routing_key, **names):
                return
            if read_type(session, exchange_name) is None:
                raise not_found("exchange", exchange_name, "Channel.queue_bind")
            with session.begin():
                if not session.run(_LOCK_QUEUE, queue_name=queue_name):
                    raise not_found("queue", queue_name, "Channel.queue_bind")
                session.run(_BIND, routing_key=routing_key, **names)

    def unbind(self, queue_name: str, exchange_name: str, routing_key: str) -> None:
        """Undo `bind`."""
        names = {"queue_name": queue_name, "exchange_name": exchange_name}
        with self._database.declaring() as session:
            session.run(_UNBIND, routing_key=routing_key, **names)
            session.run(DELETE_UNBOUND, names=[exchange_name])


def _check_arguments(name: str, arguments: Mapping[str, Any]) -> None:
    for given, value in arguments.items():
        if given in _ARGUMENTS:
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST:
                raise _refuse(name, given, value, f"takes a whole number, 0 to {MOST:,}")
        elif given not in _GIVEN:
            known = [*_ARGUMENTS, *_GIVEN]
            hint = did_you_mean(given, known)
            raise _refuse(name, given, value, f"is not offered; {', '.join(known)} are.{hint}")
        elif value not in _GIVEN[given]:
            allowed = ", ".join(map(str, _GIVEN[given]))
            raise _refuse(name, given, value, f"can only be {allowed}")


def _refuse(queue_name: str, argument: str, value: Any, why: str) -> TransportError:
    return TransportError(f"queue '{queue_name}': {argument} {why}", field=argument, value=value)
