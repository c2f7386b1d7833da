"""Pieces of work in a folder that several processes reach: each is made by one of them at a time.

Who makes a piece holds a lock on a file of its own, which the kernel lets go with the process,
however that ends: nothing is written down that could be left wrong. A result appears under its
name whole or not at all.
"""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_TAKEN = b"by the owner"


class Claim:
    """A piece that is this process's to make, until it is released."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def take(self) -> None:
        """Let nobody make the piece any more: what it gives goes straight into the files."""
        os.write(self._descriptor, _TAKEN)

    def show_life(self) -> None:
        """Let others see that the work goes on."""
        os.utime(self._descriptor)

    def release(self) -> None:
        """Let the piece go."""
        os.close(self._descriptor)


class Pieces:
    """The pieces of one layer.

    Parameters
    ----------
    folder : Path
        On a disk that all processes reach; where it is on another machine, one that knows locks.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def claim(self, number: int) -> Claim | None:
        """Claim a piece that nobody makes, has made or has taken; None if there is no need.

        Raises
        ------
        OSError
            If the folder is gone: the work is over.
        """
        descriptor = os.open(self._lock(number), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_free = not os.fstat(descriptor).st_size and not self.result(number).exists()
        except BlockingIOError:
            is_free = False
        except BaseException:
            os.close(descriptor)
            raise
        if is_free:
            return Claim(descriptor)
        os.close(descriptor)
        return None

    def is_taken(self, number: int) -> bool:
        """Tell whether the owner of the work has taken the piece."""
        return self._lock(number).stat().st_size > 0

    def seen_at(self, number: int) -> int:
        """Return a mark that changes while whoever makes the piece lives."""
        return self._lock(number).stat().st_mtime_ns

    def result(self, number: int) -> Path:
        """Return where what the piece gave is, or will be."""
        return self._folder / f"{number}.arrow"

    def count_results(self, first: int) -> int:
        """Return how many pieces are made, of those from a number on."""
        made = (path.stem for path in self._folder.glob("*.arrow"))
        return sum(int(number) >= first for number in made)

    @contextmanager
    def new_result(self, number: int) -> Iterator[Path]:
        """Yield where to write what a piece gives; it is put in place if the block ends well."""
        partial = self._folder / f"{number}-{uuid.uuid4()}.partial"
        try:
            yield partial
            partial.replace(self.result(number))
        finally:
            partial.unlink(missing_ok=True)

    def _lock(self, number: int) -> Path:
        return self._folder / f"{number}.lock"
