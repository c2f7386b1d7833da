"""Rate limits over all workers: stated by them, kept in the database, counted as tasks start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..database import Database
from ..database.contract import Row, Session
from ..database.machine import elapsed_ms
from ..providers import read_task_rates
from ..publishing.statements import NEXT_TURN
from .window import Window, parse_rate

# Messages that one statement moves when a rate is set or lifted.
_BATCH = 1000
# Who finds another counting tries again this much later.
_OTHERS_TURN_MS = 10

_ALL_RATES = (
    "SELECT task_name, declared_rate, rate, max_starts, window_ms FROM broker_rates "
    "ORDER BY task_name"
)
_SET_RATE = """
INSERT INTO broker_rates (task_name, declared_rate, rate, max_starts, window_ms)
VALUES (:task_name, :declared_rate, :rate, :max_starts, :window_ms)
ON CONFLICT (task_name) DO UPDATE SET declared_rate = excluded.declared_rate,
    rate = excluded.rate, max_starts = excluded.max_starts, window_ms = excluded.window_ms
"""
_RATE = (
    "SELECT max_starts, window_ms, recent_starts, {now} AS now_ms FROM broker_rates "
    "WHERE task_name = :task_name"
)
_LOCK = f"{_RATE} {{lock}}"
_WRITE_WINDOW = (
    "UPDATE broker_rates SET recent_starts = CAST(:recent_starts AS TEXT) "
    "WHERE task_name = :task_name"
)
_TURN = NEXT_TURN % {"rate_key": "m.task_name", "priority": "m.priority", "owner": "m.owner"}
# Messages with the turns of their owners, one after another. Materialised, or the planner may
# number them all anew for each row that it updates.
NUMBERED = (
    f"numbered AS MATERIALIZED (SELECT m.id, {_TURN} + (row_number() OVER "
    "(PARTITION BY m.task_name, m.priority, m.owner ORDER BY m.id) - 1) "
    "* CAST(:turn_ms AS BIGINT) AS turn FROM %(which)s AS m)"
)
_HELD_BY_ID = "(SELECT * FROM broker_messages WHERE id {in_ids} AND claimed_by = :consumer_id)"
_READY_BY_ID = "(SELECT * FROM broker_messages WHERE id {in_ids} AND {ready})"
# Given back by who claimed them by mistake, and has them still: another may have taken him for
# dead while this waited for the rows.
_ADOPT = (
    f"WITH {NUMBERED % {'which': _HELD_BY_ID}} "
    "UPDATE broker_messages SET rate_key = task_name, turn = numbered.turn, claimed_by = NULL, "
    "claimed_at_ms = NULL, attempts = attempts - 1 FROM numbered "
    "WHERE broker_messages.id = numbered.id AND claimed_by = :consumer_id RETURNING queue_name"
)
_PAGE = f"SELECT id, task_name FROM broker_messages WHERE id > :after ORDER BY id LIMIT {_BATCH}"
_BEGIN_LIMITING = (
    f"WITH {NUMBERED % {'which': _READY_BY_ID}} "
    "UPDATE broker_messages SET rate_key = task_name, turn = numbered.turn FROM numbered "
    "WHERE broker_messages.id = numbered.id AND {ready} RETURNING queue_name"
)
_LIMITED_NO_MORE = (
    "SELECT id FROM broker_messages WHERE {limited} AND rate_key IN "
    "(SELECT task_name FROM broker_rates WHERE max_starts IS NULL)"
)
_HAS_LIMITED_NO_MORE = f"{_LIMITED_NO_MORE} LIMIT 1"
_END_LIMITING = (
    "UPDATE broker_messages SET rate_key = NULL WHERE id IN (SELECT id FROM "
    f"({_LIMITED_NO_MORE} LIMIT {_BATCH} {{skip_locked}}) AS picked) RETURNING queue_name"
)


@dataclass(frozen=True)
class LimitedClaim:
    """Messages of a limited task that may start now.

    Parameters
    ----------
    counted_at_ms, asked_at_ms : int
        When their starts are counted, by the database's clock; and this machine's elapsed
        time from before that.
    wait_ms : int, optional
        How long nothing more may start; None where that is no question of the rate.
    """

    messages: list[Row] = field(default_factory=list)
    counted_at_ms: int = 0
    asked_at_ms: int = 0
    wait_ms: int | None = None


def claim_limited(
    database: Database,
    session: Session,
    consumer_id: str,
    task_name: str,
    queue_name: str,
    room: int,
) -> LimitedClaim:
    """Claim messages of a task as far as its rate and `room` allow, counting their starts.

    The window is read without a lock, and written by the statement that claims only where it
    still is as it was read: so what is counted is all that others have counted.
    """
    asked_at_ms = elapsed_ms()
    rows = session.run(_RATE, task_name=task_name)
    if not rows or rows[0].max_starts is None:
        return LimitedClaim()
    window = Window.of_row(rows[0], asked_at_ms)
    free = window.free
    if not free:
        return LimitedClaim(wait_ms=max(1, window.free_again_ms()))
    counted_at_ms = window.add(0)
    before, count, after = window.write_open()
    claimed = database.claim_limited(
        session,
        consumer_id=consumer_id,
        task_name=task_name,
        queue_name=queue_name,
        room=min(room, free),
        max_starts=window.rate.max_starts,
        window_ms=window.rate.window_ms,
        recent_starts=rows[0].recent_starts,
        before=before,
        count=count,
        after=after,
        hurries=not window.rate.outlives_a_crash,
    )
    if claimed is None:
        # Another has counted meanwhile, or does so at this moment.
        return LimitedClaim(wait_ms=_OTHERS_TURN_MS)
    window.add(len(claimed))
    wait_ms = None if window.free else max(1, window.free_again_ms())
    return LimitedClaim(claimed, counted_at_ms, asked_at_ms, wait_ms)


def count_again(database: Database, task_name: str, counted_at_ms: int) -> LimitedClaim:
    """Count a start now in place of when its message was claimed; tell how long to wait else."""
    asked_at_ms = elapsed_ms()
    with database.transaction() as session:
        rows = session.run(_LOCK, task_name=task_name)
        if not rows or rows[0].max_starts is None:
            return LimitedClaim(asked_at_ms=asked_at_ms)
        window = Window.of_row(rows[0], asked_at_ms)
        window.take_back(counted_at_ms)
        if not window.free:
            return LimitedClaim(wait_ms=max(1, window.free_again_ms()))
        counted_at_ms = window.add(1)
        session.run(_WRITE_WINDOW, task_name=task_name, recent_starts=window.write())
    return LimitedClaim([], counted_at_ms, asked_at_ms)


def adopt(database: Database, session: Session, consumer_id: str, ids: list[int]) -> None:
    """Give messages back to wait for their task's rate.

    A publish and the setting of a rate may pass each other on PostgreSQL. The claim is where
    each message comes by, so none can start outside of the rate or be left behind.
    """
    with session.begin():
        session.run(_ADOPT, ids=ids, consumer_id=consumer_id, turn_ms=database.options.turn_ms)


def limit_waiting(database: Database, task_name: str) -> None:
    """Let what already waits of a task take turns, now that it has a rate."""
    after = 0
    while True:
        with database.session() as session:
            page = session.run(_PAGE, after=after)
            ids = [row.id for row in page if row.task_name == task_name]
            if ids:
                session.run(_BEGIN_LIMITING, ids=ids, turn_ms=database.options.turn_ms)
        if len(page) < _BATCH:
            return
        after = page[-1].id


def free_waiting(database: Database) -> None:
    """Let what waits of tasks whose rate was lifted be claimed like all others."""
    with database.session() as session:
        # An update takes SQLite's only write lock, also where it finds nothing.
        while session.run(_HAS_LIMITED_NO_MORE):
            freed = session.run(_END_LIMITING)
            database.notify(session, {row.queue_name for row in freed})
            if not freed:
                # Others have them locked.
                return


class RateStatements:
    """What this process says of its tasks' rates, brought together with the table."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stated: dict[str, str | None] | None = None

    def state(self, session: Session) -> list[str]:
        """Write what has changed since the last time; return the tasks that have a rate now."""
        stated = {task: str(rate) if rate else None for task, rate in read_task_rates().items()}
        if stated == (self._stated or {}):
            return []
        changes = list(self._find_changes(stated, session.run(_ALL_RATES)))
        for change in changes:
            self._set(session, *change)
        if changes:
            self._database.notify_all(session)
        self._stated = stated
        return [task for task, _, rate in changes if parse_rate(rate)]

    def _find_changes(
        self, stated: dict[str, str | None], known: list[Row]
    ) -> Iterator[tuple[str, str | None, str | None]]:
        """Yield task, declared rate and rate wherever the table must be brought up to date."""
        table = {row.task_name: row for row in known}
        before = self._stated or {}
        for task_name in {**stated, **before}:
            rate, row = stated.get(task_name), table.get(task_name)
            if task_name not in before:
                # This process has just started: only a change of the code counts, or a
                # restart would undo what `celery control rate_limit` has set.
                if rate != (row and row.declared_rate):
                    yield task_name, rate, rate
            elif rate != before[task_name] and rate != (row and row.rate):
                yield task_name, row and row.declared_rate, rate

    def _set(
        self, session: Session, task_name: str, declared: str | None, rate: str | None
    ) -> None:
        parsed = parse_rate(rate, self._database.options.start_slack_seconds)
        session.run(
            _SET_RATE,
            task_name=task_name,
            declared_rate=declared,
            rate=rate,
            max_starts=parsed and parsed.max_starts,
            window_ms=parsed and parsed.window_ms,
        )
