"""Flower's pages of workers and tasks, served by Flower itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.postgresql import free_port
from tests.transport.conftest import Broker, WorkerStarter, wait_until
from tests.transport.workers import REPOSITORY


@pytest.fixture
def flower(workers: WorkerStarter, tmp_path: Path) -> Iterator[str]:
    """Run Flower on the broker and yield its address."""
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "celery", "-A", "tests.transport.app"]
    with (tmp_path / "flower.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "flower", "--address=127.0.0.1", f"--port={port}"],
            stdout=log,
            stderr=log,
            cwd=REPOSITORY,
            env={**workers.environment, "FLOWER_UNAUTHENTICATED_API": "true"},
        )
        yield f"http://127.0.0.1:{port}"
        process.terminate()
        process.wait(120)


def fetch(address: str, **parameters: str) -> Any:
    with suppress(requests.ConnectionError):
        answer = requests.get(address, params=parameters, timeout=120)
        return answer.json() if answer.ok else None


def test_flower_shows_workers_and_tasks(
    broker: Broker, workers: WorkerStarter, flower: str
) -> None:
    worker = workers.start("-c", "1", "-E")
    wait_until(lambda: (fetch(f"{flower}/workers", json="1") or {}).get("data"), "the worker")

    # What it asks of a worker by remote control; it waits for a second.
    def queues() -> list[str]:
        found = (fetch(f"{flower}/api/workers", refresh="1") or {}).get(worker.name, {})
        return [queue["name"] for queue in found.get("active_queues", ())]

    wait_until(lambda: queues() == ["celery"], "an answer of the worker")
    assert requests.get(f"{flower}/worker/{worker.name}", timeout=120).ok

    # What it learns from events.
    workers.call("record.delay('seen'); flaky.delay('retried')")

    def states() -> dict[str, str]:
        tasks = fetch(f"{flower}/api/tasks") or {}
        return {task["name"]: task["state"] for task in tasks.values()}

    done = {"record": "SUCCESS", "flaky": "SUCCESS"}
    wait_until(lambda: states() == done, "both tasks in its list")
    assert requests.get(f"{flower}/tasks", timeout=120).ok
