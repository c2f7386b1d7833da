"""The schedule of a running site: beside long jobs, and whatever becomes of its process."""

from __future__ import annotations

import os
import signal
import socket
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from marinemap.processes.process import SHORT_SECONDS
from tests.process_tree import children_of, command_of
from tests.running_site import Client, RunningSite, wait_for
from tests.slow_source import held_open
from tests.stopping import stop_between_writes

MakeSite = Callable[..., RunningSite]

# Half of the caretaker's tests wait for a lease of 30 s; one database shows it.
one_database = pytest.mark.parametrize("prepared", ["sqlite"], indirect=True)


def caretaker_of(site: RunningSite) -> int | None:
    """Return the process id of the caretaker of a site's worker, None while there is none."""
    worker = site.pid("worker")
    mark = f"--caretaker-of={worker}".encode()
    return next((child for child in children_of(worker) if mark in command_of(child)), None)


def start(make_site: MakeSite, **settings: str) -> RunningSite:
    site = make_site(**settings)
    site.start_web()
    site.start_worker("-B")
    wait_for(lambda: site.health()["status"] == "ok", "a schedule that is followed")
    return site


# As an administrator who has not half a minute, nor ten.
SOONER = """
from django_celery_beat.models import IntervalSchedule, PeriodicTask
soon, _ = IntervalSchedule.objects.get_or_create(every=5, period="seconds")
names = ("clean up temporary files", "remove expired artifacts")
for entry in PeriodicTask.objects.filter(name__in=names):
    entry.interval = soon
    entry.save()
"""


def test_cleaning_and_short_jobs_go_on_beside_a_long_job(
    running_site: RunningSite, marine_gpkg: Path
) -> None:
    """An echo that paused held the only worker, and used up starts of the extraction's rate."""
    site = running_site
    site.manage("shell", "--no-imports", "--command", SOONER)
    client = Client(site)
    with held_open(marine_gpkg):
        job = client.submit(layers=["reefs"], area=[0, 40, 5, 45])
        wait_for(lambda: client.status(job)["status"] == "running", "the start of the long job")
        body = {"inputs": {"message": "short", "pause": SHORT_SECONDS}}
        short = [client.post_execution(body, process="echo").headers["Location"] for _ in range(3)]
        abandoned = site.home / "work" / f"{uuid.uuid4()}-1"
        abandoned.mkdir(parents=True)
        hour_ago = time.time() - 3600
        os.utime(abandoned, (hour_ago, hour_ago))
        assert client.wait(short[0])["status"] == "successful"
        wait_for(lambda: not abandoned.exists(), "the cleaning")
        assert client.status(job)["status"] == "running"
    assert client.wait(job)["status"] == "successful"
    assert [client.wait(one)["status"] for one in short] == ["successful"] * 3


# A job whose worker died an hour ago, with the schedule of an administrator who has not half a
# minute.
STALL = """
from datetime import timedelta
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from marinemap.jobs.models import Job, JobDocuments
hour_ago = timezone.now() - timedelta(hours=1)
job = Job.objects.create(process_id="echo", owner="nobody", status="running", attempt=1,
    created_at=hour_ago, started_at=hour_ago, alive_at=hour_ago)
JobDocuments.objects.create(job=job, inputs={"message": "stalled", "pause": 0})
soon, _ = IntervalSchedule.objects.get_or_create(every=5, period="seconds")
for entry in PeriodicTask.objects.filter(name__in=("queue stalled jobs again",
        "clean up temporary files")):
    entry.interval = soon
    entry.save()
"""
STATUS = "from marinemap.jobs.models import Job; print(Job.objects.get(owner='nobody').status)"


@one_database
def test_mute_receivers_hold_up_neither_cleaning_nor_rescue(make_site: MakeSite) -> None:
    """So many that accept and never answer that one after the other is longer than is waited."""
    room = {"MARINEMAP_MAX_WAITING_PERSON": "100", "MARINEMAP_MAX_WAITING_ADDRESS": "100"}
    site = start(make_site, MARINEMAP_CALLBACK_PRIVATE="1", **room)
    client = Client(site)
    with ExitStack() as mute:
        # Two calls each, of 5 s.
        for number in range(1, 25):
            address = (f"127.0.0.{number}", 0)
            receiver = mute.enter_context(socket.create_server(address))
            uri = f"http://{address[0]}:{receiver.getsockname()[1]}/"
            subscriber = {"successUri": uri, "inProgressUri": uri}
            body = {"inputs": {"message": "x"}, "subscriber": subscriber}
            job = client.post_execution(body, process="echo").headers["Location"]
        assert client.wait(job)["status"] == "successful"
        # The last one is being called: by now all are, or wait for their turn.
        receiver.settimeout(120)
        mute.enter_context(receiver.accept()[0])
        abandoned = site.home / "work" / f"{uuid.uuid4()}-1"
        abandoned.mkdir(parents=True)
        os.utime(abandoned, (0, 0))
        site.manage("shell", "--no-imports", "--command", STALL)
        wait_for(lambda: not abandoned.exists(), "the cleaning")
        wait_for(
            lambda: "successful" in site.manage("shell", "--no-imports", "--command", STATUS),
            "the rescue",
        )


def test_what_a_killed_run_left_is_removed_though_the_schedule_was_killed_too(
    running_site: RunningSite,
) -> None:
    site = running_site
    first = wait_for(lambda: caretaker_of(site) or 0, "a caretaker")
    os.kill(first, signal.SIGKILL)
    folder = site.home / "work" / f"{uuid.uuid4()}-1"
    partial = site.home / "artifacts" / f".{uuid.uuid4()}-1.zip.4711.partial"
    folder.mkdir(parents=True)
    partial.parent.mkdir(exist_ok=True)
    partial.write_bytes(b"PK")
    hour_ago = time.time() - 3600
    for left in (folder, partial):
        os.utime(left, (hour_ago, hour_ago))
    site.manage("shell", "--no-imports", "--command", SOONER)
    wait_for(lambda: not folder.exists() and not partial.exists(), "the cleaning")
    assert caretaker_of(site) not in (None, first)
    wait_for(lambda: site.health()["status"] == "ok", "a schedule that is followed again")


@one_database
def test_frozen_schedule_is_told_and_replaced(running_site: RunningSite) -> None:
    site = running_site
    first = wait_for(lambda: caretaker_of(site) or 0, "a caretaker")
    stop_between_writes(site.home / "marinemap.sqlite3", first)
    wait_for(lambda: site.health()["status"] == "no schedule", "the news")
    wait_for(lambda: caretaker_of(site) not in (None, first), "another caretaker")
    wait_for(lambda: site.health()["status"] == "ok", "a schedule that is followed again")


@pytest.mark.parametrize("prepared", ["postgresql"], indirect=True)
def test_beat_that_is_told_to_end_amid_a_statement_ends(make_site: MakeSite) -> None:
    site = make_site()
    with psycopg.connect(site.environment["DATABASE_URL"]) as other:
        other.execute("LOCK TABLE jobs_beatsighting IN ACCESS EXCLUSIVE MODE")
        beat = site.start_beat()
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        wait_for(lambda: other.execute(waiting).fetchone() != (0,), "a statement that waits")
        beat.send_signal(signal.SIGTERM)
        try:
            beat.wait(120)
        finally:
            beat.kill()
            beat.wait()


@one_database
def test_caretaker_that_cannot_be_started_is_tried_again(make_site: MakeSite) -> None:
    site = make_site()
    site.start_web()
    # The first processes that the worker asks for are refused, as where there are too many.
    (site.home / "sitecustomize.py").write_text(_REFUSING)
    site.environment["PYTHONPATH"] = str(site.home)
    site.start_worker("-B")
    wait_for(lambda: "A caretaker cannot be started now" in site.log("worker"), "the refusal")
    wait_for(lambda: site.health()["status"] == "ok", "a schedule that is followed")


_REFUSING = """
import errno, subprocess
start = subprocess.Popen.__init__

def refuse(self, command, *arguments, **options):
    if any("--caretaker-of" in str(part) for part in command):
        subprocess.Popen.__init__ = start
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
    start(self, command, *arguments, **options)

subprocess.Popen.__init__ = refuse
"""
