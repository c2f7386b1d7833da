"""A flag that wakes a thread or an event loop."""

from __future__ import annotations

import select
import socket
from contextlib import suppress


class Signal:
    """A flag that threads set, and that a poll or an event loop can wait for.

    Its sockets are closed when nobody can use them any more: with the last reference to it.
    So no thread ever writes to a descriptor that is somebody else's by then.
    """

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._poller = select.poll()
        self._poller.register(self._reader, select.POLLIN)
        self._is_set = False

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when the flag is set."""
        return self._reader.fileno()

    @property
    def is_set(self) -> bool:
        """Whether the flag is up."""
        return self._is_set

    def set(self) -> None:
        """Wake who waits; cheap when already set."""
        if not self._is_set:
            self._is_set = True
            self._writer.send(b"\0")

    def clear(self) -> None:
        """Take the flag down, before looking for what it announced."""
        # Always: a byte may come after the flag that it belongs to was taken down, and would
        # wake for ever. In this order: a flag that is set must have its byte.
        with suppress(BlockingIOError):
            self._reader.recv(16)
        self._is_set = False

    def wait(self, seconds: float) -> bool:
        """Wait until the flag is set, and leave it so; tell whether it is."""
        return self._is_set or bool(self._poller.poll(round_up_ms(seconds)))

    def __del__(self) -> None:
        self._reader.close()
        self._writer.close()


def wait_for(seconds: float, *descriptors: int) -> bool:
    """Wait until one of some descriptors can be read; tell whether one can."""
    poller = select.poll()
    for descriptor in descriptors:
        poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(round_up_ms(seconds)))


def round_up_ms(seconds: float) -> int:
    """Return whole milliseconds: a wait cut down to 0 would turn into a busy loop."""
    return int(seconds * 1000) + 1 if seconds > 0 else 0
