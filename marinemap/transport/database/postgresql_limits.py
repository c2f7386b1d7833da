"""How long the server may take: for a session of one's own, or behind a pooler each time anew."""

from __future__ import annotations

from typing import Any

_LIMITS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
_FOR_TRANSACTION = "SELECT " + ", ".join(f"set_config('{name}', $1, true)" for name in _LIMITS)


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
