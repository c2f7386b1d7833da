"""Who consumes on a channel, found by tag and by queue: there may be thousands."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from .consuming.demand import Claimed, Demand
from .errors import TransportError


@dataclass(frozen=True, eq=False)
class Subscription:
    """A consumer on a channel."""

    queue_name: str
    callback: Callable[[Any], Any]
    no_ack: bool


class Subscriptions:
    """A channel's consumers; the thread that claims asks as well."""

    def __init__(self) -> None:
        self._by_tag: dict[str, Subscription] = {}
        self._by_queue: dict[str, list[Subscription]] = {}
        # Made anew when they are next asked for.
        self._demands: list[Demand] | None = []
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._by_tag)

    def __contains__(self, queue_name: str) -> bool:
        return queue_name in self._by_queue

    @property
    def tags(self) -> list[str]:
        """Their tags."""
        return list(self._by_tag)

    def find_demands(self, make_demand: Callable[[str, bool], Demand]) -> list[Demand]:
        """Return what they consume.

        Parameters
        ----------
        make_demand : callable
            Returns what is to be claimed of a queue, with acknowledgements or without. Not kept
            beyond the last consumer: a channel that nobody uses goes at once, with its sockets.
        """
        with self._lock:
            if self._demands is None:
                wanted = {(s.queue_name, s.no_ack) for s in self._by_tag.values()}
                self._demands = [make_demand(*one) for one in sorted(wanted)]
            return self._demands

    def add(self, tag: str, subscription: Subscription) -> None:
        """Add a consumer.

        Raises
        ------
        TransportError
            The tag is taken.
        """
        with self._lock:
            if tag in self._by_tag:
                raise TransportError(
                    "this channel has a consumer of that tag already.",
                    field="consumer_tag",
                    value=tag,
                    hint="Cancel it first, or leave the tag out to be given one.",
                )
            self._by_tag[tag] = subscription
            self._by_queue.setdefault(subscription.queue_name, []).append(subscription)
            self._demands = None

    def remove(self, tags: Collection[str]) -> set[str]:
        """Remove consumers; return the queues that they consumed from."""
        with self._lock:
            removed = [self._by_tag.pop(tag) for tag in tags if tag in self._by_tag]
            for one in removed:
                others = self._by_queue[one.queue_name]
                others.remove(one)
                if not others:
                    del self._by_queue[one.queue_name]
            self._demands = None
        return {one.queue_name for one in removed}

    def find(self, claimed: Claimed) -> list[Subscription]:
        """Return whom a message is for: one that was taken cannot be acknowledged."""
        with self._lock:
            found = self._by_queue.get(claimed.queue_name, ())
            return [one for one in found if one.no_ack == claimed.is_taken]
