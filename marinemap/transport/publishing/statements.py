"""The statements that store messages, in the words of both databases."""

from __future__ import annotations

_COLUMNS = (
    "queue_name, priority, task_name, owner, correlation_id, rate_key, turn, payload, "
    "published_at_ms, due_at_ms, expires_at_ms, attempts"
)
_DUE = "CAST(:due_at_ms AS BIGINT)"
_LIMITED = (
    "SELECT task_name FROM broker_rates "
    "WHERE task_name = CAST(:task_name AS TEXT) AND max_starts IS NOT NULL"
)


def _insert(rate_key: str, turn: str, condition: str) -> str:
    return (
        f"INSERT INTO broker_messages ({_COLUMNS}) "
        "SELECT queue_name, CAST(:priority AS SMALLINT), CAST(:task_name AS TEXT), "
        f"CAST(:owner AS TEXT), CAST(:correlation_id AS TEXT), {rate_key}, {turn}, "
        f"CAST(:payload AS TEXT), {{now}}, CASE WHEN {_DUE} > {{now}} THEN {_DUE} END, "
        f"{{now}} + ttl_ms, 0 FROM {{routes}} AS route WHERE {condition} "
        "RETURNING queue_name, due_at_ms"
    )


# The turn of an owner's next message: at the time it comes, but `turn_ms` behind the last one
# that waits. So owners alternate, and who waits is overtaken by newcomers only for a time.
# One time for all rows of a statement: counted on from times that pass, turns would drift.
NEXT_TURN = (
    "{larger}({now_once}, COALESCE((SELECT max(w.turn) FROM broker_messages AS w "
    "WHERE w.claimed_by IS NULL AND w.due_at_ms IS NULL AND w.rate_key IS NOT NULL "
    "AND w.rate_key = %(rate_key)s AND w.priority = %(priority)s AND w.owner = %(owner)s), "
    "0) + CAST(:turn_ms AS BIGINT))"
)
_TURN = NEXT_TURN % {
    "rate_key": "CAST(:task_name AS TEXT)",
    "priority": "CAST(:priority AS SMALLINT)",
    "owner": "CAST(:owner AS TEXT)",
}
# Stores nothing where a rate limits the task: most have none, and to plan for turns would
# cost each insert a fifth.
INSERT = _insert("NULL", "0", f"NOT EXISTS ({_LIMITED})")
INSERT_IN_TURN = _insert(f"({_LIMITED})", _TURN, "true")
# After a connection was lost at a commit: stores only what is not there. A message that came
# through and was worked on meanwhile comes twice all the same.
INSERT_UNLESS_STORED = _insert(
    f"({_LIMITED})",
    _TURN,
    "NOT EXISTS (SELECT 1 FROM broker_messages AS m "
    "WHERE m.correlation_id = CAST(:correlation_id AS TEXT) AND m.queue_name = route.queue_name "
    "AND m.payload = CAST(:payload AS TEXT))",
)


# What waits in a queue, in one state after another, each by its own index.
WAITING = (
    "queue_name = :queue_name AND {ready}",
    "queue_name = :queue_name AND {limited} AND rate_key IN (SELECT task_name FROM broker_rates)",
    "queue_name = :queue_name AND due_at_ms IS NOT NULL AND claimed_by IS NULL",
)
# No further than the limit: a full queue costs the same however far beyond it is.
_UP_TO_LIMIT = " + ".join(
    f"(SELECT count(*) FROM (SELECT 1 FROM broker_messages WHERE {which} "
    "LIMIT CAST(:max_length AS BIGINT)) AS picked)"
    for which in WAITING
)
IS_FULL = f"SELECT {_UP_TO_LIMIT} >= CAST(:max_length AS BIGINT) AS is_full"
