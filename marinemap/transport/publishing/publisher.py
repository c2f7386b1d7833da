"""Storing messages: alone, in a batch, or in the caller's transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import Any

from ..database import Database
from ..database.contract import Session, Stored
from ..errors import AwayError, BusyError, NotStoredError, QueueFullError, quote
from ..providers import find_caller_transaction
from ..refusals import precondition_failed
from . import statements
from .payloads import MOST, read_expiration_ms, read_time_ms, write_payload
from .routes import Route, Routes

_PRIORITIES = range(10)
# Whoever publishes a message again does so within seconds: what was given up must not add up.
_MOST_UNCERTAIN = 1000
_PUBLISH = "Channel.basic_publish"


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

    def parameters(self, routes: list[Route]) -> dict[str, Any]:
        """Return what the insert into some queues needs."""
        return {
            "queue_names": [route.queue_name for route in routes],
            "ttls_ms": [self._ttl(route) for route in routes],
            "priority": self.priority,
            "task_name": self.task_name,
            "owner": self.owner,
            "correlation_id": self.correlation_id,
            "payload": self.payload,
            "due_at_ms": self.due_at_ms,
        }

    def _ttl(self, route: Route) -> int | None:
        ttls = [ttl for ttl in (self.ttl_ms, route.message_ttl_ms) if ttl is not None]
        return min(ttls, default=None)


@dataclass(frozen=True)
class Addressed:
    """A message with where it is sent to."""

    outgoing: Outgoing
    exchange_name: str
    routing_key: str


class Publisher:
    """Stores the messages of one connection."""

    def __init__(self, database: Database, routes: Routes) -> None:
        self._database = database
        self._routes = routes
        # Tasks seen to have a rate, for which the first try would be in vain.
        self._limited_tasks: set[str | None] = set()

    def publish(self, message: Mapping[str, Any], exchange_name: str, routing_key: str) -> int:
        """Store a message in every queue that it is routed to; durable when this returns.

        In a transaction of the caller's it is durable when that commits.

        Returns
        -------
        int
            In how many queues it is; none where nothing is bound.

        Raises
        ------
        QueueFullError
            A queue has reached its length limit; nothing was stored.
        NotStoredError
            The database could not store it.
        AwayError
            The database is away; whether the message was stored is then known to nobody.
        """
        return self.publish_all([Addressed(self.prepare(message), exchange_name, routing_key)])

    def publish_all(self, messages: list[Addressed]) -> int:
        """Store messages in one transaction; return in how many queues they are together."""
        ids = {one.outgoing.correlation_id for one in messages if one.outgoing.correlation_id}
        try:
            is_again = not ids.isdisjoint(self._database.uncertain_ids)
            count = self._publish_all(messages, is_again=is_again)
        except BusyError as error:
            raise _not_stored(error, self._database.options.busy_timeout_seconds) from error
        except AwayError:
            # The connection may have been lost after the commit. Whoever publishes the same
            # again, as Celery does, does not store what is there.
            self._note_uncertain(ids)
            raise
        for one in ids:
            self._database.uncertain_ids.pop(one, None)
        return count

    def _note_uncertain(self, ids: set[str]) -> None:
        uncertain = self._database.uncertain_ids
        uncertain.update(dict.fromkeys(ids))
        for one in list(uncertain)[:-_MOST_UNCERTAIN]:
            uncertain.pop(one, None)

    def store_in_queue(self, session: Session, outgoing: list[Outgoing], queue_name: str) -> Stored:
        """Store messages straight in a queue; run it in a transaction.

        Raises
        ------
        QueueFullError
            The queue has not room for all of them; none was stored.
        """
        routes = self._routes.find(session, "", queue_name)
        self._check_room(session, len(outgoing), routes[0])
        return sum((self._insert(session, one, routes) for one in outgoing), Stored())

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
            ttl_ms=_read_ttl_ms(properties.get("expiration")),
        )

    def _publish_all(self, messages: list[Addressed], *, is_again: bool) -> int:
        with self._database.publishing() as session:
            routed = self._route(session, messages)
            is_single = len(messages) == 1 and not self._needs_counting(routed)
            # A single statement is a transaction of its own.
            with nullcontext() if is_single else session.begin():
                self._check_rooms(session, routed)
                each = (self._insert(session, *one, is_again=is_again) for one in routed)
                stored = sum(each, Stored())
            self._tell(session, stored)
        return stored.count

    def _route(
        self, session: Session, messages: list[Addressed]
    ) -> list[tuple[Outgoing, list[Route]]]:
        find = self._routes.find
        routed = [
            (one.outgoing, find(session, one.exchange_name, one.routing_key)) for one in messages
        ]
        return [(outgoing, routes) for outgoing, routes in routed if routes]

    def _insert(
        self, session: Session, one: Outgoing, routes: list[Route], *, is_again: bool = False
    ) -> Stored:
        names = one.parameters(routes)
        turn_ms = self._database.options.turn_ms
        if is_again:
            self._database.store(session, statements.INSERT_UNLESS_STORED, turn_ms=turn_ms, **names)
            # Whoever stored it before could tell nobody.
            told = frozenset(names["queue_names"])
            return Stored(len(told), told, told, one.due_at_ms is not None)
        if one.task_name not in self._limited_tasks:
            stored = self._database.store(session, statements.INSERT, **names)
            if stored.count:
                return stored
            self._limited_tasks.add(one.task_name)
        return self._database.store(session, statements.INSERT_IN_TURN, turn_ms=turn_ms, **names)

    def _tell(self, session: Session, stored: Stored) -> None:
        """Wake who expects the messages, once they are committed."""
        if not stored.count:
            return
        caller = find_caller_transaction(self._database.url)
        if caller is not None and caller.on_commit is not None:
            caller.on_commit(lambda: self._notify_after_commit(stored))
        elif stored.expected_in:
            # Stored they are: an error would have them sent once more. Untold as below.
            with suppress(AwayError):
                self._database.notify(session, stored.expected_in, is_delayed=stored.is_delayed)

    def _notify_after_commit(self, stored: Stored) -> None:
        # To all: who was awake as it was stored may sleep by now. Untold, they find it by a poll.
        with suppress(AwayError), self._database.session() as session:
            self._database.notify(session, stored.queue_names, is_delayed=stored.is_delayed)

    def _needs_counting(self, routed: list[tuple[Outgoing, list[Route]]]) -> bool:
        return any(self._find_limit(route) is not None for _, routes in routed for route in routes)

    def _check_rooms(self, session: Session, routed: list[tuple[Outgoing, list[Route]]]) -> None:
        added: defaultdict[Route, int] = defaultdict(int)
        for _, routes in routed:
            for route in routes:
                added[route] += 1
        for route, count in added.items():
            self._check_room(session, count, route)

    def _check_room(self, session: Session, count: int, route: Route) -> None:
        limit = self._find_limit(route)
        if limit is None:
            return
        # With this many there already, the last of the new ones would find it full.
        most = max(0, limit - count + 1)
        is_full = session.run(statements.IS_FULL, queue_name=route.queue_name, max_length=most)
        if is_full[0].is_full:
            raise QueueFullError(
                f"queue '{route.queue_name}' is full: it may hold {limit} messages.",
                field="queue",
                value=route.queue_name,
                hint="Try again when workers have caught up, or raise its limit.",
            )

    def _find_limit(self, route: Route) -> int | None:
        if route.max_length is not None:
            return route.max_length
        return self._database.options.max_queue_length


def _not_stored(error: BusyError, seconds: float) -> NotStoredError:
    """As it stands kombu would take it for a lost connection, and wait as long again."""
    return NotStoredError(
        f"the message was not stored: another program kept the database locked for {seconds:g} s "
        f"({error}).",
        hint="Find what holds a transaction open, or raise busy_timeout_seconds.",
    )


def _read_priority(priority: Any) -> int:
    if priority is None:
        return 0
    if not isinstance(priority, int):
        raise precondition_failed(f"priority '{quote(priority)}' is no whole number", _PUBLISH)
    return min(max(priority, _PRIORITIES[0]), _PRIORITIES[-1])


def _read_ttl_ms(expiration: Any) -> int | None:
    ttl_ms = read_expiration_ms(expiration)
    if ttl_ms is None and expiration is not None:
        raise precondition_failed(
            f"expiration '{quote(expiration)}' is no number of milliseconds, 0 to {MOST:,}",
            _PUBLISH,
        )
    return ttl_ms
