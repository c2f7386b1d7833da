"""Servers of the tests' own: PostgreSQL, and PgBouncer before it, on free loopback ports."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

# Neither server runs as root; Debian's packages make this user.
_USER = "postgres"
# A busy machine is no fault.
_DEADLINE_SECONDS = 120.0


# Below those that the kernel gives to whoever connects: else one would be taken before the server
# that it was chosen for listens, or while that is down. Each process of pytest-xdist has its own.
_PORTS_OF_A_PROCESS = 2_000
_process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 11
_own_ports = list(range(10_000, 32_000))[_process * _PORTS_OF_A_PROCESS :][:_PORTS_OF_A_PROCESS]
random.SystemRandom().shuffle(_own_ports)
_ports = itertools.cycle(_own_ports)


def free_port() -> int:
    """Return a loopback port that nothing listens on, and that no other test is given."""
    return next(port for port in _ports if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers have it: a connection that has ended keeps nobody away.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return True
    return False


def skip_or_fail(reason: str) -> None:
    """Skip a test whose tool is missing; in CI nothing may be missing."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL server, which its tests may stop and start."""

    binaries: Path
    folder: Path
    port: int

    @classmethod
    def create(cls) -> Cluster:
        """Make an empty one, not yet started."""
        cluster = cls._in_new_folder(free_port())
        cluster._run("initdb", "-D", cluster.data, "-A", "trust", "-U", _USER, "-E", "UTF8", "-N")
        return cluster

    @classmethod
    def _in_new_folder(cls, port: int) -> Cluster:
        installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if not installed:
            skip_or_fail("PostgreSQL is missing: sudo apt install postgresql")
        # In memory where that is offered: these tests are not about the disk.
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        folder = Path(tempfile.mkdtemp(prefix="marinemap-pg-", dir=memory))
        folder.chmod(0o755)
        if os.geteuid() == 0:
            shutil.chown(folder, _USER)
        return cls(installed[-1].parent, folder, port)

    def make_standby(self, port: int) -> Cluster:
        """Start a copy that follows this server, and let commits here wait for it."""
        standby = self._in_new_folder(port)
        source = ("-h", "127.0.0.1", "-p", str(self.port), "-U", _USER)
        self._run("pg_basebackup", *source, "-D", standby.data, "-R", "-c", "fast")
        standby.start()
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            connection.execute("SELECT pg_reload_conf()")
            synchronous = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
            deadline = time.monotonic() + _DEADLINE_SECONDS
            while connection.execute(synchronous).fetchone() != (1,):
                assert time.monotonic() < deadline
                time.sleep(0.1)
        return standby

    def promote(self) -> None:
        """Let a standby take writes."""
        self._run("pg_ctl", "-D", self.data, "-w", "promote")

    @property
    def data(self) -> str:
        return str(self.folder / "data")

    def start(self, environment: dict[str, str] | None = None) -> None:
        options = f"-p {self.port} -k {self.folder} -h 127.0.0.1"
        log = str(self.folder / "log")
        self._run(
            "pg_ctl",
            "-D",
            self.data,
            "-o",
            options,
            "-l",
            log,
            "-w",
            "start",
            environment=environment,
        )

    def wait_settled(self) -> None:
        """Wait until the queue gives out messages: not in the first seconds of a server."""
        settled = "SELECT now() > pg_postmaster_start_time() + interval '3.1 seconds'"
        deadline = time.monotonic() + _DEADLINE_SECONDS
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            while connection.execute(settled).fetchone() != (True,):
                assert time.monotonic() < deadline
                time.sleep(0.1)

    def stop(self, mode: str = "fast") -> None:
        self._run("pg_ctl", "-D", self.data, "-m", mode, "-w", "stop")

    def url(self, name: str) -> str:
        return f"postgresql://{_USER}@127.0.0.1:{self.port}/{name}"

    def remove(self) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(
        self, program: str, *arguments: str, environment: dict[str, str] | None = None
    ) -> None:
        command = [str(self.binaries / program), *arguments]
        user = _USER if os.geteuid() == 0 else None
        group = pwd.getpwnam(_USER).pw_gid if user else None
        subprocess.run(
            command,
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self.folder,
            # pg_ctl waits for a minute by default.
            env={"PGCTLTIMEOUT": "600", **os.environ, **(environment or {})},
            user=user,
            group=group,
            extra_groups=[] if user else None,
        )


@contextlib.contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Run a server of one's own."""
    cluster = Cluster.create()
    try:
        cluster.start()
        cluster.wait_settled()
        yield cluster
    finally:
        cluster.remove()


def make_database(url: str, name: str, template: str = "template1") -> str:
    """Make a database on the server of a URL, as a copy of another; return its URL."""
    server = url.rpartition("/")[0]
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    return f"{server}/{name}"


@contextlib.contextmanager
def pgbouncer(cluster: Cluster) -> Iterator[int]:
    """Run PgBouncer in transaction mode before a cluster, as sites set it up; yield its port."""
    program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    if not Path(program).exists():
        skip_or_fail("PgBouncer is missing: sudo apt install pgbouncer")
    port = free_port()
    settings = cluster.folder / f"pgbouncer-{port}.ini"
    settings.write_text(
        # With auth_type any all clients become this one user of the server's.
        f"[databases]\n* = host=127.0.0.1 port={cluster.port} user={_USER}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        "auth_type = any\npool_mode = transaction\ndefault_pool_size = 4\n"
    )
    user = _USER if os.geteuid() == 0 else None
    with (cluster.folder / "pgbouncer.log").open("wb") as log:
        server = subprocess.Popen([program, str(settings)], stdout=log, stderr=log, user=user)
    try:
        _wait_for_port(port)
        yield port
    finally:
        server.terminate()
        server.wait(_DEADLINE_SECONDS)


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing listens on port {port}")
        time.sleep(0.05)
