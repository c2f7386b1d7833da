"""What can be asked of this machine, by whoever needs no clock that is set."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path


def elapsed_ms() -> int:
    """Return this machine's clock that no one can set; it goes on while it is suspended."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


@cache
def boot_id() -> str:
    """Return what names this machine's present run: its `elapsed_ms` are comparable."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
