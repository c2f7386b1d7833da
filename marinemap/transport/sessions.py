"""Running statements on a connection, the transport's own or the caller's."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from typing import Any, Protocol

import psycopg
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import Executable

from marinemap.errors import ServiceError
from marinemap.transport.forks import sqlite_guard

Row = tuple[Any, ...]


class Session(Protocol):
    """Something on which a statement can be run."""

    def run(self, statement: Executable, **parameters: Any) -> list[Row]: ...


class DirectSession:
    """Run statements on a DBAPI connection, compiled once for each dialect.

    The transport runs the same few statements thousands of times a second; going around
    SQLAlchemy's Connection and Result halves what a claim costs, and lets the same code run
    on a connection that belongs to Django.
    """

    def __init__(self, dialect: Dialect, dbapi_connection: Any) -> None:
        self._dialect = dialect
        self._guard = sqlite_guard if dialect.name == "sqlite" else nullcontext()
        self.dbapi_connection = dbapi_connection
        # Whether a single statement is done before it is on the disk; see `hurrying`.
        self.is_hurrying = False

    def run(self, statement: Executable, **parameters: Any) -> list[Row]:
        sql, literals = compile_statement(statement, self._dialect)
        if self._dialect.name == "sqlite":
            # SQLite has no arrays; `among` reads JSON there.
            parameters = {
                n: json.dumps(v) if isinstance(v, list) else v for n, v in parameters.items()
            }
        with self._guard:
            cursor = self.dbapi_connection.cursor()
            try:
                cursor.execute(sql, {**literals, **parameters})
                return [] if cursor.description is None else list(cursor.fetchall())
            finally:
                cursor.close()

    def run_text(self, sql: str) -> None:
        with self._guard:
            cursor = self.dbapi_connection.cursor()
            try:
                cursor.execute(sql)
            finally:
                cursor.close()


@lru_cache(maxsize=500)
def compile_statement(statement: Executable, dialect: Dialect) -> tuple[str, Mapping[str, Any]]:
    """Return the SQL of a statement and the values of its literals."""
    compiled = statement.compile(dialect=dialect)  # type: ignore[attr-defined]
    return str(compiled), compiled.construct_params(_check=False)


class CallerSession(DirectSession):
    """Run statements in the caller's transaction, which only the caller may end."""

    def run(self, statement: Executable, **parameters: Any) -> list[Row]:
        try:
            return super().run(statement, **parameters)
        except (psycopg.Error, sqlite3.Error) as error:
            # Not one of LOST_CONNECTION: kombu would try again in a transaction that the
            # database has already given up.
            raise ServiceError(
                f"the message could not be stored in the caller's transaction: {error}",
                hint="Roll the transaction back and try again.",
            ) from error


@contextmanager
def begin(session: DirectSession, dialect_name: str) -> Iterator[None]:
    """Commit what runs inside together, or roll all of it back."""
    session.run_text("BEGIN IMMEDIATE" if dialect_name == "sqlite" else "BEGIN")
    try:
        if session.is_hurrying:
            session.run_text("SET LOCAL synchronous_commit TO DEFAULT")
        yield
    except BaseException:
        session.run_text("ROLLBACK")
        raise
    session.run_text("COMMIT")


@contextmanager
def hurrying(session: DirectSession, dialect_name: str) -> Iterator[None]:
    """Let single statements not wait for PostgreSQL's disk; what `begin` holds together does.

    For claims and acknowledgements: when the server crashes, the last half second of them is
    undone, and their messages are delivered again, as if the worker had been killed. Nothing
    is lost, for only publishing adds messages.
    """
    if dialect_name == "sqlite":
        yield
        return
    session.run_text("SET synchronous_commit TO off")
    session.is_hurrying = True
    yield
    session.is_hurrying = False
    session.run_text("RESET synchronous_commit")
