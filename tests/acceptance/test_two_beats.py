"""Two beats on one database: what the queue has recorded tells that each run was set off once."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import Any

import pytest

from tests.running_site import PROJECT, RunningSite, wait_for

MakeSite = Callable[..., RunningSite]

# A site's beats with a lease of six seconds in place of thirty, so that nobody waits a minute: a
# busy machine may let one wait for half of it.
LEASE_SECONDS = 6
BEAT = f"""
from datetime import timedelta
import marinemap.celery
import django
django.setup()
from marinemap.jobs import lease, schedule
lease._LEASE, lease._RENEW_EVERY_SECONDS = timedelta(seconds={LEASE_SECONDS}), 0.3
schedule._STAND_BY_SECONDS = 0.3
from celery.__main__ import main
main()
"""
# A task each second, which nobody takes from its queue: each message is the record of a run. The
# site's own schedule has it once a day.
PROBE = """
from django_celery_beat.models import IntervalSchedule, PeriodicTask
each, _ = IntervalSchedule.objects.get_or_create(every=1, period="seconds")
PeriodicTask.objects.create(
    name="probe", task="marinemap.jobs.periodic.clear_sessions", interval=each)
"""
LOOK = """
import json, sys
from django.db import connection
from marinemap.transport.publishing.payloads import read_payload
from marinemap.jobs.models import BeatSighting
from django_celery_beat.models import PeriodicTask
for _ in sys.stdin:
    with connection.cursor() as cursor:
        cursor.execute("SELECT published_at_ms, payload FROM broker_messages"
            " WHERE task_name = 'marinemap.jobs.periodic.clear_sessions' ORDER BY id")
        rows = cursor.fetchall()
    sent = [at for at, _ in rows]
    # As Celery names who sent a message: gen4711@host.
    origins = [read_payload(text)["headers"]["origin"] for _, text in rows]
    senders = [int(origin.partition("@")[0].removeprefix("gen")) for origin in origins]
    holder = BeatSighting.objects.filter(is_holder=True).values_list("name", flat=True).first()
    counted = PeriodicTask.objects.get(name="probe").total_run_count
    told = {"sent": sent, "senders": senders, "holder": holder, "counted": counted}
    print(json.dumps(told), flush=True)
"""


class Watched:
    """A site with two beats, and what its database tells of them."""

    def __init__(self, site: RunningSite, looker: subprocess.Popen[str]) -> None:
        self.site = site
        self._looker = looker
        self.beats: dict[int, subprocess.Popen[bytes]] = {}

    def begin(self) -> int:
        command = [sys.executable, "-c", BEAT, "-A", "marinemap", "beat", "--pidfile="]
        with (self.site.home / "beat.log").open("ab") as log:
            beat = subprocess.Popen(
                command, cwd=PROJECT, env=self.site.environment, stdout=log, stderr=log
            )
        self.beats[beat.pid] = beat
        return beat.pid

    def look(self) -> dict[str, Any]:
        assert self._looker.stdin and self._looker.stdout
        self._looker.stdin.write("look\n")
        self._looker.stdin.flush()
        found: dict[str, Any] = json.loads(self._looker.stdout.readline())
        return found

    @property
    def sent(self) -> list[int]:
        return list(self.look()["sent"])

    @property
    def holder(self) -> int | None:
        name = self.look()["holder"]
        return int(str(name).split(":")[1]) if name else None

    def go_on(self, runs: int) -> None:
        """Wait for so many further runs."""
        before = len(self.sent)
        wait_for(lambda: len(self.sent) >= before + runs, f"{runs} further runs")


@pytest.fixture
def watched(make_site: MakeSite) -> Iterator[Watched]:
    site = make_site()
    site.manage("shell", "--no-imports", "--command", PROBE)
    with contextlib.ExitStack() as stack:
        looker = subprocess.Popen(
            [sys.executable, "manage.py", "shell", "--no-imports", "--command", LOOK],
            cwd=PROJECT,
            env=site.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        # Closes its pipes as well, and waits for it.
        stack.enter_context(looker)
        stack.callback(looker.kill)
        found = Watched(site, looker)
        try:
            yield found
        finally:
            for beat in found.beats.values():
                beat.kill()
                beat.wait()


@pytest.mark.parametrize("prepared", ["postgresql"], indirect=True)
def test_each_run_is_set_off_once_whatever_becomes_of_the_beats(watched: Watched) -> None:
    watched.begin()
    watched.begin()
    watched.go_on(4)
    frozen = watched.holder
    assert frozen is not None
    os.kill(frozen, signal.SIGSTOP)
    wait_for(lambda: watched.holder not in (None, frozen), "another beat's turn")
    watched.go_on(3)
    os.kill(frozen, signal.SIGCONT)
    watched.go_on(4)
    killed = watched.holder
    assert killed not in (None, frozen)
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: watched.holder == frozen, "the first beat's turn")
    watched.go_on(4)
    os.kill(frozen, signal.SIGKILL)
    # Nobody follows the schedule for some runs: what was missed is made up for by one.
    wait_for(lambda: time.time() * 1000 - watched.sent[-1] > 8_000, "some missed runs")
    last = watched.begin()
    watched.go_on(4)
    found = watched.look()
    runs = list(zip(found["senders"], found["sent"], strict=True))
    # One after the other: a run of one whose turn is over would lie between those of another.
    turns = [(sender, list(of_one)) for sender, of_one in itertools.groupby(runs, itemgetter(0))]
    assert [sender for sender, _ in turns] == [frozen, killed, frozen, last], runs
    for _, turn in turns:
        # One a second, of which the first may have come late: those that were missed would be
        # several at once.
        assert turn[-1][1] - turn[0][1] > 1_000 * (len(turn) - 1) - 3_500, turn
    assert found["counted"] == len(runs)
