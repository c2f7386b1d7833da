"""What is in the queues, who takes messages from them, and what the rates allow."""

from __future__ import annotations

from dataclasses import dataclass

from ..consuming.window import Window
from ..database import Database
from ..database.contract import Row, Session
from ..database.machine import elapsed_ms


def _count(state: str, which: str, table: str = "broker_messages") -> str:
    age = "max({now} - published_at_ms)" if table == "broker_messages" else "0"
    return (
        f"SELECT queue_name, '{state}' AS state, count(*) AS count, {age} AS oldest_ms "
        f"FROM {table} WHERE {which} GROUP BY queue_name"
    )


# Each state by its own index: together they would read every row, and its payload.
_COUNTS = " UNION ALL ".join(
    (
        # Replies and events have queues that come and go with their process.
        "SELECT queue_name, 'waiting' AS state, 0 AS count, 0 AS oldest_ms FROM broker_queues "
        "WHERE NOT is_auto_delete AND expires_after_ms IS NULL",
        _count("waiting", "{ready}"),
        _count("waiting_for_rate", "{limited}"),
        _count("due_later", "due_at_ms IS NOT NULL"),
        _count("claimed", "claimed_by IS NOT NULL"),
        _count("dead", "id > 0", "broker_dead_letters"),
        _count("dead_last_day", "died_at_ms > {now_once} - 86400000", "broker_dead_letters"),
    )
)
# What was claimed last tells how long messages wait before they are.
_LATENCIES = (
    "SELECT queue_name, max(claimed_at_ms - published_at_ms) AS latency_ms "
    "FROM broker_messages WHERE claimed_by IS NOT NULL GROUP BY queue_name"
)
_CONSUMERS = (
    "SELECT hostname, process_id, {now} - started_at_ms AS age_ms, "
    "lease_expires_at_ms - {now} AS left_ms, (SELECT count(*) FROM broker_messages "
    "WHERE claimed_by = consumer_id) AS held FROM broker_consumers "
    "WHERE lease_expires_at_ms > {now} "
    "ORDER BY hostname, process_id, started_at_ms"
)
_RATES = (
    "SELECT task_name, rate, max_starts, window_ms, recent_starts, {now} AS now_ms "
    "FROM broker_rates WHERE max_starts IS NOT NULL ORDER BY task_name"
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
    dead, dead_last_day : int
        Dead letters: all, and those of the last 24 hours.
    oldest_seconds : float
        How long ago the oldest message was published that may be claimed now; 0 for none.
    claim_latency_seconds : float
        The longest that any of the messages now in hand had waited, from publish to claim.
    """

    queue_name: str
    waiting: int = 0
    waiting_for_rate: int = 0
    due_later: int = 0
    claimed: int = 0
    dead: int = 0
    dead_last_day: int = 0
    oldest_seconds: float = 0.0
    claim_latency_seconds: float = 0.0


@dataclass(frozen=True)
class ConsumerSummary:
    """A consumer: its process, how long it has had its lease, what it holds."""

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
    starts_left: int
    max_starts: int
    window_seconds: float


@dataclass(frozen=True)
class Summary:
    """All of a queue's database at a glance."""

    queues: tuple[QueueSummary, ...]
    consumers: tuple[ConsumerSummary, ...]
    rates: tuple[RateSummary, ...]


def summarize(database: Database) -> Summary:
    """Count what is in the queue's tables; it writes nothing and takes no lock.

    The counts of the queues are those of one moment. 100,000 messages take half a second or less.
    """
    with database.session() as session:
        return Summary(_count_queues(session), _find_consumers(session), _find_rates(session))


def _count_queues(session: Session) -> tuple[QueueSummary, ...]:
    counted: dict[str, dict[str, float]] = {}
    for row in session.run(_COUNTS):
        states = counted.setdefault(row.queue_name, {})
        states[row.state] = states.get(row.state, 0) + row.count
        if row.state in ("waiting", "waiting_for_rate"):
            age = (row.oldest_ms or 0) / 1000
            states["oldest_seconds"] = max(states.get("oldest_seconds", 0.0), age)
    for row in session.run(_LATENCIES):
        if row.queue_name in counted:
            counted[row.queue_name]["claim_latency_seconds"] = row.latency_ms / 1000
    return tuple(
        QueueSummary(name, **counted[name])  # type: ignore[arg-type]
        for name in sorted(counted)
    )


def _find_consumers(session: Session) -> tuple[ConsumerSummary, ...]:
    return tuple(
        ConsumerSummary(
            row.hostname, row.process_id, row.age_ms / 1000, row.left_ms / 1000, row.held
        )
        for row in session.run(_CONSUMERS)
    )


def _find_rates(session: Session) -> tuple[RateSummary, ...]:
    asked_at_ms = elapsed_ms()
    return tuple(_summarize_rate(row, asked_at_ms) for row in session.run(_RATES))


def _summarize_rate(row: Row, asked_at_ms: int) -> RateSummary:
    free = Window.of_row(row, asked_at_ms).free
    return RateSummary(
        row.task_name,
        row.rate,
        row.max_starts - free,
        free,
        row.max_starts,
        row.window_ms / 1000,
    )
