"""What a process says is lost where its disk is full; the process goes on."""

from __future__ import annotations

import contextlib
import errno
import io
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def outlive_full_disk() -> None:
    """Let what is printed from now on be lost where there is no room for it.

    Celery prints what a worker is before it serves, and ends where it cannot. Logging needs no
    help: it goes on after each line that could not be written.
    """
    if sys.__stdout__ is None:
        return
    # Where tests capture what is printed there may be no file behind it.
    with contextlib.suppress(io.UnsupportedOperation):
        sys.stdout = sys.__stdout__ = _lossy(sys.__stdout__)  # type: ignore[misc] # Celery prints there


def _lossy(stream: TextIO) -> io.TextIOWrapper:
    raw = _LossyFile(stream.fileno(), "wb", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw), stream.encoding, stream.errors, line_buffering=True
    )


class _LossyFile(io.FileIO):
    def write(self, content: ReadableBuffer, /) -> int:
        try:
            return super().write(content)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            return memoryview(content).nbytes
