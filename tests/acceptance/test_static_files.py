"""Static files as a browser gets them: compressed, and kept for a year."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import requests

from tests.running_site import RunningSite

pytestmark = pytest.mark.parametrize("prepared", ["sqlite"], indirect=True)


def test_static_files_are_fingerprinted_compressed_and_kept(
    make_site: Callable[..., RunningSite],
) -> None:
    site = make_site()
    site.start_web()
    page = requests.get(f"{site.base}/admin/login/", timeout=120)
    (name,) = re.findall(r'href="(/static/admin/css/base\.[0-9a-f]{12}\.css)"', page.text)
    style = requests.get(site.base + name, timeout=120)
    assert style.headers["Content-Encoding"] == "gzip"
    assert style.headers["Cache-Control"] == "max-age=315360000, public, immutable"
    assert page.headers["Content-Encoding"] == "gzip"
