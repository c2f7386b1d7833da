"""The flag that wakes a thread: never lost, and never stuck."""

from __future__ import annotations

from typing import Any

from marinemap.transport.database.signals import Signal


class _Interrupted:
    """The writing end, at which another thread takes the flag down before the byte is there."""

    def __init__(self, signal: Any, writer: Any) -> None:
        self._signal = signal
        self._writer = writer

    def send(self, data: bytes) -> int:
        self._signal.clear()
        return int(self._writer.send(data))

    def close(self) -> None:
        self._writer.close()


def test_flag_taken_down_while_it_is_being_set_does_not_wake_for_ever() -> None:
    """Its byte came after, was never read, and every later wait ended at once: a busy loop."""
    signal: Any = Signal()
    signal._writer = _Interrupted(signal, signal._writer)
    signal.set()
    signal.clear()
    assert not signal.wait(0)


def test_flag_set_again_wakes_again() -> None:
    signal = Signal()
    for _ in range(3):
        signal.set()
        signal.set()
        assert signal.wait(0)
        signal.clear()
        assert not signal.wait(0)
