"""Look at what may not answer, without being held up by it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from django.db import connection

from marinemap.tasks.outages import DATABASE_AWAY, drop_connection

T = TypeVar("T")


class Lookout(Generic[T]):
    """One look at a time, however many ask and however long it takes; all get what it finds.

    Parameters
    ----------
    look : callable
        Called in a thread of its own, whose connection to the database is closed at the end,
        unless it is to be kept.
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
        self._asked: SimpleQueue[Future[T] | None] | None = None

    def keep_connection(self) -> None:
        """Keep one thread and its connection to the database from now on.

        Where others have taken all of the database's connections, it is there all the same.
        """
        with self._lock:
            if self._asked is None:
                asked: SimpleQueue[Future[T] | None] = SimpleQueue()
                self._start(self._answer_all, asked)
                self._asked = asked

    def end(self) -> None:
        """Let the thread that is kept go, and its connection."""
        with self._lock:
            if self._asked is not None:
                self._asked.put(None)
                self._asked = None

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
                self._have_answered(self._last)
            return self._last

    def _have_answered(self, answer: Future[T]) -> None:
        if self._asked is not None:
            self._asked.put(answer)
            return
        try:
            self._start(self._answer_once, answer)
        except RuntimeError as error:
            # Too many threads for the system: without an answer nobody would ever look again.
            answer.set_exception(TimeoutError(f"{self._name}: {error}"))

    def _start(self, work: Callable[[Any], None], given: object) -> None:
        # A daemon: the end of the process does not wait for the database.
        threading.Thread(target=work, args=[given], name=self._name, daemon=True).start()

    def _is_kept(self) -> bool:
        return time.monotonic() - self._ended_at < self._keep_seconds

    def _answer_all(self, asked: SimpleQueue[Future[T] | None]) -> None:
        while (answer := asked.get()) is not None:
            self._answer(answer)
        connection.close()

    def _answer_once(self, answer: Future[T]) -> None:
        try:
            self._answer(answer)
        finally:
            connection.close()

    def _answer(self, answer: Future[T]) -> None:
        try:
            found = self._found()
            self._ended_at = time.monotonic()
            answer.set_result(found)
        except Exception as error:
            # Whatever it was at, the next look begins anew.
            drop_connection()
            answer.set_exception(error)

    def _found(self) -> T:
        is_kept = connection.connection is not None
        try:
            return self._look()
        except DATABASE_AWAY:
            if not is_kept:
                raise
        # The database may have been restarted since.
        drop_connection()
        return self._look()
