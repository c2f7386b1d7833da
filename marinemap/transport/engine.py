"""The database of one process: its connections, its settings and what runs on them."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import psycopg
from kombu.exceptions import ConnectionError as KombuConnectionError
from sqlalchemy import create_engine, event
from sqlalchemy.engine import Dialect, Engine
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.engine.url import URL, make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection, QueuePool

from marinemap.errors import ServiceError
from marinemap.transport.durability import check_durability, sqlite_pragmas
from marinemap.transport.forks import sqlite_guard
from marinemap.transport.options import Options
from marinemap.transport.prepared import PreparedSession
from marinemap.transport.providers import find_caller_connection
from marinemap.transport.schema import check_schema
from marinemap.transport.sessions import CallerSession, DirectSession, Session, begin

# What a lost, refused or restarted database raises; kombu and Celery reconnect on these.
LOST_CONNECTION = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    sqlite3.OperationalError,
    OperationalError,
    KombuConnectionError,
)


class Database:
    """A broker's database, shared by all connections of this process to it."""

    def __init__(self, url: str, options: Options) -> None:
        self.url = url
        self.options = options
        self.process_id = os.getpid()
        self.engine = _create_engine(parse_address(url), options)
        self.dialect_name = self.engine.dialect.name
        # Deliveries of closed connections that could not yet give their messages back.
        self.abandoned: list[Any] = []
        self._is_verified = False
        self._verify_lock = threading.Lock()

    def verify(self) -> None:
        """Connect; refuse weak durability and a schema that is not this code's.

        Raises
        ------
        ServiceError
            The database is reachable but must not be used as it is.
        """
        with self._verify_lock, self.session() as session:
            if not self._is_verified:
                check_durability(session, self.dialect_name, self.options)
            # Each time: a connection to a database that is away must fail here, where Celery
            # waits longer after each try, and not at the first use.
            check_schema(session, self.dialect_name, self.options)
            self._is_verified = True

    @contextmanager
    def session(self) -> Iterator[DirectSession]:
        """Yield a session in which each statement commits by itself."""
        pool = self.engine.pool
        connection = pool.connect()
        try:
            # Kept with its connection, and made only once for it.
            session: DirectSession | None = connection.info.get("session")
            if session is None:
                session = self._make_session(connection)
                connection.info["session"] = session
            yield session
        except BaseException as error:
            connection.invalidate(error if isinstance(error, Exception) else None)
            if isinstance(error, psycopg.OperationalError):
                # The server was restarted: the other connections of the pool are dead too,
                # and each would cost its next user an error.
                self.engine.dispose()
            raise
        finally:
            if pool is not self.engine.pool and connection.is_valid:
                # Disposed of meanwhile: nobody would take this connection from it, nor close it.
                connection.invalidate()
            connection.close()

    def _make_session(self, connection: PoolProxiedConnection) -> DirectSession:
        own: Any = connection.dbapi_connection
        is_pooled = connection.info.get("is_pooled", False)
        if self.dialect_name == "postgresql" and not is_pooled:
            return PreparedSession(self.engine.dialect, own)
        return DirectSession(self.engine.dialect, own, is_pooled=is_pooled)

    @contextmanager
    def transaction(self) -> Iterator[DirectSession]:
        """Yield a session whose statements commit together.

        On SQLite it holds the write lock from its begin: a transaction that began by reading
        could not wait for another writer, only fail.
        """
        with self.session() as session, self.begin(session):
            yield session

    def begin(self, session: DirectSession) -> AbstractContextManager[None]:
        """Let what a session runs from here commit together."""
        return begin(session, self.dialect_name)

    @contextmanager
    def publishing(self) -> Iterator[Session]:
        """Yield the caller's open transaction on this database, else a session of our own."""
        caller = find_caller_connection(self.url)
        if caller is not None:
            yield CallerSession(self.engine.dialect, caller)
        else:
            with self.session() as session:
                yield session

    def joining(self, session: Session) -> AbstractContextManager[None]:
        """Let what `publishing` yielded commit together; the caller's does so anyway."""
        if isinstance(session, CallerSession):
            return nullcontext()
        assert isinstance(session, DirectSession)
        return begin(session, self.dialect_name)

    @contextmanager
    def declaring(self) -> Iterator[Session]:
        """Yield a session to declare queues in, which outlasts the caller's transaction.

        But on SQLite, where the caller may hold the only write lock, the caller's own.
        """
        caller = find_caller_connection(self.url) if self.dialect_name == "sqlite" else None
        if caller is not None:
            yield CallerSession(self.engine.dialect, caller)
        else:
            with self.session() as session:
                yield session

    def is_in_callers_transaction(self) -> bool:
        """Tell whether a publish would now go to the caller's transaction."""
        return find_caller_connection(self.url) is not None


def parse_address(url: str) -> URL:
    """Return the database's address, with the driver that this room is written for.

    Raises
    ------
    ServiceError
        The address is none of SQLite or PostgreSQL, or names no SQLite file.
    """
    try:
        address = make_url(url)
    except ArgumentError as error:
        raise ServiceError(f"not a database address: {error}", field="broker_url") from error
    kind = address.get_backend_name()
    if kind == "sqlite" and address.database and address.database != ":memory:":
        return address.set(drivername="sqlite+pysqlite")
    if kind in ("postgresql", "postgres"):
        return address.set(drivername="postgresql+psycopg")
    raise ServiceError(
        "a broker address begins with marinemap+sqlite:////absolute/path or "
        f"marinemap+postgresql://user@host/database; this one is for '{kind}'.",
        field="broker_url",
    )


def _create_engine(address: URL, options: Options) -> Engine:
    if address.get_backend_name() == "sqlite":
        return _create_sqlite_engine(address, options)
    engine = create_engine(
        address,
        connect_args={"autocommit": True, "application_name": "marinemap-broker"},
        poolclass=QueuePool,
        pool_reset_on_return=None,
        max_overflow=-1,
    )

    @event.listens_for(engine, "connect")
    def _prepare(dbapi_connection: psycopg.Connection, record: ConnectionPoolEntry) -> None:
        with closing_on_error(dbapi_connection):
            record.info["is_pooled"] = is_pooled(dbapi_connection)
            if record.info["is_pooled"]:
                dbapi_connection.prepare_threshold = None
            else:
                for setting in _PLANNER_SETTINGS:
                    dbapi_connection.execute(setting)

    return engine


@contextmanager
def closing_on_error(dbapi_connection: psycopg.Connection | sqlite3.Connection) -> Iterator[None]:
    """Close a connection that belongs to no pool where it cannot be made ready."""
    try:
        yield
    except BaseException:
        dbapi_connection.close()
        raise


# Each statement of this room finds its rows by an index, whatever its parameters and however
# long the queue: so it is planned once. Left to itself the planner would plan a claim each
# time, for half of its cost, or read the whole table by a plan made while that was empty.
_PLANNER_SETTINGS = (
    "SET plan_cache_mode TO force_generic_plan",
    "SET enable_seqscan TO off",
    "SET enable_bitmapscan TO off",
    "SET jit TO off",
)


def is_pooled(connection: psycopg.Connection) -> bool:
    """Tell whether a pooler such as PgBouncer stands before PostgreSQL.

    It may hand each transaction to another session, and so neither settings nor prepared
    statements nor LISTEN last. It invents the process id that a client is told at its connect.
    """
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    return row is not None and row[0] != connection.info.backend_pid


def _create_sqlite_engine(address: URL, options: Options) -> Engine:
    engine = create_engine(
        address,
        connect_args={
            "timeout": options.busy_timeout_seconds,
            "check_same_thread": False,
            "isolation_level": None,
        },
        paramstyle="named",
        poolclass=QueuePool,
        pool_reset_on_return=None,
        max_overflow=-1,
    )

    @event.listens_for(engine, "do_connect")
    def _connect(dialect: Dialect, record: object, args: Any, names: Any) -> DBAPIConnection:
        # Opening an SQLite file takes locks of the library's own; see `forks`.
        with sqlite_guard:
            return dialect.connect(*args, **names)

    @event.listens_for(engine, "connect")
    def _set_pragmas(dbapi_connection: sqlite3.Connection, record: object) -> None:
        with closing_on_error(dbapi_connection):
            for pragma in sqlite_pragmas(sqlite3.sqlite_version_info):
                dbapi_connection.execute(pragma)

    return engine


_databases: dict[tuple[str, Options], Database] = {}
_databases_lock = threading.Lock()
# A forked child must neither use its parent's connections nor close them: closing an SQLite
# connection drops the file locks of the whole process, and garbage collection would close it.
_inherited: list[Database] = []


def open_database(url: str, options: Options) -> Database:
    """Return this process's database for an address, the same for the same options."""
    with _databases_lock:
        key = (url, options)
        if key not in _databases:
            _databases[key] = Database(url, options)
        return _databases[key]


def _forget_parents_databases() -> None:
    global _databases_lock
    _databases_lock = threading.Lock()
    _inherited.extend(_databases.values())
    _databases.clear()


os.register_at_fork(after_in_child=_forget_parents_databases)
