"""Where a consumer goes on claiming: past what has been claimed since its last full look."""

from __future__ import annotations

from collections.abc import Iterable
from time import monotonic

from marinemap.transport.sessions import Row

# Messages with older ids may come back among those waiting: given back, due, or committed
# late. A look from the beginning finds them this often while there is a backlog.
_FULL_LOOK_SECONDS = 1.0
_PRIORITIES = range(9, -1, -1)


class Resumption:
    """The last id claimed of each queue and priority.

    While any transaction is open PostgreSQL keeps what was deleted since it began, and a claim
    from the beginning of the index would step over all of it, longer each time.
    """

    def __init__(self) -> None:
        self._last_ids: dict[tuple[str, int], int] = {}
        self._full_look_at = 0.0

    def begin(self) -> None:
        """Look from the beginning."""
        self._last_ids.clear()
        self._full_look_at = monotonic() + _FULL_LOOK_SECONDS

    def find_lanes(self, queue_names: Iterable[str]) -> dict[str, list[object]] | None:
        """Return parallel lists of queues, priorities and last ids; None for a full look."""
        if not self._last_ids or monotonic() > self._full_look_at:
            return None
        lanes = [(name, priority) for name in queue_names for priority in _PRIORITIES]
        return {
            "queue_names": [name for name, _ in lanes],
            "priorities": [priority for _, priority in lanes],
            "last_ids": [self._last_ids.get(lane, 0) for lane in lanes],
        }

    def note(self, claimed: Iterable[Row]) -> None:
        """Remember what was claimed: id, queue and priority lead each row."""
        for message_id, queue_name, priority, *_ in claimed:
            lane = (queue_name, priority)
            self._last_ids[lane] = max(message_id, self._last_ids.get(lane, 0))
