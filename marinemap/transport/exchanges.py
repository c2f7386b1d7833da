"""Exchanges, queues and their bindings, kept in tables so that all processes see the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from time import monotonic
from typing import Any

from kombu.exceptions import ChannelError
from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Text,
    bindparam,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from marinemap.transport.dialects import among, list_bind, now_ms
from marinemap.transport.engine import Database
from marinemap.transport.sessions import Session
from marinemap.transport.tables import bindings, exchanges, messages, queues

# How long a queue's length limit and time to live are remembered for publishing straight to it.
_ROUTE_SECONDS = 5.0


@dataclass(frozen=True)
class Route:
    """A queue that a message goes to, and what it asks of messages."""

    queue_name: str
    message_ttl_ms: int | None = None
    max_length: int | None = None


def _name(column: str) -> ColumnElement[str]:
    return bindparam(column, type_=Text())


_by_queue = queues.c.queue_name == _name("queue_name")
_route_columns = (queues.c.queue_name, queues.c.message_ttl_ms, queues.c.max_length)
_find_exchange = select(exchanges.c.exchange_type).where(
    exchanges.c.exchange_name == _name("exchange_name")
)
_add_exchange = (
    upsert(exchanges)
    .values(exchange_name=_name("exchange_name"), exchange_type=_name("exchange_type"))
    .on_conflict_do_nothing()
)
_find_queue = select(queues.c.expires_after_ms, *_route_columns).where(_by_queue)
_queue_values = {
    "is_auto_delete": bindparam("is_auto_delete", type_=Boolean()),
    "expires_after_ms": bindparam("expires_after_ms", type_=BigInteger()),
    "message_ttl_ms": bindparam("message_ttl_ms", type_=BigInteger()),
    "max_length": bindparam("max_length", type_=BigInteger()),
    "last_used_at_ms": now_ms(),
}
_add_queue = (
    upsert(queues)
    .values(queue_name=_name("queue_name"), **_queue_values)
    .on_conflict_do_update(index_elements=["queue_name"], set_=_queue_values)
)
touch_queues = (
    update(queues)
    .where(among(queues.c.queue_name, list_bind("queue_names")))
    .where(queues.c.expires_after_ms.is_not(None))
    .values(last_used_at_ms=now_ms())
)
_binding = (
    bindings.c.exchange_name == _name("exchange_name"),
    bindings.c.routing_key == _name("routing_key"),
    bindings.c.queue_name == _name("queue_name"),
)
_find_binding = select(bindings.c.queue_name).where(*_binding)
_add_binding = (
    upsert(bindings)
    .values({column.name: _name(column.name) for column in bindings.columns})
    .on_conflict_do_nothing()
)
_remove_binding = delete(bindings).where(*_binding)
_routes = (
    select(bindings.c.routing_key, *_route_columns)
    .join(queues, queues.c.queue_name == bindings.c.queue_name)
    .where(bindings.c.exchange_name == _name("exchange_name"))
)
_direct_routes = _routes.where(bindings.c.routing_key == _name("routing_key"))
all_bindings = select(bindings.c.queue_name, bindings.c.exchange_name, bindings.c.routing_key)
count_waiting = (
    select(func.count())
    .select_from(messages)
    .where(messages.c.queue_name == _name("queue_name"), messages.c.claimed_by.is_(None))
)
purge_waiting = (
    delete(messages)
    .where(messages.c.queue_name == _name("queue_name"), messages.c.claimed_by.is_(None))
    .returning(messages.c.id)
)
_delete_queue = (
    delete(queues).where(_by_queue),
    delete(bindings).where(bindings.c.queue_name == _name("queue_name")),
    delete(messages).where(messages.c.queue_name == _name("queue_name")),
)
_idle = (
    queues.c.expires_after_ms.is_not(None),
    queues.c.last_used_at_ms + queues.c.expires_after_ms < select(now_ms()).scalar_subquery(),
)
idle_queues = select(queues.c.queue_name).where(*_idle)
_still_idle = select(queues.c.queue_name).where(_by_queue, *_idle).with_for_update()


class Exchanges:
    """Declares exchanges, queues and bindings, and finds where a message goes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._types: dict[str, str] = {}
        self._direct: dict[str, tuple[float, Route]] = {}

    def declare_exchange(self, name: str, exchange_type: str) -> None:
        """Create an exchange unless it is there.

        Raises
        ------
        ChannelError
            There is one of that name but another type.
        """
        with self._database.declaring() as session:
            found = session.run(_find_exchange, exchange_name=name)
            if not found:
                session.run(_add_exchange, exchange_name=name, exchange_type=exchange_type)
            elif found[0][0] != exchange_type:
                raise ChannelError(
                    f"PRECONDITION_FAILED - exchange '{name}' is of type '{found[0][0]}', not "
                    f"'{exchange_type}'",
                    (40, 10),
                    "Channel.exchange_declare",
                    406,
                )

    def has_exchange(self, name: str) -> bool:
        """Tell whether an exchange has been declared."""
        with self._database.session() as session:
            return bool(session.run(_find_exchange, exchange_name=name))

    def delete_exchange(self, name: str) -> None:
        """Delete an exchange and its bindings; queues stay."""
        with self._database.transaction() as session:
            session.run(_delete_bindings_of_exchange, exchange_name=name)
            session.run(_delete_exchange, exchange_name=name)
        self._types.pop(name, None)

    def declare_queue(self, name: str, *, auto_delete: bool, arguments: Mapping[str, Any]) -> None:
        """Create a queue, or bring what it asks of messages up to date."""
        expires = arguments.get("x-expires")
        if expires is None and auto_delete:
            # Its consumers renew it as they renew their leases; gone, it goes too.
            expires = int(self._database.options.lease_seconds * 1000)
        wanted = (expires, name, arguments.get("x-message-ttl"), arguments.get("x-max-length"))
        with self._database.declaring() as session:
            if session.run(_find_queue, queue_name=name) == [wanted] and expires is None:
                return
            session.run(
                _add_queue,
                queue_name=name,
                is_auto_delete=auto_delete,
                expires_after_ms=expires,
                message_ttl_ms=wanted[2],
                max_length=wanted[3],
            )
        self._direct.pop(name, None)

    def has_queue(self, name: str) -> bool:
        """Tell whether a queue has been declared."""
        with self._database.session() as session:
            return bool(session.run(_find_queue, queue_name=name))

    def bind(self, queue_name: str, exchange_name: str, routing_key: str) -> None:
        """Let messages to an exchange reach a queue."""
        names = {"queue_name": queue_name, "exchange_name": exchange_name}
        with self._database.declaring() as session:
            if not session.run(_find_binding, routing_key=routing_key, **names):
                session.run(_add_binding, routing_key=routing_key, **names)

    def unbind(self, queue_name: str, exchange_name: str, routing_key: str) -> None:
        """Undo `bind`."""
        names = {"queue_name": queue_name, "exchange_name": exchange_name}
        with self._database.declaring() as session:
            session.run(_remove_binding, routing_key=routing_key, **names)

    def delete_queue(self, name: str) -> None:
        """Delete a queue with its bindings and messages."""
        with self._database.transaction() as session:
            for statement in _delete_queue:
                session.run(statement, queue_name=name)
        self._direct.pop(name, None)

    def find_routes(self, session: Session, exchange_name: str, routing_key: str) -> list[Route]:
        """Return the queues that a message goes to; none where nobody listens.

        Without an exchange the routing key is the queue, declared or not: a task sent before
        its first worker ever ran waits for it.
        """
        if not exchange_name:
            return [self._find_direct(session, routing_key)]
        exchange_type = self._find_type(session, exchange_name)
        if exchange_type == "direct":
            names = {"exchange_name": exchange_name, "routing_key": routing_key}
            rows = session.run(_direct_routes, **names)
        else:
            rows = session.run(_routes, exchange_name=exchange_name)
        if exchange_type == "topic":
            rows = [row for row in rows if matches_topic(row[0], routing_key)]
        return list({row[1]: Route(*row[1:]) for row in rows}.values())

    def _find_type(self, session: Session, name: str) -> str:
        if name not in self._types:
            found = session.run(_find_exchange, exchange_name=name)
            if not found:
                return "direct"
            self._types[name] = found[0][0]
        return self._types[name]

    def _find_direct(self, session: Session, queue_name: str) -> Route:
        known = self._direct.get(queue_name)
        if known is None or known[0] < monotonic():
            rows = session.run(_find_queue, queue_name=queue_name)
            route = Route(*rows[0][1:]) if rows else Route(queue_name)
            known = self._direct[queue_name] = (monotonic() + _ROUTE_SECONDS, route)
        return known[1]


def delete_idle_queue(session: Session, name: str) -> bool:
    """Delete a queue that nobody has used for its time; run it in a transaction."""
    if not session.run(_still_idle, queue_name=name):
        return False
    for statement in _delete_queue:
        session.run(statement, queue_name=name)
    return True


_delete_exchange = delete(exchanges).where(exchanges.c.exchange_name == _name("exchange_name"))
_delete_bindings_of_exchange = delete(bindings).where(
    bindings.c.exchange_name == _name("exchange_name")
)


@lru_cache(maxsize=1000)
def matches_topic(binding_key: str, routing_key: str) -> bool:
    """Tell whether a topic binding takes a routing key (AMQP 0-9-1, 3.1.3.3).

    ``*`` stands for one word and ``#`` for any number of words, none included.

    >>> matches_topic("worker.#", "worker")
    True
    >>> matches_topic("task.*", "task.sent.twice")
    False
    """
    return _match_words(tuple(binding_key.split(".")), tuple(routing_key.split(".")))


def _match_words(pattern: tuple[str, ...], words: tuple[str, ...]) -> bool:
    if not pattern:
        return not words
    if pattern[0] == "#":
        return any(_match_words(pattern[1:], words[skip:]) for skip in range(len(words) + 1))
    fits = bool(words) and pattern[0] in ("*", words[0])
    return fits and _match_words(pattern[1:], words[1:])
