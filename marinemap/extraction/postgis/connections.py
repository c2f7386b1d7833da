"""Connections to servers of tables: opened, kept between two uses, and ended."""

from __future__ import annotations

import os
import select
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import pq

from marinemap.errors import UnavailableError
from marinemap.extraction.postgis.servers import Server
from marinemap.extraction.postgis.table import Table
from marinemap.sentences import say

# A server that is gone without a word (its machine, the network) is noticed by the system.
_WAITS = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    "application_name": "MarineMap",
}
# Connections that wait for the next request: a page makes several looks one after the other.
_MOST_IDLE, _IDLE_SECONDS = 4, 30.0
_CANCEL_SECONDS = 5.0


def connect(server: Server, table: Table) -> psycopg.Connection[Any]:
    """Connect to the server of a table.

    Raises
    ------
    UnavailableError
        If it is away.
    """
    parameters = {**_WAITS, **server.parameters, "client_encoding": "UTF8"}
    try:
        return psycopg.connect(**parameters, autocommit=True)
    except psycopg.Error as error:
        raise away(table) from error


def end(connection: psycopg.Connection[Any]) -> None:
    """Close a connection; the server ends what it was doing for it."""
    is_active = connection.pgconn.transaction_status == pq.TransactionStatus.ACTIVE
    if is_active:
        with suppress(psycopg.Error):
            connection.cancel_safe(timeout=_CANCEL_SECONDS)
    with suppress(psycopg.Error):
        connection.close()


def away(table: Table) -> UnavailableError:
    """Return what people are told; where the server is, and what it said, is for the log."""
    return UnavailableError(
        say("the {name} is away, silent, or busy for too long", name=table.name),
        field="source",
        hint=say("Try again later."),
    )


@dataclass
class _Waiting:
    connection: psycopg.Connection[Any]
    since: float


class Idle:
    """Connections between two uses, few and not for long; none goes to a forked child."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[tuple[object, ...], list[_Waiting]] = {}

    def take(self, server: Server) -> psycopg.Connection[Any] | None:
        """Return one to a server that is as it was left, if there is one."""
        with self._lock:
            waiting = self._waiting.get(_name_of(server), [])
            while waiting:
                found = waiting.pop()
                if self._is_fresh(found):
                    return found.connection
                end(found.connection)
        return None

    def give(self, server: Server, connection: psycopg.Connection[Any]) -> None:
        """Keep one for a while; who gives it has ended its transaction."""
        with self._lock:
            waiting = self._waiting.setdefault(_name_of(server), [])
            waiting.append(_Waiting(connection, time.monotonic()))
            while len(waiting) > _MOST_IDLE or not self._is_fresh(waiting[0]):
                end(waiting.pop(0).connection)

    @staticmethod
    def _is_fresh(found: _Waiting) -> bool:
        """Tell whether a connection is as it was left: a server that has ended it said so."""
        pg = found.connection.pgconn
        is_young = time.monotonic() - found.since < _IDLE_SECONDS
        if not is_young or pg.status != pq.ConnStatus.OK:
            return False
        poll = select.poll()
        poll.register(pg.socket, select.POLLIN)
        return not poll.poll(0)


def _name_of(server: Server) -> tuple[object, ...]:
    return os.getpid(), server.host, server.port, server.database, server.user


idle = Idle()
