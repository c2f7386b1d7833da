"""Tasks of which one at a time runs, over all workers of a site.

The lock is a row with a lease in the site's database. While the task runs a thread renews the
lease; of one that was killed it expires, and the next may have the lock. A task that was stopped
for so long that another has taken over can no longer end as the holder: the token that the row
counts up is then another's.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, ParamSpec, TypeVar

from celery import current_task
from celery.exceptions import Ignore
from django.db import Error, IntegrityError, connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from marinemap.errors import ServiceError
from marinemap.tasks.models import ExclusiveLock
from marinemap.tasks.outages import drop_connection, patiently

logger = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

# What a task answers that did not run, for another of its lock does.
ALREADY_RUNNING = "already running"
# By the database's clock, for machines' clocks differ.
LEASE = timedelta(seconds=30)
_RENEW_EVERY_SECONDS = 5.0
_LOOK_AGAIN_SECONDS = 1.0
# Beyond the lease, in which a dead holder's is over.
_GRACE_SECONDS = 5.0
_MOST_CHARACTERS = 200


class LockLostError(ServiceError):
    """The task no longer has its lock: it gave no sign of life for a lease, and another has it."""


class Hold:
    """A task's hold on a lock, from taking it to letting it go."""

    def __init__(self, lock_id: str, token: int) -> None:
        self.lock_id = lock_id
        self.token = token
        self._is_over = threading.Event()
        self._is_lost = threading.Event()

    def begin(self) -> None:
        """Renew the lease from now on, in a thread: the task may be in C for minutes."""
        name = f"lock-{self.lock_id}"
        threading.Thread(target=self._renew_until_over, name=name, daemon=True).start()

    def check(self) -> None:
        """Raise :class:`LockLostError` if another is known to have the lock."""
        if self._is_lost.is_set():
            raise self._lost()

    @contextmanager
    def fenced(self) -> Iterator[None]:
        """Write as the holder: in a transaction that nobody who lost the lock can commit.

        Raises
        ------
        LockLostError
            If another has the lock; nothing is written.
        """
        with transaction.atomic():
            # Whoever takes over waits for this transaction.
            if not self._own().select_for_update().exists():
                self._is_lost.set()
                raise self._lost()
            yield

    def end(self) -> None:
        """Let the lock go, however long the database is away.

        Raises
        ------
        LockLostError
            If another has it, as the task's work is done.
        """
        self._is_over.set()
        # Asked by itself: of a release whose answer was lost, and after which another took the
        # lock, the next try could not tell that it had been done.
        if not patiently(self._own().exists):
            raise self._lost()
        patiently(lambda: self._own().update(seen_at=None, holder=""))

    def _own(self) -> Any:
        return ExclusiveLock.objects.filter(pk=self.lock_id, token=self.token)

    def _lost(self) -> LockLostError:
        return LockLostError(
            f"another task has the lock '{self.lock_id}': this one gave no sign of life for "
            f"{LEASE.total_seconds():g} s and no longer counts as its holder"
        )

    def _renew_until_over(self) -> None:
        try:
            while not self._is_over.wait(_RENEW_EVERY_SECONDS):
                if not self._renew():
                    self._is_lost.set()
                    logger.error("%s", self._lost())
                    return
        finally:
            connection.close()

    def _renew(self) -> bool:
        try:
            # One that was let go while this thread waited for the database is not revived.
            return bool(self._own().exclude(seen_at=None).update(seen_at=Now())) or (
                self._is_over.is_set()
            )
        except Error as error:
            # It still holds if the database is back before another asks.
            logger.warning("The lock '%s' could not be renewed: %s", self.lock_id, error)
            drop_connection()
            return True


_held: ContextVar[Hold | None] = ContextVar("held_lock", default=None)


def held_lock() -> Hold:
    """Return the hold of the exclusive task that runs now, to write as its holder.

    Raises
    ------
    ServiceError
        If no exclusive task runs here.
    """
    hold = _held.get()
    if hold is None:
        raise ServiceError("no lock is held here: call this within a function of @exclusive")
    return hold


def exclusive(lock_id: str) -> Callable[[Callable[P, R]], Callable[P, R | str]]:
    """Let one task at a time run of all that have this lock; others end at once.

    Below the decorator of the task, or on a class's ``run``. A task that finds another at work
    is done at once, with the result ``"already running"``. One that was killed is followed 30 s
    later at the latest; delivered again, it waits for so long for its own dead run.

    What the task writes with ``held_lock().fenced()`` around it, nobody writes who lost the lock.

    Parameters
    ----------
    lock_id : str
        Up to 200 characters. Tasks with the same one exclude each other.

    Raises
    ------
    LockLostError
        By the task, in place of its result, if another has taken over meanwhile.
    """
    if not isinstance(lock_id, str) or not 0 < len(lock_id) <= _MOST_CHARACTERS:
        raise ServiceError(
            f"a lock has a name of 1 to {_MOST_CHARACTERS} characters, as in @exclusive('report')",
            field="lock_id",
            value=lock_id,
        )

    def decorate(run: Callable[P, R]) -> Callable[P, R | str]:
        @functools.wraps(run)
        def run_alone(*args: P.args, **kwargs: P.kwargs) -> R | str:
            hold = _take_patiently(lock_id)
            if hold is None:
                logger.info("Another task has the lock '%s'", lock_id)
                return ALREADY_RUNNING
            return _run_holding(hold, lambda: run(*args, **kwargs))

        return run_alone

    return decorate


def _run_holding(hold: Hold, run: Callable[[], R]) -> R:
    hold.begin()
    before = _held.set(hold)
    try:
        result = run()
    except BaseException:
        # Its own error says more than that the lock is lost as well.
        try:
            hold.end()
        except LockLostError as error:
            logger.error("%s", error)
        raise
    finally:
        _held.reset(before)
    hold.end()
    return result


def _take_patiently(lock_id: str) -> Hold | None:
    """Return the hold; None where another task has it.

    Raises
    ------
    Ignore
        If an earlier run of this very task lives, and will say how it ended.
    """
    own_id = _own_id()
    holder = own_id or uuid.uuid4().hex
    deadline = time.monotonic() + LEASE.total_seconds() + _GRACE_SECONDS
    while True:
        token = patiently(lambda: _take(lock_id, holder))
        if token is not None:
            return Hold(lock_id, token)
        if own_id is None or not _has(lock_id, own_id):
            return None
        if time.monotonic() > deadline:
            raise Ignore(f"an earlier run of this task still has the lock '{lock_id}'")
        time.sleep(_LOOK_AGAIN_SECONDS)


def _own_id() -> str | None:
    request = current_task.request if current_task else None
    return request.id if request is not None and not request.called_directly else None


def _has(lock_id: str, holder: str) -> bool:
    own = ExclusiveLock.objects.filter(pk=lock_id, holder=holder).exclude(seen_at=None)
    return patiently(own.exists)


def _take(lock_id: str, holder: str) -> int | None:
    """Take a lock that is free or whose holder is dead; return its token, None otherwise."""
    rows = ExclusiveLock.objects.filter(pk=lock_id)
    taken = {"holder": holder, "seen_at": Now()}
    try:
        with transaction.atomic():
            if rows.filter(_is_free()).update(token=F("token") + 1, **taken):
                return rows.values_list("token", flat=True).get()
            if rows.exists():
                return None
            return ExclusiveLock.objects.create(lock_id=lock_id, token=1, **taken).token
    except IntegrityError:
        return None  # Another made it in the same moment.


def _is_free() -> Q:
    # A time ahead of the database's is from before its clock was set back.
    return Q(seen_at__isnull=True) | Q(seen_at__lt=Now() - LEASE) | Q(seen_at__gt=Now() + LEASE)
