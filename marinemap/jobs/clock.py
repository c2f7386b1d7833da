"""Whether a clock can be believed when files are removed by it: what is gone does not come back."""

from __future__ import annotations

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
