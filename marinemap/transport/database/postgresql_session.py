"""A connection to a PostgreSQL server, every wait on which has an end.

Statements run below psycopg's cursor, which finds out anew each time how to send each
parameter and costs more than the server. The queue's parameters are numbers, text and lists
of them, and the statement says their types: so they go as text, to a statement that is
prepared at its first use. Waiting and reading are psycopg's, so that a signal still interrupts
and gevent's greenlets give way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg import generators
from psycopg.adapt import Transformer
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus

from .. import SCHEME
from ..errors import AwayError, BusyError
from .answers import make_row, refused_by_caller, without_tables
from .contract import Row
from .postgresql_limits import connect, for_session, send_limited
from .postgresql_resuming import Resumption
from .postgresql_words import as_text, write_sql
from .signals import wait_for

# Each statement of the queue finds its rows by an index, whatever its parameters and however
# long the queue: so it is planned once. Left to itself the planner would plan a claim each
# time, for half of its cost, or read the whole table by a plan made while that was empty.
_PLANNING = (
    "SET plan_cache_mode TO force_generic_plan",
    "SET enable_seqscan TO off",
    "SET enable_bitmapscan TO off",
    "SET jit TO off",
    # A role's own default might count with an old snapshot.
    "SET default_transaction_isolation TO 'read committed'",
)
# Some statement of an upgrade may have millions of rows to read.
_LONGEST_SECONDS = 3600.0
_DONE = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK, ExecStatus.PIPELINE_SYNC)


class PostgresSession:
    """Runs statements on a connection of the queue's own.

    Parameters
    ----------
    url : str
        As libpq takes it, with several hosts and ``target_session_attrs`` if wanted.
    statement_seconds : float
        The server gives a statement up after this long, and an open transaction that waits
        for us; we give up the connection after a second more, when the server says nothing.
    """

    def __init__(self, url: str, statement_seconds: float) -> None:
        # The server gives up first where it can; a mute one never answers.
        self._answer_seconds = statement_seconds + 1
        self._ms = round(statement_seconds * 1000)
        with translating():
            self.connection = connect(url, self._ms)
            try:
                self._make_ready()
            except BaseException:
                self.connection.close()
                raise
        self._transformer = Transformer(self.connection)
        self._names: dict[str, bytes] = {}
        # Of the consumer whose session this is, by queue.
        self.resumptions: defaultdict[str, Resumption] = defaultdict(Resumption)

    def run(self, statement: str, **parameters: Any) -> list[Row]:
        sql, names = write_sql(statement)
        values = [as_text(parameters[name]) for name in names]
        with translating(), self._closing_when_lost():
            if self.is_pooled and self.is_sound():
                result = self._run_limited(sql, values)
            else:
                self._send(statement, sql, values)
                result = self._receive()
        if not result.nfields:
            return []
        self._transformer.set_pgresult(result)
        return self._transformer.load_rows(0, result.ntuples, _row_maker(statement, result))

    @contextmanager
    def begin(self) -> Iterator[None]:
        self.run("BEGIN")
        try:
            yield
            self.run("COMMIT")
        except BaseException:
            if self.connection.pgconn.transaction_status != TransactionStatus.IDLE:
                with suppress(AwayError):
                    self.run("ROLLBACK")
            raise

    @contextmanager
    def waiting_long(self) -> Iterator[None]:
        """Let the statements of a transaction take as long as they need, up to an hour."""
        self.run("SET LOCAL statement_timeout TO 0")
        self.run("SET LOCAL lock_timeout TO 0")
        seconds, self._answer_seconds = self._answer_seconds, _LONGEST_SECONDS
        try:
            yield
        finally:
            self._answer_seconds = seconds

    def is_usable(self) -> bool:
        """Tell whether nothing came while it was idle: that would be its end."""
        return self.is_sound() and not wait_for(0, self.connection.pgconn.socket)

    def is_sound(self) -> bool:
        pgconn = self.connection.pgconn
        return (
            pgconn.status == ConnStatus.OK and pgconn.transaction_status == TransactionStatus.IDLE
        )

    def close(self) -> None:
        self.connection.close()

    def _make_ready(self) -> None:
        row = self._ask("SELECT pg_backend_pid(), current_setting('transaction_read_only')")
        # A pooler such as PgBouncer invents the process id that a client is told at its
        # connect. It may hand each transaction to another session, and so neither settings
        # nor prepared statements nor LISTEN last.
        self.is_pooled = row[0] != str(self.connection.info.backend_pid)
        if row[1] == "on":
            raise psycopg.OperationalError("the server is read-only: a standby, or demoted")
        if not self.is_pooled:
            self._ask("; ".join((*_PLANNING, *for_session(self._ms))))

    def _ask(self, sql: str) -> list[str]:
        self.connection.pgconn.send_query(sql.encode())
        result = self._receive()
        return [(result.get_value(0, n) or b"").decode() for n in range(result.nfields)]

    def _send(self, statement: str, sql: bytes, values: list[bytes | None]) -> None:
        pgconn = self.connection.pgconn
        if self.is_pooled:
            pgconn.send_query_params(sql, values)
            return
        name = self._names.get(statement)
        if name is None:
            name = f"{SCHEME}_{len(self._names)}".encode()
            pgconn.send_prepare(name, sql)
            self._receive()
            self._names[statement] = name
        pgconn.send_query_prepared(name, values)

    def _run_limited(self, sql: bytes, values: list[bytes | None]) -> Any:
        pgconn = self.connection.pgconn
        send_limited(pgconn, self._ms, sql, values)
        results = [self._fetch(generators.execute(pgconn))]
        results += [self._fetch(generators.fetch_many(pgconn)) for _ in range(2)]
        pgconn.exit_pipeline_mode()
        return [self._check(result) for result in results][1]

    def _receive(self) -> Any:
        return self._check(self._fetch(generators.execute(self.connection.pgconn)))

    def _fetch(self, waiting: Any) -> Any:
        return self.connection.wait(waiting, timeout=self._answer_seconds)[-1]

    def _check(self, result: Any) -> Any:
        if result.status not in _DONE:
            raise psycopg.errors.error_from_result(result, self.connection.info.encoding)
        return result

    @contextmanager
    def _closing_when_lost(self) -> Iterator[None]:
        try:
            yield
        except psycopg.errors.ReadOnlySqlTransaction:
            # Demoted while we were connected: the next connection may find the new primary.
            self.connection.close()
            raise
        except BaseException:
            # Interrupted, or out of time: what the server answers later is nobody's.
            if self.connection.pgconn.transaction_status in (
                TransactionStatus.ACTIVE,
                TransactionStatus.UNKNOWN,
            ):
                self.connection.close()
            raise


class JoinedPostgresSession:
    """Runs statements in the caller's transaction, which only the caller may end."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def run(self, statement: str, **parameters: Any) -> list[Row]:
        sql, names = write_sql(statement)
        try:
            # psycopg's own cursor, which begins the transaction where that is still to come.
            with psycopg.RawCursor(self._connection) as cursor:
                cursor.execute(sql, [parameters[name] for name in names])
                if cursor.description is None:
                    return []
                make = make_row(tuple(column.name for column in cursor.description))
                return [make(row) for row in cursor.fetchall()]
        except psycopg.Error as error:
            raise refused_by_caller(error) from error

    @contextmanager
    def begin(self) -> Iterator[None]:
        """The caller's transaction is open already."""
        yield

    def close(self) -> None:
        """The connection is the caller's."""


_makers: dict[str, Callable[[Sequence[Any]], Row]] = {}


def _row_maker(statement: str, result: Any) -> Callable[[Sequence[Any]], Row]:
    if statement not in _makers:
        columns = (result.fname(number) or b"" for number in range(result.nfields))
        _makers[statement] = make_row(tuple(column.decode() for column in columns))
    return _makers[statement]


@contextmanager
def translating() -> Iterator[None]:
    """Raise the queue's own errors in place of the driver's."""
    try:
        yield
    except psycopg.errors.LockNotAvailable as error:
        raise BusyError(f"PostgreSQL: {error}") from error
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
        raise without_tables(error) from error
    except (
        psycopg.OperationalError,
        psycopg.InterfaceError,
        # InternalError covers a transaction that is read-only, or has failed already.
        psycopg.InternalError,
    ) as error:
        raise AwayError(f"PostgreSQL: {str(error).strip()}") from error
