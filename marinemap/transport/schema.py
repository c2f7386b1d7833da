"""Whether the tables are there and are the ones that this code was written for."""

from __future__ import annotations

import sqlite3

import psycopg
from sqlalchemy import select, text

from marinemap.errors import ServiceError
from marinemap.transport.options import Options
from marinemap.transport.sessions import DirectSession, begin
from marinemap.transport.tables import SCHEMA_VERSION, schema, schema_statements


def check_schema(session: DirectSession, dialect_name: str, options: Options) -> None:
    """Refuse tables older or newer than the code; make missing ones where an option says so.

    Raises
    ------
    ServiceError
        One line that says which side is behind and what to run.
    """
    version = _read_version(session)
    if version is None and options.create_tables:
        version = _create_tables(session, dialect_name)
    if version is None:
        raise ServiceError(
            "the broker's tables are missing from its database.",
            field="broker_url",
            hint="Run manage.py migrate, or set create_tables in broker_transport_options.",
        )
    if version != SCHEMA_VERSION:
        behind = "older" if version < SCHEMA_VERSION else "newer"
        raise ServiceError(
            f"the broker's tables are {behind} than the code (version {version}, the code needs "
            f"{SCHEMA_VERSION}).",
            hint="Run manage.py migrate." if behind == "older" else "Update the code.",
        )


def _read_version(session: DirectSession) -> int | None:
    try:
        rows = session.run(select(schema.c.version))
    except psycopg.errors.UndefinedTable:
        return None
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return None
        raise
    return int(rows[0][0]) if rows else None


def _create_tables(session: DirectSession, dialect_name: str) -> int | None:
    with begin(session, dialect_name):
        if dialect_name == "postgresql":
            # Two workers may start at once; the number is this room's own.
            session.run(text("SELECT pg_advisory_xact_lock(718281828)"))
            exists = session.run(text("SELECT to_regclass('broker_schema')"))[0][0]
        else:
            exists = session.run(
                text("SELECT name FROM sqlite_master WHERE name = 'broker_schema'")
            )
        if not exists:
            for statement in schema_statements(dialect_name):
                session.run_text(statement)
    return _read_version(session)
