"""One run of some tests on one broker, in a process of its own, for a bounded time."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from scripts.celery_suite.brokers import Servers, running
from scripts.celery_suite.sources import CACHE, fetch_tests, install_packages
from scripts.celery_suite.wiring.outcomes import Outcome, read_outcomes

_WIRING = Path(__file__).with_name("wiring")
_PLUGIN = "scripts.celery_suite.wiring.plugin"
_REPOSITORY = Path(__file__).parents[2]
# A test may state more; Celery's own do, 300.
_TEST_SECONDS = 120


@dataclass(frozen=True)
class Suite:
    """A project's tests: its files, and one of ours that points its classes at a broker."""

    project: str
    files: tuple[str, ...]
    own: Path | None = None


SUITES = {
    "celery": Suite(
        "celery",
        tuple(
            f"t/integration/test_{name}.py"
            for name in (
                "beat",
                "canvas",
                "connection_recovery",
                "group_chains",
                "inspect",
                "logfile_format",
                "request_backend_down",
                "serialization",
                "tasks",
                "upgrade",
                # Last: it leaves Celery in the belief that a task is running.
                "worker",
            )
        ),
    ),
    "kombu": Suite("kombu", ("kombu_suite.py",), _WIRING / "kombu_suite.py"),
}


def run(
    suite: Suite, broker: str, minutes: float, tests: Collection[str] = (), expression: str = ""
) -> dict[str, Outcome]:
    """Run a suite, or only some tests of it, against a broker; return how each test ended.

    The tests' output is kept beside.
    """
    folder = fetch_tests(suite.project)
    if suite.own:
        shutil.copy(suite.own, folder)
    name = f"{suite.project}-{broker.lower()}{'-again' if tests else ''}"
    log, outcomes = CACHE / f"{name}.log", CACHE / f"{name}.outcomes"
    outcomes.unlink(missing_ok=True)
    with running(broker) as servers, log.open("wb") as output:
        environment = _make_environment(folder, servers, outcomes)
        process = subprocess.Popen(
            [*_COMMAND, "-k", expression, *(tests or suite.files)],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        _running.add(process)
        _wait(process, minutes * 60)
    return read_outcomes(outcomes)


def stop_all() -> None:
    """End all runs, which may be waited for in other threads."""
    for process in list(_running):
        _kill(process)


_running: set[subprocess.Popen[bytes]] = set()
_COMMAND = [sys.executable, "-m", "pytest", "-ra", "--timeout", str(_TEST_SECONDS)]
_COMMAND += [option for name in ("celery.contrib.pytest", _PLUGIN) for option in ("-p", name)]
_COMMAND += ["-p", "no:django", "-p", "no:cacheprovider", "-W", "ignore"]
# kombu's own settings: its classes have small letters.
_COMMAND += ["-c", os.devnull, "--rootdir", ".", "-o", "python_classes=test_* Test*"]


def _make_environment(folder: Path, servers: Servers, outcomes: Path) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"}
    path = map(str, (folder, _WIRING, install_packages(), _REPOSITORY))
    redis_port = str(servers.redis_port)
    return {
        **inherited,
        # The tests call `celery` by its name.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{inherited.get('PATH', '')}",
        "PYTHONPATH": os.pathsep.join(path),
        "OUTCOMES": str(outcomes),
        "TEST_BROKER": servers.broker_url,
        "TEST_BACKEND": f"redis://127.0.0.1:{redis_port}",
        "REDIS_HOST": "127.0.0.1",
        "REDIS_PORT": redis_port,
        "REDIS_6379_TCP": redis_port,
    }


def _wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    try:
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    finally:
        _kill(process)
        process.wait()
        _running.discard(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    # Its pool's children too, which a test that timed out has left behind.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
