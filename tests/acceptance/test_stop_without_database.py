"""A worker that is told to end does so, though its database is away."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.running_site import RunningSite, wait_for
from tests.transport.interference import Proxy


@pytest.mark.parametrize("prepared", ["postgresql"], indirect=True)
def test_worker_ends_when_it_is_told_to_though_its_database_is_away(
    make_site: Callable[..., RunningSite],
) -> None:
    """Its heartbeat was sent again and again, and nobody looked whether it should end."""
    site = make_site()
    address, _, name = site.environment["DATABASE_URL"].rpartition("/")
    before, _, port = address.rpartition(":")
    proxy = Proxy(int(port))
    site.environment["DATABASE_URL"] = f"{before}:{proxy.port}/{name}"
    site.start_web()
    site.start_worker()
    # Else it waits for events.
    waits_in = Path("/proc", str(site.pid("worker")), "wchan")
    if waits_in.read_text() == "0":
        pytest.skip("this kernel does not tell what a process waits for")
    proxy.close()
    wait_for(lambda: "nanosleep" in waits_in.read_text(), "a pause between two heartbeats")
    site.signal("worker", signal.SIGTERM)
