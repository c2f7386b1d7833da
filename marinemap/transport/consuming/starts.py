"""The last gate before a limited task begins.

A claim counts the start of what it claims. Between claim and start anything may stall: a
worker that is stopped, a pool that is busy, a task acknowledged early that waits its turn in
a worker's memory. So whoever is about to begin asks whether the claim is still fresh, by a
clock of this machine that no one can set; if it is not, the start is counted anew, now, in
place of the old one. Then it does not matter what stalled, nor for how long.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from ..database import Database
from ..database.machine import elapsed_ms
from ..errors import AwayError
from .rates import count_again

logger = logging.getLogger(__name__)

# The header of a received message that carries the permit to start.
PERMIT_HEADER = "start_permit"
# How long to wait before asking a database again that did not answer.
_AWAY_SECONDS = 0.5
# Rates may be changed meanwhile: asked again at least this often.
_LONGEST_WAIT_SECONDS = 5.0


def make_permit(
    task_name: str, asked_at_ms: int, counted_at_ms: int, slack_ms: float
) -> dict[str, Any]:
    """Return what a message carries: until when its task may start as counted."""
    return {
        "task_name": task_name,
        "counted_at_ms": counted_at_ms,
        "until_elapsed_ms": int(asked_at_ms + slack_ms),
        "slack_ms": slack_ms,
    }


def wait_to_start(find_database: Callable[[], Database], permit: Mapping[str, Any] | None) -> None:
    """Return when a task may begin; call it right before the task's first line.

    Parameters
    ----------
    find_database : callable
        Returns the queue's database; asked only where the permit has lapsed.
    permit : mapping, optional
        The received message's header `PERMIT_HEADER`; without one there is no limit.
    """
    while permit is not None and elapsed_ms() > permit["until_elapsed_ms"]:
        permit = _ask_again(find_database, permit)


def _ask_again(find_database: Callable[[], Database], permit: Mapping[str, Any]) -> dict[str, Any]:
    try:
        counted = count_again(find_database(), permit["task_name"], permit["counted_at_ms"])
    except AwayError as error:
        logger.warning("A task waits to start until its rate can be asked for: %s", error)
        time.sleep(_AWAY_SECONDS)
        return dict(permit)
    if counted.wait_ms is not None:
        time.sleep(min(counted.wait_ms / 1000, _LONGEST_WAIT_SECONDS))
        return dict(permit)
    return make_permit(
        permit["task_name"], counted.asked_at_ms, counted.counted_at_ms, permit["slack_ms"]
    )
