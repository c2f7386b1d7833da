"""Which queues to look at now, and which to be woken for."""

from __future__ import annotations

from collections.abc import Iterable
from time import monotonic

from ..database.watching import Watcher

# After this long with messages at each look a consumer need not be woken any more.
_BUSY_SECONDS = 0.05


class Attention:
    """A queue is *hot* while it may hold messages. Found empty it is expected: whoever
    publishes is asked to wake us; and it is looked at once more, for what came in between."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        # The queues that are attended to.
        self.followed: frozenset[str] = frozenset()
        self._hot: set[str] = set()
        self._expected: set[str] = set()
        # Since when each hot queue has had messages at every look.
        self._busy_since: dict[str, float] = {}

    def follow(self, queue_names: frozenset[str]) -> None:
        """Attend to these queues; new ones are hot."""
        if queue_names == self.followed:
            return
        self._watcher.follow(queue_names)
        gone = self._expected - queue_names
        if gone:
            self._watcher.dismiss(gone)
        self._hot = (self._hot & queue_names) | (queue_names - self.followed)
        self._expected -= gone
        self.followed = queue_names

    def heat(self, queue_names: Iterable[str] | None = None) -> None:
        """Look at queues soon; at all of them by default."""
        self._hot |= self.followed if queue_names is None else self.followed & set(queue_names)

    def is_hot(self, queue_name: str) -> bool:
        """Tell whether a queue may hold messages."""
        return queue_name in self._hot

    def note_messages(self, queue_name: str) -> None:
        """Remember that a look found messages, and perhaps not all."""
        since = self._busy_since.setdefault(queue_name, monotonic())
        if queue_name in self._expected and monotonic() - since > _BUSY_SECONDS:
            self._expected.discard(queue_name)
            self._watcher.dismiss({queue_name})

    def note_empty(self, queue_names: set[str]) -> bool:
        """Cool queues down that a look found empty; those newly expected after another look.

        Tell whether there are any of these.
        """
        for name in queue_names:
            self._busy_since.pop(name, None)
        new = (queue_names & self.followed) - self._expected
        needs_look = bool(new) and self._watcher.expect(new)
        self._hot -= queue_names if not needs_look else queue_names - new
        self._expected |= new
        return needs_look
