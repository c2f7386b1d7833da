"""A running job outlives its database connections: it ends right, and is run once."""

from __future__ import annotations

import time
from collections.abc import Callable

import psycopg
import pytest

from tests.running_site import Client, RunningSite, wait_for

pytestmark = pytest.mark.parametrize("prepared", ["postgresql"], indirect=True)

_JOB_SECONDS = 5

_CUT = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND datname = current_database()
"""
_ROWS = "SELECT attempt, put_off FROM jobs_job"


def test_job_whose_connections_are_cut_is_run_once(make_site: Callable[..., RunningSite]) -> None:
    site = make_site()
    site.start_web()
    site.start_worker("-B")
    client = Client(site)
    body = {"inputs": {"message": "long", "pause": _JOB_SECONDS}}
    job = client.post_execution(body, process="echo").headers["Location"]
    wait_for(lambda: client.status(job)["status"] == "running", "the start of the job")
    with psycopg.connect(site.environment["DATABASE_URL"], autocommit=True) as other:
        # Amid the run, and about its end.
        ends_at = time.monotonic() + _JOB_SECONDS + 3
        while time.monotonic() < ends_at:
            other.execute(_CUT)
            time.sleep(1)
        assert client.wait(job)["status"] == "successful"
        assert other.execute(_ROWS).fetchall() == [(1, 0)]
