"""A time for which the database is away: how often to try, how often to say so."""

from __future__ import annotations

import logging
import math
from time import monotonic

from ..database.signals import Signal

logger = logging.getLogger(__name__)

# Between two tries: the first pause, and the longest.
_FIRST_RETRY_SECONDS = 0.1
_LONGEST_RETRY_SECONDS = 1.0
# A line for each try would bury all others where tables are missing for a night.
_TELL_SECONDS = 10.0


class Outage:
    """Lasts until work was done again: to connect alone proves nothing.

    Parameters
    ----------
    text : str
        What to log, with ``%s`` for the error.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._pause = _FIRST_RETRY_SECONDS
        self._told_at = -math.inf

    def tell(self, error: Exception) -> None:
        """Log the error, unless one was logged just before."""
        if monotonic() - self._told_at > _TELL_SECONDS:
            self._told_at = monotonic()
            logger.warning(self._text, error)

    def wait(self, signal: Signal) -> None:
        """Wait before the next try, longer each time; the signal ends it."""
        signal.clear()
        signal.wait(self._pause)
        self._pause = min(2 * self._pause, _LONGEST_RETRY_SECONDS)

    def end(self) -> None:
        """The database did what it was asked."""
        self._pause = _FIRST_RETRY_SECONDS
