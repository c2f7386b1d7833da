"""Options of a benchmark that name several of what there is."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable


def several_of(known: Iterable[str], kind: str = "part") -> Callable[[str], list[str]]:
    """Return a type for ``add_argument``: names with commas between, each of them known."""
    names = list(known)

    def read(text: str) -> list[str]:
        given = text.split(",")
        unknown = [name for name in given if name not in names]
        if unknown:
            raise argparse.ArgumentTypeError(
                f"no {kind} '{unknown[0]}'; there are {', '.join(names)}"
            )
        return given

    return read
