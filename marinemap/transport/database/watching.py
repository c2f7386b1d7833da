"""How consumers hear of new messages: what each database answers in its own way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from .signals import Signal


class Watcher(Protocol):
    """Waits until other connections may have stored messages. It may miss some."""

    poll_seconds: float

    def follow(self, queue_names: frozenset[str]) -> None:
        """Hear of these queues from now on."""

    def expect(self, queue_names: set[str]) -> bool:
        """Ask to be woken for queues; true where they must be looked at once more after it."""

    def dismiss(self, queue_names: set[str]) -> None:
        """Ask not to be woken for queues that are looked at anyway."""

    def wait(self, seconds: float, signal: Signal) -> Notice:
        """Wait for a change, the signal or the end of the time."""

    def close(self) -> None:
        """Watch no more."""


@dataclass
class Notice:
    """What a wait ended with: all queues may have changed, or some, or what is delayed."""

    is_any: bool = False
    queue_names: frozenset[str] | set[str] = frozenset()
    is_delayed: bool = False
