"""The process that draws layers for the map: beside the worker, behind all other work."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys

from marinemap.catalogue.drawings import find_undrawn
from marinemap.jobs.workers import end_with_parent

# Whatever else wants the processor has it first; short of memory the kernel takes this one.
_NICENESS = 19
_FIRST_TO_GO = "1000"
_started: list[subprocess.Popen[bytes]] = []


def begin_drawing() -> bool:
    """Start a process that draws what is to be drawn, if there is any; tell whether it did.

    It ends with this one. Where one runs already, on this machine or another, it ends at once.
    """
    # Those that have ended are let go.
    _started[:] = [process for process in _started if process.poll() is None]
    if _started or find_undrawn() is None:
        return False
    command = [sys.executable, "-m", "django", "drawlayers"]
    _started.append(subprocess.Popen(command, preexec_fn=_step_back))
    return True


def _step_back() -> None:
    end_with_parent(signal.SIGKILL)
    os.nice(_NICENESS)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write(_FIRST_TO_GO)
