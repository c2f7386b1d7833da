"""Posts under way: each in a thread, so that whoever answers late holds up nobody else."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from marinemap.jobs.egress import post_json

# Of all hosts, and of one: eight that are mute at once leave no thread; the next turn is then
# that of a host with none.
_MOST = 32
_MOST_OF_A_HOST = 4
# Of who wants to be told no more (Standard Webhooks, "Deliverability and reliability").
GONE = "it answers 410"


@dataclass(frozen=True)
class Call:
    """What is posted where; ``is_trusted`` lets it lead into a private network."""

    uri: str
    body: bytes
    headers: Mapping[str, str]
    is_trusted: bool = False


class Posts:
    """The posts of this process that are under way, by the number of what is told.

    Their threads write nothing to the database: what became of each is taken with :meth:`ended`.
    None lasts for longer than a call may (``egress``), and none keeps the process from ending.
    """

    def __init__(self) -> None:
        self._hosts: dict[int, str] = {}
        self._ended: SimpleQueue[tuple[int, str]] = SimpleQueue()

    def __contains__(self, number: int) -> bool:
        return number in self._hosts

    @property
    def under_way(self) -> Counter[str]:
        """How many are under way, by host."""
        return Counter(self._hosts.values())

    def has_room(self, host: str) -> bool:
        """Tell whether one more may be begun."""
        return len(self._hosts) < _MOST and self.under_way[host] < _MOST_OF_A_HOST

    def begin(self, number: int, host: str, call: Call) -> None:
        """Post in the background."""
        self._hosts[number] = host
        thread = threading.Thread(target=self._post, args=(number, call), daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            # Too many threads for the system; it is tried again as if the host had refused.
            self._ended.put((number, str(error)))

    def ended(self, seconds: float) -> list[tuple[int, str]]:
        """Return those that ended, each with what went wrong if anything did; wait for the first.

        Parameters
        ----------
        seconds : float
            So long at most.
        """
        found: list[tuple[int, str]] = []
        until = time.monotonic() + seconds
        try:
            while True:
                left = 0.0 if found else max(until - time.monotonic(), 0)
                found.append(self._ended.get(timeout=left))
        except Empty:
            pass
        for number, _ in found:
            del self._hosts[number]
        return found

    def _post(self, number: int, call: Call) -> None:
        wrong = "it ended unexpectedly"
        try:
            status = post_json(call.uri, call.body, call.headers, is_trusted=call.is_trusted)
            wrong = "" if 200 <= status < 300 else f"it answers {status}"
        except OSError as error:
            wrong = str(error) or type(error).__name__
        finally:
            self._ended.put((number, wrong))
