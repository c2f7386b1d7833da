"""Private servers on free loopback ports, in a folder of the benchmark's own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from benchmarks.processes import bound
from tests.postgresql import free_port

_START_SECONDS = 60
_RABBITMQ = Path("/usr/lib/rabbitmq/bin")
_POSTGRESQL = Path(os.environ.get("MARINEMAP_POSTGRESQL_BIN", "/usr/lib/postgresql/15/bin"))


class MissingServerError(Exception):
    """A server that is not installed; says how to."""


def find_free_port() -> int:
    """Return a port that nothing listens on, and that the kernel gives to nobody who connects."""
    return free_port()


@contextmanager
def run_postgresql(folder: Path) -> Iterator[int]:
    """Run PostgreSQL as initdb leaves it, and so with fsync; yield its port."""
    if not (_POSTGRESQL / "initdb").exists():
        raise MissingServerError("PostgreSQL: apt-get install postgresql-15")
    folder.mkdir()
    # PostgreSQL refuses to run as root.
    as_user: list[str] = []
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
        as_user = ["runuser", "-u", "postgres", "--"]
    port = find_free_port()
    initdb = [*as_user, str(_POSTGRESQL / "initdb"), "-D", str(folder / "data"), "-A", "trust"]
    initdb += ["-U", "postgres", "--no-locale", "-E", "UTF8"]
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd=folder)
    # As a child without runuser between, so that its process id is known.
    user = "postgres" if as_user else None
    command = [str(_POSTGRESQL / "postgres"), "-D", str(folder / "data"), "-p", str(port)]
    command += ["-k", str(folder), "-h", "127.0.0.1"]
    # Fast shutdown; its port is open before it lets anyone in.
    with _running(command, folder, port, {}, stop=signal.SIGINT, user=user):
        is_ready = [str(_POSTGRESQL / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
        wait_until(lambda: subprocess.call(is_ready) == 0, "PostgreSQL lets nobody in")
        yield port


@contextmanager
def run_redis(folder: Path, appendfsync: str) -> Iterator[int]:
    """Run Redis with an append-only file; yield its port."""
    program = shutil.which("redis-server")
    if program is None:
        raise MissingServerError("Redis: apt-get install redis-server")
    folder.mkdir()
    port = find_free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    command += ["--save", "", "--appendonly", "yes", "--appendfsync", appendfsync]
    with _running(command, folder, port, {}):
        yield port


@contextmanager
def run_rabbitmq(folder: Path, *vhosts: str) -> Iterator[int]:
    """Run RabbitMQ with an epmd of its own and some virtual hosts; yield its port."""
    epmd = shutil.which("epmd")
    if not (_RABBITMQ / "rabbitmq-server").exists() or epmd is None:
        raise MissingServerError("RabbitMQ: apt-get install rabbitmq-server")
    folder.mkdir()
    (folder / "enabled_plugins").write_text("[].\n")
    port, epmd_port = find_free_port(), find_free_port()
    environment = {
        "HOME": str(folder),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(epmd_port),
        "RABBITMQ_NODENAME": f"benchmark-{os.getpid()}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(find_free_port()),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
        "RABBITMQ_CONFIG_FILE": str(folder / "none"),
    }
    names = [epmd, "-address", "127.0.0.1", "-port", str(epmd_port)]
    with ExitStack() as stack:
        stack.enter_context(_running(names, folder, epmd_port, {}))
        server = [str(_RABBITMQ / "rabbitmq-server")]
        stack.enter_context(_running(server, folder, port, environment))
        for vhost in vhosts:
            _add_vhost(vhost, environment)
        yield port


def _add_vhost(vhost: str, environment: Mapping[str, str]) -> None:
    control = [str(_RABBITMQ / "rabbitmqctl"), "--quiet"]
    for arguments in (
        ["add_vhost", vhost],
        ["set_permissions", "-p", vhost, "guest", ".*", ".*", ".*"],
    ):
        subprocess.run(
            [*control, *arguments],
            env={**os.environ, **environment},
            check=True,
            stdout=subprocess.DEVNULL,
        )


@contextmanager
def _running(
    command: list[str],
    folder: Path,
    port: int,
    environment: Mapping[str, str],
    stop: signal.Signals = signal.SIGTERM,
    user: str | None = None,
) -> Iterator[None]:
    log = folder / f"{Path(command[0]).name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            bound(command, stop, user),
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        wait_until(lambda: _answers(port, process), f"{command[0]} did not start, see {log}")
        yield
    finally:
        _end(process, stop)


def _answers(port: int, process: subprocess.Popen[bytes]) -> bool:
    if process.poll() is not None:
        raise RuntimeError(f"{process.args!r} ended by itself with status {process.returncode}")
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _end(process: subprocess.Popen[bytes], stop: signal.Signals) -> None:
    process.send_signal(stop)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_until(
    condition: Callable[[], bool], problem: str, seconds: float = _START_SECONDS
) -> None:
    """Wait for a condition.

    Raises
    ------
    TimeoutError
        It has not come true in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{problem} ({seconds:g} s)")
        time.sleep(0.05)
