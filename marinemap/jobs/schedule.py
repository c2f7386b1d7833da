"""The schedule that beat follows: in the database, made from settings where absent."""

from __future__ import annotations

import logging
import threading
import time
from datetime import datetime
from typing import Any

from django.db import Error, connection, transaction
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from marinemap.errors import UnavailableError
from marinemap.jobs.belonging import is_orphan
from marinemap.jobs.lease import ScheduleLease
from marinemap.sentences import say

logger = logging.getLogger(__name__)

_STAND_BY_SECONDS = 5.0
_LEAVE_WITHIN_SECONDS = 3.0
# Two looks at the two clocks are never so far apart by themselves.
_STEP_SECONDS = 2.0


class SteppedEntry(ModelEntry):  # type: ignore[misc] # the library has no types
    """An entry that outlasts a clock set back: it would wait until its last run is past again."""

    last_run_at: Any

    def is_due(self) -> Any:
        """Tell whether it is to be set off, and in how many seconds to look again."""
        now = timezone.now()
        if self.last_run_at > now:
            self._set_back(now)
        return super().is_due()

    def _set_back(self, now: datetime) -> None:
        """Count its time from now on, in the database too: the schedule is read anew each 5 min.

        In memory alone that would begin again with each reading, so that what is due less often
        was never set off.
        """
        self.last_run_at = now
        PeriodicTask.objects.filter(pk=self.model.pk, last_run_at__gt=now).update(last_run_at=now)


class EditableScheduler(DatabaseScheduler):  # type: ignore[misc] # the library has no types
    """A database scheduler that leaves what an administrator has edited as it is.

    The scheduler that it extends writes the settings over the database at every start, and
    knows nothing of a second one: each would set off every task. It writes down what it has set
    off every few minutes, so that one that was killed would be followed by one that repeats it.
    """

    Entry = SteppedEntry

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._lease = ScheduleLease()
        # Whether the schedule in memory is that of the database, and in the order of its times.
        self._is_current = True
        self._clock_ahead = _clock_ahead()
        super().__init__(*args, **kwargs)

    def all_as_schedule(self) -> dict[str, Any]:
        """Return what is to be followed; what cannot be is left out, and the log names it.

        The scheduler that this extends ends at the first such: one time by the sun, where the
        package that reckons with it is not there, held up every other schedule for ever.
        """
        entries = {model.name: self._entry_of(model) for model in self.enabled_models()}
        return {name: entry for name, entry in entries.items() if entry is not None}

    def _entry_of(self, model: Any) -> Any:
        try:
            entry = self.Entry(model, app=self.app)
            entry.is_due()
        except Error:
            raise
        except Exception as error:
            # Each kind of times raises what it likes: a package that is not there, a number
            # beyond those that can be reckoned with, headers that are no JSON.
            logger.error(
                "The schedule %r cannot be followed, and is left out: %s", model.name, error
            )
            return None
        return entry

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Set off what is due, unless another beat does; return the seconds until the next look.

        Raises
        ------
        SystemExit
            If the worker that this beat belongs to has ended.
        """
        if is_orphan():
            raise SystemExit("the worker of this schedule has ended")
        if not self._lease.is_held():
            # What is due meanwhile another sets off.
            self._is_current = False
            return _STAND_BY_SECONDS
        # What was put in order by the time of a clock that was set since is in no order.
        if not self._is_current or self._was_clock_set():
            self._is_current, self._initial_read, self._heap = True, True, None
        wait_seconds = float(super().tick(*args, **kwargs))
        return min(wait_seconds, _STAND_BY_SECONDS) if self._is_current else _STAND_BY_SECONDS

    def reserve(self, entry: Any) -> Any:
        """Return an entry as it is after this run; :meth:`apply_async` writes that down."""
        return next(entry)

    def apply_async(
        self, entry: Any, producer: Any = None, advance: bool = False, **kwargs: Any
    ) -> Any:
        """Set off a task and count its run, both or neither; None if another beat has done so.

        A task that the queue did not take is still due when the schedule is read anew. A beat
        may be stopped at any point before this, and wake when its lease is another's.
        """
        try:
            with transaction.atomic():
                if _count_run(entry):
                    return super().apply_async(entry, producer=producer, advance=False, **kwargs)
        except Exception:
            self._is_current = False
            raise
        self._is_current = False
        return None

    def sync(self) -> None:
        """Write nothing: each run was written down with its message.

        That of the scheduler that this extends closes the connection amid the transaction.
        """

    def _was_clock_set(self) -> bool:
        before, self._clock_ahead = self._clock_ahead, _clock_ahead()
        return abs(self._clock_ahead - before) > _STEP_SECONDS

    def populate_heap(self, *args: Any, **kwargs: Any) -> None:
        """Order what is to be set off by its time."""
        super().populate_heap(*args, **kwargs)
        # Where the schedule was read anew on the way, this order is of the new one already. Made
        # once more it would have the entries' old times, and set each off twice.
        self._heap_invalidated = False

    def release(self) -> None:
        """Let another beat take over at once, where the database takes that in a moment.

        Celery's beat calls this in a handler of signals. What that interrupts may hold this
        thread's connection, and would never let it go: so another thread's is used.
        """
        leaving = threading.Thread(target=self._leave, name="schedule-leaving", daemon=True)
        leaving.start()
        leaving.join(_LEAVE_WITHIN_SECONDS)

    def _leave(self) -> None:
        try:
            self._lease.give_up()
        finally:
            connection.close()

    def close(self) -> None:
        """Let another beat take over at once."""
        super().close()
        self.release()

    def update_from_dict(self, mapping: dict[str, Any]) -> None:
        """Create the entries of the settings that the database does not have.

        Raises
        ------
        UnavailableError
            If one could not be created. The scheduler that this extends notes so in the log, and
            goes on without it until it is started again.
        """
        known = _known(mapping)
        absent = {name: entry for name, entry in mapping.items() if name not in known}
        super().update_from_dict(absent)
        if missing := sorted(set(absent) - _known(absent)):
            raise UnavailableError(
                say("the schedule lacks {listed}; the log says why", listed=", ".join(missing))
            )


def _count_run(entry: Any) -> bool:
    """Write down a run of an entry unless somebody else has, since it was read."""
    run = entry.model
    as_read = PeriodicTask.objects.filter(
        pk=run.pk, enabled=True, total_run_count=entry.total_run_count
    )
    counted = {"last_run_at": run.last_run_at, "total_run_count": run.total_run_count}
    return bool(as_read.update(**counted))


def _clock_ahead() -> float:
    """Return how far the clock that may be set is ahead of the one that only goes on, in s."""
    return time.time() - time.monotonic()


def _known(mapping: dict[str, Any]) -> set[str]:
    return set(PeriodicTask.objects.filter(name__in=mapping).values_list("name", flat=True))
