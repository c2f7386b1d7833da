"""Bells: what wakes the consumers of a queue in an SQLite file, whatever process they are in.

Beside the file is a folder of empty files, into which the names of queues are hashed. Who has
stored messages touches the file of their queue, and its consumers hear of that by inotify(7).
So a claim, an acknowledgement, a heartbeat or a write of the application's wakes nobody, and
nobody has to ask the database again and again whether there is something new.
"""

from __future__ import annotations

import logging
import os
import zlib
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from inotify_simple import INotify, flags

from .sqlite_files import make_shared_file, make_shared_folder

logger = logging.getLogger(__name__)

# Queues that share a bell wake each other's consumers. Reply queues come and go without
# number; so many files at most stay behind.
_BELLS = 256
_RUNG = flags.ATTRIB | flags.DONT_FOLLOW


def bell_of(queue_name: str) -> str:
    """Return the bell of a queue."""
    return f"{zlib.crc32(queue_name.encode()) % _BELLS:02x}"


def ring(database: Path, bells: Iterable[str]) -> None:
    """Wake who listens to some bells of a file; cheap where nobody ever did."""
    folder = _folder_of(database)
    for bell in bells:
        # What rings is stored, whatever became of the bells: its consumers look by themselves.
        with suppress(OSError):
            os.utime(folder / bell, follow_symlinks=False)


class Listener:
    """Hears some bells of a file.

    Raises
    ------
    OSError
        The kernel gives no watch: there are too many already (``max_user_instances``).
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self._folder = _folder_of(database)
        make_shared_folder(self._folder, database)
        self._inotify = INotify()
        self._watches: dict[str, int] = {}

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when a bell is rung."""
        return int(self._inotify.fileno())

    def listen(self, bells: Iterable[str]) -> None:
        """Hear these bells from now on, and no others.

        Said again it costs little, and hangs up anew what somebody has taken away.
        """
        before, self._watches = self._watches, {}
        for bell in bells:
            # Another user's, or too many: its queues are looked at now and then all the same.
            with suppress(OSError):
                self._watches[bell] = self._watch(self._folder / bell)
        for watch in set(before.values()) - set(self._watches.values()):
            # Gone already where somebody deleted the file.
            with suppress(OSError):
                self._inotify.rm_watch(watch)

    def read(self) -> set[str]:
        """Return the bells that were rung since the last call."""
        rung = {event.wd for event in self._inotify.read(timeout=0)}
        return {bell for bell, watch in self._watches.items() if watch in rung}

    def close(self) -> None:
        """Hear no more."""
        self._inotify.close()

    def _watch(self, path: Path) -> int:
        """Return the watch of a file, the same as long as it is the same file."""
        try:
            return int(self._inotify.add_watch(path, _RUNG))
        except FileNotFoundError:
            make_shared_folder(self._folder, self._database)
            make_shared_file(path, self._database)
            return int(self._inotify.add_watch(path, _RUNG))


@lru_cache
def _folder_of(database: Path) -> Path:
    """Return the folder, the same by whatever links the file is reached."""
    path = database.resolve()
    return path.with_name(f"{path.name}-bells")


def open_listener(database: Path) -> Listener | None:
    """Return a listener, or None where the system has none to give."""
    try:
        return Listener(database)
    except (OSError, AttributeError) as error:
        # AttributeError: a C library without inotify, as on macOS.
        logger.info("No bells beside %s, which is asked instead: %s", database, error)
        return None
