"""Storing messages: alone, in a batch, or in the caller's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from marinemap.errors import ServiceError
from marinemap.transport import statements, store_statements
from marinemap.transport.engine import Database
from marinemap.transport.exchanges import Exchanges, Route
from marinemap.transport.payloads import read_expiration_ms, read_time_ms, write_payload
from marinemap.transport.sessions import Session

_PRIORITIES = range(10)


class QueueFullError(ServiceError):
    """A queue holds as many messages as it may; the message was not stored."""


@dataclass(frozen=True)
class Outgoing:
    """A message as the table holds it, for any queue."""

    priority: int
    task_name: str | None
    owner: str
    correlation_id: str | None
    payload: str
    due_at_ms: int | None
    ttl_ms: int | None

    def parameters(self, route: Route) -> dict[str, Any]:
        """Return what the insert into one queue needs."""
        ttls = [ttl for ttl in (self.ttl_ms, route.message_ttl_ms) if ttl is not None]
        return {
            "queue_name": route.queue_name,
            "priority": self.priority,
            "task_name": self.task_name,
            "owner": self.owner,
            "correlation_id": self.correlation_id,
            "payload": self.payload,
            "due_at_ms": self.due_at_ms,
            "ttl_ms": min(ttls, default=None),
        }


class Publisher:
    """Stores the messages of one connection."""

    def __init__(self, database: Database, exchanges: Exchanges) -> None:
        self._database = database
        self._exchanges = exchanges
        self._reporting = _ReportingLocks(database)
        # Tasks seen to have turns, for which the first try would be in vain.
        self._limited_tasks: set[str | None] = set()

    def publish(self, message: Mapping[str, Any], exchange_name: str, routing_key: str) -> None:
        """Store a message in every queue that it is routed to; durable when this returns.

        In a transaction of the caller's it is durable when that commits.

        Raises
        ------
        QueueFullError
            A queue has reached its length limit; nothing was stored.
        ServiceError
            The database could not store it.
        """
        outgoing = self.prepare(message)
        with self._reporting, self._database.publishing() as session:
            routes = self._exchanges.find_routes(session, exchange_name, routing_key)
            if self._store_at_once(session, outgoing, routes):
                return
            with self._database.joining(session):
                for route in routes:
                    self._store(session, [outgoing], route)

    def publish_all(self, messages: list[tuple[Outgoing, str, str]]) -> None:
        """Store messages, with their exchanges and routing keys, in one transaction."""
        find_routes = self._exchanges.find_routes
        with (
            self._reporting,
            self._database.publishing() as session,
            self._database.joining(session),
        ):
            for outgoing, exchange_name, routing_key in messages:
                routes = find_routes(session, exchange_name, routing_key)
                if not self._store_at_once(session, outgoing, routes):
                    for route in routes:
                        self._store(session, [outgoing], route)

    def store_in_queue(self, session: Session, outgoing: list[Outgoing], queue_name: str) -> None:
        """Store messages straight in a queue; run it in a transaction.

        Raises
        ------
        QueueFullError
            The queue has not room for all of them; none was stored.
        """
        for route in self._exchanges.find_routes(session, "", queue_name):
            self._store(session, outgoing, route)

    def prepare(self, message: Mapping[str, Any]) -> Outgoing:
        """Return a kombu message as a row."""
        headers = message.get("headers") or {}
        properties = message["properties"]
        task_name, owner = headers.get("task"), headers.get(self._database.options.owner_header)
        return Outgoing(
            priority=_read_priority(properties.get("priority")),
            task_name=task_name if isinstance(task_name, str) else None,
            owner="" if owner is None else str(owner),
            correlation_id=properties.get("correlation_id"),
            payload=write_payload(message),
            due_at_ms=read_time_ms(headers.get("eta")),
            ttl_ms=read_expiration_ms(properties.get("expiration")),
        )

    def _store_at_once(self, session: Session, outgoing: Outgoing, routes: list[Route]) -> bool:
        """Store a message by one statement, where one does; tell whether it did."""
        if any(self._find_limit(route) is not None for route in routes):
            return False
        if len(routes) < 2:
            for route in routes:
                self._store(session, [outgoing], route)
            return True
        if self._database.dialect_name != "postgresql" or outgoing.task_name in self._limited_tasks:
            return False
        each = [outgoing.parameters(route) for route in routes]
        names = {
            "queue_names": [one["queue_name"] for one in each],
            "ttls_ms": [one["ttl_ms"] for one in each],
        }
        return bool(session.run(store_statements.store_copies(), **{**each[0], **names}))

    def _store(self, session: Session, outgoing: list[Outgoing], route: Route) -> None:
        self._check_room(session, len(outgoing), route)
        for one in outgoing:
            in_turn = one.task_name in self._limited_tasks
            if not self._insert(session, one, route, in_turn=in_turn):
                self._limited_tasks.add(one.task_name)
                self._insert(session, one, route, in_turn=True)

    def _insert(self, session: Session, one: Outgoing, route: Route, *, in_turn: bool) -> bool:
        """Insert a message; tell whether it was, which not in turn a rate may prevent."""
        store = store_statements.store_message(self._database.dialect_name, in_turn=in_turn)
        return bool(session.run(store, **one.parameters(route)))

    def _check_room(self, session: Session, count: int, route: Route) -> None:
        limit = self._find_limit(route)
        if limit is None:
            return
        # With this many there already, the last of the new ones would find it full.
        most = max(0, limit - count + 1)
        if session.run(statements.is_full, queue_name=route.queue_name, max_length=most)[0][0]:
            raise QueueFullError(
                f"queue '{route.queue_name}' is full: it may hold {limit} messages.",
                field="queue",
                value=route.queue_name,
                hint="Try again when workers have caught up, or raise its limit.",
            )

    def _find_limit(self, route: Route) -> int | None:
        return route.max_length or self._database.options.max_queue_length


class _ReportingLocks:
    """Turns SQLite's "database is locked" into an error that says what it means here.

    As it stands kombu would take it for a lost connection, and wait as long again.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
            seconds = self._database.options.busy_timeout_seconds
            raise ServiceError(
                f"the message was not stored: another program kept the broker's SQLite file "
                f"locked for {seconds:g} s.",
                hint="Find what holds a transaction open, or raise busy_timeout_seconds.",
            ) from error


class PublishBatch:
    """Gathers messages to store them in one transaction; kombu's `Producer.batch`."""

    def __init__(self, channel: Any, publisher: Publisher, max_size: int) -> None:
        self.channel = channel
        self._publisher = publisher
        self._max_size = max_size
        self._waiting: list[tuple[Outgoing, str, str]] = []

    def publish(
        self, message: dict[str, Any], exchange: str, routing_key: str, **kwargs: Any
    ) -> None:
        """Add a message; store all when the batch has its size."""
        self.channel.address_message(message, exchange, routing_key)
        self._waiting.append((self._publisher.prepare(message), exchange, routing_key))
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


def _read_priority(priority: Any) -> int:
    if isinstance(priority, int):
        return min(max(priority, _PRIORITIES[0]), _PRIORITIES[-1])
    return 0
