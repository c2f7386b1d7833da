"""Whether there is room for results: asked before a job starts, and told to the operator."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from marinemap.jobs.conf import job_settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Disk:
    """The room on the disk that a folder lies on, bytes."""

    folder: str
    free_bytes: int
    total_bytes: int

    @property
    def used_percent(self) -> int:
        """How full it is."""
        return round(100 * (1 - self.free_bytes / self.total_bytes)) if self.total_bytes else 0


def find_disks() -> Iterator[Disk]:
    """Yield the disks of temporary files and of results; one that cannot be asked is left out."""
    settings = job_settings()
    for folder in (settings.work, settings.artifacts):
        try:
            # The folder itself is made with the first job.
            found = os.statvfs(folder if folder.exists() else settings.home)
        except OSError:
            continue
        block = found.f_frsize
        yield Disk(folder.name, found.f_bavail * block, found.f_blocks * block)


def find_shortage() -> str | None:
    """Return what keeps files from being written now, in a few words; None if nothing does.

    Both folders are asked: temporary files and results may lie on different disks.
    """
    settings = job_settings()
    for folder in (settings.work, settings.artifacts):
        shortage = _shortage_of(folder, settings.min_free_bytes)
        if shortage is not None:
            return shortage
    return None


def _shortage_of(folder: Path, min_free_bytes: float) -> str | None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        disk = os.statvfs(folder)
    except OSError as error:
        logger.error("%s: %s", folder, error, extra={"outage": "disk"})
        return "a folder on the server cannot be used"
    if disk.f_flag & os.ST_RDONLY:
        return "the server's disk is read-only"
    # Some file systems have no fixed number of files, and say that it is 0.
    has_no_names_left = disk.f_files > 0 and disk.f_favail == 0
    if disk.f_bavail * disk.f_frsize < min_free_bytes or has_no_names_left:
        return "the server's disk is full"
    return None
