"""Real Celery workers in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


@dataclass
class Worker:
    process: subprocess.Popen[bytes]
    log: Path
    name: str

    def is_ready(self) -> bool:
        return " ready." in self.read_log()

    def read_log(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def send(self, signum: signal.Signals) -> None:
        """Signal the worker and its pool: a kill of the parent alone leaves children behind."""
        os.killpg(self.process.pid, signum)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.send(signal.SIGKILL)
        self.process.wait()


class WorkerStarter:
    """Starts workers on one broker, and reads what their tasks wrote."""

    def __init__(self, url: str, folder: Path) -> None:
        # With Django's settings named Celery would load the whole project.
        inherited = {k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"}
        self.environment = {
            **inherited,
            "BROKER_DATABASE": url,
            "RESULTS_FOLDER": str(folder),
            "PYTHONPATH": str(REPOSITORY),
        }
        self.folder = folder
        self.workers: list[Worker] = []
        # What was read of the tasks' notes, and how far: they grow to many thousands.
        self._noted: list[list[str]] = []
        self._position = 0

    def start(self, *arguments: str, wait: bool = True) -> Worker:
        name = f"w{len(self.workers)}@test"
        log = self.folder / f"worker{len(self.workers)}.log"
        command = [sys.executable, "-W", "ignore", "-m", "celery", "-A", "tests.transport.app"]
        command += ["worker", "-n", name, "-l", "INFO", *arguments]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdout=output,
                stderr=output,
                cwd=REPOSITORY,
                env=self.environment,
                start_new_session=True,
            )
        worker = Worker(process, log, name)
        self.workers.append(worker)
        if wait:
            self.wait_ready(worker)
        return worker

    def wait_ready(self, worker: Worker) -> None:
        deadline = time.monotonic() + 180
        while not worker.is_ready():
            if worker.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the worker did not start:\n{worker.read_log()}")
            time.sleep(0.05)

    def call(self, code: str) -> str:
        """Run code in a process that has the app, as a web process would; return its output."""
        result = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", f"from tests.transport.app import *\n{code}"],
            cwd=REPOSITORY,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()

    def journal(self) -> list[list[str]]:
        """Return what tasks noted, a list of words for each line."""
        path = self.folder / "journal"
        if path.exists():
            with path.open("rb") as journal:
                journal.seek(self._position)
                new = journal.read()
            whole = new[: new.rfind(b"\n") + 1]
            self._position += len(whole)
            self._noted += [line.split() for line in whole.decode().splitlines()]
        return list(self._noted)

    def stop_all(self) -> None:
        for worker in self.workers:
            worker.kill()
