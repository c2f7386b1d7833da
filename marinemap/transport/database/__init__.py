"""The database that the queue is in: one contract, kept by SQLite and by PostgreSQL."""

from __future__ import annotations

import os
import threading

from sqlalchemy.engine.url import make_url
from sqlalchemy.exc import ArgumentError

from .. import SCHEME
from ..errors import TransportError
from ..options import Options
from .contract import Database
from .schema import check_schema

__all__ = ["Database", "open_database", "verify"]

_databases: dict[tuple[str, Options], Database] = {}
_databases_lock = threading.Lock()


def open_database(url: str, options: Options) -> Database:
    """Return this process's database for an address, the same for the same options.

    Raises
    ------
    TransportError
        The address is none of SQLite or PostgreSQL, or names no SQLite file.
    """
    with _databases_lock:
        key = (url, options)
        if key not in _databases:
            _databases[key] = _make_database(url, options)
        return _databases[key]


def verify(database: Database) -> None:
    """Connect; refuse weak durability and tables that this code cannot use.

    Raises
    ------
    AwayError
        The database cannot be reached now.
    TransportError
        It can, but must not be used as it is.
    """
    with database.session() as session:
        database.verify(session)
        check_schema(session, database)


def _make_database(url: str, options: Options) -> Database:
    kind = url.partition(":")[0]
    if kind == "sqlite" and _names_a_file(url):
        from .sqlite import SqliteDatabase

        return SqliteDatabase(url, options)
    if kind in ("postgresql", "postgres"):
        # The driver is asked for only where it is needed.
        from .postgresql import PostgresDatabase

        return PostgresDatabase(url, options)
    raise TransportError(
        f"a broker address begins with {SCHEME}+sqlite:////absolute/path or "
        f"{SCHEME}+postgresql://user@host/database; this one is for '{kind}'.",
        field="broker_url",
    )


def _names_a_file(url: str) -> bool:
    try:
        address = make_url(url)
    except ArgumentError as error:
        raise TransportError(f"not a database address: {error}", field="broker_url") from error
    if "?" in url:
        raise TransportError(
            f"the address of an SQLite file ends at a '?': this one means '{address.database}'.",
            field="broker_url",
            hint="Write %3F where a name has a question mark; there are no options to give here.",
        )
    return bool(address.database) and address.database != ":memory:"


def _forget_parents_lock() -> None:
    global _databases_lock
    _databases_lock = threading.Lock()


os.register_at_fork(after_in_child=_forget_parents_lock)
