"""The schedule that beat follows: in the database, made from settings where absent."""

from __future__ import annotations

import time
from typing import Any

from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from marinemap.errors import UnavailableError
from marinemap.jobs.belonging import is_orphan
from marinemap.jobs.lease import ScheduleLease

_STAND_BY_SECONDS = 5.0
# Two looks at the two clocks are never so far apart by themselves.
_STEP_SECONDS = 2.0


class SteppedEntry(ModelEntry):  # type: ignore[misc] # the library has no types
    """An entry that outlasts a clock set back: it would wait until its last run is past again."""

    last_run_at: Any

    def is_due(self) -> Any:
        """Tell whether it is to be set off, and in how many seconds to look again."""
        self.last_run_at = min(self.last_run_at, timezone.now())
        return super().is_due()


class EditableScheduler(DatabaseScheduler):  # type: ignore[misc] # the library has no types
    """A database scheduler that leaves what an administrator has edited as it is.

    The scheduler that it extends writes the settings over the database at every start, and
    knows nothing of a second one: each would set off every task.
    """

    Entry = SteppedEntry

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._lease = ScheduleLease()
        self._was_holding = True
        self._clock_ahead = _clock_ahead()
        super().__init__(*args, **kwargs)

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
            self._was_holding = False
            return _STAND_BY_SECONDS
        # What was due meanwhile another has set off; what was put in order by the time of a clock
        # that was set since is in no order.
        if not self._was_holding or self._was_clock_set():
            self._was_holding, self._initial_read, self._heap = True, True, None
        return min(float(super().tick(*args, **kwargs)), _STAND_BY_SECONDS)

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
        """Let another beat take over at once."""
        self._lease.give_up()

    def close(self) -> None:
        """Write what is left to write, and let another beat take over."""
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
            raise UnavailableError(f"the schedule lacks {', '.join(missing)}; the log says why")


def _clock_ahead() -> float:
    """Return how far the clock that may be set is ahead of the one that only goes on, in s."""
    return time.time() - time.monotonic()


def _known(mapping: dict[str, Any]) -> set[str]:
    return set(PeriodicTask.objects.filter(name__in=mapping).values_list("name", flat=True))
