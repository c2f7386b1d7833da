"""What Celery does with a broker, with real workers and real signals."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from tests.postgresql import Cluster
from tests.transport.conftest import Broker, WorkerStarter, wait_until
from tests.transport.test_faults_rates import check_rate, labels_of, starts_of


def labels(workers: WorkerStarter) -> list[str]:
    return [words[0] for words in workers.journal()]


def wait_for_labels(workers: WorkerStarter, *expected: str) -> None:
    wait_until(lambda: set(expected) <= set(labels(workers)), f"running {', '.join(expected)}")


def answer(workers: WorkerStarter, expression: str) -> Any:
    return json.loads(workers.call(f"import json; print(json.dumps({expression}))"))


def test_prefork_worker_runs_everything_celery_has(broker: Broker, workers: WorkerStarter) -> None:
    worker = workers.start("-c", "2", "-E")
    workers.call("[record.delay(f'task{n}') for n in range(20)]")
    wait_for_labels(workers, *(f"task{n}" for n in range(20)))

    # Groups, chords and chains, retries with a countdown; expired tasks are not run.
    code = """
from celery import chord, group, chain
summed = chord([add.s(n, n) for n in range(4)])(total.s())
chained = chain(add.s(1, 2), add.s(10))()
flaky.delay('retried'); record.apply_async(('expired',), expires=-1)
print(summed.get(timeout=120), chained.get(timeout=120))
"""
    assert workers.call(code) == "12 13"
    retried = ["retried", "2"]
    wait_until(lambda: retried in workers.journal(), "the second retry")
    assert "expired" not in labels(workers)

    # Remote control, with its replies, and events to whoever listens.
    inspect = "app.control.inspect(timeout=120, limit=1)"
    assert answer(workers, f"{inspect}.ping()") == {worker.name: {"ok": "pong"}}
    assert list(answer(workers, f"{inspect}.active_queues()")) == [worker.name]
    code = """
with app.connection_for_read() as connection:
    seen = []
    def on_event(event):
        seen.append(event['type'])
        receiver.should_stop = 'task-succeeded' in seen
    receiver = app.events.Receiver(connection, handlers={'*': on_event})
    with receiver.consumer_context() as (connection, channel, consumers):
        record.delay('watched')
        while 'task-succeeded' not in seen:
            connection.drain_events(timeout=120)
print('task-started' in seen)
"""
    assert workers.call(code) == "True"
    grow = "app.control.pool_grow(1, reply=True, timeout=120, limit=1)"
    assert answer(workers, grow) == [{worker.name: {"ok": "pool will grow"}}]

    # A warm shutdown leaves nothing behind.
    workers.call("app.control.shutdown()")
    assert worker.process.wait(120) == 0
    for table in ("messages", "consumers"):
        assert broker.count(f"broker_{table}") == 0
    assert broker.count("broker_queues", "queue_name LIKE '%pidbox'") == 0


def test_killed_workers_task_runs_again_on_another(broker: Broker, workers: WorkerStarter) -> None:
    victim = workers.start("-c", "1")
    workers.call("block.delay('job', 60); [record.delay(f'task{n}') for n in range(3)]")
    wait_for_labels(workers, "begin-job")
    victim.kill()
    workers.start("-c", "2", "--without-mingle", "--without-gossip")
    wait_until(lambda: labels(workers).count("begin-job") == 2, "the second start")
    wait_for_labels(workers, "task0", "task1", "task2")
    assert [words[2] for words in workers.journal() if words[0] == "begin-job"] == ["False", "True"]


@pytest.mark.chaos
def test_revoked_task_is_terminated_and_not_run_again(
    broker: Broker, workers: WorkerStarter
) -> None:
    workers.start("-c", "1")
    task_id = workers.call("print(block.delay('doomed', 60).id)")
    wait_for_labels(workers, "begin-doomed")
    workers.call(f"app.control.revoke('{task_id}', terminate=True)")
    wait_until(lambda: broker.count("broker_messages") == 0, "the end of the task")
    assert "end-doomed" not in labels(workers)


def test_countdown_is_held_in_the_database_and_kept(broker: Broker, workers: WorkerStarter) -> None:
    options = {"create_tables": True, "lease_seconds": 2.0, "poll_seconds": 60.0}
    settings = json.dumps({"broker_transport_options": options})
    workers.environment["CELERY_SETTINGS"] = settings
    workers.start("-c", "1", "--without-mingle", "--without-gossip")
    sent = "record.apply_async(('much later',), countdown=3600); print(time.time())"
    asked_at = float(workers.call(f"{sent}; record.apply_async(('later',), countdown=3)"))
    wait_for_labels(workers, "later")
    # Sooner than the slow poll.
    assert 3 <= float(workers.journal()[0][1]) - asked_at < 50
    assert broker.count("broker_messages", "claimed_by IS NULL AND due_at_ms IS NOT NULL") == 1


def test_rate_holds_over_two_workers_and_follows_control(
    broker: Broker, workers: WorkerStarter
) -> None:
    for _ in range(2):
        workers.start("-c", "4", "--without-mingle", "--without-gossip")
    workers.call("[limited.delay(f'task{n}') for n in range(13)]")
    wait_until(lambda: len(labels_of(workers)) == 13, "running 13 tasks")
    check_rate(starts_of(workers), 4, 1.0)

    replies = "reply=True, timeout=120, limit=2"
    changed = answer(workers, f"app.control.rate_limit('limited', '1/h', {replies})")
    assert len(changed) == 2
    wait_until(lambda: broker.rows("SELECT rate FROM broker_rates") == [("1/h",)], "the new rate")
    wait_until(lambda: not broker.count("broker_messages"), "an empty queue")
    workers.call("[limited.delay(f'late{n}') for n in range(3)]; record.delay('unhindered')")
    wait_for_labels(workers, "unhindered")
    # Starts of the last second count in the hour too, so none of these may start.
    assert broker.count("broker_messages", "claimed_by IS NULL") == 3


@pytest.mark.chaos
@pytest.mark.parametrize("pool", ["solo", "threads", "gevent"])
def test_other_pools_run_tasks_and_acknowledge(
    broker: Broker, workers: WorkerStarter, pool: str
) -> None:
    workers.start("-P", pool, "-c", "1", "--without-mingle", "--without-gossip")
    workers.call("[record.delay(f'task{n}') for n in range(20)]")
    wait_for_labels(workers, *(f"task{n}" for n in range(20)))
    wait_until(lambda: broker.count("broker_messages") == 0, "deleting the messages")


@pytest.mark.chaos
def test_solo_worker_keeps_its_lease_while_a_task_blocks_it(
    broker: Broker, workers: WorkerStarter
) -> None:
    workers.start("-P", "solo", "--without-mingle", "--without-gossip")
    workers.call("block.delay('long', 5)")
    wait_for_labels(workers, "begin-long")
    workers.start("-c", "1", "--without-mingle", "--without-gossip")
    wait_for_labels(workers, "end-long")
    assert labels(workers).count("begin-long") == 1


def test_worker_comes_back_after_postgresql_was_restarted(
    request: pytest.FixtureRequest, broker: Broker, workers: WorkerStarter
) -> None:
    if broker.dialect == "sqlite":
        pytest.skip("SQLite has no server to restart")
    cluster: Cluster = request.getfixturevalue("cluster")
    worker = workers.start("-c", "1", "--without-mingle", "--without-gossip")
    cluster.stop("immediate")
    cluster.start()
    workers.call("record.delay('after the restart')")
    wait_until(lambda: workers.journal(), "running a task")
    broker.database.close()
    broker.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        " AND application_name = 'marinemap-queue'"
    )
    workers.call("record.delay('after the cut')")
    wait_until(lambda: len(workers.journal()) == 2, "running a task")
    worker.send(signal.SIGTERM)
    assert worker.process.wait(120) == 0
