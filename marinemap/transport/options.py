"""The queue's options: `broker_transport_options` in Celery, checked as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from .errors import TransportError, did_you_mean

# kombu keeps its retry policy in the same mapping (kombu.Connection.ensure and Celery's
# broker_transport_options document them); they are not ours to refuse.
_KOMBU_OPTIONS = frozenset(
    {
        "errback",
        "interval_max",
        "interval_start",
        "interval_step",
        "max_retries",
        "on_revive",
        "retry_errors",
    }
)

# name: (lowest, highest, why not beyond)
_RANGES: dict[str, tuple[float, float, str]] = {
    "lease_seconds": (1, 3600, "a dead worker's messages wait this long"),
    "delivery_limit": (1, 1_000_000, "a message must be delivered at least once"),
    "flush_seconds": (0, 1, "acknowledgements not yet written are lost when a worker is killed"),
    "poll_seconds": (0.05, 60, "the safety net when no notification arrives"),
    "sqlite_poll_seconds": (0.001, 1, "an idle worker looks this often"),
    "busy_timeout_seconds": (0.1, 600, "another writer may hold the SQLite file this long"),
    "claim_batch": (1, 1000, "messages taken at once where no prefetch limit is set"),
    "start_slack_seconds": (0.01, 60, "a rate's window is longer by it"),
    "turn_seconds": (0.001, 30 * 24 * 3600, "newcomers may go before somebody's next message"),
    "dead_letter_days": (0, 36_500, "days; 0 keeps dead letters for ever"),
    "max_queue_length": (1, 2**40, "messages; leave it out for no limit"),
}


@dataclass(frozen=True)
class Options:
    """How the queue behaves; units are in the names.

    Parameters
    ----------
    lease_seconds : float
        On PostgreSQL a consumer that was not seen to renew its lease for this long is dead, and
        its messages are delivered again. It renews every quarter of it. With the default, 20, a
        killed worker's messages are back within 26 s. On SQLite a killed process is noticed by
        the lock that it held, at the next look: a quarter of this.
    delivery_limit : int
        Deliveries after which a message that is never acknowledged becomes a dead letter.
    flush_seconds : float
        Longest time for which acknowledgements are gathered before they are written, and a
        claim put off while a quarter of the prefetch limit is still in hand.
    poll_seconds : float
        How often a worker looks where no notification came. Behind PgBouncer, which passes
        none on, it looks twice a second at least.
    sqlite_poll_seconds : float
        How often an idle worker asks SQLite whether the file has changed, where the system
        does not tell of writes to it (inotify).
    busy_timeout_seconds : float
        How long a publish waits for another writer of the SQLite file before it fails.
    claim_batch : int
        Most messages taken at once by a consumer without a prefetch limit.
    max_queue_length : int, optional
        Messages that nobody has claimed, also those with an ETA, which a queue may hold before
        it refuses more; a queue's own ``x-max-length`` wins.
    owner_header : str
        Header that names the person whose message it is, for taking turns.
    start_slack_seconds : float
        A limited task may start this long after its claim without asking again. A rate's
        window is longer by it, at most by a quarter.
    turn_seconds : float
        For how long an owner's second waiting message may be overtaken by newcomers, the third
        for twice as long, and so on.
    dead_letter_days : float
        Days for which dead letters are kept.
    accept_weak_durability : bool
        Run on a PostgreSQL with fsync or synchronous_commit off.
    create_tables : bool
        Create or upgrade the tables, for use without migrations of one's own.
    """

    lease_seconds: float = 20
    delivery_limit: int = 20
    flush_seconds: float = 0.01
    poll_seconds: float = 5
    sqlite_poll_seconds: float = 0.01
    busy_timeout_seconds: float = 30
    claim_batch: int = 100
    max_queue_length: int | None = None
    owner_header: str = "owner"
    start_slack_seconds: float = 0.25
    turn_seconds: float = 3600
    dead_letter_days: float = 90
    accept_weak_durability: bool = False
    create_tables: bool = False

    def __post_init__(self) -> None:
        for name, (lowest, highest, reason) in _RANGES.items():
            value = getattr(self, name)
            if value is not None:
                _check_number(name, value, lowest, highest, reason)
        for name in ("accept_weak_durability", "create_tables"):
            _check_type(name, getattr(self, name), bool, "True or False")
        _check_type("owner_header", self.owner_header, str, "the name of a header")

    @property
    def turn_ms(self) -> int:
        """`turn_seconds` as the tables count."""
        return round(self.turn_seconds * 1000)

    @property
    def statement_seconds(self) -> float:
        """How long a single statement may take: three may fail before a usual lease is lost."""
        return max(2.0, min(10.0, self.lease_seconds / 4))


def read_options(given: Mapping[str, Any]) -> Options:
    """Return the options in `given`, refusing names that do not exist.

    Raises
    ------
    TransportError
        An unknown name, with the nearest known one, or a value out of its range.
    """
    known = {field.name for field in fields(Options)}
    for name in given:
        if name not in known and name not in _KOMBU_OPTIONS:
            hint = did_you_mean(name, known)
            raise TransportError(
                f"no such transport option; there are {', '.join(sorted(known))}.{hint}",
                field=name,
                value=given[name],
                hint="Correct the name in broker_transport_options.",
            )
    return Options(**{name: given[name] for name in known if name in given})


def _check_number(name: str, value: Any, lowest: float, highest: float, reason: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TransportError(f"{value!r} is not a number.", field=name, value=value)
    if not lowest <= value <= highest:
        raise TransportError(
            f"{value} is not between {lowest:g} and {highest:g} ({reason}).",
            field=name,
            value=value,
        )


def _check_type(name: str, value: Any, kind: type, allowed: str) -> None:
    if not isinstance(value, kind):
        raise TransportError(f"{value!r} is not {allowed}.", field=name, value=value)
