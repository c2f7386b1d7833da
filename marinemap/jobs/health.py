"""How the site is: told to its operator, to monitors and to the page."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Any

from django.db import connection

from marinemap.jobs.lease import count_beats
from marinemap.jobs.space import find_shortage
from marinemap.jobs.workers import count_alive
from marinemap.tasks.outages import DATABASE_AWAY

# Whoever asks gives up sooner than a lock is waited for, or a server that is gone without a word.
_ANSWER_WITHIN_SECONDS = 1.5


def health_of_site() -> dict[str, Any]:
    """Return the state of database, workers, disk and schedule, the worst of them as ``status``.

    It answers within two seconds, whatever the database does.
    """
    try:
        alive, (beats, is_followed) = _looks.ask()
    except TimeoutError:
        told = f"no answer within {_ANSWER_WITHIN_SECONDS} s: locked, overloaded or out of reach"
        return {"status": "down", "database": told}
    except DATABASE_AWAY:
        return {"status": "down", "database": "away"}
    shortage = find_shortage()
    return {
        "status": _worst(alive, shortage, is_followed),
        "database": "ok",
        "workers": alive,
        "disk": shortage or "ok",
        "schedule": "ok" if is_followed else "nobody follows it",
        # More than one stand by; one alone follows the schedule.
        "beats": beats,
    }


def _worst(alive: int, shortage: str | None, is_followed: bool) -> str:
    if not alive:
        return "no worker"
    if shortage is not None:
        return "no room"
    return "ok" if is_followed else "no schedule"


class _Looks:
    """Looks at the database, one at a time, however many ask and however long it takes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: Future[Any] | None = None

    def ask(self) -> Any:
        with self._lock:
            if self._last is None or self._last.done():
                self._last = Future()
                # A daemon: the end of the process does not wait for the database.
                threading.Thread(
                    target=_look, args=[self._last], name="health", daemon=True
                ).start()
            look = self._last
        return look.result(_ANSWER_WITHIN_SECONDS)


_looks = _Looks()


def _look(answer: Future[Any]) -> None:
    try:
        answer.set_result((count_alive(), count_beats()))
    except Exception as error:
        answer.set_exception(error)
    finally:
        connection.close()
