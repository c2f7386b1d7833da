"""Streams of events on a running site: told as it happens, closed at its end and on a restart."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from tests.running_site import RunningSite

MakeSite = Callable[..., RunningSite]
pytestmark = pytest.mark.parametrize("prepared", ["sqlite"], indirect=True)

_MAKE = """
from marinemap.jobs.models import Job
made = [Job(process_id="echo", owner="browser:x", is_owner_known=False, status="running", attempt=1)
        for _ in range(2)]
Job.objects.bulk_create(made)
print(*[job.pk for job in made])
"""
_END = """
from django.utils import timezone
from marinemap.jobs.models import Job
now = timezone.now()
Job.objects.filter(pk="{}").update(status="successful", finished_at=now, updated_at=now)
"""


def told(lines: Iterator[str]) -> dict[str, Any]:
    """Return the next document of a stream."""
    line = next(line for line in lines if line.startswith("data: "))
    found: dict[str, Any] = json.loads(line.removeprefix("data: "))
    return found


def said(lines: Iterator[str]) -> list[str]:
    """Return what a stream says to its end, but for the signs of life of one that takes long."""
    return [line for line in lines if line and not line.startswith(":")]


def test_change_is_told_as_it_happens_and_streams_end(make_site: MakeSite) -> None:
    site = make_site()
    first, second = site.manage("shell", "-v", "0", "-c", _MAKE).split()
    site.start_web()
    address = f"{site.base}/api/jobs/{first}/events"
    with requests.get(address, stream=True, timeout=120) as stream:
        lines = stream.iter_lines(decode_unicode=True)
        assert told(lines)["status"] == "running"
        site.manage("shell", "-v", "0", "-c", _END.format(first))
        assert told(lines)["status"] == "successful"
        # It ends as an answer in chunks has to: requests would raise otherwise.
        assert said(lines) == []
    with requests.get(f"{site.base}/api/jobs/{second}/events", stream=True, timeout=120) as stream:
        lines = stream.iter_lines(decode_unicode=True)
        assert told(lines)["status"] == "running"
        site.signal("web", signal.SIGTERM)
        assert said(lines) == []
