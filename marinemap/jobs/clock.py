"""Whether a clock can be believed, by which files are removed or runs are called dead."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from marinemap.jobs.models import ClockSighting

# The cleaning looks every ten minutes. A site that was off for longer waits once more as well.
_MOST_BETWEEN = timedelta(hours=6)
_MOST_BACK = timedelta(minutes=5)
_MOST_APART = timedelta(minutes=5)
# So long a clock has to go on evenly; whoever sets one wrongly sees it by then.
_SETTLING = timedelta(hours=1)
# A round that was held up by the database by less is none of a clock that jumped.
_MOST_UNEVEN = timedelta(seconds=20)


def database_now() -> datetime:
    """Return what the database's clock shows: the one that all machines of a site share."""
    ClockSighting.objects.get_or_create(pk=1, defaults={"seen_at": timezone.now()})
    shown: datetime = ClockSighting.objects.values_list(Now(), flat=True).get(pk=1)
    return shown


class Pace:
    """Tells whether a clock went as fast as time since this process looked at it last."""

    def __init__(self) -> None:
        self._last: tuple[datetime, float] | None = None

    def is_even(self, now: datetime) -> bool:
        """Note what a clock shows now; tell whether it went evenly. At the first look it did."""
        passed = time.monotonic()
        last, self._last = self._last, (now, passed)
        if last is None:
            return True
        return abs(now - last[0] - timedelta(seconds=passed - last[1])) < _MOST_UNEVEN


def find_doubt() -> str | None:
    """Note what this machine's clock shows; return why nothing should be removed by it, if so."""
    now = timezone.now()
    with transaction.atomic():
        ClockSighting.objects.get_or_create(pk=1, defaults={"seen_at": now})
        seen = ClockSighting.objects.select_for_update().get(pk=1)
        database_now = ClockSighting.objects.values_list(Now(), flat=True).get(pk=1)
        if abs(database_now - now) > _MOST_APART:
            return f"the database's clock shows {_told(database_now)}, this one {_told(now)}"
        if not -_MOST_BACK <= now - seen.seen_at <= _MOST_BETWEEN:
            seen.jumped_from, seen.jumped_at = seen.seen_at, now
        seen.seen_at = now
        seen.save()
    return _doubt(seen, now)


def _doubt(seen: ClockSighting, now: datetime) -> str | None:
    if seen.jumped_at is None or seen.jumped_at + _SETTLING <= now:
        return None
    settled_at = seen.jumped_at + _SETTLING
    return (
        f"between two looks the clock went from {_told(seen.jumped_from)} to "
        f"{_told(seen.jumped_at)}; should it be wrong, set it right before {_told(settled_at)}"
    )


def _told(time: datetime | None) -> str:
    return f"{time:%Y-%m-%d %H:%M}" if time else "nowhere"
