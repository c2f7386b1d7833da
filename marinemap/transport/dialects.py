"""The database's clock, and what else SQLite and PostgreSQL spell differently."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, BindParameter, Text, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType


class now_ms(FunctionElement[int]):
    """Milliseconds since 1970 by the database's clock, while the statement runs.

    One clock for all: workers' clocks differ and jump. In PostgreSQL it is the time of day,
    not that of the transaction's begin, or a claim that waited for a lock would write a start
    earlier than one already counted.
    """

    type = BigInteger()
    inherit_cache = True


@compiles(now_ms, "postgresql")
def _now_postgresql(element: now_ms, compiler: Any, **kwargs: Any) -> str:
    return "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)"


@compiles(now_ms, "sqlite")
def _now_sqlite(element: now_ms, compiler: Any, **kwargs: Any) -> str:
    return "CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER)"


class larger(FunctionElement[int]):
    """The larger of two numbers."""

    type = BigInteger()
    inherit_cache = True


@compiles(larger, "postgresql")
def _larger_postgresql(element: larger, compiler: Any, **kwargs: Any) -> str:
    return f"greatest({compiler.process(element.clauses, **kwargs)})"


@compiles(larger, "sqlite")
def _larger_sqlite(element: larger, compiler: Any, **kwargs: Any) -> str:
    return f"max({compiler.process(element.clauses, **kwargs)})"


class among(FunctionElement[Any]):
    """Whether a column has one of the values of a single list parameter.

    One parameter for any number of values: the statement stays the same text, and so stays
    prepared; and PostgreSQL always finds an array's members by index, where for a subquery it
    may choose to read the whole table.
    """

    # Not Boolean: SQLite has none, and "= 1" behind it would keep it from using an index.
    type = NullType()
    inherit_cache = True


@compiles(among, "postgresql")
def _among_postgresql(element: among, compiler: Any, **kwargs: Any) -> str:
    column, values = element.clauses
    array = "TEXT[]" if isinstance(column.type, Text) else "BIGINT[]"
    left, right = compiler.process(column, **kwargs), compiler.process(values, **kwargs)
    return f"{left} = ANY(CAST({right} AS {array}))"


@compiles(among, "sqlite")
def _among_sqlite(element: among, compiler: Any, **kwargs: Any) -> str:
    column, values = element.clauses
    left, right = compiler.process(column, **kwargs), compiler.process(values, **kwargs)
    return f"{left} IN (SELECT value FROM json_each({right}))"


def list_bind(name: str) -> BindParameter[Any]:
    """Return a parameter for a list, of a type that no dialect casts."""
    return bindparam(name, type_=NullType())
