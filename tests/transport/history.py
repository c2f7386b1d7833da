"""What happened to each message in a run with several consumers, and what a queue allows of it."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

# SQLite rounds its clock to a millisecond, either way.
_ROUNDING_SECONDS = 0.002
NEVER = float("inf")


@dataclass
class Sent:
    """A message that was published; times by the monotonic clock, except where it says wall."""

    number: int
    priority: int
    began: float
    # None for no rate: owners then have no turns.
    owner: str | None = None
    ttl: float | None = None
    due_wall: float | None = None
    # When publishing returned; never, where it failed and nobody knows.
    stored: float = NEVER

    def goes_before(self, other: Sent) -> bool:
        """Tell whether it must be claimed first, where both are ready and never were claimed."""
        if (self.owner is None) != (other.owner is None):
            return False
        if self.priority != other.priority:
            return self.priority > other.priority
        return self.owner == other.owner and self.stored < other.began


@dataclass(eq=False)
class Life:
    """One consumer's time under one id."""

    consumer_id: str
    prefetch: int
    # When it last had room for a claim, where it takes one at a time.
    may_claim_from: float
    # From when on others might be given what it holds, and from when on it could not prevent it.
    lost: float = NEVER
    is_over: float = NEVER


@dataclass(eq=False)
class Hold:
    """A message in a consumer's hands."""

    number: int
    life: Life
    delivered: float
    delivered_wall: float
    # Its claim began no sooner; nothing is known where the consumer takes several.
    claimed_after: float
    attempts: int
    # Settled no sooner.
    kept_until: float = 0.0
    end: str | None = None
    ended: float = NEVER
    # Whether it is known that the end was written.
    is_sure: bool = False

    @property
    def is_late(self) -> bool:
        """Whether it was claimed in time, and delivered to one who had lost its lease by then."""
        return self.delivered >= self.life.lost

    @property
    def counts(self) -> bool:
        """Whether its end may have been written: it was said by who had not lost it for certain.

        A claim that passes the removal of its consumer stands until it is found.
        """
        return self.end is not None and (self.is_late or self.ended < self.life.is_over)

    @property
    def free_from(self) -> float:
        """From when on others may have the message."""
        if self.end == "requeue":
            return min(self.ended, self.life.lost)
        return NEVER if self.is_sure else self.life.lost


@dataclass
class History:
    """All that happened in a run, told by any thread."""

    sent: dict[int, Sent] = field(default_factory=dict)
    holds: list[Hold] = field(default_factory=list)
    # Times in which consumers may have held messages that no callback saw.
    disturbances: list[tuple[float, float]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, hold: Hold) -> None:
        with self._lock:
            self.holds.append(hold)

    def find_faults(self, dead: Iterable[int]) -> list[str]:
        """Return a line for all that a queue does not allow; `dead` are the dead letters."""
        by_number: defaultdict[int, list[Hold]] = defaultdict(list)
        for hold in sorted(self.holds, key=lambda hold: hold.delivered):
            by_number[hold.number].append(hold)
        found = list(self.faults)
        for number, sent in self.sent.items():
            found += _check_message(sent, by_number[number], number in dead)
        return found + list(self._find_overtaken(by_number))

    def _find_overtaken(self, holds: dict[int, list[Hold]]) -> Iterator[str]:
        for first in (holds[number][0] for number in self.sent if holds[number]):
            for other in self.holds:
                if self._is_overtaken(first, other):
                    yield f"{self.sent[other.number]} overtook {self.sent[first.number]}"

    def _is_overtaken(self, first: Hold, other: Hold) -> bool:
        """Tell whether a message was ready for all the time in which another was claimed."""
        sent, rival = self.sent[first.number], self.sent[other.number]
        return (
            sent.ttl is None
            and sent.due_wall is None
            and sent.stored < other.claimed_after < other.delivered < first.claimed_after < NEVER
            and sent.goes_before(rival)
            and self._was_calm(sent.began, other.delivered)
        )

    def _was_calm(self, begin: float, end: float) -> bool:
        return not any(a <= end and begin <= b for a, b in self.disturbances)


def _check_message(sent: Sent, all_holds: list[Hold], is_dead: bool) -> Iterator[str]:
    holds = [hold for hold in all_holds if not hold.is_late]
    for place, hold in enumerate(holds):
        if hold.attempts <= place:
            yield f"{sent} says to be delivery {hold.attempts}, and is {place + 1}"
        for before in holds[:place]:
            if hold.delivered < before.free_from:
                yield f"{sent} was delivered to {hold} while or after {before} had it"
        if sent.due_wall and hold.delivered_wall < sent.due_wall - _ROUNDING_SECONDS:
            yield f"{sent} came before its time"
        if sent.ttl is not None and sent.stored + sent.ttl < hold.claimed_after < NEVER:
            yield f"{sent} was claimed after it had expired"
    ends = {hold.end for hold in all_holds if hold.counts}
    if sent.stored < NEVER and sent.ttl is None and not ends & {"ack", "reject"}:
        yield f"{sent} is lost: {all_holds}"
    if is_dead and "reject" not in ends:
        yield f"{sent} is a dead letter, and nobody who held it has rejected it"
    if not is_dead and any(hold.end == "reject" and hold.is_sure for hold in holds):
        yield f"{sent} was rejected, and is no dead letter"


def now() -> float:
    return time.monotonic()
