"""What a channel holds: messages claimed, and neither acknowledged nor given back."""

from __future__ import annotations

import threading
from itertools import count

from .demand import Claimed


class Held:
    """Counts a channel's messages from their claim on; shared with the consumer's thread.

    Parameters
    ----------
    batch : int
        The most messages in one claim.
    """

    def __init__(self, batch: int) -> None:
        # The most that may be unacknowledged; 0 is no limit.
        self.prefetch_count = 0
        self._batch = batch
        self._tags = count(1)
        self._unacknowledged: dict[int, Claimed] = {}
        # How many of those handed over no callback has seen yet.
        self._unseen = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._unacknowledged)

    def __contains__(self, tag: int) -> bool:
        return tag in self._unacknowledged

    @property
    def tags(self) -> list[int]:
        """The delivery tags of what is not acknowledged, the oldest first."""
        return list(self._unacknowledged)

    def room(self, no_ack: bool) -> int:
        """Return how many more messages may be claimed."""
        if self.prefetch_count and not no_ack:
            return max(0, min(self._batch, self.prefetch_count - len(self)))
        # Without a limit as many as callbacks keep up with.
        return max(0, self._batch - self._unseen)

    def is_busy(self) -> bool:
        """Tell whether more than a quarter of its messages are still there to go on with.

        Earlier, and claims are so small that they take the processor from the tasks; later, and
        the tasks wait for the claim.
        """
        return 0 < self.prefetch_count < 4 * len(self)

    def take(self, claimed: Claimed) -> int:
        """Take a message in; return its delivery tag."""
        tag = next(self._tags)
        if not claimed.is_taken:
            self._unacknowledged[tag] = claimed
        return tag

    def take_unseen(self, claimed: list[Claimed]) -> list[tuple[int, Claimed]]:
        """Take messages in that wait for their callbacks; return them with their tags."""
        tagged = [(self.take(one), one) for one in claimed]
        with self._lock:
            self._unseen += len(tagged)
        return tagged

    def note_seen(self) -> bool:
        """Note that one of them waits no more; tell whether there is room for a next claim."""
        with self._lock:
            self._unseen -= 1
            return self._unseen == 0 and not self.prefetch_count

    def release(self, tag: int, multiple: bool = False) -> list[Claimed]:
        """Let go of a message, or of all up to it; return those that were held."""
        tags = [one for one in self.tags if one <= tag] if multiple else [tag]
        released = [self._unacknowledged.pop(one, None) for one in tags]
        return [claimed for claimed in released if claimed is not None]
