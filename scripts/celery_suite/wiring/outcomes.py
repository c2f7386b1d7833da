"""How tests ended, written by a run as they end and read by who started it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

PASSED, SKIPPED, FAILED, NOT_REACHED = "passed", "skipped", "failed", "not reached"


@dataclass(frozen=True)
class Outcome:
    """How a test ended; of a failure, its last line too."""

    state: str
    why: str = ""


def write_outcome(path: Path, test: str, outcome: Outcome) -> None:
    """Add how a test, or a phase of it, ended."""
    with path.open("a") as file:
        file.write(json.dumps([test, outcome.state, outcome.why]) + "\n")


def read_outcomes(path: Path) -> dict[str, Outcome]:
    """Return how each test ended: failed where any phase of it did."""
    outcomes: dict[str, Outcome] = {}
    lines = path.read_text().splitlines() if path.exists() else []
    for line in lines:
        test, state, why = json.loads(line)
        known = outcomes.get(test)
        if known is None or known.state in (PASSED, NOT_REACHED):
            outcomes[test] = Outcome(state, why)
    return outcomes
