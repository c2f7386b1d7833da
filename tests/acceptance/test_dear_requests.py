"""The dearest valid requests cost their senders their turn, and nobody else anything."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable
from typing import Any

import pytest
import requests

from tests.running_site import RunningSite
from tests.slow_clients import slowest_answer_seconds

MakeSite = Callable[..., RunningSite]

pytestmark = pytest.mark.parametrize("prepared", ["sqlite"], indirect=True)


# As long as people wait for a page; a busy machine is no fault.
MOST_SECONDS = 10.0
JSON = {"Content-Type": "application/json"}


def comb(teeth: int) -> dict[str, Any]:
    """A valid polygon of thin teeth over the small sea; their boxes do not overlap."""
    step = 10 / teeth
    ring = [[0.0, 40.0]]
    for tooth in range(teeth):
        west = tooth * step
        ring += [[west, 50.0], [west + step / 4, 50.0], [west + step / 4, 40.1]]
        ring += [[west + step, 40.1]]
    ring += [[10.0, 40.0], [0.0, 40.0]]
    return {"type": "Polygon", "coordinates": [[[round(x, 7), y] for x, y in ring]]}


def wavy(corners: int) -> dict[str, Any]:
    """A valid polygon with a long wavy side."""
    ring = [[10 * i / corners, 45 + math.sin(i / 3)] for i in range(corners)]
    ring += [[10.0, 40.0], [0.0, 40.0], ring[0]]
    return {"type": "Polygon", "coordinates": [[[round(x, 7), round(y, 7)] for x, y in ring]]}


def _body(area: dict[str, Any]) -> bytes:
    return json.dumps({"inputs": {"layers": ["reefs"], "area": area}}).encode()


def test_two_combs_at_once_leave_the_site_answering(make_site: MakeSite) -> None:
    site = make_site(MARINEMAP_LOOK_SECONDS="3")
    site.start_web()
    answers: list[requests.Response] = []

    def send(process: str, body: bytes) -> None:
        url = f"{site.base}/api/processes/{process}/execution"
        answers.append(requests.post(url, data=body, headers=JSON, timeout=240))

    dear = [
        ("estimate", _body(comb(20_000))),
        ("estimate", _body(wavy(150_000))),
        ("extract", _body(comb(20_000))),
    ]
    threads = [threading.Thread(target=send, args=one) for one in dear]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        ask = lambda: requests.get(f"{site.base}/healthz", timeout=120)  # noqa: E731
        assert slowest_answer_seconds(ask) < MOST_SECONDS
    assert {answer.status_code for answer in answers} <= {200, 201, 400, 503}
    for answer in answers:
        assert answer.status_code < 400 or answer.json()["detail"], answer.text
