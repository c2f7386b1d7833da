"""A worker whose queue fails for a while goes on when it is there again."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.running_site import Client, RunningSite, wait_for
from tests.stopping import stop_between_writes

MakeSite = Callable[..., RunningSite]


def fill(path: Path) -> None:
    """Leave no room on a disk."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(b"\0" * 4096):
            pass


def has_lost_its_lease(home: Path, worker: int) -> bool:
    statement = (
        "SELECT count(*) FROM broker_consumers WHERE process_id = ?"
        " AND lease_expires_at_ms > (julianday('now') - 2440587.5) * 86400000"
    )
    with contextlib.closing(sqlite3.connect(home / "marinemap.sqlite3", timeout=120)) as database:
        return not database.execute(statement, [worker]).fetchone()[0]


def has_come_back(site: RunningSite) -> bool:
    log = site.log("worker")
    return "begins again" in log or "is away" in log or log.count("Connected to ") > 1


def test_worker_survives_a_disk_that_was_full(
    small_disk: Path | None, marine_gpkg: Path, tmp_path: Path
) -> None:
    if small_disk is None:
        pytest.skip("only root may mount a small disk")
    home = small_disk / "home"
    home.mkdir()
    site = RunningSite(home, MARINEMAP_MIN_FREE_MB="4")
    site.logs = tmp_path
    site.manage("migrate", "--verbosity", "0")
    site.manage("addlayer", "reefs", marine_gpkg, "--layer", "reefs")
    try:
        site.start_web()
        site.start_worker("-B")
        worker = site.pid("worker")
        wait_for(lambda: site.health()["status"] == "ok", "a sound site")
        fill(small_disk / "filler")
        wait_for(lambda: site.health()["status"] == "no room", "the news")
        # Longer than anybody's lease lasts: the worker has to connect anew meanwhile.
        stop_between_writes(home / "marinemap.sqlite3", worker)
        try:
            wait_for(lambda: has_lost_its_lease(home, worker), "the end of its lease")
        finally:
            os.kill(worker, signal.SIGCONT)
        wait_for(lambda: has_come_back(site), "a new beginning, or another try")
        (small_disk / "filler").unlink()
        client = Client(site)
        job = client.submit(layers=["reefs"], area=[0, 40, 5, 45])
        assert client.wait(job)["status"] == "successful"
        assert site.pid("worker") == worker
        assert "manage.py" in Path(f"/proc/{worker}/cmdline").read_text()
    finally:
        site.stop()


@pytest.mark.parametrize("prepared", ["sqlite"], indirect=True)
def test_worker_whose_queue_was_gone_goes_on(make_site: MakeSite) -> None:
    site = make_site()
    site.start_web()
    site.start_worker()
    worker = site.pid("worker")
    change(site, "ALTER TABLE broker_messages RENAME TO lost")
    wait_for(lambda: "no such table: broker_messages" in site.log("worker"), "the news")
    change(site, "ALTER TABLE lost RENAME TO broker_messages")
    client = Client(site)
    job = client.submit(layers=["reefs"], area=[0, 40, 5, 45])
    assert client.wait(job)["status"] == "successful"
    assert site.pid("worker") == worker


def change(site: RunningSite, statement: str) -> None:
    path = site.home / "marinemap.sqlite3"
    with contextlib.closing(sqlite3.connect(path, timeout=120)) as database:
        database.execute(statement)
