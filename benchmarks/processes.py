"""Processes and all that they have started, and the processor time that those used."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def find_family(pid: int) -> list[int]:
    """Return a process and all that it or they have started."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            with suppress(OSError):
                found += [int(child) for child in children.read_text().split()]
    return found


def processor_seconds(pid: int) -> float:
    """Return what a process and all that it has started used, of those that ended as well."""
    total = 0
    for each in find_family(pid):
        with suppress(OSError):
            # The name may hold blanks; it stands in brackets.
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            total += sum(map(int, fields[11:15]))
    return total / _TICKS_A_SECOND
