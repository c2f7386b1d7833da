"""Where a consumer goes on claiming on PostgreSQL while a transaction is held open.

While any is, PostgreSQL keeps what was deleted since it began, and a claim from the beginning
of the index would step over all of it, longer each time. So where looks from the beginning have
become slow, claims go on behind the last one.
"""

from __future__ import annotations

from collections import deque
from time import monotonic

from .contract import Row

# Messages with older ids may come back among those waiting: given back, due, or committed
# late. A look from the beginning finds them this often while there is a backlog.
_FULL_LOOK_SECONDS = 1.0
# Looks are slow where even the fastest of the last few took this long: any single one may
# have waited for the processor.
_SLOW_SECONDS = 0.002
_LAST_FEW = 8
_HIGHEST_PRIORITY = 9


class Resumption:
    """The last id claimed of each priority of a queue, since the last look from the beginning."""

    def __init__(self) -> None:
        self._look_seconds: deque[float] = deque(maxlen=_LAST_FEW)
        self._last_ids: dict[int, int] = {}
        self._full_look_at = 0.0

    def find_start(self) -> list[int] | None:
        """Return the last ids of priorities 9 to 0; None to look from the beginning."""
        if not self._last_ids or monotonic() > self._full_look_at:
            self._last_ids.clear()
            return None
        return [self._last_ids.get(priority, 0) for priority in range(_HIGHEST_PRIORITY, -1, -1)]

    def note(
        self, messages: list[Row], *, is_full: bool, began_at: float, was_resumed: bool
    ) -> None:
        """Remember what a look took and claimed, and whether it found as many as it wanted."""
        if not was_resumed:
            self._look_seconds.append(monotonic() - began_at)
            self._full_look_at = monotonic() + _FULL_LOOK_SECONDS
        if not is_full or not self._is_slow():
            self._last_ids.clear()
            return
        for row in messages:
            self._last_ids[row.priority] = max(row.id, self._last_ids.get(row.priority, 0))

    def _is_slow(self) -> bool:
        looks = self._look_seconds
        return len(looks) == _LAST_FEW and min(looks) >= _SLOW_SECONDS
