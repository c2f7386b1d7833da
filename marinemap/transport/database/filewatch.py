"""Notice that somebody writes to an SQLite file, by inotify(7)."""

from __future__ import annotations

import logging
from pathlib import Path

from inotify_simple import INotify, flags

logger = logging.getLogger(__name__)


class FileWatch:
    """Becomes readable when an SQLite file, its journal or its log is written to.

    Such a write is a hint, no commit: it comes a moment before that, or before a rollback.

    Raises
    ------
    OSError
        The kernel gives no watch: there are too many already (``max_user_instances``).
    """

    def __init__(self, path: Path) -> None:
        # The folder, since the journal comes and goes; its other files are left out below.
        self._name = path.name
        self._inotify = INotify()
        try:
            self._inotify.add_watch(path.parent, flags.MODIFY | flags.CREATE | flags.MOVED_TO)
        except OSError:
            self._inotify.close()
            raise

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return int(self._inotify.fileno())

    def has_writes(self) -> bool:
        """Tell whether the file was written to since the last call."""
        return any(event.name.startswith(self._name) for event in self._inotify.read(timeout=0))

    def close(self) -> None:
        """Watch no more."""
        self._inotify.close()


def watch_file(path: Path) -> FileWatch | None:
    """Return a watch, or None where the system has none to give."""
    try:
        return FileWatch(path)
    except (OSError, AttributeError) as error:
        # AttributeError: a C library without inotify, as on macOS.
        logger.info("No notification of writes to %s, which is looked at instead: %s", path, error)
        return None
