"""Long work on the catalogue, each kind in a process of its own, behind all other work.

In the queue of extracts it would wait behind a long one, and in that of the short periodic tasks
hold them up.
"""

from __future__ import annotations

import subprocess
import time

from marinemap.jobs.belonging import start_beside

# A drawing of millions of features takes minutes; what takes so long hangs.
_MOST_SECONDS = 6 * 3600


class BackgroundCommand:
    """A management command of which one process at a time runs; it ends with this process.

    Parameters
    ----------
    *command : str
        The command's name, and its options.
    """

    def __init__(self, *command: str) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._begun_at = 0.0

    def begin(self) -> bool:
        """Start it unless it runs already; tell whether that was done. One that hangs is killed."""
        if self._process is not None and self._process.poll() is None:
            if time.monotonic() - self._begun_at > _MOST_SECONDS:
                # The next call finds it ended.
                self._process.kill()
            return False
        self._process = start_beside(self._command, is_behind_others=True)
        self._begun_at = time.monotonic()
        return True


drawing = BackgroundCommand("drawlayers")
looking = BackgroundCommand("looksources")
reading = BackgroundCommand("readlayers")
reading_again = BackgroundCommand("readlayers", "--again")
refreshing = BackgroundCommand("refreshlayers")
refreshing_again = BackgroundCommand("refreshlayers", "--again")
