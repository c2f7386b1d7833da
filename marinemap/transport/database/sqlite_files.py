"""What the queue makes beside an SQLite file, for all who may write to that."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_NEW_FILE = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
_FOLDER = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_RDONLY | os.O_CLOEXEC


def make_shared_file(path: Path, database: Path) -> None:
    """Make an empty file, unless something is there already."""
    with suppress(FileExistsError):
        # Exclusively: never through a link that somebody has put there.
        _share(os.open(path, _NEW_FILE, 0o666), database)


def make_shared_folder(path: Path, database: Path) -> None:
    """Make a folder, unless something is there already."""
    with suppress(FileExistsError):
        path.mkdir()
        _share(os.open(path, _FOLDER), database, 0o111)


def _share(descriptor: int, database: Path, search: int = 0) -> None:
    """Let all use it who may write to the database, as SQLite does with its journal."""
    try:
        found = database.stat()
        # Some file systems have neither owners nor rights.
        with suppress(PermissionError):
            os.fchmod(descriptor, found.st_mode & 0o666 | search)
            if os.geteuid() == 0:
                os.fchown(descriptor, found.st_uid, found.st_gid)
    finally:
        os.close(descriptor)
