"""A process that is stopped amid a transaction, or whose machine is gone, holds nobody up."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable

import psycopg
import pytest

from tests.running_site import PROJECT, RunningSite

# A site waits for longer: what a busy process does between two statements is no standstill.
_STOPS = """
from marinemap import apps
apps._LONGEST_PAUSE_SECONDS = 2
from django.db import transaction
from marinemap.jobs.models import SiteMark
SiteMark.objects.create(pk=1, mark="held")
with transaction.atomic():
    SiteMark.objects.select_for_update().get()
    print("held", flush=True)
    input()
"""


@pytest.mark.parametrize("prepared", ["postgresql"], indirect=True)
def test_rows_of_a_process_that_was_stopped_are_free_again(
    make_site: Callable[..., RunningSite],
) -> None:
    """Ends of jobs are counted in rows that all workers share: one that was stopped held all up."""
    site = make_site()
    command = [sys.executable, "manage.py", "shell", "--no-imports", "--command", _STOPS]
    process = subprocess.Popen(
        command,
        cwd=PROJECT,
        env=site.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        process.send_signal(signal.SIGSTOP)
        with psycopg.connect(site.environment["DATABASE_URL"], autocommit=True) as other:
            other.execute("SET lock_timeout = '120s'")
            assert other.execute("DELETE FROM jobs_sitemark").rowcount == 1
    finally:
        process.kill()
        process.communicate()
