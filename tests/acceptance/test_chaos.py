"""A whole site under faults: each accepted job comes to its right end, and no other answer.

``make test`` causes a few, ``make chaos`` hundreds (``CHAOS_FAULTS``, over both databases).
"""

from __future__ import annotations

import json
import math
import os
import random
import re
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import fiona
import pytest
import requests

from tests.acceptance.faults import WORKERS, Faults
from tests.postgresql import Cluster, make_database
from tests.running_site import Client, RunningSite, wait_for
from tests.transport.interference import FakeClock

FAULTS = int(os.environ.get("CHAOS_FAULTS", "20"))
RATE = os.environ.get("CHAOS_RATE", "1000/s")
SEED = int(os.environ.get("CHAOS_SEED", "1"))
# Names of kinds of faults, divided by commas; by default all kinds.
ONLY = frozenset(filter(None, os.environ.get("CHAOS_ONLY", "").split(",")))
# Good requests are answered so, whatever befalls the site.
ANSWERS = {201, 429, 503}
_WAITING_AT_MOST = 12
# By a slow rate those that wait have to be waited for.
_END_SECONDS = 300.0 if RATE.endswith("/s") else 900.0
_WINDOW_SECONDS = {"s": 1, "m": 60, "h": 3600}
_BEGUN = re.compile(r"^\[(\S+ \S+): .* The rate lets job ", re.MULTILINE)


class Customers:
    """People who go on asking for extracts, and note each answer."""

    def __init__(self, site: RunningSite, seed: int) -> None:
        self._site, self._chance = site, random.Random(seed)
        self.accepted: dict[str, tuple[Client, int]] = {}
        self.answers: Counter[int] = Counter()
        self.without_answer = 0
        self._open: set[str] = set()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def begin(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._is_over.set()
        self._thread.join(300)

    def _ask(self) -> None:
        client = Client(self._site)
        while not self._is_over.wait(0.3):
            if len(self._open) >= _WAITING_AT_MOST:
                self._look()
                self._is_over.wait(1)
                continue
            # One reef in each cell of a degree, of which a row has ten.
            cells = self._chance.randint(1, 10)
            inputs = {"layers": ["reefs"], "area": [0, 41, cells, 42]}
            try:
                answer = client.post_execution({"inputs": inputs})
            except requests.RequestException:
                self.without_answer += 1
                continue
            self.answers[answer.status_code] += 1
            if answer.status_code == 201:
                self.accepted[answer.headers["Location"]] = (client, cells)
                self._open.add(answer.headers["Location"])

    def _look(self) -> None:
        for job in list(self._open):
            client, _ = self.accepted[job]
            try:
                answer = client.session.get(job, timeout=120)
            except requests.RequestException:
                continue
            if answer.ok and answer.json()["status"] not in ("accepted", "running"):
                self._open.discard(job)


@pytest.fixture(params=["sqlite", "postgresql"])
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster | None]:
    """Give a server that may be stopped; None for SQLite."""
    if request.param == "sqlite":
        yield None
        return
    cluster = Cluster.create()
    try:
        yield cluster
    finally:
        cluster.remove()


@pytest.fixture
def clock(cluster: Cluster | None) -> FakeClock | None:
    """Start the server, by a clock that may be set; that of the machine is left alone.

    Not of the site's own processes: under libfaketime each of their `time.sleep` fails.
    """
    if cluster is None:
        return None
    clock = FakeClock(cluster.folder)
    cluster.start(clock.environment)
    cluster.wait_settled()
    return clock


@pytest.fixture
def site(
    cluster: Cluster | None,
    clock: FakeClock | None,
    small_disk: Path | None,
    tmp_path: Path,
    marine_gpkg: Path,
) -> Iterator[RunningSite]:
    """Run a site with two workers, each with a schedule."""
    home = (small_disk or tmp_path) / "home"
    home.mkdir()
    url = make_database(cluster.url("postgres"), "site") if cluster else None
    site = RunningSite(
        home,
        url,
        MARINEMAP_EXTRACT_RATE=RATE,
        MARINEMAP_MIN_FREE_MB="4",
        MARINEMAP_MAX_ATTEMPTS="10",
    )
    # The logs of a long run would fill the small disk.
    site.logs = tmp_path
    site.manage("migrate", "--verbosity", "0")
    site.manage("addlayer", "reefs", marine_gpkg, "--layer", "reefs")
    site.start_web()
    for name in WORKERS:
        site.start_worker("-B", "-n", f"{name}@%h", name=name)
    yield site
    site.stop()


def test_each_accepted_job_comes_to_its_right_end(
    site: RunningSite,
    small_disk: Path | None,
    cluster: Cluster | None,
    clock: FakeClock | None,
    tmp_path: Path,
) -> None:
    chance = random.Random(SEED)
    faults = Faults(site, chance, small_disk, cluster, clock, ONLY)
    customers = Customers(site, SEED)
    customers.begin()
    for number in range(FAULTS // 2):
        time.sleep(chance.uniform(0.5, 3))
        faults.cause(number)
    customers.end()
    told = wait_for(lambda: ended(customers), "the end of every job", _END_SECONDS)
    wait_for(lambda: site.health()["status"] == "ok", "a sound site")
    print(summary(faults, customers, told))
    assert set(customers.answers) <= ANSWERS, customers.answers
    assert len(customers.accepted) >= FAULTS // 4, "too little was asked to put anything to test"
    failed = [info for info in told.values() if info["status"] != "successful"]
    assert not failed, failed
    for job, (client, cells) in customers.accepted.items():
        assert features_of(client.download(job, tmp_path)) == cells
    check_rows(site, faults, customers)
    check_rate(site)
    check_files(site, tmp_path)


def ended(customers: Customers) -> dict[str, dict[str, Any]] | None:
    """Return how each accepted job ended; None while one has not."""
    told = {}
    for job, (client, _) in customers.accepted.items():
        answer = client.session.get(job, timeout=120)
        if not answer.ok or answer.json()["status"] in ("accepted", "running"):
            time.sleep(0.5)
            return None
        told[job] = answer.json()
    return told


def features_of(archive: Path) -> int:
    """Return how many features a whole zip holds, each of its files once."""
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        names = opened.namelist()
    assert len(names) == len(set(names))
    with fiona.open(f"zip://{archive}!reefs.shp") as source:
        return len(source)


ROWS = """
import json
from marinemap.jobs.models import Job
print(json.dumps([
    {"id": str(job.pk), "artifact": job.artifact, "tries": job.attempt - job.put_off}
    for job in Job.objects.all()
]))
"""


def check_rows(site: RunningSite, faults: Faults, customers: Customers) -> None:
    """Check that nothing was stored unasked, and nothing run again without a cause."""
    rows = json.loads(site.manage("shell", "--no-imports", "--command", ROWS))
    accepted = {job.rpartition("/")[2] for job in customers.accepted}
    unasked = {row["id"] for row in rows} - accepted
    # Whoever got no answer at all may have been heard all the same; whoever got 503 was not.
    assert len(unasked) <= customers.without_answer
    assert accepted <= {row["id"] for row in rows}
    assert sum(row["tries"] - 1 for row in rows) <= faults.deaths


def check_rate(site: RunningSite) -> None:
    """Check that no more runs began in any window than the rate lets, by their first lines."""
    most, _, unit = RATE.partition("/")
    logs = "\n".join(site.log(name) for name in WORKERS)
    begun = sorted(datetime.strptime(at, "%Y-%m-%d %H:%M:%S,%f") for at in _BEGUN.findall(logs))
    assert begun, "the workers' logs do not tell when runs begin"
    windows = zip(begun, begun[int(most) :], strict=False)
    spans = [(later - first).total_seconds() for first, later in windows]
    assert min(spans, default=math.inf) >= _WINDOW_SECONDS[unit], sorted(spans)[:5]


CLEAN = """
import json
from marinemap.jobs import orphans
from marinemap.jobs.models import Job
orphans.remove_abandoned(), orphans.remove_orphans()
print(json.dumps([job.artifact for job in Job.objects.exclude(artifact="")]))
"""


def check_files(site: RunningSite, tmp_path: Path) -> None:
    """Check that after a cleaning there is one archive for each job, and nothing else."""
    hour_ago = time.time() - 3600
    for file in [*(site.home / "artifacts").iterdir(), *(site.home / "work").iterdir()]:
        os.utime(file, (hour_ago, hour_ago))
    claimed = json.loads(site.manage("shell", "--no-imports", "--command", CLEAN))
    assert sorted(os.listdir(site.home / "artifacts")) == sorted(claimed)
    assert not os.listdir(site.home / "work")


def summary(faults: Faults, customers: Customers, told: dict[str, dict[str, Any]]) -> str:
    """Return the figures of a run in words."""
    seconds = sorted(lasted(info) for info in told.values())
    middle, late = seconds[len(seconds) // 2], seconds[int(len(seconds) * 0.99)]
    return (
        f"{len(faults.done)} faults {dict(Counter(faults.done))}; answers "
        f"{dict(customers.answers)}, none {customers.without_answer}; jobs took {middle:.1f} s "
        f"(median), {late:.1f} s (99 of 100), {seconds[-1]:.1f} s (longest)"
    )


def lasted(info: dict[str, Any]) -> float:
    ends = datetime.fromisoformat(info["finished"]) - datetime.fromisoformat(info["created"])
    return ends.total_seconds()
