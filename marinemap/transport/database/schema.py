"""The tables: their versions, the steps between them, and whether this code can use them."""

from __future__ import annotations

from ..errors import TransportError
from . import schema_1, schema_2
from .contract import Database, Session

# The revision that this code is written for.
REVISION = 2

# Step n makes revision n out of the one before it. Frozen: sites have run them.
_STEPS: dict[int, dict[str, tuple[str, ...]]] = {
    1: {"sqlite": schema_1.SQLITE, "postgresql": schema_1.POSTGRESQL},
    2: {"sqlite": schema_2.SQLITE, "postgresql": schema_2.POSTGRESQL},
}
_TABLES = (
    "broker_subscriptions",
    "broker_bindings",
    "broker_consumers",
    "broker_dead_letters",
    "broker_exchanges",
    "broker_messages",
    "broker_queues",
    "broker_rates",
    "broker_schema",
    "broker_starts",
)


def step_statements(database_name: str, revision: int) -> tuple[str, ...]:
    """Return the statements that bring the tables to a revision from the one before it.

    Parameters
    ----------
    database_name : {'sqlite', 'postgresql'}
        Whose SQL to write; Django's ``connection.vendor`` has the same names.
    revision : int
        1 makes the tables anew.

    Examples
    --------
    >>> step_statements("sqlite", 1)[-1]
    'INSERT INTO broker_schema (only_row, version) VALUES (1, 1)'
    """
    if database_name not in ("sqlite", "postgresql"):
        raise ValueError(
            f"database_name: no tables for '{database_name}'; there are for sqlite and postgresql"
        )
    return _STEPS[revision][database_name]


def table_names() -> tuple[str, ...]:
    """Return the names of all tables, for a migration that removes them."""
    return _TABLES


def check_schema(session: Session, database: Database) -> None:
    """Refuse tables that this code cannot use; make or upgrade them where an option says so.

    Raises
    ------
    TransportError
        One line that says which side is behind and what to run.
    """
    found = _read_revisions(session, database)
    if database.options.create_tables and (found is None or found[0] < REVISION):
        with database.upgrading(session):
            _upgrade(session, database)
        found = _read_revisions(session, database)
    if found is None:
        raise TransportError(
            "the queue's tables are missing from its database.",
            field="broker_url",
            hint="Migrate the database, or set create_tables in broker_transport_options.",
        )
    revision, oldest_code = found
    if revision < REVISION:
        raise TransportError(
            f"the queue's tables are older than the code (revision {revision}, the code needs "
            f"{REVISION}).",
            hint="Migrate the database.",
        )
    if oldest_code > REVISION:
        raise TransportError(
            f"the queue's tables are newer than the code (revision {revision} works with code of "
            f"{oldest_code} and later; this is of {REVISION}).",
            hint="Update the code.",
        )


def _upgrade(session: Session, database: Database) -> None:
    found = _read_revisions(session, database)
    for revision in range((found[0] if found else 0) + 1, REVISION + 1):
        for statement in step_statements(database.name, revision):
            session.run(statement)


def _read_revisions(session: Session, database: Database) -> tuple[int, int] | None:
    """Return the tables' revision and how old the code may be; version 1 knew neither."""
    row = database.read_revision(session)
    if row is None:
        return None
    revision = getattr(row, "revision", None) or row.version
    return revision, getattr(row, "oldest_code", None) or revision
