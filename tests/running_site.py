"""A whole site as an agency runs it: database, web server and worker as processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import requests

from tests.postgresql import free_port

PROJECT = Path(__file__).resolve().parents[1]
T = TypeVar("T")

# What waits ends when its condition is true: a busy machine is no fault, and costs nothing else.
_DEADLINE_SECONDS = 180.0


def wait_for(condition: Callable[[], T], what: str, seconds: float = _DEADLINE_SECONDS) -> T:
    """Return what a condition answers once it is true; fail when the deadline passes."""
    began = time.monotonic()
    while not (answer := condition()):
        waited = time.monotonic() - began
        if waited > seconds:
            raise AssertionError(f"{what} did not happen within {seconds} seconds")
        # Seldom, where it takes long: most conditions ask a server, which costs both of them.
        time.sleep(min(max(0.05, waited / 10), 0.2))
    return answer


class RunningSite:
    """One site in a home of its own; its processes are started and stopped one by one."""

    def __init__(self, home: Path, database_url: str | None = None, **settings: str) -> None:
        self.home = self.logs = home
        self.base = f"http://127.0.0.1:{free_port()}"
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MARINEMAP_", "DJANGO_", "CELERY_", "COV_"))
        }
        # As above: what tests how long a request is looked at sets its own.
        own = {"MARINEMAP_HOME": str(home), "MARINEMAP_LOOK_SECONDS": "60"}
        self.environment = inherited | own | settings
        self.environment.pop("DATABASE_URL", None)
        if database_url:
            self.environment["DATABASE_URL"] = database_url
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def manage(self, *arguments: object) -> str:
        """Run a management command to its end; return what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *map(str, arguments)],
            cwd=PROJECT,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start_web(self, name: str = "web") -> None:
        """Start a web server at the site's address and wait until it answers."""
        host, _, port = self.base.removeprefix("http://").partition(":")
        self._start(name, "manage.py", "web", "--host", host, "--port", port)
        wait_for(self._answers, "an answer of the web server")

    def start_worker(self, *options: str, name: str = "worker") -> None:
        """Start a worker by its time-honoured command line and wait until it shows up."""
        command = ["manage.py", "celeryd", "-v", "2", "-l", "DEBUG", "-c", "1", "-E", *options]
        self._start(name, *command)
        wait_for(lambda: self.health().get("workers"), "a sign of life of the worker")

    def start_worker_in(self, namespace: str, database_url: str, *options: str) -> None:
        """Start a worker in a network namespace, from where the database has another address."""
        command = [
            sys.executable,
            "manage.py",
            "celeryd",
            "-c",
            "1",
            "-l",
            "INFO",
            "-n",
            "elsewhere",
        ]
        with (self.logs / "elsewhere.log").open("ab") as log:
            self._processes["elsewhere"] = subprocess.Popen(
                ["ip", "netns", "exec", namespace, *command, "-n", "elsewhere", *options],
                cwd=PROJECT,
                env={**self.environment, "DATABASE_URL": database_url},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_for(lambda: "elsewhere ready." in self.log("elsewhere"), "a worker elsewhere")

    def start_beat(self) -> subprocess.Popen[bytes]:
        """Start a beat of Celery's own beside the site's; it is the caller's to end."""
        command = [sys.executable, "-m", "celery", "-A", "marinemap", "beat", "--loglevel=INFO"]
        with (self.logs / "beat.log").open("wb") as log:
            return subprocess.Popen(
                [*command, "--pidfile="],
                cwd=PROJECT,
                env=self.environment,
                stdout=log,
                stderr=log,
            )

    def pid(self, name: str) -> int:
        """Return the process id of a process."""
        return self._processes[name].pid

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to one process and wait for its end."""
        process = self._processes.pop(name)
        if number == signal.SIGKILL:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        try:
            process.wait(_DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            # It must not outlive the test that it fails.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise

    def stop(self) -> None:
        """Stop every process of the site."""
        for name in list(self._processes):
            # Without its network it waits for the database.
            is_cut_off = name == "elsewhere"
            self.signal(name, signal.SIGKILL if is_cut_off else signal.SIGTERM)

    def log(self, name: str) -> str:
        """Return what a process has printed."""
        return (self.logs / f"{name}.log").read_text(errors="replace")

    def health(self) -> dict[str, Any]:
        """Return the answer of ``/healthz``."""
        answer: dict[str, Any] = requests.get(f"{self.base}/healthz", timeout=60).json()
        return answer

    def _start(self, name: str, *command: str) -> None:
        with (self.logs / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, *command],
                cwd=PROJECT,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _answers(self) -> bool:
        if self._processes["web"].poll() is not None:
            raise AssertionError(f"the web server ended:\n{self.log('web')}")
        try:
            return bool(requests.get(f"{self.base}/healthz", timeout=10).ok)
        except (requests.ConnectionError, requests.Timeout):
            return False


class Client:
    """A person's browser, or a program that keeps cookies."""

    def __init__(self, site: RunningSite) -> None:
        self._base = site.base
        self.session = requests.Session()

    def submit(self, **inputs: Any) -> str:
        """Ask for an extract; return the address of the job."""
        answer = self.post_execution({"inputs": inputs})
        assert answer.status_code == 201, answer.text
        return answer.headers["Location"]

    def post_execution(
        self, body: Any, process: str = "extract", prefer: str = "respond-async"
    ) -> requests.Response:
        """Post an execute request; what may run either way is a job by default, and is run."""
        url = f"{self._base}/api/processes/{process}/execution"
        headers = {"Prefer": prefer, "Cache-Control": "no-cache"}
        return self.session.post(url, json=body, headers=headers, timeout=120)

    def status(self, job: str) -> dict[str, Any]:
        """Return how a job stands."""
        answer = self.session.get(job, timeout=120)
        assert answer.status_code == 200, answer.text
        info: dict[str, Any] = answer.json()
        return info

    def wait(self, job: str, seconds: float = _DEADLINE_SECONDS) -> dict[str, Any]:
        """Return a job once it is finished."""
        ends = ("successful", "failed", "dismissed")
        return wait_for(
            lambda: info if (info := self.status(job))["status"] in ends else None,
            f"the end of {job}",
            seconds,
        )

    def download(self, job: str, folder: Path) -> Path:
        """Fetch the results of a job into a folder."""
        answer = self.session.get(f"{job}/results", timeout=120)
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == "application/zip"
        archive = folder / f"{job.rpartition('/')[2]}.zip"
        archive.write_bytes(answer.content)
        return archive
