"""Requests that programs send without meaning what they say."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests

from tests.running_site import RunningSite

pytestmark = pytest.mark.parametrize("prepared", ["sqlite"], indirect=True)


def test_charset_of_a_body_says_nothing_of_the_address(
    make_site: Callable[..., RunningSite],
) -> None:
    """Apache's HttpClient names ISO-8859-1 by itself; what is no coding of texts was a 500."""
    site = make_site()
    site.start_web()
    asked = f"{site.base}/api/areas?title=%C3%8Ele"
    for charset in ("ISO-8859-1", "rot13"):
        kind = {"Content-Type": f"text/plain; charset={charset}"}
        made = requests.post(asked, "POLYGON ((0 0, 1 0, 1 1, 0 0))", headers=kind, timeout=120)
        assert made.status_code == 201, made.content
        assert made.json()["properties"]["title"] == "Île"
