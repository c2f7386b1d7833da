"""The brokers that the tests run against, each new and empty, on loopback ports of their own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.broker_servers import run_postgresql, run_redis
from marinemap.transport import SCHEME
from marinemap.transport.database import open_database, verify
from marinemap.transport.options import read_options

REDIS, SQLITE, POSTGRESQL = "Redis", "SQLite", "PostgreSQL"
BROKERS = (REDIS, SQLITE, POSTGRESQL)


@dataclass(frozen=True)
class Servers:
    """Where a run finds its broker, and the Redis that keeps its results."""

    broker_url: str
    redis_port: int


@contextmanager
def running(broker: str) -> Iterator[Servers]:
    """Run what one of the `BROKERS` needs; results are kept in Redis beside each of them."""
    with ExitStack() as stack:
        # PostgreSQL's own user must be able to enter.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="celery-suite-")))
        folder.chmod(0o755)
        port = stack.enter_context(run_redis(folder / "redis", "everysec"))
        if broker == REDIS:
            yield Servers(f"redis://127.0.0.1:{port}", port)
            return
        url = f"sqlite:///{folder}/queue.sqlite3"
        if broker == POSTGRESQL:
            server = stack.enter_context(run_postgresql(folder / "postgresql"))
            url = f"postgresql://postgres@127.0.0.1:{server}/postgres"
        _make_tables(url)
        yield Servers(f"{SCHEME}+{url}", port)


def _make_tables(url: str) -> None:
    database = open_database(url, read_options({"create_tables": True}))
    verify(database)
    database.close()
