"""What Celery does with a broker, with real workers."""

from __future__ import annotations

import json

from tests.transport.conftest import Broker, WorkerStarter, wait_until


def test_prefork_worker_runs_tasks_and_answers_inspect(
    broker: Broker, workers: WorkerStarter
) -> None:
    worker = workers.start("-c", "1")
    workers.call("[record.delay(f'task{n}') for n in range(20)]")
    wait_until(lambda: len(workers.journal()) == 20, "running 20 tasks")
    answers = workers.call(
        "import json; print(json.dumps(app.control.inspect(timeout=5, limit=1).ping()))"
    )
    assert json.loads(answers) == {worker.name: {"ok": "pong"}}
    wait_until(lambda: broker.count("broker_messages") == 0, "deleting acknowledged messages")
