"""What the composition root hands in: the caller's connection and the rates of tasks.

They are set once for a process, not for a connection: Celery opens connections where
nobody could pass them along.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

CallerConnection = Callable[[str], Any]
TaskRates = Callable[[], Mapping[str, str | float | None]]

_caller_connection: CallerConnection | None = None
_task_rates: TaskRates | None = None


def use_caller_connection(provider: CallerConnection | None) -> None:
    """Publish on the caller's own connection while the caller is in a transaction.

    Parameters
    ----------
    provider : callable, optional
        Takes the broker's address (``sqlite:////path`` or ``postgresql://…``) and returns the
        DBAPI connection (`sqlite3` or `psycopg` 3) of a transaction that is open on that same
        database in this thread, or None. The transport runs statements on it and never
        commits, rolls back or closes it. None goes back to connections of the transport's own.
    """
    global _caller_connection
    _caller_connection = provider


def use_task_rates(provider: TaskRates | None) -> None:
    """Take the rates that the claim enforces over all workers from `provider`.

    Parameters
    ----------
    provider : callable, optional
        Returns for each task name its rate as Celery writes it: ``'4/m'``, ``'10/s'``,
        ``0.5`` (a second) or None for no limit. It is asked several times a second by each
        consuming process, so it must be cheap; a change is written to the database and so
        holds for all.
    """
    global _task_rates
    _task_rates = provider


def find_caller_connection(url: str) -> Any:
    """Return the connection of the transaction that the caller is in, or None."""
    return None if _caller_connection is None else _caller_connection(url)


def read_task_rates() -> Mapping[str, str | float | None]:
    """Return the rates as the application states them now; empty where nobody states any."""
    return {} if _task_rates is None else _task_rates()
