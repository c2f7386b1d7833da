"""Processes of a benchmark: they end with it, and tell what processor time they used."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def bound(
    command: Sequence[str], stop: signal.Signals = signal.SIGTERM, user: str | None = None
) -> list[str]:
    """Return a command whose process is sent a signal when who starts it is gone, even by SIGKILL.

    The kernel sends it (``PR_SET_PDEATHSIG``) when the thread that starts it ends.

    Parameters
    ----------
    command : sequence of str
    stop : signal
        By which it ends.
    user : str, optional
        As whom it runs.
    """
    as_user = ["--reuid", user, "--regid", user, "--init-groups"] if user else []
    return ["setpriv", *as_user, "--pdeathsig", stop.name.removeprefix("SIG"), "--", *command]


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
