"""A site with so many workers, and how long these take for requests that come at once."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError

import psycopg

from benchmarks.jobs import get, manage, running_web, stamp
from benchmarks.processes import bound, processor_seconds

# Of a layer of sites: some 25 of 1,000.
SMALL_AREA = [10.0, 35.0, 14.0, 39.0]
_READY_SECONDS, _END_SECONDS = 120, 900
_LOOK_EVERY_SECONDS = 0.2


@dataclass(frozen=True)
class Took:
    """How long jobs took, from the first one's start to the last one's end, and the processors."""

    seconds: float
    processor_seconds: float


def run_site(
    home: Path,
    url: str | None,
    layer: Path,
    workers: int,
    orders: Sequence[dict[str, Any]],
    settings: dict[str, str],
    rounds: int = 1,
) -> Took:
    """Run a new site with so many workers; return how long they took for some orders at once.

    Of several rounds the fastest: others at work on the machine make a round slower, never faster.
    """
    lifted = {
        "MARINEMAP_EXTRACT_RATE": "unlimited",
        "MARINEMAP_MAX_BATCH": "1000",
        "MARINEMAP_MAX_WAITING_PERSON": "1000",
        "MARINEMAP_MAX_WAITING_ADDRESS": "1000",
    }
    with (
        _own_database(url, home.name) as own,
        running_web(home, own, {"sites": layer}, lifted | settings) as web,
        _workers(home, web.environment, web.base, workers) as pids,
    ):
        # What is loaded with the first job is no part of the others.
        _run_batch(web.base, [{**orders[0], "area": SMALL_AREA}] * 2 * workers)
        return min((_round(web.base, pids, orders) for _ in range(rounds)), key=_length)


def _round(base: str, pids: Sequence[int], orders: Sequence[dict[str, Any]]) -> Took:
    before = sum(map(processor_seconds, pids))
    seconds = _run_batch(base, orders)
    return Took(seconds, sum(map(processor_seconds, pids)) - before)


def _length(took: Took) -> float:
    return took.seconds


@contextmanager
def _own_database(url: str | None, name: str) -> Iterator[str | None]:
    """Make a new database on the server of an address; SQLite has one in each home."""
    if url is None:
        yield None
        return
    own = name.lower().replace("-", "_")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {own}")
    yield f"{url.rpartition('/')[0]}/{own}"


@contextmanager
def _workers(home: Path, environment: dict[str, str], base: str, count: int) -> Iterator[list[int]]:
    started = []
    with (home / "log").open("ab") as log:
        for number in range(count):
            name = ("-n", f"worker{number}@%h")
            command = manage("celeryd", "-c", "1", "-l", "WARNING", *name)
            started.append(
                subprocess.Popen(bound(command), env=environment, stdout=log, stderr=log)
            )
    try:
        deadline = time.monotonic() + _READY_SECONDS
        while _count_workers(base) != count:
            if time.monotonic() > deadline:
                raise SystemExit(f"{count} workers did not show themselves")
            time.sleep(_LOOK_EVERY_SECONDS)
        yield [process.pid for process in started]
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(60)


def _count_workers(base: str) -> int | None:
    try:
        return get(f"{base}/healthz").get("workers")
    except URLError:
        return None


def _run_batch(base: str, orders: Sequence[dict[str, Any]]) -> float:
    """Ask for extracts at once; return the seconds from the first start to the last end."""
    body = {"requests": [{"process": "extract", "inputs": order} for order in orders]}
    headers = {"Content-Type": "application/json", "Cache-Control": "no-cache"}
    order = urllib.request.Request(f"{base}/api/batches", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(order, timeout=120) as answer:
        address = answer.headers["Location"]
    address = address if address.startswith("http") else base + address
    deadline = time.monotonic() + _END_SECONDS
    while (told := get(address))["completed"] < len(orders):
        if time.monotonic() > deadline:
            raise SystemExit(f"the jobs did not end: {told['completed']} of {len(orders)} did")
        time.sleep(_LOOK_EVERY_SECONDS)
    if told["succeeded"] < len(orders):
        raise SystemExit(f"of {len(orders)} jobs {told['succeeded']} succeeded")
    begun, ended = ([stamp(job[name]) for job in told["jobs"]] for name in ("started", "finished"))
    return max(ended) - min(begun)
