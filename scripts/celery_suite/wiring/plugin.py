"""The pytest plugin that wires a suite's own Celery app to the transport, as a site does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from celery import current_app, signals
from celery.worker.consumer.gossip import Gossip
from celery.worker.consumer.mingle import Mingle

# Replaces Celery's command `scheduled`.
import marinemap.inspection  # noqa: F401
from marinemap import transport
from scripts.celery_suite.wiring.outcomes import FAILED, NOT_REACHED, Outcome, write_outcome

for step in (Gossip, Mingle):
    step.compatible_transports = {*step.compatible_transports, transport.DRIVER_TYPE}


# Each test of Celery's makes its app anew: the one that is current is meant.
transport.bind(current_app, signals)


def pytest_configure(config: Any) -> None:
    """Know the marks that the suites use and their own settings declare."""
    for mark in ("env(name)", "flaky", "timeout", "amqp", "sleepdeprived_patched_module"):
        config.addinivalue_line("markers", f"{mark}: of the suite's own")


def pytest_collection_finish(session: Any) -> None:
    """Write which tests there are: a run that is cut short has not reached some."""
    for item in session.items:
        _write(item.nodeid, Outcome(NOT_REACHED))


def pytest_runtest_logreport(report: Any) -> None:
    """Write how each test ends, at once: a run that is cut short tells what it has seen."""
    is_told = report.when == "call" or report.outcome != "passed"
    if not is_told or report.outcome == "rerun":
        return
    # A subtest is told by the test that it is of.
    lines = str(report.longrepr or "").strip().splitlines() if report.outcome == FAILED else []
    why = next((one for one in reversed(lines) if one.startswith("E ")), lines[-1] if lines else "")
    _write(report.nodeid, Outcome(report.outcome, why.removeprefix("E").strip()))


def _write(test: str, outcome: Outcome) -> None:
    write_outcome(Path(os.environ["OUTCOMES"]), test, outcome)
