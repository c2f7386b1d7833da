"""Binding the queue to a Celery app, which is handed in: nothing here imports Celery."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .providers import end_with, use_task_rates

if TYPE_CHECKING:
    from .database import Database


def bind(app: Any, signals: Any) -> None:
    """Let the rates of an app's tasks hold over all of its workers.

    Workers, and nobody else, state the rates of the tasks (`worker_init`), and a task asks
    right before it begins whether its start still counts (`task_prerun`). Celery's own limits,
    for each worker alone, are then best switched off: ``worker_disable_rate_limits``.

    A worker that is told to end does so though the database is away (`worker_shutting_down`).

    Parameters
    ----------
    app : celery.Celery
        Its tasks' ``rate_limit`` are read, also as ``celery control rate_limit`` changes them.
    signals : module
        ``celery.signals``.
    """

    def read_rates() -> Mapping[str, str | float | None]:
        # Those without one as well: the code may have had one before.
        return {name: task.rate_limit for name, task in app.tasks.items()}

    def find_database() -> Database:
        database: Database = app.connection_for_write().transport.database
        return database

    def state_rates(**_: Any) -> None:
        use_task_rates(read_rates)

    def keep_rate(task: Any = None, **_: Any) -> None:
        # A worker has the database's library by now; who runs no task need not wait for it.
        from .consuming.starts import PERMIT_HEADER, wait_to_start

        wait_to_start(find_database, task.request.get(PERMIT_HEADER))

    def note_end(exitcode: int = 0, **_: Any) -> None:
        end_with(exitcode)

    # Nobody else holds on to them.
    signals.worker_init.connect(state_rates, weak=False)
    signals.task_prerun.connect(keep_rate, weak=False)
    signals.worker_shutting_down.connect(note_end, weak=False)
