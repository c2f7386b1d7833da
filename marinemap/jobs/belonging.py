"""A process that belongs to another ends with it, whatever either is doing.

The kernel tells a child of its parent's end (Linux; prctl(2)), but only one that has asked before,
and what it tells may be lost: before handlers are there, or amid a program that begins again. So
a process that has work to put down also looks itself, and gives itself a deadline that the
kernel keeps.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from django.conf import settings

from marinemap.processes.apart import end_with_parent

logger = logging.getLogger(__name__)

# As long as `serve` gives those that it stops itself.
GRACE_SECONDS = 20
_LOOK_EVERY_SECONDS = 1

# The process whose end is this one's.
_owner_id: int | None = None


def belong_to(owner_id: int) -> None:
    """End when another process has ended: with SIGTERM, and for certain a grace later.

    Parameters
    ----------
    owner_id : int
        The parent. If that has ended already, so does this process.
    """
    _note_owner(owner_id)
    end_with_parent(signal.SIGTERM)
    threading.Thread(target=_look_after_owner, name="owner-watch", daemon=True).start()


def die_with(owner_id: int) -> None:
    """Be killed when another process, the parent, has ended: for one without work to put down."""
    _note_owner(owner_id)
    end_with_parent(signal.SIGKILL)
    # It may have ended before the kernel was asked.
    if is_orphan():
        os.kill(os.getpid(), signal.SIGKILL)


def is_orphan() -> bool:
    """Tell whether the process that this one belongs to has ended."""
    return _owner_id not in (None, os.getppid())


def start_beside(
    arguments: Sequence[str], *, is_behind_others: bool = False, **options: Any
) -> subprocess.Popen[bytes]:
    """Start a management command in a process that belongs to this one.

    It asks for its end itself: code that a fork runs before it becomes another program may wait
    for ever, for a lock that another thread held at that moment.

    Parameters
    ----------
    arguments : sequence of str
        The command and its options.
    is_behind_others : bool
        Whether all others have processor and memory first.
    **options
        Of ``subprocess.Popen``.
    """
    program = [sys.argv[0]] if sys.argv[0].endswith("manage.py") else ["-m", "django"]
    behind = ["--behind-others"] if is_behind_others else []
    own = [*program, "beside", f"--owner={os.getpid()}", *behind]
    path = os.pathsep.join(filter(None, [str(settings.BASE_DIR), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        [sys.executable, *own, *arguments], env={**os.environ, "PYTHONPATH": path}, **options
    )


def _note_owner(owner_id: int) -> None:
    global _owner_id
    _owner_id = owner_id


def _look_after_owner() -> None:
    while not is_orphan():
        time.sleep(_LOOK_EVERY_SECONDS)
    # The kernel's own end of a process that has no handler for it: it needs no thread that runs.
    signal.alarm(GRACE_SECONDS)
    logger.warning("Process %s, which this one belongs to, has ended", _owner_id)
    os.kill(os.getpid(), signal.SIGTERM)
