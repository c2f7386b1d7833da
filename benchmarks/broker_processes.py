"""The processes around a measured broker: its publisher and its workers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.broker_app import QUEUE, RECORD
from benchmarks.broker_servers import wait_until
from benchmarks.processes import bound, find_family

_REPOSITORY = Path(__file__).parent.parent


@dataclass(frozen=True)
class Broker:
    """What is measured: a broker as Celery is told of it, and where its tasks leave records."""

    name: str
    url: str
    folder: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    python_path: str = ""
    prefetch: int = 4

    @property
    def environment(self) -> dict[str, str]:
        """The environment of its processes."""
        # With Django's settings named Celery would load the whole project.
        inherited = {k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"}
        return {
            **inherited,
            "BENCHMARK_URL": self.url,
            "BENCHMARK_OPTIONS": json.dumps(dict(self.options)),
            "BENCHMARK_PREFETCH": str(self.prefetch),
            "BENCHMARK_RECORDS": str(self._records),
            "PYTHONPATH": f"{_REPOSITORY}{os.pathsep}{self.python_path}",
        }

    @property
    def _records(self) -> Path:
        return self.folder / "records"

    def forget_records(self) -> None:
        """Begin a new measurement; no task may be running."""
        self._records.write_bytes(b"")

    def count_records(self) -> int:
        """Return how many tasks have started."""
        return self._records.stat().st_size // RECORD.size if self._records.exists() else 0

    def read_records(self) -> list[tuple[float, float]]:
        """Return when each task was sent and when it started, in the order of starts."""
        records: list[tuple[float, float]] = list(RECORD.iter_unpack(self._records.read_bytes()))
        return sorted(records, key=lambda record: record[1])

    def wait_for_records(self, count: int, seconds: float) -> None:
        """Wait until as many tasks have started."""
        wait_until(
            lambda: self.count_records() >= count,
            f"{self.name}: {count} tasks were not run",
            seconds,
        )

    @contextmanager
    def publishing(self) -> Iterator[Publisher]:
        """Run a process that publishes."""
        process = subprocess.Popen(
            bound([sys.executable, "-W", "ignore", "-m", "benchmarks.broker_app"]),
            cwd=_REPOSITORY,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield Publisher(self.name, process)
        finally:
            with suppress(BrokenPipeError):
                process.communicate(timeout=30)

    @contextmanager
    def working(self, name: str = "worker", queue: str = QUEUE) -> Iterator[Worker]:
        """Run a Celery worker with one prefork child, and wait until it is ready."""
        with self.starting(name, queue) as worker:
            worker.wait_ready()
            yield worker

    @contextmanager
    def starting(self, name: str, queue: str = QUEUE) -> Iterator[Worker]:
        """Run a Celery worker with one prefork child, without waiting for it."""
        ready, log = self.folder / f"{name}.ready", self.folder / f"{name}.log"
        ready.unlink(missing_ok=True)
        command = [sys.executable, "-W", "ignore", "-m", "celery", "-A", "benchmarks.broker_app"]
        command += ["worker", "-c", "1", "-Q", queue, "-l", "WARNING", "-n", f"{name}@benchmark"]
        with log.open("wb") as output:
            process = subprocess.Popen(
                bound(command),
                cwd=_REPOSITORY,
                env={**self.environment, "BENCHMARK_READY": str(ready)},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        worker = Worker(process, ready, log)
        try:
            yield worker
        finally:
            worker.stop()


@dataclass(frozen=True)
class Publisher:
    """A process that publishes when told."""

    broker_name: str
    process: subprocess.Popen[str]

    def publish(self, count: int) -> float:
        """Publish messages one by one; return seconds."""
        self.call_later(f"publish {count}")
        return self.read_answer()

    def send(self, count: int) -> float:
        """Publish as many by kombu alone; return seconds."""
        self.call_later(f"send {count}")
        return self.read_answer()

    def call_later(self, command: str) -> None:
        """Let it begin, without waiting for its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()

    def read_answer(self) -> float:
        """Return what it answered to a command."""
        assert self.process.stdout is not None
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.broker_name}: the publisher failed, see above")
        return float(answer)


@dataclass(frozen=True)
class Worker:
    """A running Celery worker."""

    process: subprocess.Popen[bytes]
    ready: Path
    log: Path

    def wait_ready(self) -> None:
        """Wait until it consumes."""
        wait_until(self._is_ready, f"the worker did not start, see {self.log}")

    def _is_ready(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"the worker ended by itself:\n{self.log.read_text()}")
        return self.ready.exists()

    def read_cpu_seconds(self) -> float:
        """Return the processor time that it and its children have used."""
        return sum(_read_cpu_seconds(pid) for pid in find_family(self.process.pid))

    def stop(self) -> None:
        """End it as an operator does, with force only where it hangs."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()


def measure_cpu_shares(workers: list[Worker], seconds: float) -> list[float]:
    """Return the share of a core that each worker uses meanwhile."""
    begin, before = time.monotonic(), [worker.read_cpu_seconds() for worker in workers]
    time.sleep(seconds)
    after, passed = [worker.read_cpu_seconds() for worker in workers], time.monotonic() - begin
    return [(late - early) / passed for early, late in zip(before, after, strict=True)]


def _read_cpu_seconds(pid: int) -> float:
    # In nanoseconds for each thread; the ticks of /proc/PID/stat miss what wakes for less.
    total = 0
    for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError):
            total += int(thread.read_text().split()[0])
    return total / 1e9
