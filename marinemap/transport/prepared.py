"""Running statements on PostgreSQL below psycopg's cursor, which costs more than the server.

A cursor finds out anew each time how to send each parameter. The transport's are numbers, text
and lists of them, and the statement says their types: so they go as text to a statement that
was prepared at its first use. Waiting and reading are psycopg's, so that a signal still
interrupts and gevent's greenlets give way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import psycopg
from psycopg import generators
from psycopg.adapt import Transformer
from psycopg.pq import ExecStatus
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import Executable

from marinemap.transport.sessions import DirectSession, Row, compile_statement

_PARAMETER = re.compile(r"%\((\w+)\)s")


class PreparedSession(DirectSession):
    """Runs statements on a connection of the transport's own, where prepared ones last."""

    def __init__(self, dialect: Dialect, connection: psycopg.Connection) -> None:
        super().__init__(dialect, connection)
        self._connection = connection
        self._transformer = Transformer(connection)
        self._names: dict[bytes, bytes] = {}

    def run(self, statement: Executable, **parameters: Any) -> list[Row]:
        sql, names, literals = number_parameters(statement, self._dialect)
        values = {**literals, **parameters}
        texts = [as_text(values[name]) for name in names]
        pgconn = self._connection.pgconn
        pgconn.send_query_prepared(self._names.get(sql) or self._prepare(sql), texts)
        self._transformer.set_pgresult(result := self._receive())
        return self._transformer.load_rows(0, result.ntuples, tuple)

    def _prepare(self, sql: bytes) -> bytes:
        name = b"marinemap_%d" % len(self._names)
        self._connection.pgconn.send_prepare(name, sql)
        self._receive()
        self._names[sql] = name
        return name

    def _receive(self) -> Any:
        result = self._connection.wait(generators.execute(self._connection.pgconn))[-1]
        if result.status not in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            raise psycopg.errors.error_from_result(result, self._connection.info.encoding)
        return result


@lru_cache(maxsize=500)
def number_parameters(
    statement: Executable, dialect: Dialect
) -> tuple[bytes, Sequence[str], Mapping[str, Any]]:
    """Return the SQL with $1, $2 and so on, the names of these, and the literals' values."""
    sql, literals = compile_statement(statement, dialect)
    names = list(dict.fromkeys(_PARAMETER.findall(sql)))
    numbers = {name: f"${number}" for number, name in enumerate(names, 1)}
    numbered = _PARAMETER.sub(lambda found: numbers[found[1]], sql)
    return numbered.replace("%%", "%").encode(), names, literals


def as_text(value: str | float | Sequence[str | float | None] | None) -> bytes | None:
    """Return a parameter in PostgreSQL's text format, a list as an array.

    Raises
    ------
    psycopg.DataError
        The text holds a NUL, at which PostgreSQL would take it to end.

    Examples
    --------
    >>> as_text(["celery", 'a "b"']), as_text([1, 2]), as_text(True), as_text(None)
    (b'{"celery","a \\\\"b\\\\""}', b'{1,2}', b'True', None)
    """
    if value is None:
        return None
    text = f"{{{','.join(map(_as_member, value))}}}" if isinstance(value, list) else str(value)
    if "\0" in text:
        raise psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
    return text.encode()


def _as_member(value: str | float | None) -> str:
    if value is None:
        return "NULL"
    if not isinstance(value, str):
        return str(value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
