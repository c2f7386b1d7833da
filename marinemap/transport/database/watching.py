"""How consumers hear of new messages: what each database answers in its own way."""

from __future__ import annotations

from dataclasses import dataclass

from .signals import Signal


class Watcher:
    """Waits until other connections may have stored messages. It may miss some.

    This one hears of none: where nobody can be listened to, its consumer has to look by itself.
    """

    def __init__(self, poll_seconds: float) -> None:
        self.poll_seconds = poll_seconds

    def follow(self, queue_names: frozenset[str]) -> None:
        """Hear of these queues from now on."""

    def expect(self, queue_names: set[str]) -> bool:
        """Ask to be woken for queues; true where they must be looked at once more after it."""
        return False

    def dismiss(self, queue_names: set[str]) -> None:
        """Ask not to be woken for queues that are looked at anyway."""

    def wait(self, seconds: float, signal: Signal) -> Notice:
        """Wait for a change, the signal or the end of the time."""
        signal.wait(seconds)
        return Notice()

    def close(self) -> None:
        """Watch no more."""


@dataclass
class Notice:
    """What a wait ended with: all queues may have changed, or some, or what is delayed."""

    is_any: bool = False
    queue_names: frozenset[str] | set[str] = frozenset()
    is_delayed: bool = False
