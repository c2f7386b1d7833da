"""A caretaker does not hang for ever within a task."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tests.running_site import PROJECT, RunningSite

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
