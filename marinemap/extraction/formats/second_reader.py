"""fiona, by which what was written is read back, without the client of S3 that it looks for.

Where boto3 is installed, for results in a bucket, fiona imports it as well: a fifth of the time of
a small extract, and nothing is read from S3 by fiona here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _without(name: str) -> Iterator[None]:
    """Let imports of a module that is not loaded yet fail, as if it were not installed."""
    if name in sys.modules:
        yield
        return
    # The documented way: https://docs.python.org/3/reference/import.html#the-module-cache
    sys.modules[name] = None  # type: ignore[assignment] # that is how it is said
    try:
        yield
    finally:
        del sys.modules[name]


with _without("boto3"):
    import fiona
    from fiona.errors import FionaError

__all__ = ["FionaError", "fiona"]
