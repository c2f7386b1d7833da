"""An installation that is started twice at once: each migrates its database."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.running_site import PROJECT, RunningSite

_HOLD = """
from django.db import connection
from marinemap.management.alone import alone_with
with alone_with(connection, print):
    print("held", flush=True)
    input()
"""


def test_who_migrates_waits_for_another(make_site: Callable[..., RunningSite]) -> None:
    site = make_site()
    with _started(site, "shell", "--no-imports", "--command", _HOLD) as another:
        assert another.stdout is not None
        assert another.stdout.readline() == "held\n"
        with _started(site, "migrate", "--verbosity", "0") as migrating:
            assert migrating.stderr is not None
            assert "Another process migrates this database" in migrating.stderr.readline()
            assert migrating.poll() is None
            another.communicate("\n", timeout=180)
            assert migrating.wait(timeout=180) == 0


@contextmanager
def _started(site: RunningSite, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=PROJECT,
        env=site.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()
