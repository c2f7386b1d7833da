"""Leases without a common clock: a consumer that does not renew while one watches is dead."""

from __future__ import annotations

from dataclasses import dataclass

from .contract import Row
from .machine import elapsed_ms

# What a consumer's process shows of itself beside renewing its row; see each database's life.
NOTE_LIFE = (
    "UPDATE broker_consumers SET lock_offset = :lock_offset WHERE consumer_id = :consumer_id"
)


@dataclass(frozen=True)
class _Seen:
    lease_expires_at_ms: int
    since: float


class Observation:
    """What one watcher has seen of the others' leases.

    The lease's end in a row is only compared with itself: each renewal changes it. A consumer
    is dead when this watcher's own clock says that its row has stood still for the lease's
    length, over looks none of which failed and none of which came late. So a clock that jumps
    kills nobody, and after the database was away everybody has a whole lease to come back.
    """

    def __init__(self, lease_seconds: float = 20.0) -> None:
        self._lease_seconds = lease_seconds
        self._seen: dict[str, _Seen] = {}
        self._looked_at = elapsed_ms() / 1000

    def find_dead(self, consumers: list[Row]) -> list[Row]:
        """Return those that have not renewed for as long as they were watched."""
        now = elapsed_ms() / 1000
        if now - self._looked_at > self._lease_seconds / 2:
            # Whoever looks so late was stopped or starved, and so may all others have been.
            self._seen.clear()
        self._looked_at = now
        self._seen = {one.consumer_id: self._look(one, now) for one in consumers}
        return [one for one in consumers if self._is_over(one, now)]

    def forget(self) -> None:
        """Begin anew: a look has failed."""
        self._seen.clear()

    def _look(self, consumer: Row, now: float) -> _Seen:
        seen = self._seen.get(consumer.consumer_id)
        if seen is not None and seen.lease_expires_at_ms == consumer.lease_expires_at_ms:
            return seen
        return _Seen(consumer.lease_expires_at_ms, now)

    def _is_over(self, consumer: Row, now: float) -> bool:
        lease_ms = consumer.lease_ms or self._lease_seconds * 1000
        return now - self._seen[consumer.consumer_id].since > lease_ms / 1000
