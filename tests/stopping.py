"""Processes that are stopped by SIGSTOP, none of them where it would hold up everybody."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.process_tree import stands_still
from tests.running_site import wait_for


def stop_wholly(*processes: int) -> None:
    """Stop processes and wait until they stand still: the signal's sender does not."""
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    wait_for(lambda: all(map(stands_still, processes)), "standing still")


def stop_between_writes(file: Path | str, *processes: int) -> None:
    """Stop processes where none holds a SQLite file's only write lock, which nobody could take."""
    while True:
        stop_wholly(*processes)
        if can_write(file):
            return
        for process in processes:
            os.kill(process, signal.SIGCONT)
        # Stopped again at once they would hardly get on, and keep the lock.
        wait_for(lambda: can_write(file), "the end of a transaction")


def can_write(file: Path | str) -> bool:
    """Tell whether a SQLite file's write lock is free within a second."""
    with closing(sqlite3.connect(file, timeout=1, isolation_level=None)) as probe:
        try:
            probe.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            return False
        return True
