"""Where Arrow takes its memory from, and what becomes of what GDAL has freed."""

from __future__ import annotations

import ctypes
import functools
from contextlib import suppress

import pyarrow as pa


@functools.cache
def give_memory_back() -> None:
    """Let Arrow take memory from jemalloc, where its build has it; for the whole process.

    Batches are made in one thread and freed in another. Arrow's default, mimalloc, keeps for each
    thread what others have freed: a sixth more memory at the highest, at the same speed.
    """
    if "jemalloc" in pa.supported_memory_backends():
        pa.set_memory_pool(pa.jemalloc_memory_pool())


def return_what_was_freed() -> None:
    """Return to the system what the C library keeps of freed memory, for other threads too.

    It has a heap for each thread. What a file of hundreds of megabytes took while it was described
    by one stays there, and the reader's thread takes as much again.
    """
    # Only glibc has it.
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
