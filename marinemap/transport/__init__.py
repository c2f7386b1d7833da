"""A message queue in a SQL database, as a kombu transport.

Once `register` has been called, its addresses are ``SCHEME+sqlite:////path/queue.sqlite3`` and
``SCHEME+postgresql://user@host:5432/database``. The README beside this file shows it with
Celery alone.
"""

from __future__ import annotations

from typing import Any

from .providers import CallerTransaction, use_caller_transaction, use_task_rates

# Begins the addresses, and is what Celery is told as the driver's type. It compares that with
# lists of its own: 'sql' would switch off events, and the lists of mingle and gossip need it
# added (celery.worker.consumer.mingle and .gossip).
SCHEME = "marinemap"
DRIVER_TYPE = SCHEME

# What needs the database's library, which a process that only registers need not wait for.
_LAZY = {
    "bind": "binding",
    "Position": "operating.position",
    "step_statements": "database.schema",
    "table_names": "database.schema",
    "wait_to_start": "consuming.starts",
    "PERMIT_HEADER": "consuming.starts",
}

__all__ = [
    "DRIVER_TYPE",
    "SCHEME",
    "CallerTransaction",
    "register",
    "use_caller_transaction",
    "use_task_rates",
    *_LAZY,
]


def register() -> None:
    """Teach kombu the addresses that begin with the scheme.

    kombu finds transports in this table, or by ``module:Class`` in an address; it has no entry
    point for them.
    """
    from kombu.transport import TRANSPORT_ALIASES

    TRANSPORT_ALIASES[SCHEME] = f"{__name__}.transport:Transport"


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
