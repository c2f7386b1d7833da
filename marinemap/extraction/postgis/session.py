"""A read-only transaction on a server, in which no wait is without an end."""

from __future__ import annotations

import select
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import psycopg
from psycopg import pq
from psycopg.sql import SQL, Composable

from marinemap.errors import DatasetError, MarineMapError, UnavailableError, quote
from marinemap.extraction.postgis.begin import begin
from marinemap.extraction.postgis.connections import away, connect, end, idle
from marinemap.extraction.postgis.servers import Server, server_of, silent_seconds
from marinemap.extraction.postgis.table import Table
from marinemap.sentences import say

# While a server thinks, so often whoever waits may look whether the work is still wanted.
_TICK_SECONDS = 1.0
# Rows are passed on with the one that reaches either.
_MOST_MESSAGES, _MOST_BYTES = 8_192, 6 << 20
# What a statement fails by where the server, not the statement, is the cause.
_AWAY = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError)
# What a server says of a connection that it has ended.
_ENDED = (
    psycopg.errors.AdminShutdown,
    psycopg.errors.CrashShutdown,
    psycopg.errors.IdleSessionTimeout,
)


class Session:
    """A transaction: all that is read in it is of one state of the database."""

    def __init__(self, connection: psycopg.Connection[Any], table: Table) -> None:
        self._connection = connection
        self._pg = connection.pgconn
        self._table = table

    def rows(self, statement: Composable) -> list[list[str | None]]:
        """Return what a statement answers, as texts.

        Raises
        ------
        UnavailableError
            If the server is away, silent, or takes too long.
        DatasetError
            If it refuses the statement.
        """
        with self._named():
            found: list[list[str | None]] = []
            # Of one that is refused all is taken too: the connection is free for the next.
            for result in list(self._results(statement)):
                self._check(result)
                found = [_texts(result, row) for row in range(result.ntuples)]
            return found

    def copy(self, statement: Composable) -> Generator[list[Any] | None]:
        """Yield the rows of a query in COPY's binary form, many at once, and None while none come.

        Raises
        ------
        UnavailableError, DatasetError
            As ``rows`` does.
        """
        # However long it takes in all: what is bounded is its silence.
        self.rows(SQL("SET LOCAL statement_timeout = 0"))
        command = SQL("COPY ({}) TO STDOUT (FORMAT binary)").format(statement)
        with self._named():
            for result in self._results(command):
                if result.status != pq.ExecStatus.COPY_OUT:
                    self._check(result)
                    continue
                yield from self._copied()

    def _copied(self) -> Iterator[list[Any] | None]:
        more = self._pg.get_copy_data
        messages: list[Any] = []
        total = 0
        while True:
            size, data = more(1)
            if size > 0:
                messages.append(data)
                total += size
            elif size == 0:
                for _ in self._waiting():
                    yield None
            if messages and (size < 0 or total >= _MOST_BYTES or len(messages) == _MOST_MESSAGES):
                yield messages
                messages, total = [], 0
            if size < 0:
                return

    def _results(self, statement: Composable) -> Iterator[Any]:
        self._pg.send_query(statement.as_bytes(self._connection))
        while self._pg.flush():
            self._ready(select.POLLOUT)
        while True:
            while self._pg.is_busy():
                for _ in self._waiting():
                    pass
            result = self._pg.get_result()
            if result is None:
                return
            yield result

    def _waiting(self) -> Iterator[None]:
        """Wait for what the server says; yield each second, fail when it is silent too long."""
        deadline = time.monotonic() + silent_seconds()
        while not self._ready(select.POLLIN):
            if time.monotonic() > deadline:
                raise psycopg.OperationalError(f"silent for {silent_seconds():g} seconds")
            yield
        self._pg.consume_input()

    def _ready(self, event: int) -> bool:
        poll = select.poll()
        poll.register(self._pg.socket, event)
        return bool(poll.poll(1000 * min(_TICK_SECONDS, silent_seconds())))

    def _check(self, result: Any) -> None:
        if result.status not in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK):
            raise psycopg.errors.error_from_result(result)

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise _told(self._table, error) from error


@contextmanager
def session(table: Table, *, stays: bool = True) -> Iterator[Session]:
    """Open a transaction that reads a table, of its snapshot where it has one.

    Until its end nobody replaces all rows of the table at once, unless ``stays`` is false.

    Raises
    ------
    UnavailableError
        If the server is away, or the snapshot is no longer held or has no rows of the table.
    DatasetError
        If the site may not read it, or the database has no PostGIS.
    """
    server = server_of(table)
    connection = _begun(server, table, stays)
    opened = Session(connection, table)
    try:
        yield opened
        is_done = connection.pgconn.transaction_status != pq.TransactionStatus.ACTIVE
        if is_done:
            opened.rows(SQL("ROLLBACK"))
    except BaseException:
        end(connection)
        raise
    if is_done:
        idle.give(server, connection)
    else:
        # What was begun is not wanted to its end.
        end(connection)


@contextmanager
def held(table: Table) -> Iterator[Table]:
    """Hold the state of a database as it is now; yield the table as it is in that state.

    Who replaces all rows of the table meanwhile does not wait: what is read then is refused.
    """
    if table.snapshot:
        yield table
        return
    with session(table, stays=False) as opened:
        ((snapshot,),) = opened.rows(SQL("SELECT pg_export_snapshot()"))
        yield replace(table, snapshot=snapshot or "")


def _begun(server: Server, table: Table, stays: bool) -> psycopg.Connection[Any]:
    """Return a connection in a transaction, one that was kept if it has outlasted its rest."""
    kept = idle.take(server)
    connection = kept or connect(server, table)
    try:
        begin(Session(connection, table), table, stays=stays)
    except UnavailableError as error:
        is_told = isinstance(error.__cause__, _ENDED)
        is_lost = is_told or connection.pgconn.status != pq.ConnStatus.OK
        end(connection)
        if kept is None or not is_lost:
            raise
        return _begun(server, table, stays)
    except BaseException:
        end(connection)
        raise
    return connection


def _texts(result: Any, row: int) -> list[str | None]:
    values = (result.get_value(row, column) for column in range(result.nfields))
    return [None if value is None else value.decode() for value in values]


def _told(table: Table, error: psycopg.Error) -> MarineMapError:
    if isinstance(error, _AWAY):
        return away(table)
    what = quote(str(error.diag.message_primary or error))
    return DatasetError(
        say(
            "layer '{layer}' of the {name} cannot be read: {what}",
            layer=table.layer,
            name=table.name,
            what=what,
        ),
        field="source",
    )
