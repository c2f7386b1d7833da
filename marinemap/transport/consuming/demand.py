"""What a consumer asks for, and what it gets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, eq=False)
class Claimed:
    """A message in this consumer's hands; each claim of it is another one."""

    message_id: int
    queue_name: str
    attempts: int
    payload: str
    # Whether it was deleted as it was claimed: nothing is left to acknowledge.
    is_taken: bool = False
    permit: dict[str, Any] | None = None


@dataclass(frozen=True)
class Demand:
    """A queue that a channel consumes from.

    Parameters
    ----------
    room : callable
        Returns how many messages there is room for now.
    is_busy : callable
        Returns whether there is enough to go on with, so that a claim may wait for company.
    hand_over : callable
        Takes what was claimed.
    """

    queue_name: str
    no_ack: bool
    room: Callable[[], int]
    is_busy: Callable[[], bool]
    hand_over: Callable[[list[Claimed]], None]
