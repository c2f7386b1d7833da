"""What is in the queues, who takes messages from them, and what the rates allow."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    Table,
    Text,
    false,
    func,
    literal_column,
    select,
    union_all,
)

from marinemap.transport.dialects import now_ms
from marinemap.transport.engine import Database
from marinemap.transport.sessions import DirectSession
from marinemap.transport.tables import (
    consumers,
    dead_letters,
    is_limited,
    is_unlimited,
    messages,
    queues,
    rates,
    starts,
)


@dataclass(frozen=True)
class QueueSummary:
    """How many messages of a queue are in each state.

    Parameters
    ----------
    waiting : int
        May be claimed now.
    waiting_for_rate : int
        Of a task with a rate: claimed as soon as that allows.
    due_later : int
        Wait for their ETA.
    claimed : int
        In a consumer's hands.
    dead : int
        Dead letters.
    """

    queue_name: str
    waiting: int = 0
    waiting_for_rate: int = 0
    due_later: int = 0
    claimed: int = 0
    dead: int = 0


@dataclass(frozen=True)
class ConsumerSummary:
    """A living consumer: its process, how long it has had its lease, what it holds."""

    hostname: str
    process_id: int
    lease_age_seconds: float
    # Counted down from the lease's length, and up again at each renewal.
    lease_seconds_left: float
    messages_held: int


@dataclass(frozen=True)
class RateSummary:
    """A task's rate, and how much of the present window is used up."""

    task_name: str
    rate: str
    starts_in_window: int
    max_starts: int
    window_seconds: float


@dataclass(frozen=True)
class Summary:
    """All of a broker at a glance."""

    queues: tuple[QueueSummary, ...]
    consumers: tuple[ConsumerSummary, ...]
    rates: tuple[RateSummary, ...]


def summarize(database: Database) -> Summary:
    """Count what is in the broker's tables; it writes nothing and takes no lock.

    The counts of the queues are those of one moment. 100,000 messages take half a second or less.
    """
    with database.session() as session:
        return Summary(_count_queues(session), _find_consumers(session), _find_rates(session))


def _count(table: Table, state: str, which: ColumnElement[bool]) -> Select[tuple[str, str, int]]:
    name = table.c.queue_name
    label: ColumnElement[str] = literal_column(f"'{state}'", Text)
    return select(name, label, func.count()).select_from(table).where(which).group_by(name)


_m = messages.c
# Each state by its own index: together they would read every row, and its payload.
_counts = union_all(
    select(queues.c.queue_name, literal_column("'waiting'", Text), literal_column("0", Integer))
    # Replies and events have queues that come and go with their process.
    .where(queues.c.is_auto_delete == false()),
    _count(messages, "waiting", is_unlimited),
    _count(messages, "waiting_for_rate", is_limited),
    _count(messages, "due_later", _m.due_at_ms.is_not(None)),
    _count(messages, "claimed", _m.claimed_by.is_not(None)),
    _count(dead_letters, "dead", dead_letters.c.id > literal_column("0", Integer)),
)
_held = (
    select(func.count())
    .select_from(messages)
    .where(_m.claimed_by == consumers.c.consumer_id)
    .scalar_subquery()
)
_consumers = (
    select(
        consumers.c.hostname,
        consumers.c.process_id,
        now_ms() - consumers.c.started_at_ms,
        consumers.c.lease_expires_at_ms - now_ms(),
        _held,
    )
    .where(consumers.c.lease_expires_at_ms > now_ms())
    .order_by(consumers.c.hostname, consumers.c.process_id, consumers.c.started_at_ms)
)
_recent_starts = (
    select(func.count())
    .select_from(starts)
    .where(starts.c.task_name == rates.c.task_name)
    .where(starts.c.started_at_ms > now_ms() - rates.c.window_ms)
    .scalar_subquery()
)
_rates = (
    select(rates.c.task_name, rates.c.rate, _recent_starts, rates.c.max_starts, rates.c.window_ms)
    .where(rates.c.max_starts.is_not(None))
    .order_by(rates.c.task_name)
)


def _count_queues(session: DirectSession) -> tuple[QueueSummary, ...]:
    counted: dict[str, dict[str, int]] = {}
    for queue_name, state, count in session.run(_counts):
        states = counted.setdefault(queue_name, {})
        states[state] = states.get(state, 0) + count
    return tuple(QueueSummary(name, **counted[name]) for name in sorted(counted))


def _find_consumers(session: DirectSession) -> tuple[ConsumerSummary, ...]:
    return tuple(
        ConsumerSummary(hostname, process_id, age_ms / 1000, left_ms / 1000, held)
        for hostname, process_id, age_ms, left_ms, held in session.run(_consumers)
    )


def _find_rates(session: DirectSession) -> tuple[RateSummary, ...]:
    return tuple(
        RateSummary(task_name, rate, started, max_starts, window_ms / 1000)
        for task_name, rate, started, max_starts, window_ms in session.run(_rates)
    )
