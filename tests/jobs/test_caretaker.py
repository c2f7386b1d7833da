"""A caretaker does not hang for ever, and one that is slow to begin is waited for."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from django.db import connection
from django.db.models.functions import Now

from marinemap.jobs import caretaker, lease
from marinemap.jobs.models import BeatSighting
from tests.running_site import PROJECT, RunningSite, wait_for

# As the caretaker's process does with each task of the schedule, its time made shorter.
STORY = """
import threading
from types import SimpleNamespace
from marinemap.jobs import caretaker

caretaker._LONGEST_TASK_SECONDS = 0.5
watch = caretaker._TaskWatch()
watch.begin(SimpleNamespace(name="quick"))
watch.end()
threading.Event().wait(1.5)
print("lives", flush=True)
watch.begin(SimpleNamespace(name="a look at a folder that is away"))
threading.Event().wait()
"""


def test_caretaker_ends_where_a_task_never_returns(tmp_path: Path) -> None:
    """Its worker then starts another, which gets the message again, or the next one."""
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "-v", "0", "-c", STORY],
        cwd=PROJECT,
        env=RunningSite(tmp_path).environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "lives\n"), done.stderr
    assert "a look at a folder that is away hangs" in done.stderr


class _Slow(caretaker._Watch):
    """Starts caretakers that give their first sign of life half a second later."""

    process: subprocess.Popen[bytes] | None = None

    def _launch(self) -> subprocess.Popen[bytes]:
        self.process = subprocess.Popen(["sleep", "600"])
        threading.Timer(0.5, self._show, [self.process]).start()
        return self.process

    def _show(self, process: subprocess.Popen[bytes]) -> None:
        if process.poll() is None:
            name = lease.process_name(process.pid) + "slow"
            BeatSighting.objects.create(name=name, seen_at=Now())
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_caretaker_that_is_slow_to_begin_is_given_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed as silent each time, on a machine under load, a site would be without a schedule."""
    monkeypatch.setattr(caretaker, "_SILENT_AFTER_SECONDS", 0.1)
    monkeypatch.setattr(caretaker, "_LOOK_EVERY_SECONDS", 0.02)
    watch = _Slow([])
    watch.start()
    try:
        # Of one that lives: another may be killed as it shows itself.
        wait_for(lambda: _has_shown_itself(watch.process), "a caretaker's first sign of life")
    finally:
        watch.stop()
        if watch.process is not None:
            watch.process.kill()
        wait_for(lambda: not _watching(), "the end of the watch")


def _has_shown_itself(process: subprocess.Popen[bytes] | None) -> bool:
    if process is None or process.poll() is not None:
        return False
    return BeatSighting.objects.filter(name=lease.process_name(process.pid) + "slow").exists()


def _watching() -> bool:
    return any(thread.name == "caretaker-watch" for thread in threading.enumerate())
