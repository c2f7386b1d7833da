"""How the site is: told to its operator, to monitors and to the page."""

from __future__ import annotations

from typing import Any

from marinemap.jobs.lease import count_beats
from marinemap.jobs.outages import DATABASE_AWAY, drop_connection
from marinemap.jobs.space import find_shortage
from marinemap.jobs.workers import count_alive


def health_of_site() -> dict[str, Any]:
    """Return the state of database, workers, disk and schedule, the worst of them as ``status``."""
    try:
        alive = count_alive()
        beats, is_followed = count_beats()
    except DATABASE_AWAY:
        drop_connection()
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
