"""A PostgreSQL server of the tests' own: on a free loopback port, gone with the test run."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

# initdb and the server refuse to run as root; Debian's package makes this user.
_USER = "postgres"


def free_port() -> int:
    """Return a loopback port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def skip_or_fail(reason: str) -> None:
    """Skip a test whose tool is missing; in CI nothing may be missing."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@contextlib.contextmanager
def postgresql_server() -> Iterator[str]:
    """Run a server; yield the URL of its maintenance database."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not binaries:
        skip_or_fail("PostgreSQL is missing: sudo apt install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="marinemap-pg-"))
    port = free_port()
    server = _Server(binaries[-1], folder, port)
    try:
        server.start()
        yield f"postgresql://{server.user}@127.0.0.1:{port}/postgres"
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def make_database(url: str, name: str, template: str = "template1") -> str:
    """Make a database on the server of a URL, as a copy of another; return its URL."""
    server = url.rpartition("/")[0]
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    return f"{server}/{name}"


class _Server:
    def __init__(self, binaries: Path, folder: Path, port: int) -> None:
        self._binaries = binaries
        self._data = folder / "data"
        self._options = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder}"
        is_root = os.geteuid() == 0
        self.user = _USER if is_root else pwd.getpwuid(os.geteuid()).pw_name
        self._prefix = ["setpriv", "--reuid", _USER, "--regid", _USER, "--clear-groups"]
        self._prefix = self._prefix if is_root else []
        if is_root:
            shutil.chown(folder, _USER, _USER)

    def start(self) -> None:
        self._run("initdb", "-D", self._data, "-U", self.user, "-A", "trust", "-E", "UTF8")
        log = self._data / "log"
        self._run("pg_ctl", "-D", self._data, "-o", self._options, "-l", log, "-w", "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop", check=False)

    def _run(self, program: str, *arguments: object, check: bool = True) -> None:
        command = [*self._prefix, str(self._binaries / program), *map(str, arguments)]
        subprocess.run(command, check=check, stdout=subprocess.DEVNULL, cwd="/")
