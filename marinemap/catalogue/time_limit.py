"""An end for steps that may have none."""

from __future__ import annotations

import signal
from collections.abc import Iterator


def limited(steps: Iterator[str], seconds: int) -> Iterator[str]:
    """Go on while each step ends in time; else the kernel ends this process.

    A library that reads for ever looks at nothing of Python's meanwhile.
    """
    while True:
        signal.alarm(seconds)
        told = next(steps, None)
        signal.alarm(0)
        if told is None:
            return
        yield told
