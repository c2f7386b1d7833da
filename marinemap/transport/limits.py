"""Rate limits over all workers, and turns among owners within a rate-limited task."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from time import monotonic

from sqlalchemy import (
    BigInteger,
    Integer,
    Text,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from marinemap.errors import ServiceError
from marinemap.transport import statements
from marinemap.transport.dialects import among, list_bind, now_ms
from marinemap.transport.engine import Database
from marinemap.transport.providers import read_task_rates
from marinemap.transport.sessions import DirectSession, Row
from marinemap.transport.tables import is_limited, messages, rates, starts

_UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000}

_m = messages.c
_task = bindparam("task_name", type_=Text())
_window = bindparam("window_ms", type_=BigInteger())
_of_task = rates.c.task_name == _task
_recent = and_(starts.c.task_name == _task, starts.c.started_at_ms > now_ms() - _window)

_all_rates = select(
    rates.c.task_name, rates.c.declared_rate, rates.c.rate, rates.c.max_starts, rates.c.window_ms
)
_values = {
    "declared_rate": bindparam("declared_rate", type_=Text()),
    "rate": bindparam("rate", type_=Text()),
    "max_starts": bindparam("max_starts", type_=Integer()),
    "window_ms": _window,
}
_set_rate = (
    upsert(rates)
    .values(task_name=_task, **_values)
    .on_conflict_do_update(index_elements=["task_name"], set_=_values)
)
_numbered = (
    select(
        _m.id,
        func.row_number().over(partition_by=(_m.priority, _m.owner), order_by=_m.id).label("turn"),
    )
    .where(_m.task_name == _task, _m.rate_key.is_(None))
    .subquery("numbered")
)
_begin_limiting = (
    update(messages).where(_m.id == _numbered.c.id).values(rate_key=_task, turn=_numbered.c.turn)
)
# At the head of the turns: they are older than the rate.
_adopt = (
    update(messages)
    .where(statements.held_among)
    .values(
        rate_key=_m.task_name,
        turn=0,
        claimed_by=None,
        claimed_at_ms=None,
        attempts=_m.attempts - 1,
    )
)
_end_limiting = update(messages).where(_m.rate_key == _task).values(rate_key=None)
_waiting_tasks = select(rates.c.task_name).where(
    rates.c.max_starts.is_not(None),
    ~among(rates.c.task_name, list_bind("blocked")),
    exists(
        select(_m.id).where(
            _m.rate_key == rates.c.task_name,
            is_limited,
            among(_m.queue_name, list_bind("queue_names")),
        )
    ),
)
_lock_rate = select(rates.c.max_starts, rates.c.window_ms).where(_of_task).with_for_update()
_count_recent = select(func.count()).select_from(starts).where(_recent)
_next_in_turn = (
    select(_m.id)
    .where(_m.rate_key == _task, is_limited, statements.is_current)
    .where(among(_m.queue_name, list_bind("queue_names")))
    .order_by(_m.priority.desc(), _m.turn, _m.id)
    .limit(bindparam("limit", type_=Integer()))
    .with_for_update(skip_locked=True, key_share=True)
)
_claim_next = (
    update(messages)
    .where(_m.id.in_(_next_in_turn), statements.holds_lease)
    .values(**statements.claim_values)
    .returning(*statements.CLAIMED_COLUMNS)
)
_add_start = insert(starts).values(task_name=_task, started_at_ms=now_ms())
_forget_starts = delete(starts).where(
    starts.c.task_name == _task, starts.c.started_at_ms <= now_ms() - _window
)
_ms_until_free = (
    select(starts.c.started_at_ms + _window - now_ms())
    .where(starts.c.task_name == _task)
    .order_by(starts.c.started_at_ms.desc())
    .offset(bindparam("max_starts", type_=Integer()) - 1)
    .limit(1)
)


@dataclass(frozen=True)
class Rate:
    """At most `max_starts` in any window of `window_ms`."""

    max_starts: int
    window_ms: int


def parse_rate(rate: str | float | None, slack_seconds: float = 0.0) -> Rate | None:
    """Return what a rate, as Celery writes it, allows; None for no limit.

    Parameters
    ----------
    rate : str or float or None
        ``'4/m'``, ``'10/s'``, ``'0.5/m'``, or a number of starts a second.
    slack_seconds : float
        By how much the window is lengthened, at most by a quarter. The transport counts
        claims; a task starts a little later, not always by the same, and so two claims a
        window apart could otherwise become starts within one.

    Raises
    ------
    ServiceError
        The text is not a rate.

    Examples
    --------
    >>> parse_rate("4/m")
    Rate(max_starts=4, window_ms=60000)
    >>> parse_rate(0.5)
    Rate(max_starts=1, window_ms=2000)
    """
    if not rate:
        return None
    number_text, _, unit = str(rate).partition("/")
    try:
        number, unit_ms = float(number_text), _UNIT_MS[unit or "s"]
    except (KeyError, ValueError) as error:
        raise ServiceError(
            "a rate is a number of starts for each second, minute or hour, such as '4/m'.",
            field="rate_limit",
            value=rate,
        ) from error
    if number <= 0:
        return None
    max_starts = max(1, int(number))
    window_ms = unit_ms * max_starts / number
    return Rate(max_starts, round(window_ms + min(slack_seconds * 1000, window_ms / 4)))


class Limits:
    """One consumer's part in keeping the rates."""

    def __init__(self, database: Database, consumer_id: str) -> None:
        self._database = database
        self._consumer_id = consumer_id
        self._stated: dict[str, str | None] | None = None
        self._is_any_limited = False
        # Whether a limited message may wait; asked of the database only after it has changed.
        self._may_wait = True
        # Until when a task has had all its starts. Others can only add starts, so it cannot
        # be allowed earlier, unless its rate is changed.
        self._blocked_until: dict[str, float] = {}
        self._table: list[Row] = []

    def claim(self, session: DirectSession, queue_names: list[str], room: int) -> list[Row]:
        """Claim messages of rate-limited tasks, as far as their rates and `room` allow."""
        if not (self._is_any_limited and self._may_wait and room):
            return []
        now = monotonic()
        blocked = [task for task, until in self._blocked_until.items() if until > now]
        names = {"queue_names": queue_names, "blocked": blocked}
        claimed: list[Row] = []
        waiting = session.run(_waiting_tasks, **names)
        self._may_wait = bool(waiting)
        for (task_name,) in waiting:
            claimed += self._claim_task(session, task_name, queue_names, room - len(claimed))
        return claimed

    def adopt(self, session: DirectSession, claimed: list[Row]) -> list[Row]:
        """Give stray messages back to wait for their task's rate; return the others.

        A publish and the setting of a rate may pass each other on PostgreSQL. The claim is
        where each message comes by, so none can start outside of the rate or be left behind.
        """
        strays = [row[0] for row in claimed if row[-1]]
        if strays:
            with self._database.begin(session):
                session.run(_adopt, ids=strays, consumer_id=self._consumer_id)
                if self._database.dialect_name == "postgresql":
                    session.run(statements.notify, payload="")
            self._is_any_limited = self._may_wait = True
        return [row[:-1] for row in claimed if not row[-1]]

    def seconds_until_free(self) -> float | None:
        """Return how long until a task that had all its starts may be tried again."""
        now = monotonic()
        waits = [until - now for until in self._blocked_until.values() if until > now]
        return min(waits, default=None)

    def is_any_free_again(self) -> bool:
        """Tell whether a task that had all its starts may now be tried again; true once."""
        now = monotonic()
        free = [task for task, until in self._blocked_until.items() if until <= now]
        for task in free:
            del self._blocked_until[task]
        self._may_wait |= bool(free)
        return bool(free)

    def expect_messages(self) -> None:
        """Look for limited messages at the next claim, as some may have come."""
        self._may_wait = True

    def _claim_task(
        self, session: DirectSession, task_name: str, queue_names: list[str], room: int
    ) -> list[Row]:
        if room <= 0:
            return []
        with self._database.begin(session):
            # Locked before counting: what others started is then seen by the count.
            rows = session.run(_lock_rate, task_name=task_name)
            if not rows or rows[0][0] is None:
                return []
            max_starts, window_ms = rows[0]
            names = {"task_name": task_name, "window_ms": window_ms}
            allowed = max_starts - session.run(_count_recent, **names)[0][0]
            claimed = self._start(session, names, queue_names, min(room, allowed))
            if len(claimed) >= allowed:
                wait_ms = session.run(_ms_until_free, max_starts=max_starts, **names)
                self._block(task_name, wait_ms)
        return claimed

    def _start(
        self, session: DirectSession, names: dict[str, object], queue_names: list[str], limit: int
    ) -> list[Row]:
        if limit <= 0:
            return []
        claimed = session.run(
            _claim_next,
            task_name=names["task_name"],
            queue_names=queue_names,
            limit=limit,
            consumer_id=self._consumer_id,
        )
        session.run(_forget_starts, **names)
        for _ in claimed:
            session.run(_add_start, task_name=names["task_name"])
        return sorted(claimed, key=lambda row: (-row[2], row[3], row[0]))

    def _block(self, task_name: str, wait_ms: list[Row]) -> None:
        if wait_ms:
            self._blocked_until[task_name] = monotonic() + max(1, wait_ms[0][0]) / 1000

    def sync(self, session: DirectSession, *, reread: bool) -> bool:
        """Bring the table and this process's knowledge of the rates together.

        Parameters
        ----------
        reread : bool
            Look into the table even where the application's own rates are as before.

        Returns
        -------
        bool
            Whether a rate has changed, so that what waits should be tried again.
        """
        stated = {task: _as_text(rate) for task, rate in read_task_rates().items()}
        if stated == self._stated and not reread:
            return False
        for change in self._find_changes(stated, session.run(_all_rates)):
            self._set_rate(session, *change)
        self._stated = stated
        table = session.run(_all_rates)
        has_changed = table != self._table
        if has_changed:
            self._blocked_until.clear()
            self._may_wait = True
        self._table = table
        self._is_any_limited = any(row[3] is not None for row in table)
        return has_changed

    def _find_changes(
        self, stated: dict[str, str | None], known: list[Row]
    ) -> Iterable[tuple[str, str | None, str | None]]:
        """Yield task, declared rate and rate wherever the table must be brought up to date."""
        table = {row[0]: (row[1], row[2]) for row in known}
        for task_name, rate in stated.items():
            declared, current = table.get(task_name, (None, None))
            if self._stated is None or task_name not in self._stated:
                # This process has just started: only a change of the code counts, or a
                # restart would undo what `celery control rate_limit` has set.
                if rate != declared:
                    yield task_name, rate, rate
            elif rate != self._stated[task_name] and rate != current:
                yield task_name, declared, rate

    def _set_rate(
        self, session: DirectSession, task_name: str, declared: str | None, rate: str | None
    ) -> None:
        parsed = parse_rate(rate, self._database.options.start_slack_seconds)
        with self._database.begin(session):
            session.run(
                _set_rate,
                task_name=task_name,
                declared_rate=declared,
                rate=rate,
                max_starts=parsed and parsed.max_starts,
                window_ms=parsed and parsed.window_ms,
            )
            session.run(_begin_limiting if parsed else _end_limiting, task_name=task_name)
            if self._database.dialect_name == "postgresql":
                session.run(statements.notify, payload="")


def _as_text(rate: str | float | None) -> str | None:
    return str(rate) if rate else None
