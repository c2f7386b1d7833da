"""The starts of a task within the last window, and how many more there may be."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from ..database.machine import boot_id, elapsed_ms
from ..errors import TransportError

_UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000}
# What the rates' columns hold, and nobody waits to see the end of: a billion starts, a century.
_MOST_STARTS, _MOST_WINDOW_MS = 10**9, 100 * 366 * 86_400_000
# Starts of a window are kept apart up to so many; beyond, those close together are dated by
# the last of them, which can only delay.
_APART = 100
# A clock that went further than this from what has passed was set.
_STEP_MS = 1000
# Only an answer that came within this tells of a step.
_PROMPT_MS = 500
# Stands for a count that is still to be filled in.
_COUNT = "count"
# Machines remembered for it.
_MACHINES = 16


def if_prompt(asked_at_ms: int) -> int | None:
    """Return when something was asked, if the answer came at once.

    Who was held up while asking cannot tell the pause from a step of the clock.
    """
    return asked_at_ms if elapsed_ms() - asked_at_ms <= _PROMPT_MS else None


@dataclass(frozen=True)
class Rate:
    """At most `max_starts` in any window of `window_ms`."""

    max_starts: int
    window_ms: int

    @property
    def outlives_a_crash(self) -> bool:
        """Whether its starts must be on the disk: a server takes over a second to come back."""
        return self.window_ms > 2000


def parse_rate(rate: str | float | None, slack_seconds: float = 0.0) -> Rate | None:
    """Return what a rate, as Celery writes it, allows; None for no limit.

    Parameters
    ----------
    rate : str or float or None
        ``'4/m'``, ``'10/s'``, ``'0.5/m'``, or a number of starts a second.
    slack_seconds : float
        By how much the window is lengthened, at most by a quarter: a task starts up to so
        long after it was counted.

    Raises
    ------
    TransportError
        The text is not a rate.

    Examples
    --------
    >>> parse_rate("4/m")
    Rate(max_starts=4, window_ms=60000)
    >>> parse_rate(0.5)
    Rate(max_starts=1, window_ms=2000)
    """
    if not rate:
        return None
    number_text, _, unit = str(rate).partition("/")
    try:
        number, unit_ms = float(number_text), _UNIT_MS[unit or "s"]
        max_starts = min(max(1, int(number)), _MOST_STARTS)
        window_ms = unit_ms * max_starts / number if number > 0 else 0.0
        if max_starts == _MOST_STARTS:
            window_ms = unit_ms
    except (KeyError, ValueError, OverflowError) as error:
        raise TransportError(
            "a rate is a number of starts for each second, minute or hour, such as '4/m'.",
            field="rate_limit",
            value=rate,
        ) from error
    if number <= 0:
        return None
    window_ms = min(window_ms, _MOST_WINDOW_MS)
    return Rate(max_starts, round(window_ms + slack_ms(window_ms, slack_seconds)))


def slack_ms(window_ms: float, slack_seconds: float) -> float:
    """Return by how much a window is lengthened."""
    return min(slack_seconds * 1000, window_ms / 4)


@dataclass
class Window:
    """The starts that count now, by the database's clock; kept in the rate's own row.

    Who claims locks the row, and so sees what all others started. The clock may be set:
    back, and starts lie in the future; forward, and they seem long past. This machine's elapsed
    time tells by how much, and they are moved along. A machine that has not asked before counts
    those in the future from now on.
    """

    rate: Rate
    # [time in ms, how many], by time.
    starts: list[list[int]] = field(default_factory=list)
    now_ms: int = 0
    # How far the database's clock was ahead of each machine's, those that asked last at the end.
    seen: dict[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str | None, rate: Rate, now_ms: int, asked_at_ms: int | None) -> Window:
        """Return the window as of now.

        Parameters
        ----------
        text : str, optional
            What `write` gave, out of the row.
        now_ms : int
            The database's clock.
        asked_at_ms : int, optional
            This machine's elapsed time from before that was asked; see `if_prompt`.
        """
        kept = json.loads(text) if text else {}
        window = cls(rate, kept.get("starts", []), now_ms, kept.get("seen", {}))
        window._follow_clock(asked_at_ms)
        first = now_ms - rate.window_ms
        window.starts = [[min(at, now_ms), count] for at, count in window.starts if at > first]
        return window

    @classmethod
    def of_row(cls, row: Any, asked_at_ms: int) -> Window:
        """Return the window of a rate's row: ``max_starts window_ms recent_starts now_ms``."""
        rate = Rate(row.max_starts, row.window_ms)
        return cls.read(row.recent_starts, rate, row.now_ms, if_prompt(asked_at_ms))

    @property
    def free(self) -> int:
        """How many more may start now."""
        return max(0, self.rate.max_starts - sum(count for _, count in self.starts))

    def add(self, count: int) -> int:
        """Count starts; return when they are counted, for `take_back`."""
        if self._is_crowded():
            self.starts[-1] = [self.now_ms, self.starts[-1][1] + count]
        else:
            self.starts.append([self.now_ms, count])
        return self.now_ms

    def take_back(self, counted_at_ms: int) -> None:
        """Undo the count of one start, as far as it can be told apart."""
        for start in self.starts:
            if start[0] == counted_at_ms and start[1] > 0:
                start[1] -= 1
                return

    def free_again_ms(self, ahead: int = 0) -> int:
        """Return how long until one more may start, behind `ahead` others."""
        windows, place = divmod(ahead, self.rate.max_starts)
        wait_ms = windows * self.rate.window_ms
        place -= self.free
        if place < 0:
            return wait_ms
        for at, count in self.starts:
            place -= count
            if place < 0:
                return wait_ms + at + self.rate.window_ms - self.now_ms
        return wait_ms + self.rate.window_ms

    def write(self) -> str:
        """Return it as text for the row."""
        return _write(self.starts, self.seen)

    def write_open(self) -> tuple[str, int, str]:
        """Return what stands before the count of the last starts, the count, and what follows."""
        *others, (at, count) = self.starts
        text = _write([*others, [at, _COUNT]], self.seen)
        before, _, after = text.partition(json.dumps(_COUNT))
        return before, count, after

    def _follow_clock(self, asked_at_ms: int | None) -> None:
        own = boot_id()
        if not own or asked_at_ms is None:
            return
        if own in self.seen:
            step_ms = self.now_ms - self.seen.pop(own) - asked_at_ms
            if abs(step_ms) > _STEP_MS:
                self.starts = [[at + step_ms, count] for at, count in self.starts]
                # Noticed once, by whoever asks first: for the other machines it is over.
                self.seen = {name: ahead + step_ms for name, ahead in self.seen.items()}
        self.seen[own] = self.now_ms - asked_at_ms
        while len(self.seen) > _MACHINES:
            del self.seen[next(iter(self.seen))]

    def _is_crowded(self) -> bool:
        # By the last but one: the last itself is dated anew each time, and in a steady stream
        # would take all starts along, none of which would ever be over.
        if len(self.starts) < 2:
            return False
        return self.now_ms - self.starts[-2][0] < self.rate.window_ms // _APART


def _write(starts: list[Any], seen: dict[str, int]) -> str:
    return json.dumps({"starts": starts, "seen": seen}, separators=(",", ":"))
