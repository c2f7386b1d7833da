"""The queue on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import psycopg

from ..errors import TransportError
from .contract import Claim, Database, Life, Row, Session, Stored, Watcher
from .observation import Observation
from .postgresql_session import SETTLING_SECONDS, JoinedPostgresSession, PostgresSession
from .postgresql_watcher import (
    ALL_CHANNEL,
    DELAYED,
    IS_EXPECTED,
    PooledWatcher,
    PostgresWatcher,
    channel_of,
)

_LONG_TRANSACTION_SECONDS = 600

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
_HURRY = (
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
    ({_LIMITED_TASKS}) AS limited_tasks, {_HURRY} AS hurry
FROM (SELECT 1) AS one LEFT JOIN claimed ON true
"""
_CLAIM = _CLAIM_FROM % _FIRST
_CLAIM_BEHIND = _CLAIM_FROM % _FIRST_BEHIND
_ACKNOWLEDGE = (
    f"WITH acknowledged AS ({_ACKNOWLEDGED}) "
    f"SELECT count(*) AS acknowledged, {_HURRY} AS hurry FROM acknowledged"
)
_TAKE = f"""
WITH first AS MATERIALIZED ({_FIRST}),
taken AS (
    DELETE FROM broker_messages WHERE id = ANY(ARRAY(SELECT id FROM first)) AND EXISTS
        (SELECT 1 FROM broker_consumers WHERE consumer_id = :consumer_id)
    RETURNING {{claimed_columns}}, false AS is_stray
)
SELECT taken.*, 0 AS acknowledged, ({_LIMITED_TASKS}) AS limited_tasks, {_HURRY} AS hurry
FROM (SELECT 1) AS one LEFT JOIN taken ON true
"""
# Who has changed the window since it was read, or does so now, leaves no row in `rate`; a
# version that was committed after this statement began is looked at too, for it is locked.
_CLAIM_LIMITED = f"""
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
    CASE WHEN CAST(:hurries AS BOOLEAN) THEN {_HURRY} END AS hurry
FROM (SELECT 1) AS one LEFT JOIN claimed ON true
"""
_STORE = (
    "WITH stored AS ({insert}) SELECT queue_name, due_at_ms IS NOT NULL AS is_delayed, "
    f"{IS_EXPECTED} AS is_expected FROM stored"
)
_BURY = """
WITH dead AS (DELETE FROM broker_messages WHERE {which} RETURNING *)
INSERT INTO broker_dead_letters (message_id, queue_name, task_name, owner, correlation_id,
    payload, attempts, reason, published_at_ms, died_at_ms)
SELECT id, queue_name, task_name, owner, correlation_id, payload, attempts,
    CAST(:reason AS TEXT), published_at_ms, {now} FROM dead
RETURNING message_id, queue_name
"""
_NOTIFY = (
    "SELECT pg_notify(channel, CAST(:payload AS TEXT)) "
    "FROM unnest(CAST(:channels AS TEXT[])) AS told(channel)"
)
# By name out of the whole row: version 1's table has no such columns.
_READ_REVISION = (
    "SELECT version, CAST(to_jsonb(s)->>'revision' AS INTEGER) AS revision, "
    "CAST(to_jsonb(s)->>'oldest_code' AS INTEGER) AS oldest_code "
    "FROM broker_schema AS s WHERE only_row = 1"
)
_LONG = (
    "SELECT pid, COALESCE(application_name, '') AS program, "
    "CAST(extract(epoch FROM now() - xact_start) AS BIGINT) AS seconds FROM pg_stat_activity "
    "WHERE xact_start < now() - make_interval(secs => :seconds) AND backend_xmin IS NOT NULL "
    "AND datname = current_database()"
)


class PostgresDatabase(Database):
    """Many writers at once, notifications, and leases that others watch."""

    name = "postgresql"
    settling_seconds = SETTLING_SECONDS
    declares_with_caller = False

    def open_session(self) -> PostgresSession:
        return PostgresSession(self.url, self.options.statement_seconds)

    def join(self, connection: psycopg.Connection) -> JoinedPostgresSession:
        return JoinedPostgresSession(connection)

    def verify(self, session: Session) -> None:
        if self.options.accept_weak_durability:
            return
        for setting in ("fsync", "synchronous_commit"):
            if session.run(f"SELECT current_setting('{setting}') AS value")[0].value == "off":
                raise TransportError(
                    f"PostgreSQL runs with {setting} off: a power cut would lose messages that "
                    "it said were stored.",
                    field=setting,
                    value="off",
                    hint=f"Set {setting} = on, or accept_weak_durability in "
                    "broker_transport_options.",
                )

    def read_revision(self, session: Session) -> Row | None:
        if session.run("SELECT to_regclass('broker_schema') AS name")[0].name is None:
            return None
        rows = session.run(_READ_REVISION)
        return rows[0] if rows else None

    @contextmanager
    def upgrading(self, session: Session) -> Iterator[None]:
        with session.begin():
            session.run("SET LOCAL statement_timeout TO 0")
            session.run("SET LOCAL lock_timeout TO 0")
            # Two workers may start at once; the number is the queue's own.
            session.run("SELECT pg_advisory_xact_lock(718281828)")
            yield

    def store(self, session: Session, insert: str, **parameters: Any) -> Stored:
        rows = session.run(_STORE.replace("{insert}", insert), **parameters)
        expected = frozenset(row.queue_name for row in rows if row.is_expected or row.is_delayed)
        return Stored(len(rows), expected, any(row.is_delayed for row in rows))

    def claim(
        self,
        session: Session,
        consumer_id: str,
        queue_name: str,
        room: int,
        acknowledged: list[int],
    ) -> Claim:
        assert isinstance(session, PostgresSession)
        names = {"consumer_id": consumer_id, "queue_name": queue_name, "room": room}
        resumption = session.resumptions[queue_name]
        last_ids, began_at = resumption.find_start(), monotonic()
        if last_ids is None:
            rows = session.run(_CLAIM, ids=acknowledged, **names)
        else:
            rows = session.run(_CLAIM_BEHIND, ids=acknowledged, last_ids=last_ids, **names)
        claim = _read_claim(rows)
        resumption.note(
            claim.messages,
            is_full=len(claim.messages) == room,
            began_at=began_at,
            was_resumed=last_ids is not None,
        )
        if last_ids is not None and not claim.messages:
            # Nothing is left behind the last one: what came back lies before it.
            again = self.claim(session, consumer_id, queue_name, room, [])
            return Claim(again.messages, claim.acknowledged, again.limited)
        return claim

    def claim_limited(self, session: Session, **parameters: Any) -> list[Row] | None:
        rows = session.run(_CLAIM_LIMITED, **parameters)
        if not rows[0].is_unchanged:
            return None
        claimed = [row for row in rows if row.id is not None]
        return sorted(claimed, key=lambda row: (-row.priority, row.turn, row.id))

    def take(self, session: Session, consumer_id: str, queue_name: str, room: int) -> Claim:
        rows = session.run(_TAKE, consumer_id=consumer_id, queue_name=queue_name, room=room)
        return _read_claim(rows)

    def acknowledge(self, session: Session, consumer_id: str, acknowledged: list[int]) -> int:
        rows = session.run(_ACKNOWLEDGE, consumer_id=consumer_id, ids=acknowledged)
        return int(rows[0].acknowledged)

    def bury(self, session: Session, which: str, reason: str, **parameters: Any) -> list[Row]:
        return session.run(_BURY.replace("{which}", which), reason=reason, **parameters)

    def hurry(self, session: Session) -> None:
        session.run(f"SELECT {_HURRY}")

    def notify(
        self, session: Session, queue_names: Iterable[str], *, is_delayed: bool = False
    ) -> None:
        channels = sorted({channel_of(name) for name in queue_names})
        if channels:
            session.run(_NOTIFY, channels=channels, payload=DELAYED if is_delayed else "")

    def notify_all(self, session: Session) -> None:
        session.run(_NOTIFY, channels=[ALL_CHANNEL], payload="")

    def watch(self, session: Session) -> Watcher:
        assert isinstance(session, PostgresSession)
        if session.is_pooled:
            return PooledWatcher(self.options.poll_seconds)
        return PostgresWatcher(session, self.options.poll_seconds)

    def make_life(self) -> Life:
        return RenewedLife(self.options.lease_seconds)

    def find_long_transactions(self, session: Session) -> list[str]:
        rows = session.run(_LONG, seconds=_LONG_TRANSACTION_SECONDS)
        return [
            f"{row.program or 'a program'} (process {row.pid}), {row.seconds} s" for row in rows
        ]


class RenewedLife:
    """Renewing the row is the sign of life; the consumer does that itself."""

    def __init__(self, lease_seconds: float) -> None:
        self._observation = Observation(lease_seconds)

    def begin(self, session: Session, consumer_id: str) -> None:
        """The row that was written is the first sign."""

    def end(self, consumer_id: str) -> None:
        """The row goes."""

    def find_dead(self, consumers: list[Row]) -> list[Row]:
        return self._observation.find_dead(consumers)

    def forget(self) -> None:
        self._observation.forget()


def _read_claim(rows: list[Row]) -> Claim:
    messages = [row for row in rows if row.id is not None]
    # RETURNING answers in no particular order.
    messages.sort(key=lambda row: (-row.priority, row.id))
    return Claim(messages, rows[0].acknowledged, rows[0].limited_tasks)
