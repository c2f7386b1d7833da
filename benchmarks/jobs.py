"""What a job costs beside the engine: from the request to the last byte of the results.

``python -m benchmarks jobs [--jobs 40]``. A whole site (web server, one worker, SQLite and, where
it is installed, PostgreSQL), the rate lifted, one small extract after another.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.broker_servers import MissingServerError, find_free_port, run_postgresql
from benchmarks.machine import describe_machine
from benchmarks.processes import bound
from benchmarks.sites import make_layer
from marinemap.extraction import ExtractionRequest, SourceLayer, extract

_PROJECT = Path(__file__).resolve().parents[1]
_FEATURES = 1_000
_AREA = [10.0, 35.0, 14.0, 39.0]
_MOST_BESIDE_MS = 150
_READY_SECONDS = 60
PARTS = ("answer to POST", "wait for a worker", "run", "news of the end", "results")


def main() -> None:
    """Print the medians of each part, and hold their sum without the engine against 150 ms."""
    parser = argparse.ArgumentParser(prog=sys.argv[0])
    parser.add_argument("--jobs", type=int, default=40, help="how many, by default 40")
    jobs = parser.parse_args().jobs
    with tempfile.TemporaryDirectory(prefix="marinemap-jobs-") as folder:
        home = Path(folder)
        # PostgreSQL has a user of its own.
        home.chmod(0o755)
        print(*describe_machine(home, ["celery", "django"]), sep="\n")
        layer = make_layer(home / "layer.gpkg", _FEATURES)
        engine_ms = measure_engine(layer, home, jobs)
        print(f"\n  the engine alone: {engine_ms:.0f} ms; medians of {jobs} jobs, ms")
        for name, url in databases(home):
            report(name, measure(home / name, url, layer, jobs), engine_ms)


def databases(home: Path) -> Iterator[tuple[str, str | None]]:
    """Yield the databases that are here, PostgreSQL while it runs."""
    yield "SQLite", None
    try:
        with run_postgresql(home / "server") as port:
            yield "PostgreSQL", f"postgresql://postgres@127.0.0.1:{port}/postgres"
    except MissingServerError as missing:
        print(f"  not measured: {missing}")


def measure_engine(layer: Path, folder: Path, jobs: int) -> float:
    """Return the median time of the extract itself, ms."""
    source = SourceLayer(name="sites", path=layer)
    request = ExtractionRequest(layers=[source], area=_AREA, destination=folder / "alone.zip")
    return median(_timed(lambda: extract(request))[0] for _ in range(jobs))


def measure(home: Path, url: str | None, layer: Path, jobs: int) -> dict[str, float]:
    """Return the median time of each part of a job, ms."""
    with running_site(home, url, layer) as base:
        one_job(base)
        found = [one_job(base) for _ in range(jobs)]
    return {part: median(job[part] for job in found) for part in PARTS}


def report(name: str, parts: dict[str, float], engine_ms: float) -> None:
    """Print one database's figures."""
    beside = sum(parts.values()) - engine_ms
    told = ", ".join(f"{part} {parts[part]:.0f}" for part in PARTS)
    verdict = "met" if beside <= _MOST_BESIDE_MS else "MISSED"
    print(f"  {name}: {told}")
    print(f"  {name}: beside the engine {beside:.0f} ms, at most {_MOST_BESIDE_MS}: {verdict}")


def one_job(base: str) -> dict[str, float]:
    """Ask for one extract, follow it, read its results; return what each part took, ms."""
    body = json.dumps({"inputs": {"layers": ["sites"], "area": _AREA}}).encode()
    headers = {"Content-Type": "application/json", "Cache-Control": "no-cache"}
    order = urllib.request.Request(f"{base}/api/processes/extract/execution", body, headers)
    post_ms, answer = _timed(lambda: json.load(urllib.request.urlopen(order, timeout=60)))
    job = f"{base}/api/jobs/{answer['jobID']}"
    while (info := get(job))["status"] != "successful":
        if info["status"] == "failed":
            raise SystemExit(f"the job failed: {info['message']}")
        time.sleep(0.002)
    seen_at = time.time()
    read_ms, _ = _timed(lambda: urllib.request.urlopen(f"{job}/results", timeout=60).read())
    created, started, finished = (stamp(info[n]) for n in ("created", "started", "finished"))
    waited = max(0.0, started - created - post_ms / 1000)
    times = (post_ms, waited * 1000, (finished - started) * 1000, (seen_at - finished) * 1000)
    return dict(zip(PARTS, (*times, read_ms), strict=True))


@contextmanager
def running_site(home: Path, url: str | None, layer: Path) -> Iterator[str]:
    """Run web server and worker; yield where they answer."""
    with running_web(home, url, {"sites": layer}) as web, running_worker(home, web):
        yield web.base


@dataclass(frozen=True)
class Web:
    """The web server of a site: where it answers, its process, and the site's environment."""

    base: str
    pid: int
    environment: dict[str, str]


@contextmanager
def running_web(
    home: Path, url: str | None, layers: dict[str, Path], settings: Mapping[str, str] | None = None
) -> Iterator[Web]:
    """Run the web server of a new site."""
    home.mkdir()
    environment = {
        **{name: text for name, text in os.environ.items() if not name.startswith("MARINEMAP_")},
        **({"DATABASE_URL": url} if url else {}),
        "MARINEMAP_HOME": str(home),
        "MARINEMAP_EXTRACT_RATE": "1000/s",
        **(settings or {}),
    }
    added = [["addlayer", name, str(path)] for name, path in layers.items()]
    for command in (["migrate", "--verbosity", "0"], *added):
        subprocess.run(manage(*command), env=environment, check=True, stdout=subprocess.DEVNULL)
    port = find_free_port()
    web = manage("web", "--host", "127.0.0.1", "--port", str(port))
    with (home / "log").open("ab") as log:
        process = subprocess.Popen(bound(web), env=environment, stdout=log, stderr=log)
    try:
        yield Web(f"http://127.0.0.1:{port}", process.pid, environment)
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def running_worker(home: Path, web: Web) -> Iterator[None]:
    """Run a worker of a site; it has shown itself."""
    with (home / "log").open("ab") as log:
        worker = subprocess.Popen(
            bound(worker_command()), env=web.environment, stdout=log, stderr=log
        )
    try:
        wait_for_worker(web.base)
        yield
    finally:
        worker.terminate()
        worker.wait(60)


def worker_command() -> list[str]:
    """Return the command line of a worker that does one job at a time."""
    return manage("celeryd", "-c", "1", "-l", "WARNING")


def manage(*arguments: str) -> list[str]:
    """Return the command line of a management command."""
    return [sys.executable, str(_PROJECT / "manage.py"), *arguments]


def wait_for_worker(base: str) -> None:
    """Wait until a worker has shown itself."""
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        try:
            if get(f"{base}/healthz").get("workers"):
                return
        except urllib.error.URLError:
            pass
        time.sleep(0.1)
    raise SystemExit(f"the site did not answer within {_READY_SECONDS} s")


def get(address: str) -> dict[str, Any]:
    """Return a document of the API."""
    answer: dict[str, Any] = json.load(urllib.request.urlopen(address, timeout=60))
    return answer


def stamp(text: str) -> float:
    """Return a time of the API as seconds."""
    return datetime.fromisoformat(text).timestamp()


def _timed(call: Any) -> tuple[float, Any]:
    start = time.perf_counter()
    answer = call()
    return (time.perf_counter() - start) * 1000, answer
