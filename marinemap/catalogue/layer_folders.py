"""The folders of the machine below which layers may be added in the admin site."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from django.conf import settings

from marinemap.errors import DatasetError, quote
from marinemap.extraction import check_is_file, known_suffixes, parts_of, real_path
from marinemap.sentences import say

MOST_FILES = 500
# A folder may have millions of files, on a disk that is elsewhere.
_MOST_ENTRIES, _MOST_DEPTH, _SECONDS = 20_000, 20, 2.0
# Mostly something else.
_NOT_LISTED = {".db", ".xml"}
_FOLDER_SUFFIX = ".gdb"


@dataclass(frozen=True)
class FoundFiles:
    """Files that could be layers; there may be others where ``is_cut``."""

    files: list[Path]
    is_cut: bool


def upload_folder() -> Path:
    """Return where files are kept that were uploaded as layers."""
    return Path(settings.MARINEMAP_HOME) / "layers"


def allowed_folders() -> list[Path]:
    """Return the folders that the operator allows (``MARINEMAP_LAYER_FOLDERS``)."""
    return [Path(folder) for folder in settings.MARINEMAP_LAYER_FOLDERS]


def check_allowed(path: Path) -> None:
    """Refuse a file that lies elsewhere than below an allowed folder, links followed.

    What lies elsewhere is refused in the same words whether it is there or not.

    Raises
    ------
    DatasetError
    """
    if "\0" in str(path) or not _is_allowed(path):
        listed = ", ".join(map(str, allowed_folders())) or "none as yet"
        raise DatasetError(
            say(
                "{path} is below none of the folders that layers may be added from here: {listed}",
                path=path,
                listed=listed,
            ),
            field="source",
            value=str(path),
            hint=say(
                "Upload the file; or whoever runs the site allows its folder by "
                "MARINEMAP_LAYER_FOLDERS, or adds it by `manage.py addlayer`."
            ),
        )
    try:
        _check_parts(path)
    except OSError as error:
        # A folder that the site's user may not look into, a name that is too long for the disk.
        raise DatasetError(
            say("{name} cannot be opened: {why}", name=quote(path.name), why=error.strerror),
            field="source",
            value=str(path),
        ) from error


def _check_parts(path: Path) -> None:
    check_is_file(path)
    # What belongs to it (.dbf) may be a link as well.
    for part in parts_of(real_path(path)):
        if not _is_allowed(part):
            raise DatasetError(
                say(
                    "{name} is a link that leads out of the folders that layers may be added from",
                    name=part.name,
                ),
                field="source",
                value=part.name,
            )


def list_files(words: str = "") -> FoundFiles:
    """Return files below the allowed folders whose paths have some words, as far as can be told.

    Parameters
    ----------
    words : str
        In any order and case.
    """
    deadline = time.monotonic() + _SECONDS
    wanted = words.lower().split()
    suffixes = known_suffixes() - _NOT_LISTED
    entries = (entry for folder in allowed_folders() for entry in _walk(folder))
    found: list[Path] = []
    for count, path in enumerate(islice(entries, _MOST_ENTRIES), 1):
        is_late = count == _MOST_ENTRIES or time.monotonic() > deadline
        is_one = path is not None and path.suffix.lower() in suffixes
        if path and is_one and all(word in str(path).lower() for word in wanted):
            found.append(path)
        if is_late or len(found) > MOST_FILES:
            return FoundFiles(sorted(found[:MOST_FILES]), is_cut=True)
    return FoundFiles(sorted(found), is_cut=False)


def _is_allowed(path: Path) -> bool:
    try:
        real = real_path(path)
    except OSError:
        # A link on its way that may not be read.
        return False
    # What arrives there may be anything; what of it may be added is told by who looked at it.
    if real.is_relative_to(real_path(upload_folder())):
        return False
    folders = map(real_path, allowed_folders())
    return any(real.is_relative_to(folder) and real != folder for folder in folders)


def _walk(folder: Path, depth: int = 0) -> Iterator[Path | None]:
    """Yield the files below a folder, and None for all else that is there, so that it counts.

    Links to folders are not followed.
    """
    try:
        entries = sorted(islice(os.scandir(folder), _MOST_ENTRIES), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        path = Path(entry.path)
        if entry.name.startswith(".") or (entry.is_symlink() and not _is_allowed(path)):
            yield None
        elif _is_folder(entry) and path.suffix.lower() != _FOLDER_SUFFIX:
            yield None
            if depth < _MOST_DEPTH:
                yield from _walk(path, depth + 1)
        else:
            yield path


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False
