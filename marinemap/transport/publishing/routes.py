"""Where a message goes: the queues that an exchange and a routing key lead to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from time import monotonic
from typing import Any

from ..database.contract import Session
from ..refusals import not_found

# For how long what a queue asks of messages is remembered for publishing straight to it.
_ROUTE_SECONDS = 5.0
# Replies go to a queue of each caller's own, used once: those remembered must not add up.
_MOST_REMEMBERED = 1000
EXCHANGE_TYPES = ("direct", "topic", "fanout")
# There from the beginning, and for good (AMQP 0-9-1, 3.1.3); kombu declares none of them.
PREDECLARED = {f"amq.{kind}": kind for kind in EXCHANGE_TYPES}

_FIND_EXCHANGE = "SELECT exchange_type FROM broker_exchanges WHERE exchange_name = :exchange_name"
FIND_QUEUE = (
    "SELECT is_auto_delete, expires_after_ms, message_ttl_ms, max_length FROM broker_queues "
    "WHERE queue_name = :queue_name"
)
_ROUTES = (
    "SELECT b.routing_key, q.queue_name, q.message_ttl_ms, q.max_length FROM broker_bindings AS b "
    "JOIN broker_queues AS q ON q.queue_name = b.queue_name WHERE b.exchange_name = :exchange_name"
)
_DIRECT_ROUTES = f"{_ROUTES} AND b.routing_key = :routing_key"


@dataclass(frozen=True)
class Route:
    """A queue that a message goes to, and what it asks of messages."""

    queue_name: str
    message_ttl_ms: int | None = None
    max_length: int | None = None


class Routes:
    """Finds where messages go, and remembers what does not change between two of them."""

    def __init__(self) -> None:
        self._types = dict(PREDECLARED)
        self._direct: dict[str, tuple[float, Route]] = {}

    def find(self, session: Session, exchange_name: str, routing_key: str) -> list[Route]:
        """Return the queues that a message goes to; none where nobody has bound any.

        Without an exchange the routing key is the name of the queue (AMQP 0-9-1, 3.1.3.1),
        declared or not: a task sent before its first worker ever ran waits for it.

        Raises
        ------
        ChannelError
            There is no such exchange.
        """
        if not exchange_name:
            return [self._find_direct(session, routing_key)]
        exchange_type = self._find_type(session, exchange_name)
        if exchange_type == "direct":
            names = {"exchange_name": exchange_name, "routing_key": routing_key}
            rows = session.run(_DIRECT_ROUTES, **names)
        else:
            rows = session.run(_ROUTES, exchange_name=exchange_name)
        if exchange_type == "topic":
            rows = [row for row in rows if matches_topic(row.routing_key, routing_key)]
        return _unique_routes(rows)

    def forget_exchange(self, name: str) -> None:
        """Look an exchange's type up again."""
        self._types.pop(name, None)

    def forget_queue(self, name: str) -> None:
        """Look up again what a queue asks of messages."""
        self._direct.pop(name, None)

    def _find_type(self, session: Session, name: str) -> str:
        if name not in self._types:
            known = read_type(session, name)
            if known is None:
                raise not_found("exchange", name, "Channel.basic_publish")
            self._types[name] = known
        return self._types[name]

    def _find_direct(self, session: Session, queue_name: str) -> Route:
        known = self._direct.get(queue_name)
        if known is None or known[0] < monotonic():
            rows = session.run(FIND_QUEUE, queue_name=queue_name)
            asked = (rows[0].message_ttl_ms, rows[0].max_length) if rows else ()
            known = (monotonic() + _ROUTE_SECONDS, Route(queue_name, *asked))
            if len(self._direct) >= _MOST_REMEMBERED:
                self._direct.clear()
            self._direct[queue_name] = known
        return known[1]


def read_type(session: Session, name: str) -> str | None:
    """Return the type of an exchange; None where it has not been declared."""
    rows = session.run(_FIND_EXCHANGE, exchange_name=name)
    return rows[0].exchange_type if rows else PREDECLARED.get(name)


def _unique_routes(rows: Iterable[Any]) -> list[Route]:
    routes = {
        row.queue_name: Route(row.queue_name, row.message_ttl_ms, row.max_length) for row in rows
    }
    return list(routes.values())


@lru_cache(maxsize=1000)
def matches_topic(binding_key: str, routing_key: str) -> bool:
    """Tell whether a topic binding takes a routing key (AMQP 0-9-1, 3.1.3.3).

    ``*`` stands for one word and ``#`` for any number of words, none included.

    >>> matches_topic("worker.#", "worker")
    True
    >>> matches_topic("task.*", "task.sent.twice")
    False
    """
    words = routing_key.split(".")
    # Which of the words may have been used up; a pattern of many # costs no more than that.
    reached = {0}
    for part in binding_key.split("."):
        if part == "#":
            reached = set(range(min(reached), len(words) + 1))
        else:
            reached = {
                used + 1 for used in reached if used < len(words) and part in ("*", words[used])
            }
        if not reached:
            return False
    return len(words) in reached
