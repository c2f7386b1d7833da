"""The zip: packed beside its destination, made durable, then put in place in one step."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable
from pathlib import Path


def write_archive(destination: Path, files: Iterable[Path], texts: dict[str, str]) -> int:
    """Pack files and texts into a zip that appears whole or not at all.

    Parameters
    ----------
    destination : Path
        Replaced if it exists.
    files : iterable of Path
        Stored by their names, without folders.
    texts : dict
        Further members: name to content, stored as UTF-8.

    Returns
    -------
    int
        The archive's size in bytes.
    """
    partial = destination.with_name(f".{destination.name}.{os.getpid()}.partial")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in texts.items():
                archive.writestr(name, text)
            for file in files:
                archive.write(file, file.name)
        _put_in_place(partial, destination)
    finally:
        partial.unlink(missing_ok=True)
    return destination.stat().st_size


def _put_in_place(partial: Path, destination: Path) -> None:
    # Without both fsyncs a power cut leaves a short or empty file under the final name: seen
    # on ext4, where every file younger than half a second was lost.
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(destination)
    folder = os.open(destination.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
