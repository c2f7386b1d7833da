"""Where a consumer goes on claiming: past what has been claimed since its last full look."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from time import monotonic

from marinemap.transport.sessions import Row

# Messages with older ids may come back among those waiting: given back, due, or committed
# late. A look from the beginning finds them this often while there is a backlog.
_FULL_LOOK_SECONDS = 1.0
# A look from the beginning is the quicker one where nothing deleted lies in its way. It does
# where even the fastest of the last few took this long; any single one may have waited for the
# processor.
_SLOW_SECONDS = 0.002
_LAST_FEW = 8
_PRIORITIES = range(9, -1, -1)


class Resumption:
    """The last id claimed of each queue and priority.

    While any transaction is open PostgreSQL keeps what was deleted since it began, and a claim
    from the beginning of the index would step over all of it, longer each time. So where looks
    from the beginning have become slow, claims go on from the last one.
    """

    def __init__(self) -> None:
        self._look_seconds: deque[float] = deque(maxlen=_LAST_FEW)
        self._last_ids: dict[tuple[str, int], int] = {}
        self._full_look_at = 0.0

    def begin(self) -> None:
        """Look from the beginning."""
        self._last_ids.clear()
        self._full_look_at = monotonic() + _FULL_LOOK_SECONDS

    def note_look(self, seconds: float) -> None:
        """Remember how long a look from the beginning took."""
        self._look_seconds.append(seconds)
        self.begin()

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
        looks = self._look_seconds
        if len(looks) < _LAST_FEW or min(looks) < _SLOW_SECONDS:
            return
        for message_id, queue_name, priority, *_ in claimed:
            lane = (queue_name, priority)
            self._last_ids[lane] = max(message_id, self._last_ids.get(lane, 0))
