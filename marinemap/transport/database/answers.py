"""What either database answers: rows with names, and errors that both can have."""

from __future__ import annotations

from collections import namedtuple
from functools import lru_cache
from typing import Any

from ..errors import AwayError, NotStoredError


@lru_cache(maxsize=500)
def make_row(columns: tuple[str, ...]) -> Any:
    """Return what makes rows with these columns from sequences."""
    # The columns are known when the statement has run.
    made: Any = namedtuple("Row", columns, rename=True)  # type: ignore[misc]
    return made._make


def without_tables(error: Exception) -> AwayError:
    """Return the error for tables that are not there: workers wait for them, as for a server."""
    return AwayError(
        f"the queue's tables are missing or of another version ({str(error).strip()}); migrate "
        "the database, and this goes on by itself"
    )


def refused_by_caller(error: Exception) -> NotStoredError:
    """Return the error for a caller's transaction that the database has given up.

    Not `AwayError`: kombu would try again in a transaction that can only be rolled back.
    """
    return NotStoredError(
        f"the message could not be stored in the caller's transaction: {error}",
        hint="Roll the transaction back and try again.",
    )
