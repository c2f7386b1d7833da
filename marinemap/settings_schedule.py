"""What beat sets off, and how often: the site's schedule as it is first created."""

from __future__ import annotations

from celery.schedules import crontab


def _every(seconds: int, task: str) -> dict[str, object]:
    """Return the schedule of a periodic task."""
    # A message lapses before the next is due: a worker that was away finds no heap of them.
    return {
        "task": f"marinemap.jobs.periodic.{task}",
        "schedule": float(seconds),
        "options": {"expire_seconds": seconds},
    }


# Where a schedule is absent from the database it is created from here; after that the admin
# site has the last word.
CELERY_BEAT_SCHEDULE = {
    "clean up temporary files": _every(30, "clean_up_temp_files"),
    "remove expired artifacts": _every(600, "remove_expired_artifacts"),
    "queue stalled jobs again": _every(20, "requeue_stalled_jobs"),
    "send letters": _every(10, "send_letters"),
    "tell how jobs go": _every(5, "call_back"),
    "watch over the site": _every(60, "watch_site"),
    "read layers again that changed": _every(300, "refresh_layers"),
    "read layers that were added": _every(10, "read_layers"),
    "draw layers that changed": _every(10, "draw_layers"),
    "clear old sessions": _every(3600, "clear_sessions")
    | {"schedule": crontab(hour="12", minute="0")},
}
