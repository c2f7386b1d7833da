"""What waits to be sent is a row: taken for a while, and tried again later and later.

A row has ``due_at`` and ``attempts``. Who takes it moves ``due_at`` to the end of a lease, so that
another takes it only when this process has died or stood still for as long; and what a process
writes about a row counts while its lease is the row's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

# Of powers of two; whatever the longest pause is, it comes sooner.
_MOST_DOUBLINGS = 20
# By how much the clocks of two machines may differ, so that none takes what another is at.
_CLOCKS_DIFFER = timedelta(hours=1)


@dataclass(frozen=True)
class Outbox:
    """How long a row is taken for, and how it is tried again.

    ``first_pause`` is doubled with each failure up to ``longest_pause``; ``tried_for`` is counted
    from when the row became due first.
    """

    lease: timedelta
    first_pause: timedelta
    longest_pause: timedelta
    tried_for: timedelta

    def is_due(self) -> Q:
        """Return the condition for rows that are due.

        So are those that are due later than any is put off: they are of a clock that was ahead
        and is right again, and would wait for as long as it was ahead.
        """
        now = timezone.now()
        latest = now + max(self.lease, self.longest_pause) + _CLOCKS_DIFFER
        return Q(due_at__lte=now) | Q(due_at__gt=latest)

    def take(self, row: Any) -> bool:
        """Have a row for a while, unless another has it by now."""
        mine = _mine(row)
        row.due_at = timezone.now() + self.lease
        row.attempts += 1
        return bool(mine.update(due_at=row.due_at, attempts=row.attempts))

    def try_later(self, row: Any, begun_at: datetime, **columns: Any) -> timedelta | None:
        """Have a row tried again; return after how long, None where it is to be given up.

        Parameters
        ----------
        row : Model
            As :meth:`take` left it.
        begun_at : datetime
            When it became due first.
        **columns
            What is to be written with it.
        """
        now = timezone.now()
        doublings = min(row.attempts - 1, _MOST_DOUBLINGS)
        pause: timedelta = min(self.first_pause * 2**doublings, self.longest_pause)
        if now + pause > begun_at + self.tried_for:
            return None
        # Unless another has it, for this process was stopped for as long as the lease.
        _mine(row).update(due_at=now + pause, **columns)
        return pause


def _mine(row: Any) -> Any:
    return type(row).objects.filter(pk=row.pk, due_at=row.due_at)
