"""Limits hold for requests that come at the same instant, over several web servers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.postgresql import free_port
from tests.running_site import RunningSite

pytestmark = pytest.mark.parametrize("prepared", ["postgresql"], indirect=True)

_MOST, _AT_ONCE = 5, 30


def test_requests_at_once_do_not_pass_a_limit_together(
    make_site: Callable[..., RunningSite],
) -> None:
    site = make_site(MARINEMAP_MAX_WAITING_ADDRESS=str(_MOST), MARINEMAP_MAX_WAITING_PERSON="100")
    site.start_web()
    bases = [site.base]
    host, _, _ = site.base.rpartition(":")
    site.base = f"{host}:{free_port()}"
    site.start_web("web-2")
    bases.append(site.base)

    def ask(number: int) -> int:
        url = f"{bases[number % 2]}/api/processes/echo/execution"
        body = {"inputs": {"message": f"number {number}"}}
        headers = {"Prefer": "respond-async"}
        return requests.post(url, json=body, headers=headers, timeout=180).status_code

    with ThreadPoolExecutor(_AT_ONCE) as clients:
        answers = Counter(clients.map(ask, range(_AT_ONCE)))
    assert answers == {201: _MOST, 429: _AT_ONCE - _MOST}
