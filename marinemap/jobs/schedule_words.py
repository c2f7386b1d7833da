"""A schedule of Celery's in words: every 10 minutes, daily at 03:15."""

from __future__ import annotations

from typing import Any

# The largest first of those by which a number of seconds can be divided.
_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
_SECONDS_OF = {"days": 86_400.0, "hours": 3_600.0, "minutes": 60.0, "seconds": 1.0}
_DAYS = ("Sundays", "Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays")


def words_of(task: Any) -> str:
    """Return when a periodic task (django-celery-beat's) is due."""
    if task.interval is not None:
        return words_of_interval(task.interval)
    if task.crontab is not None:
        return words_of_crontab(task.crontab)
    if task.clocked is not None:
        return f"once, at {task.clocked.clocked_time:%Y-%m-%d %H:%M} UTC"
    return str(task.solar or "never")


def words_of_interval(interval: Any) -> str:
    """Return an interval: in minutes where it has whole ones.

    >>> from types import SimpleNamespace
    >>> words_of_interval(SimpleNamespace(every=600, period="seconds"))
    'every 10 minutes'
    """
    if interval.period not in _SECONDS_OF:
        return f"every {interval.every} {interval.period}"
    seconds = interval.every * int(_SECONDS_OF[interval.period])
    name, size = next(unit for unit in _UNITS if seconds % unit[1] == 0)
    count = seconds // size
    return f"every {name}" if count == 1 else f"every {count:,} {name}s"


def words_of_crontab(crontab: Any) -> str:
    """Return a crontab: the common ones as people say them, others as its library does.

    >>> from types import SimpleNamespace
    >>> every = {"day_of_month": "*", "month_of_year": "*", "timezone": "UTC"}
    >>> words_of_crontab(SimpleNamespace(minute="15", hour="3", day_of_week="*", **every))
    'daily at 03:15 (UTC)'
    """
    zone = str(crontab.timezone)
    is_at_one_time = crontab.minute.isdecimal() and crontab.hour.isdecimal()
    is_in_all_months = crontab.day_of_month == crontab.month_of_year == "*"
    if is_at_one_time and is_in_all_months:
        at = f"at {int(crontab.hour):02}:{int(crontab.minute):02} ({zone})"
        if crontab.day_of_week == "*":
            return f"daily {at}"
        if crontab.day_of_week in tuple("0123456"):
            return f"on {_DAYS[int(crontab.day_of_week)]} {at}"
    return str(crontab.human_readable)
