"""The queue on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import psycopg

from ..errors import TransportError
from .contract import Claim, Database, Life, Row, Session, Stored
from .postgresql_claims import (
    ACKNOWLEDGE,
    CLAIM,
    CLAIM_BEHIND,
    CLAIM_LIMITED,
    HURRY,
    TAKE,
)
from .postgresql_life import RenewedLife
from .postgresql_session import JoinedPostgresSession, PostgresSession
from .postgresql_watcher import (
    ALL_CHANNEL,
    DELAYED,
    IS_EXPECTED,
    UNHEARD_POLL_SECONDS,
    PostgresWatcher,
    channel_of,
)
from .postgresql_words import SETTLING_SECONDS
from .watching import Watcher

_LONG_TRANSACTION_SECONDS = 600

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
# Not by to_regclass: a server process remembers that there was no such name, and so would make the
# tables that another has made while it waited for its turn. A look into pg_class makes it listen.
_FIND_SCHEMA = (
    "SELECT c.oid FROM pg_class AS c WHERE c.relname = 'broker_schema' "
    "AND pg_table_is_visible(c.oid)"
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
        if not session.run(_FIND_SCHEMA):
            return None
        rows = session.run(_READ_REVISION)
        return rows[0] if rows else None

    @contextmanager
    def upgrading(self, session: Session) -> Iterator[None]:
        assert isinstance(session, PostgresSession)
        with session.begin(), session.waiting_long():
            # Two workers may start at once; the number is the queue's own.
            session.run("SELECT pg_advisory_xact_lock(718281828)")
            yield

    def store(self, session: Session, insert: str, **parameters: Any) -> Stored:
        rows = session.run(_STORE.replace("{insert}", insert), **parameters)
        names = frozenset(row.queue_name for row in rows)
        expected = frozenset(row.queue_name for row in rows if row.is_expected or row.is_delayed)
        return Stored(len(rows), names, expected, any(row.is_delayed for row in rows))

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
            rows = session.run(CLAIM, ids=acknowledged, **names)
        else:
            rows = session.run(CLAIM_BEHIND, ids=acknowledged, last_ids=last_ids, **names)
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
        rows = session.run(CLAIM_LIMITED, **parameters)
        if not rows[0].is_unchanged:
            return None
        claimed = [row for row in rows if row.id is not None]
        return sorted(claimed, key=lambda row: (-row.priority, row.turn, row.id))

    def take(self, session: Session, consumer_id: str, queue_name: str, room: int) -> Claim:
        rows = session.run(TAKE, consumer_id=consumer_id, queue_name=queue_name, room=room)
        return _read_claim(rows)

    def acknowledge(self, session: Session, consumer_id: str, acknowledged: list[int]) -> int:
        rows = session.run(ACKNOWLEDGE, consumer_id=consumer_id, ids=acknowledged)
        return int(rows[0].acknowledged)

    def bury(self, session: Session, which: str, reason: str, **parameters: Any) -> list[Row]:
        return session.run(_BURY.replace("{which}", which), reason=reason, **parameters)

    def hurry(self, session: Session) -> None:
        session.run(f"SELECT {HURRY}")

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
            # There is no listening through a pooler.
            return Watcher(min(self.options.poll_seconds, UNHEARD_POLL_SECONDS))
        return PostgresWatcher(session, self.options.poll_seconds)

    def make_life(self) -> Life:
        return RenewedLife(self.options.lease_seconds)

    def find_long_transactions(self, session: Session) -> list[str]:
        rows = session.run(_LONG, seconds=_LONG_TRANSACTION_SECONDS)
        return [
            f"{row.program or 'a program'} (process {row.pid}), {row.seconds} s" for row in rows
        ]


def _read_claim(rows: list[Row]) -> Claim:
    messages = [row for row in rows if row.id is not None]
    # RETURNING answers in no particular order.
    messages.sort(key=lambda row: (-row.priority, row.id))
    return Claim(messages, rows[0].acknowledged, rows[0].limited_tasks)
