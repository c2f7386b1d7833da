"""Claimed messages on their way from the consumer's thread to the application's."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from .consuming.demand import Claimed
from .database.signals import Signal

if TYPE_CHECKING:
    from .channel import Channel


class Inbox:
    """What one thread puts in and another delivers; also the error that ended the first."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Channel, int, Claimed]] = deque()
        # What the consumer's thread failed of; raised where messages are asked for.
        self.failure: BaseException | None = None
        # Up while there is something to deliver, or the failure to tell.
        self.arrived = Signal()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, channel: Channel, claimed: list[tuple[int, Claimed]]) -> None:
        """Add messages with their delivery tags."""
        self._waiting.extend((channel, tag, one) for tag, one in claimed)
        self.arrived.set()

    def fail(self, error: BaseException) -> None:
        """Let whoever asks for messages know that none will come, and why."""
        self.failure = error
        self.arrived.set()

    def deliver_in_turn(self) -> None:
        """Deliver one: then an event loop starts its task, which need not wait for the others."""
        self.deliver_next()
        self._rest_if_empty()

    def deliver_next(self) -> bool:
        """Deliver a message; tell whether there was one."""
        if self.failure is not None:
            raise self.failure
        try:
            channel, tag, claimed = self._waiting.popleft()
        except IndexError:
            self._rest_if_empty()
            return False
        channel.deliver(tag, claimed)
        return True

    def return_undelivered(self, channel: Channel) -> None:
        """Give back what waits here for consumers that a channel no longer has."""
        for _ in range(len(self._waiting)):
            owner, tag, claimed = self._waiting.popleft()
            if owner is channel and not channel.consumes(claimed.queue_name):
                channel.return_undelivered_one(tag, claimed)
            else:
                self._waiting.append((owner, tag, claimed))

    def clear(self) -> None:
        """Forget what waits: it was given back with its channel."""
        self._waiting.clear()

    def _rest_if_empty(self) -> None:
        # The flag stays up while there is something to deliver: to take it down and to raise it
        # for each message would pass the interpreter to the consumer's thread as often.
        if not self._waiting:
            self.arrived.clear()
            if self._waiting or self.failure is not None:
                self.arrived.set()
