"""The process that draws layers for the map: beside the worker, behind all other work."""

from __future__ import annotations

import subprocess

from marinemap.catalogue.drawings import find_undrawn
from marinemap.jobs.belonging import start_beside

_started: list[subprocess.Popen[bytes]] = []


def begin_drawing() -> bool:
    """Start a process that draws what is to be drawn, if there is any; tell whether it did.

    It ends with this one. Where one runs already, on this machine or another, it ends at once.
    """
    # Those that have ended are let go.
    _started[:] = [process for process in _started if process.poll() is None]
    if _started or find_undrawn() is None:
        return False
    _started.append(start_beside(["drawlayers"], is_behind_others=True))
    return True
