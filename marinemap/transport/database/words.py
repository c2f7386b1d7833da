"""The words that statements are written in, where the databases do not say the same."""

from __future__ import annotations

# What statements may be about. Each is the predicate of a partial index, word for word.
_READY = "claimed_by IS NULL AND due_at_ms IS NULL AND rate_key IS NULL"
_LIMITED = "claimed_by IS NULL AND due_at_ms IS NULL AND rate_key IS NOT NULL"


def make_words(**words: str) -> dict[str, str]:
    """Return the words for statements, the common ones with those of a database."""
    now_once = f"(SELECT {words['now']})"
    return {
        "ready": _READY,
        "limited": _LIMITED,
        "claimed_columns": "id, queue_name, priority, attempts, payload, task_name",
        # Of a task that has a rate, stored while that was being set.
        "is_stray": "COALESCE(task_name IN (SELECT r.task_name FROM broker_rates AS r "
        "WHERE r.max_starts IS NOT NULL), false)",
        "now_once": now_once,
        "current": f"(expires_at_ms IS NULL OR expires_at_ms > {now_once})",
        **words,
    }
