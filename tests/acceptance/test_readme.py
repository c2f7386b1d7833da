"""What the README shows is run as it stands there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.running_site import PROJECT, Client, RunningSite

MakeSite = Callable[..., RunningSite]

pytestmark = pytest.mark.parametrize("prepared", ["sqlite"], indirect=True)


def test_curl_request_of_the_readme_makes_a_job_that_succeeds(make_site: MakeSite) -> None:
    site = make_site()
    site.start_web()
    site.start_worker()
    command = _block("sh", "curl").replace("http://127.0.0.1:8000", site.base)
    answer = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    head, _, body = answer.stdout.replace("\r\n", "\n").partition("\n\n")
    assert head.startswith("HTTP/1.1 201 Created")
    shown = set(re.findall(r'"(\w+)":', _block("http", "HTTP/1.1 201")))
    assert shown <= set(json.loads(body))
    location = re.search(r"^Location: (\S+)$", head, re.MULTILINE | re.IGNORECASE)
    assert location is not None
    assert Client(site).wait(location[1])["status"] == "successful"


def test_python_snippet_of_the_readme_runs(make_site: MakeSite) -> None:
    site = make_site()
    script = _block("python", "get_shps") + "\nprint(len(geometries), task.result == geometries)"
    eager = site.environment | {"CELERY_TASK_ALWAYS_EAGER": "1"}
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "--command", script],
        cwd=PROJECT,
        env=eager,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    # Ports stand in the middle of each cell of one degree: five by three lie within.
    assert done.stdout.split() == ["15", "True"]


def _block(language: str, having: str) -> str:
    text = (PROJECT / "README.md").read_text()
    blocks = re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return next(block for block in blocks if having in block)
