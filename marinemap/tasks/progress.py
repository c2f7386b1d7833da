"""How far a task has come, by its id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from celery import current_app
from celery.states import FAILURE, SUCCESS

# The state of a task that has told how far it is.
PROGRESS = "PROGRESS"
_MOST_OF_A_MESSAGE = 1_000


@dataclass(frozen=True)
class Progress:
    """How far a task has come.

    Parameters
    ----------
    state : str
        In Celery's words: PENDING (waiting, or not known), STARTED, PROGRESS, RETRY, SUCCESS,
        FAILURE, REVOKED.
    current, total : float
        As many of as many, in the task's own unit; 0 of 0 where it has told nothing.
    message : str
        For people; empty where there is none.
    """

    state: str
    current: float = 0
    total: float = 0
    message: str = ""


def read_progress(task_id: str) -> Progress:
    """Return how far a task has come that keeps a result; see ``jobs.progress`` for any."""
    result = current_app.AsyncResult(task_id)
    state, info = result.state, result.info
    if state == SUCCESS:
        return Progress(state, 1, 1)
    if state == FAILURE:
        return Progress(state, message=_shorten(info))
    told = info if isinstance(info, dict) else {}
    current, total = told.get("current", 0), told.get("total", 0)
    return Progress(state, current, total, _shorten(told.get("message", "")))


def as_meta(current: float, total: float, message: str) -> dict[str, Any]:
    """Return progress as Celery's backend keeps it."""
    return {"current": current, "total": total, "message": _shorten(message)}


def _shorten(text: object) -> str:
    return str(text)[:_MOST_OF_A_MESSAGE]
