"""A Celery app wired to the transport as the composition root does it, without Django."""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path
from typing import Any

from celery import Celery, signals
from celery.worker.consumer.gossip import Gossip
from celery.worker.consumer.mingle import Mingle

# Replaces Celery's command `scheduled`.
import marinemap.inspection  # noqa: F401
from marinemap import transport
from marinemap.transport.consuming import starts

transport.register()
Mingle.compatible_transports = {*Mingle.compatible_transports, transport.DRIVER_TYPE}
Gossip.compatible_transports = {*Gossip.compatible_transports, transport.DRIVER_TYPE}

app = Celery("transport_tests")
app.conf.update(
    broker_url=f"marinemap+{os.environ['BROKER_DATABASE']}",
    broker_transport_options={"create_tables": True, "lease_seconds": 2.0},
    broker_connection_retry_on_startup=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    worker_disable_rate_limits=True,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    result_backend=os.environ.get("RESULT_BACKEND", f"file://{os.environ['RESULTS_FOLDER']}"),
)
app.conf.update(json.loads(os.environ.get("CELERY_SETTINGS", "{}")))
transport.bind(app, signals)

_elapsed_ms = starts.elapsed_ms
_last_look = 0.0


def _note_look() -> int:
    """Note when it was last looked whether a start still counts: it is after that."""
    global _last_look
    _last_look = time.time()
    return _elapsed_ms()


starts.elapsed_ms = _note_look


_JOURNAL = Path(os.environ["RESULTS_FOLDER"]) / "journal"


def note(line: str) -> None:
    """Write a line that the test reads, at once and whole."""
    with _JOURNAL.open("a") as journal:
        journal.write(f"{line}\n")


@app.task(name="record", bind=True)
def record(self: Any, label: str) -> str:
    request = self.request
    note(f"{label} {time.time():.6f} {request.delivery_info.get('redelivered')}")
    return label


@app.task(name="work")
def work(label: str) -> str:
    note(f"{label} {time.time():.6f}")
    # Long enough to be killed in.
    time.sleep(random.uniform(0, 0.03))
    return label


@app.task(name="limited", bind=True, rate_limit=os.environ.get("LIMITED_RATE", "4/s"))
def limited(self: Any, label: str) -> str:
    note(f"{label} {time.time():.6f} {_last_look:.6f}")
    return label


@app.task(name="block", bind=True)
def block(self: Any, label: str, seconds: float) -> str:
    note(f"begin-{label} {time.time():.6f} {self.request.delivery_info.get('redelivered')}")
    time.sleep(seconds)
    note(f"end-{label} {time.time():.6f}")
    return label


@app.task(name="flaky", bind=True, max_retries=3)
def flaky(self: Any, label: str) -> str:
    note(f"{label} {self.request.retries}")
    if self.request.retries < 2:
        raise self.retry(countdown=0.1)
    return label


@app.task(name="add")
def add(x: int, y: int) -> int:
    return x + y


@app.task(name="total")
def total(numbers: list[int]) -> int:
    return sum(numbers)
