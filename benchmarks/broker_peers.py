"""The brokers of a run: their servers, started on loopback ports, and their addresses."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Collection
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import psycopg

from benchmarks import broker_report as report
from benchmarks.broker_backlog import Backlog
from benchmarks.broker_processes import Broker
from benchmarks.broker_servers import (
    MissingServerError,
    run_postgresql,
    run_rabbitmq,
    run_redis,
)
from benchmarks.machine import read_program_version

_REPOSITORY = Path(__file__).parent.parent
_CREATE = {"create_tables": True}


class Brokers:
    """What is installed and was asked for.

    Parameters
    ----------
    folder : Path
        For the data of all.
    servers : ExitStack
        Ends what is started.
    words : collection of str
        A broker takes part whose name has one of them.
    is_shared : bool
        Whether the peers take part, or the transport alone.
    prefetch : int
        Messages that a worker holds.
    """

    def __init__(
        self,
        folder: Path,
        servers: ExitStack,
        words: Collection[str],
        is_shared: bool,
        prefetch: int,
    ) -> None:
        self._folder = folder
        self._servers = servers
        self._words = words
        self._is_shared = is_shared
        self._prefetch = prefetch
        self._postgresql: int | None = None
        # All that take part, in the order of the report.
        self.started: list[Broker] = []
        # The servers and their versions.
        self.programs: list[str] = []

    @property
    def floors(self) -> list[Broker]:
        """The transport on each database; its floor is the bare driver."""
        return [broker for broker in self.started if broker.name in report.FLOORS]

    @property
    def peers(self) -> list[Broker]:
        """One of each kind: confirming, or writing always, changes nothing for many workers."""
        kinds = (report.POSTGRESQL, report.SQLITE, report.CONFIRMED, report.REDIS)
        return [broker for broker in self.started if broker.name in kinds]

    @property
    def has_postgresql(self) -> bool:
        """Tell whether PostgreSQL runs, whatever was asked for."""
        return self._postgresql is not None

    def start(self) -> None:
        """Start what is installed; say in a line what is not."""
        port = self._enter(run_postgresql(self._folder / "postgresql"))
        if port is not None:
            self._postgresql = port
            with psycopg.connect(self.database_url("postgres")) as connection:
                self.programs.append(
                    f"PostgreSQL {connection.info.parameter_status('server_version')}"
                )
            self._add(report.POSTGRESQL, f"marinemap+{self._create_database('broker')}", _CREATE)
        self._add(report.SQLITE, f"marinemap+sqlite:///{self._folder}/broker.sqlite3", _CREATE)
        self._start_rabbitmq()
        self._start_redis()
        self._add(report.SQLALCHEMY, f"sqla+sqlite:///{self._folder}/kombu.sqlite3")

    def _start_rabbitmq(self) -> None:
        if not self._is_wanted(report.RABBITMQ, report.CONFIRMED):
            return
        # Apart from each other: their workers run at the same time.
        port = self._enter(run_rabbitmq(self._folder / "rabbitmq", "plain", "confirmed"))
        if port is not None:
            self.programs.append(f"RabbitMQ {_read_debian_version('rabbitmq-server')}")
            url = f"amqp://guest:guest@127.0.0.1:{port}"
            self._add(report.RABBITMQ, f"{url}/plain")
            self._add(report.CONFIRMED, f"{url}/confirmed", {"confirm_publish": True})

    def _start_redis(self) -> None:
        if not self._is_wanted(report.REDIS, report.REDIS_ALWAYS):
            return
        for name, appendfsync in ((report.REDIS, "everysec"), (report.REDIS_ALWAYS, "always")):
            port = self._enter(run_redis(self._folder / f"redis-{appendfsync}", appendfsync))
            if port is not None:
                packages = str(_install_packages())
                self._add(name, f"redis://127.0.0.1:{port}/0", python_path=packages)
        if port is not None:
            self.programs.append(read_program_version("redis-server", "--version"))

    def _enter(self, server: AbstractContextManager[int]) -> int | None:
        try:
            return self._servers.enter_context(server)
        except MissingServerError as error:
            print(f"left out, as it is not installed: {error}")
            return None

    def _add(
        self,
        name: str,
        url: str,
        options: dict[str, bool] | None = None,
        python_path: str = "",
    ) -> None:
        if self._is_wanted(name):
            self.started.append(self._make_broker(name, url, options or {}, python_path))

    def _is_wanted(self, *names: str) -> bool:
        """Tell whether a broker was asked for, and something that all brokers take part in."""
        has_word = any(word.lower() in name.lower() for word in self._words for name in names)
        return has_word and (names[0] in report.FLOORS or self._is_shared)

    def _make_broker(
        self, name: str, url: str, options: dict[str, bool], python_path: str = ""
    ) -> Broker:
        folder = self._folder / f"records-{name.replace(' ', '-').replace(',', '')}"
        folder.mkdir()
        return Broker(name, url, folder, options, python_path, self._prefetch)

    def database_url(self, name: str) -> str:
        """Return the address of a database of the PostgreSQL."""
        return f"postgresql://postgres@127.0.0.1:{self._postgresql}/{name}"

    def _create_database(self, name: str) -> str:
        with psycopg.connect(self.database_url("postgres"), autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name}".encode())
        return self.database_url(name)

    def make_backlog(self, name: str, number: int, kind: str = "") -> Backlog:
        """Return an empty queue on a database of its own, of PostgreSQL or of SQLite."""
        number_text = f"{kind}{number}"
        if name == report.POSTGRESQL:
            url = self._create_database(f"backlog_{number_text}")
        else:
            url = f"sqlite:///{self._folder}/backlog-{number_text}.sqlite3"
        return Backlog(self._make_broker(f"{name} {number_text}", f"marinemap+{url}", _CREATE))


def _install_packages() -> Path:
    """Install the peers' client libraries apart from the project's own; return where."""
    folder = _REPOSITORY / "var/bench-packages"
    requirements = Path(__file__).with_name("requirements.txt")
    stamp = folder / "requirements.txt"
    if not stamp.exists() or stamp.read_text() != requirements.read_text():
        shutil.rmtree(folder, ignore_errors=True)
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--require-hashes", "--target", str(folder)]
        subprocess.run([*command, "--requirement", str(requirements)], check=True)
        shutil.copy(requirements, stamp)
    return folder


def _read_debian_version(package: str) -> str:
    # RabbitMQ tells its own only by way of a running Erlang.
    return read_program_version("dpkg-query", "-W", "-f", "${Version}", package)
