"""A message queue in a SQL database, as a kombu transport.

`marinemap+sqlite:////var/lib/marinemap/queue.sqlite3` and
`marinemap+postgresql://user@host:5432/database` are its addresses once `register` has been
called. What it promises, and where its promises end, is told in `docs/explanation/broker.md`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marinemap.transport.providers import use_caller_connection, use_task_rates

if TYPE_CHECKING:
    from marinemap.transport.position import Position, find_position
    from marinemap.transport.tables import SCHEMA_VERSION, schema_statements, table_names

__all__ = [
    "DRIVER_TYPE",
    "SCHEMA_VERSION",
    "Position",
    "find_position",
    "register",
    "schema_statements",
    "table_names",
    "use_caller_connection",
    "use_task_rates",
]

# Celery compares this name with lists of its own: 'sql' would switch off events, and the
# lists of mingle and gossip need it added (celery.worker.consumer.mingle and .gossip).
DRIVER_TYPE = "marinemap"

# SQLAlchemy takes a third of a second to import; a web process that only registers the
# address need not wait for it.
_LAZY = {
    "Position": "position",
    "find_position": "position",
    "SCHEMA_VERSION": "tables",
    "schema_statements": "tables",
    "table_names": "tables",
}


def register() -> None:
    """Teach kombu the addresses that begin with ``marinemap+``."""
    from kombu.transport import TRANSPORT_ALIASES

    TRANSPORT_ALIASES["marinemap"] = "marinemap.transport.transport:Transport"


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
