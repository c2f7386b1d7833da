"""An end for steps that may have none."""

from __future__ import annotations

import signal
from collections.abc import Iterator

from django.core.management.base import CommandParser

from marinemap.catalogue.begun import SECONDS_AGAIN, SECONDS_AT_FIRST


def add_again(parser: CommandParser) -> None:
    """Declare the option of a command to read what had no end in the time that it has at first."""
    parser.add_argument(
        "--again",
        action="store_true",
        help=f"read those, for {SECONDS_AGAIN} s each, that had no end in {SECONDS_AT_FIRST} s",
    )


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
