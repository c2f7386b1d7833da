"""How long the server may take: to be reached, and for what it is asked."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from .. import SCHEME

_REACHED = {
    # A peer that is gone without a word is noticed after some 11 s of idling.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "application_name": f"{SCHEME}-queue",
}
_LIMITS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
_FOR_TRANSACTION = "SELECT " + ", ".join(f"set_config('{name}', $1, true)" for name in _LIMITS)


def connect(url: str, ms: int) -> psycopg.Connection:
    """Connect within a time, but for what the address says otherwise."""
    # libpq waits for 2 s at least.
    waits = {"connect_timeout": max(2, round(ms / 1000)), "tcp_user_timeout": ms}
    given = conninfo_to_dict(url)
    reaching: dict[str, Any] = {n: v for n, v in (_REACHED | waits).items() if n not in given}
    # In UTF-8 parameters are sent, whatever the database or PGCLIENTENCODING would have.
    return psycopg.connect(url, autocommit=True, **{**reaching, "client_encoding": "UTF8"})


def for_session(ms: int) -> list[str]:
    """Return the statements that limit all that a session does."""
    return [f"SET {name} TO {ms}" for name in (*_LIMITS, "tcp_user_timeout")]


def send_limited(pgconn: Any, ms: int, sql: bytes, values: list[bytes | None]) -> None:
    """Send a statement, or the begin of a transaction, with limits for that transaction alone.

    Behind a pooler a setting of the session's would go on to others. Sent together, up to the
    sync, both are one transaction, and it costs no further way to the server and back. They are
    answered by three results, with the pipeline to be left after the third: of the limits, of
    the statement, of the sync.
    """
    pgconn.enter_pipeline_mode()
    pgconn.send_query_params(_FOR_TRANSACTION.encode(), [str(ms).encode()])
    pgconn.send_query_params(sql, values)
    pgconn.pipeline_sync()
