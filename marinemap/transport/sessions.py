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

    def __init__(self, dialect: Dialect, dbapi_connection: Any, *, is_pooled: bool = False) -> None:
        self._dialect = dialect
        self._guard = sqlite_guard if dialect.name == "sqlite" else nullcontext()
        # `among` reads JSON there.
        self._has_no_arrays = dialect.name == "sqlite"
        self.dbapi_connection = dbapi_connection
        # Whether each of its transactions may run in another session of PostgreSQL's.
        self.is_pooled = is_pooled
        self._has_rows = _has_rows_sqlite if dialect.name == "sqlite" else _has_rows_postgresql
        # One for all statements, each of which fetches all of its rows.
        self._cursor = dbapi_connection.cursor()

    def run(self, statement: Executable, **parameters: Any) -> list[Row]:
        sql, literals = compile_statement(statement, self._dialect)
        if self._has_no_arrays:
            for name, value in parameters.items():
                if isinstance(value, list):
                    parameters[name] = json.dumps(value)
        with self._guard:
            cursor = self._cursor.execute(sql, {**literals, **parameters})
            return cursor.fetchall() if self._has_rows(cursor) else []

    def run_text(self, sql: str) -> None:
        with self._guard:
            self._cursor.execute(sql)


def _has_rows_sqlite(cursor: Any) -> bool:
    return cursor.description is not None


def _has_rows_postgresql(cursor: Any) -> bool:
    # psycopg makes a description of each column when it is asked for one.
    return bool(cursor.pgresult.nfields)


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
        yield
    except BaseException:
        session.run_text("ROLLBACK")
        raise
    session.run_text("COMMIT")
