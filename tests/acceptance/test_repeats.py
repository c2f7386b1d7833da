"""A request that is sent several times at once under one key is one job, on each database."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import requests

from tests.running_site import RunningSite

MakeSite = Callable[..., RunningSite]


def test_same_key_at_once_is_one_job(make_site: MakeSite) -> None:
    site = make_site()
    site.start_web()
    address = f"{site.base}/api/processes/extract/execution"
    body = {"inputs": {"layers": ["reefs"], "area": [0, 40, 5, 45]}}

    def send(number: int) -> requests.Response:
        key = {"Idempotency-Key": f"key {number % 5}"}
        return requests.post(address, json=body, headers=key, timeout=180)

    with ThreadPoolExecutor(8) as several:
        answers = list(several.map(send, sorted(range(40), key=lambda number: number % 5)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.headers["Location"] for answer in answers}) == 5
