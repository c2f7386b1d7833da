"""Claiming and acknowledging on PostgreSQL: each is one statement."""

from __future__ import annotations

# Only what a consumer still holds is its to settle. Not "=": the planner would look it up by
# `claimed_by`, in an index where all that was ever claimed stays until a vacuum.
_ACKNOWLEDGED = (
    "DELETE FROM broker_messages WHERE id {in_ids} "
    "AND claimed_by IS NOT DISTINCT FROM CAST(:consumer_id AS TEXT) RETURNING id"
)
# The candidates are locked in a materialised step: a plain subquery the planner may run
# again for each row, as statistics have it, and then its LIMIT binds no more.
_FIRST = (
    "SELECT id FROM broker_messages WHERE queue_name = :queue_name AND {ready} AND {current} "
    "AND {settled} ORDER BY priority DESC, (id + 0) "
    "LIMIT CAST(:room AS BIGINT) FOR NO KEY UPDATE SKIP LOCKED"
)
_LIMITED_TASKS = (
    "SELECT CAST(COALESCE(json_agg(json_build_array(r.task_name, r.max_starts, r.window_ms)), "
    "'[]') AS TEXT) FROM broker_rates AS r WHERE r.max_starts IS NOT NULL AND EXISTS "
    "(SELECT 1 FROM broker_messages WHERE rate_key = r.task_name AND queue_name = :queue_name "
    "AND {limited})"
)
# A claim stores nothing new, so it does not wait for the disk: what a crash of the server undoes
# consumers say again. A promoted standby has not just started, and would give it to others
# before: where commits wait for one, these do too. For this transaction alone: behind a pooler
# a setting would go on to others.
HURRY = (
    "set_config('synchronous_commit', CASE current_setting('synchronous_standby_names') "
    "WHEN '' THEN 'off' ELSE current_setting('synchronous_commit') END, true)"
)
# The same from given ids on, priority after priority, each by the index; the outer limit stops
# before the next priority is looked at.
_FIRST_BEHIND = (
    "SELECT found.id FROM unnest(CAST(:last_ids AS BIGINT[])) WITH ORDINALITY "
    "AS lane(last_id, rank), "
    "LATERAL (SELECT id FROM broker_messages WHERE queue_name = :queue_name "
    "AND priority = CAST(10 - lane.rank AS SMALLINT) AND (id + 0) > lane.last_id "
    "AND {ready} AND {current} AND {settled} ORDER BY (id + 0) LIMIT CAST(:room AS BIGINT) "
    "FOR NO KEY UPDATE SKIP LOCKED) AS found LIMIT CAST(:room AS BIGINT)"
)
_CLAIM_FROM = f"""
WITH acknowledged AS ({_ACKNOWLEDGED}),
first AS MATERIALIZED (%s),
claimed AS (
    UPDATE broker_messages
    SET claimed_by = :consumer_id, claimed_at_ms = {{now}}, attempts = attempts + 1
    WHERE id = ANY(ARRAY(SELECT id FROM first)) AND EXISTS
        (SELECT 1 FROM broker_consumers WHERE consumer_id = :consumer_id)
    RETURNING {{claimed_columns}}, {{is_stray}} AS is_stray
)
SELECT claimed.*, (SELECT count(*) FROM acknowledged) AS acknowledged,
    ({_LIMITED_TASKS}) AS limited_tasks, {HURRY} AS hurry
FROM (SELECT 1) AS one LEFT JOIN claimed ON true
"""
CLAIM = _CLAIM_FROM % _FIRST
CLAIM_BEHIND = _CLAIM_FROM % _FIRST_BEHIND
ACKNOWLEDGE = (
    f"WITH acknowledged AS ({_ACKNOWLEDGED}) "
    f"SELECT count(*) AS acknowledged, {HURRY} AS hurry FROM acknowledged"
)
TAKE = f"""
WITH first AS MATERIALIZED ({_FIRST}),
taken AS (
    DELETE FROM broker_messages WHERE id = ANY(ARRAY(SELECT id FROM first)) AND EXISTS
        (SELECT 1 FROM broker_consumers WHERE consumer_id = :consumer_id)
    RETURNING {{claimed_columns}}, false AS is_stray
)
SELECT taken.*, 0 AS acknowledged, ({_LIMITED_TASKS}) AS limited_tasks, {HURRY} AS hurry
FROM (SELECT 1) AS one LEFT JOIN taken ON true
"""
# Who has changed the window since it was read, or does so now, leaves no row in `rate`; a
# version that was committed after this statement began is looked at too, for it is locked.
CLAIM_LIMITED = f"""
WITH rate AS MATERIALIZED (
    SELECT task_name FROM broker_rates WHERE task_name = :task_name
        AND max_starts = CAST(:max_starts AS INTEGER) AND window_ms = CAST(:window_ms AS BIGINT)
        AND recent_starts IS NOT DISTINCT FROM CAST(:recent_starts AS TEXT)
    FOR UPDATE SKIP LOCKED
),
first AS MATERIALIZED (
    SELECT id FROM broker_messages WHERE rate_key = :task_name AND queue_name = :queue_name
        AND {{limited}} AND {{current}} AND {{settled}} AND EXISTS (SELECT 1 FROM rate)
    ORDER BY priority DESC, turn, id LIMIT CAST(:room AS BIGINT) FOR UPDATE SKIP LOCKED
),
claimed AS (
    UPDATE broker_messages
    SET claimed_by = :consumer_id, claimed_at_ms = {{now}}, attempts = attempts + 1
    WHERE id = ANY(ARRAY(SELECT id FROM first)) AND EXISTS
        (SELECT 1 FROM broker_consumers WHERE consumer_id = :consumer_id)
    RETURNING {{claimed_columns}}, turn
),
counted AS (
    UPDATE broker_rates SET recent_starts = CAST(:before AS TEXT)
        || (CAST(:count AS BIGINT) + (SELECT count(*) FROM claimed)) || CAST(:after AS TEXT)
    WHERE task_name = :task_name AND EXISTS (SELECT 1 FROM claimed)
)
SELECT claimed.*, EXISTS (SELECT 1 FROM rate) AS is_unchanged,
    CASE WHEN CAST(:hurries AS BOOLEAN) THEN {HURRY} END AS hurry
FROM (SELECT 1) AS one LEFT JOIN claimed ON true
"""
