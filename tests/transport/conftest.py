"""Fixtures of the transport's tests: real databases, real connections, real workers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from kombu import Connection, Consumer, Exchange, Producer, Queue

from marinemap import transport
from marinemap.transport import providers
from marinemap.transport.database import Database, open_database, verify
from marinemap.transport.database.schema import REVISION, step_statements
from marinemap.transport.options import Options, read_options
from tests.postgresql import Cluster, running_cluster
from tests.process_tree import children_of
from tests.stopping import stop_between_writes, stop_wholly
from tests.transport.workers import Worker, WorkerStarter

# What waits ends when its condition is true: a busy machine is no fault.
DEADLINE_SECONDS = 120.0

transport.register()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long runs to `make chaos`, which asks for them by their mark."""
    if "chaos" in config.option.markexpr:
        return
    long_runs = [item for item in items if item.get_closest_marker("chaos")]
    if long_runs:
        config.hook.pytest_deselected(items=long_runs)
        items[:] = [item for item in items if item not in long_runs]


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as cluster:
        yield cluster


@dataclass
class Broker:
    """A fresh broker database, and connections to it that the fixture closes."""

    url: str
    options: dict[str, Any]
    connections: list[Connection] = field(default_factory=list)

    @property
    def dialect(self) -> str:
        return self.url.partition(":")[0]

    @property
    def file(self) -> str:
        """The path of a SQLite database."""
        return self.url.removeprefix("sqlite:///")

    @property
    def database(self) -> Database:
        return open_database(self.url, read_options(self.options))

    def freeze(self, worker: Worker) -> None:
        """Stop a worker and its pool; on SQLite where none of it holds the only write lock."""
        processes = [worker.process.pid, *children_of(worker.process.pid)]
        if self.dialect == "sqlite":
            stop_between_writes(self.file, *processes)
        else:
            stop_wholly(*processes)

    def connect(self, **options: Any) -> Connection:
        connection = Connection(
            f"marinemap+{self.url}", transport_options={**self.options, **options}
        )
        self.connections.append(connection)
        return connection

    def release(self, connection: Connection) -> None:
        """Close a connection that nobody looks at again: kept, it would keep its descriptors."""
        connection.release()
        self.connections.remove(connection)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.database.session() as session:
            cursor = session.connection.execute(sql)
            return [] if cursor.description is None else list(cursor.fetchall())

    def count(self, table: str, where: str = "1 = 1") -> int:
        return int(self.rows(f"SELECT count(*) FROM {table} WHERE {where}")[0][0])

    def close(self) -> None:
        for connection in self.connections:
            connection.release()
            # Other options are another database to the transport, with connections of its own.
            connection.transport.database.close()
        self.database.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    """A broker of its own for each test, on each database."""
    options = {"create_tables": True, "lease_seconds": 2.0}
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/broker.sqlite3"
    else:
        cluster: Cluster = request.getfixturevalue("cluster")
        url = cluster.url("postgres")
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute("DROP SCHEMA public CASCADE")
            admin.execute("CREATE SCHEMA public")
            # As a migration does it; SQLite's tables are made on demand below.
            for revision in range(1, REVISION + 1):
                for statement in step_statements("postgresql", revision):
                    admin.execute(statement)
    broker = Broker(url, options)
    verify(broker.database)
    yield broker
    broker.close()


@pytest.fixture
def workers(broker: Broker, tmp_path: Path) -> Iterator[WorkerStarter]:
    """Starts real Celery workers on the broker, and stops what is left of them."""
    starter = WorkerStarter(broker.url, tmp_path)
    yield starter
    starter.stop_all()


@pytest.fixture
def patient_statements(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up no statement: it is done after 2 s where a lease lasts for as long as here."""
    monkeypatch.setattr(Options, "statement_seconds", 60.0)


def wait_until(condition: Callable[[], Any], what: str, seconds: float = DEADLINE_SECONDS) -> Any:
    """Return the condition's value once it is true; fail when it does not become so."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    pytest.fail(f"{what} did not happen in {seconds:g} s")


TASKS = Queue("tasks", Exchange("tasks", "direct"), "tasks")


def publish(connection: Connection, body: Any, **options: Any) -> None:
    """Publish to the queue `tasks`."""
    options = {"exchange": TASKS.exchange, "routing_key": "tasks", "declare": [TASKS], **options}
    Producer(connection.default_channel).publish(body, **options)


class Inbox:
    """A consumer on a connection of its own that keeps what it receives, unacknowledged."""

    def __init__(self, connection: Connection, *queues: Queue, **options: Any) -> None:
        self.connection = connection
        self.channel = connection.channel()
        prefetch = options.pop("prefetch_count", 0)
        self.channel.basic_qos(0, prefetch, False)
        self.messages: list[Any] = []
        self.consumer = Consumer(
            self.channel, queues or [TASKS], on_message=self.messages.append, **options
        )
        self.consumer.consume()

    @property
    def bodies(self) -> list[Any]:
        return [message.decode() for message in self.messages]

    def receive(self, count: int, seconds: float = DEADLINE_SECONDS) -> list[Any]:
        """Wait until there are `count` messages in all; return their bodies."""
        deadline = time.monotonic() + seconds
        while len(self.messages) < count:
            self.connection.drain_events(timeout=max(0.01, deadline - time.monotonic()))
        return self.bodies

    def receives_nothing(self, seconds: float) -> bool:
        """Tell whether nothing more comes for a while."""
        before = len(self.messages)
        try:
            self.connection.drain_events(timeout=seconds)
        except TimeoutError:
            return True
        return len(self.messages) == before


__all__ = ["Broker", "Inbox", "Worker", "WorkerStarter", "publish", "wait_until"]


@pytest.fixture(autouse=True)
def own_providers() -> Iterator[None]:
    """Begin with no providers, and give the site's back, which other rooms' tests need."""
    find_transaction, task_rates = providers._find_transaction, providers._task_rates
    transport.use_caller_transaction(None)
    transport.use_task_rates(None)
    yield
    transport.use_caller_transaction(find_transaction)
    transport.use_task_rates(task_rates)
