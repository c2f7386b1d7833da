"""What reading Parquet fails by, named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from marinemap.errors import DatasetError, quote
from marinemap.sentences import say

# What damaged files are found by.
_ERRORS = (pa.ArrowException, OSError, ValueError, OverflowError, UnicodeDecodeError, KeyError)


@contextmanager
def reading(title: str) -> Iterator[None]:
    """Name what goes wrong with a file while it is read.

    Raises
    ------
    DatasetError
    """
    try:
        yield
    except _ERRORS as error:
        raise DatasetError(
            say("{title} cannot be read: {error}", title=title, error=quote(error)),
            field="source",
            hint=say("If it is cut or damaged, ask for a whole copy."),
        ) from error
