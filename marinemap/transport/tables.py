"""The tables, and the statements that make them for a migration."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Identity,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    and_,
    literal_column,
)
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.engine.url import make_url
from sqlalchemy.schema import CreateIndex, CreateTable

SCHEMA_VERSION = 1

metadata = MetaData()

# SQLite gives only an INTEGER primary key the role of the row id, and only AUTOINCREMENT
# never uses an id twice: a late acknowledgement must not meet another message.
_id = BigInteger().with_variant(Integer, "sqlite")

messages = Table(
    "broker_messages",
    metadata,
    Column("id", _id, Identity(), primary_key=True),
    Column("queue_name", Text, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("task_name", Text),
    Column("owner", Text, nullable=False),
    Column("correlation_id", Text),
    # The task's name while a rate limits it; such messages are claimed by turn.
    Column("rate_key", Text),
    Column("turn", BigInteger, nullable=False),
    Column("payload", Text, nullable=False),
    Column("published_at_ms", BigInteger, nullable=False),
    # Set while a message waits for its time; cleared when that has come.
    Column("due_at_ms", BigInteger),
    Column("expires_at_ms", BigInteger),
    Column("claimed_by", Text),
    Column("claimed_at_ms", BigInteger),
    Column("attempts", Integer, nullable=False),
    sqlite_autoincrement=True,
    # Rows live for seconds and each is written twice: waiting for a fifth of the table to be
    # dead, as autovacuum does by default, would let the indexes grow without need.
    postgresql_with={
        "fillfactor": 80,
        "autovacuum_vacuum_scale_factor": 0.01,
        "autovacuum_vacuum_threshold": 500,
        "autovacuum_vacuum_cost_delay": 0,
        "autovacuum_analyze_scale_factor": 0.05,
    },
)

is_waiting = and_(messages.c.claimed_by.is_(None), messages.c.due_at_ms.is_(None))
is_unlimited = and_(is_waiting, messages.c.rate_key.is_(None))
is_limited = and_(is_waiting, messages.c.rate_key.is_not(None))


def _partial(name: str, where: object, *columns: object) -> None:
    Index(name, *columns, postgresql_where=where, sqlite_where=where)  # type: ignore[arg-type]


_m = messages.c
# As an expression, so that only this index can find messages past an id: PostgreSQL would else
# take the primary key for it, and read all messages of other queues and priorities.
place = _m.id + literal_column("0", Integer)
_partial("broker_messages_ready", is_unlimited, _m.queue_name, _m.priority.desc(), place)
_partial("broker_messages_limited", is_limited, _m.rate_key, _m.priority.desc(), _m.turn, _m.id)
_partial("broker_messages_turns", is_limited, _m.rate_key, _m.owner, _m.priority, _m.turn)
_partial("broker_messages_due", _m.due_at_ms.is_not(None), _m.due_at_ms)
_partial("broker_messages_expiry", _m.expires_at_ms.is_not(None), _m.expires_at_ms)
_partial("broker_messages_claimed", _m.claimed_by.is_not(None), _m.claimed_by)
_partial("broker_messages_correlation", _m.correlation_id.is_not(None), _m.correlation_id)

dead_letters = Table(
    "broker_dead_letters",
    metadata,
    Column("id", _id, Identity(), primary_key=True),
    Column("message_id", BigInteger, nullable=False),
    Column("queue_name", Text, nullable=False),
    Column("task_name", Text),
    Column("owner", Text, nullable=False),
    Column("correlation_id", Text),
    Column("payload", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("published_at_ms", BigInteger, nullable=False),
    Column("died_at_ms", BigInteger, nullable=False, index=True),
    sqlite_autoincrement=True,
)

# One row for each connection that takes messages; gone or out of date, its owner is dead.
consumers = Table(
    "broker_consumers",
    metadata,
    Column("consumer_id", Text, primary_key=True),
    Column("hostname", Text, nullable=False),
    Column("process_id", Integer, nullable=False),
    Column("started_at_ms", BigInteger, nullable=False),
    Column("lease_expires_at_ms", BigInteger, nullable=False),
)

queues = Table(
    "broker_queues",
    metadata,
    Column("queue_name", Text, primary_key=True),
    Column("is_auto_delete", Boolean, nullable=False),
    # Idle time after which nobody needs the queue: x-expires, or the lease for auto-delete.
    Column("expires_after_ms", BigInteger),
    Column("message_ttl_ms", BigInteger),
    Column("max_length", BigInteger),
    Column("last_used_at_ms", BigInteger, nullable=False),
)

exchanges = Table(
    "broker_exchanges",
    metadata,
    Column("exchange_name", Text, primary_key=True),
    Column("exchange_type", Text, nullable=False),
)

bindings = Table(
    "broker_bindings",
    metadata,
    Column("exchange_name", Text, primary_key=True),
    Column("routing_key", Text, primary_key=True),
    Column("queue_name", Text, primary_key=True, index=True),
)

rates = Table(
    "broker_rates",
    metadata,
    Column("task_name", Text, primary_key=True),
    # What the code said when a worker last told it, to know a change of the code from a
    # change by `celery control rate_limit`, which outlives a worker's restart.
    Column("declared_rate", Text),
    Column("rate", Text),
    Column("max_starts", Integer),
    Column("window_ms", BigInteger),
)

starts = Table(
    "broker_starts",
    metadata,
    Column("id", _id, Identity(), primary_key=True),
    Column("task_name", Text, nullable=False),
    Column("started_at_ms", BigInteger, nullable=False),
)
Index("broker_starts_recent", starts.c.task_name, starts.c.started_at_ms)

schema = Table(
    "broker_schema",
    metadata,
    Column("only_row", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
)


def schema_statements(dialect_name: str) -> list[str]:
    """Return the statements that create the schema, for a migration to run in order.

    Parameters
    ----------
    dialect_name : {'sqlite', 'postgresql'}
        Whose SQL to write; Django's ``connection.vendor`` has the same names.

    Examples
    --------
    >>> schema_statements("sqlite")[-1]
    'INSERT INTO broker_schema (only_row, version) VALUES (1, 1)'
    """
    dialect = _load_dialect(dialect_name)
    statements: list[str] = []
    for table in metadata.sorted_tables:
        statements.append(str(CreateTable(table).compile(dialect=dialect)).strip())
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            statements.append(str(CreateIndex(index).compile(dialect=dialect)).strip())
    version_row = f"INSERT INTO {schema.name} (only_row, version) VALUES (1, {SCHEMA_VERSION})"
    return [*statements, version_row]


def table_names() -> list[str]:
    """Return the names of all tables, for a migration that removes them."""
    return [table.name for table in metadata.sorted_tables]


def _load_dialect(dialect_name: str) -> Dialect:
    if dialect_name not in ("sqlite", "postgresql"):
        raise ValueError(
            f"dialect_name: no schema for '{dialect_name}'; there is one for sqlite and postgresql"
        )
    return make_url(f"{dialect_name}://").get_dialect()()
