"""What the application hands in: the caller's transaction, the rates of tasks, and its end.

They are set once for a process, not for a connection: Celery opens connections where
nobody could pass them along.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

TaskRates = Callable[[], Mapping[str, str | float | None]]


@dataclass(frozen=True)
class CallerTransaction:
    """A transaction of the application's that is open in this thread.

    Parameters
    ----------
    connection : sqlite3.Connection or psycopg.Connection
        Statements are run on it; it is never committed, rolled back or closed here.
    on_commit : callable, optional
        Takes a function to call once the transaction is committed. Consumers are woken
        then; without it they are woken by the commit itself, which on PostgreSQL makes
        commits wait for one another, or on SQLite look by themselves within a second.
    """

    connection: Any
    on_commit: Callable[[Callable[[], None]], object] | None = None


FindTransaction = Callable[[str], CallerTransaction | None]

_find_transaction: FindTransaction | None = None
_task_rates: TaskRates | None = None
_exit_code: int | None = None


def use_caller_transaction(provider: FindTransaction | None) -> None:
    """Publish within the caller's own transaction while there is one.

    Parameters
    ----------
    provider : callable, optional
        Takes the queue's address (``sqlite:////path`` or ``postgresql://…``) and returns the
        `CallerTransaction` that is open on that same database in this thread, or None. None
        in place of the callable goes back to connections of the queue's own.
    """
    global _find_transaction
    _find_transaction = provider


def use_task_rates(provider: TaskRates | None) -> None:
    """State the rates of tasks, for the queue to keep over all workers. For workers only.

    Parameters
    ----------
    provider : callable, optional
        Returns for each task name its rate as Celery writes it: ``'4/m'``, ``'10/s'``,
        ``0.5`` (a second) or None for no limit. Each consuming process asks it once a second,
        so it must be cheap; a change is written to the database and so holds for all. A
        process that only publishes, or waits for replies, must not state rates: its own
        settings would become everybody's.
    """
    global _task_rates
    _task_rates = provider


def find_caller_transaction(url: str) -> CallerTransaction | None:
    """Return the transaction that the caller is in, or None."""
    return None if _find_transaction is None else _find_transaction(url)


def read_task_rates() -> Mapping[str, str | float | None]:
    """Return the rates as the application states them now; empty where nobody states any."""
    return {} if _task_rates is None else _task_rates()


def end_with(exit_code: int) -> None:
    """Note that this process has been told to end, and what it is to exit with.

    From then on its main thread waits for no database that is away.
    """
    global _exit_code
    _exit_code = exit_code


def find_exit_code() -> int | None:
    """Return what this process is to exit with; None while nobody has told it to end."""
    return _exit_code
