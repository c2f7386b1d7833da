"""Look at what may not answer, without being held up by it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from django.db import connection

T = TypeVar("T")


class Lookout(Generic[T]):
    """One look at a time, however many ask and however long it takes; all get what it finds.

    Parameters
    ----------
    look : callable
        Called in a thread of its own, whose connection to the database is closed at the end.
    seconds : float
        How long whoever asks waits for the answer.
    name : str
        Of the thread.
    keep_seconds : float, optional
        For how long what was found is told to others who ask: where a look costs something.
    """

    def __init__(
        self, look: Callable[[], T], seconds: float, name: str, keep_seconds: float = 0.0
    ) -> None:
        self._look = look
        self._keep_seconds = keep_seconds
        self._ended_at = float("-inf")
        self._name = name
        self._seconds = seconds
        self._lock = threading.Lock()
        self._last: Future[T] | None = None

    def ask(self) -> T:
        """Return what was found, or raise what was raised.

        Raises
        ------
        TimeoutError
            If there is no answer in time; the look goes on, and the next who asks gets it.
        """
        return self.begin().result(self._seconds)

    def begin(self) -> Future[T]:
        """Look, unless a look is under way, or was just now; return what will have its answer."""
        with self._lock:
            if self._last is None or (self._last.done() and not self._is_kept()):
                self._last = Future()
                # A daemon: the end of the process does not wait for the database.
                threading.Thread(
                    target=self._answer, args=[self._last], name=self._name, daemon=True
                ).start()
            return self._last

    def _is_kept(self) -> bool:
        return time.monotonic() - self._ended_at < self._keep_seconds

    def _answer(self, answer: Future[T]) -> None:
        try:
            found = self._look()
            self._ended_at = time.monotonic()
            answer.set_result(found)
        except Exception as error:
            answer.set_exception(error)
        finally:
            connection.close()
