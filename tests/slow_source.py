"""A source whose opening takes as long as a test wants: what a network file system does."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.running_site import wait_for


@contextmanager
def held_open(path: Path) -> Iterator[Callable[[], bool]]:
    """Let every other process that opens a file wait, in the kernel, while the block runs.

    For 45 s at most (``/proc/sys/fs/lease-break-time``; fcntl(2), F_SETLEASE). Signals do not
    free a reader in C code that tries again; its end does. Gives what tells whether one waits.
    """
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    file = os.open(path, os.O_RDWR)
    try:
        # Not granted while anybody has the file open.
        wait_for(lambda: _has_lease(file), "the lease of the file")
        # Of one that somebody waits for, the kernel tells to what it will come.
        yield lambda: fcntl.fcntl(file, fcntl.F_GETLEASE) != fcntl.F_WRLCK
    finally:
        os.close(file)
        signal.signal(signal.SIGIO, before)


def _has_lease(file: int) -> bool:
    try:
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    except BlockingIOError:
        return False
    return True
