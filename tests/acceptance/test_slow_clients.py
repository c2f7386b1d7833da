"""Slow people hold up nobody: the web server as it ships, with 600 of them."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator

import pytest
import requests

from tests.running_site import RunningSite
from tests.slow_clients import MAKE_JOB, slow_clients, slowest_answer_seconds

MakeSite = Callable[..., RunningSite]

pytestmark = pytest.mark.parametrize("prepared", ["sqlite"], indirect=True)

# Where the slow hold up others, it is until they are given up, after 20 s.
MOST_SECONDS = 15.0


@pytest.fixture(autouse=True)
def many_files() -> Iterator[None]:
    """Let this process hold 600 sockets."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, before[1]), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_stalled_downloads_and_half_sent_requests_hold_up_nobody(make_site: MakeSite) -> None:
    site = make_site()
    job = site.manage("shell", "-v", "0", "-c", MAKE_JOB).split()[-1]
    site.start_web()
    session = requests.Session()
    questions = {
        "health": lambda: requests.get(f"{site.base}/healthz", timeout=120),
        "job": lambda: requests.get(f"{site.base}/api/jobs/{job}", timeout=120),
        "request": lambda: session.post(
            f"{site.base}/api/processes/extract/execution",
            json={"inputs": {"layers": ["reefs"], "area": [0, 40, 5, 45]}},
            timeout=120,
        ),
    }
    path = f"/api/jobs/{job}/results"
    with slow_clients(site.base, downloads=(200, path), half_sent=200):
        took = {name: slowest_answer_seconds(ask) for name, ask in questions.items()}
    assert max(took.values()) < MOST_SECONDS, took
