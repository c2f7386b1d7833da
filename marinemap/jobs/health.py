"""How the site is: told to its operator, to monitors and to the page."""

from __future__ import annotations

import os
import time
from concurrent.futures import Future
from typing import Any

from django.db import connection

from marinemap.jobs.lease import count_beats
from marinemap.jobs.lookout import Lookout
from marinemap.jobs.queue import check_queue
from marinemap.jobs.site_mark import find_mismatch
from marinemap.jobs.space import find_shortage
from marinemap.jobs.storage import begin_look, is_stored, trouble_of
from marinemap.jobs.workers import count_alive
from marinemap.tasks.outages import DATABASE_AWAY

# Whoever asks gives up sooner than a lock is waited for, or a server that is gone without a word.
_ANSWER_WITHIN_SECONDS = 1.5
_NO_ANSWER = f"no answer within {_ANSWER_WITHIN_SECONDS} s: locked, overloaded or out of reach"
_READ_ONLY = "read-only"

_database = Lookout(
    lambda: (count_alive(), count_beats(), find_mismatch(), _is_read_only()),
    _ANSWER_WITHIN_SECONDS,
    "health",
)
_queue = Lookout(check_queue, _ANSWER_WITHIN_SECONDS, "queue-health")


def keep_a_connection() -> None:
    """Let this process keep a connection to the database to look by: of a web server."""
    _database.keep_connection()


def health_of_site() -> dict[str, Any]:
    """Return the state of database, queue, workers, disk and schedule, the worst as ``status``.

    Where results go to a storage, its state as well. It answers within two seconds, whatever
    database, queue and storage do; the first of a process once the storage's client is loaded.
    """
    storage_answer = begin_look()
    deadline = time.monotonic() + _ANSWER_WITHIN_SECONDS
    queue_answer = _queue.begin()
    try:
        alive, (beats, is_followed), mismatch, is_read_only = _database.ask()
    except TimeoutError:
        return {"status": "down", "database": _NO_ANSWER}
    except DATABASE_AWAY:
        return {"status": "down", "database": "away"}
    shortage, queue = find_shortage() or mismatch, _state_of_queue(queue_answer, deadline)
    trouble = trouble_of(storage_answer, deadline - time.monotonic())
    worst = _worst(queue, alive, shortage or trouble, is_followed)
    storage = {"storage": trouble or "ok"} if is_stored() else {}
    return {
        "status": _READ_ONLY if is_read_only else worst,
        "database": _READ_ONLY if is_read_only else "ok",
        "queue": queue,
        "workers": alive,
        "disk": shortage or "ok",
        **storage,
        "schedule": "ok" if is_followed else "nobody follows it",
        # More than one stand by; one alone follows the schedule.
        "beats": beats,
    }


def _is_read_only() -> bool:
    """Tell whether the database takes no writes: a standby, a full disk's remedy, a file's mode."""
    if connection.vendor != "postgresql":
        file = connection.settings_dict["NAME"]
        return os.path.exists(file) and not os.access(file, os.W_OK)
    with connection.cursor() as cursor:
        cursor.execute("SHOW transaction_read_only")
        return bool(cursor.fetchone()[0] == "on")


def _state_of_queue(answer: Future[None], deadline: float) -> str:
    try:
        answer.result(max(0.0, deadline - time.monotonic()))
    except TimeoutError:
        return "no answer"
    except Exception:
        # Each broker has errors of its own, and addresses may hold passwords.
        return "away"
    return "ok"


def _worst(queue: str, alive: int, shortage: str | None, is_followed: bool) -> str:
    if queue != "ok":
        return "no queue"
    if not alive:
        return "no worker"
    if shortage is not None:
        return "no room"
    return "ok" if is_followed else "no schedule"
