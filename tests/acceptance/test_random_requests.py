"""Requests made from the API's own description, at random: none may end in a fault of the site.

`make test` sends two of each operation, `make fuzz` many: FUZZ_REQUESTS says how many in all,
FUZZ_SECONDS for how long at most.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests.running_site import RunningSite

MakeSite = Callable[..., RunningSite]
CHECKS = "not_a_server_error,content_type_conformance,response_schema_conformance"
MANY = int(os.environ.get("FUZZ_REQUESTS", "0"))
SECONDS = int(os.environ.get("FUZZ_SECONDS", "14400"))
_EACH_ROUND = 50
_TEXT = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}


@pytest.fixture
def site(make_site: MakeSite) -> RunningSite:
    """A site that lets as many jobs wait as are made; no worker takes them."""
    room = dict.fromkeys(["", "_PERSON", "_ADDRESS"], "10000000")
    site = make_site(**{f"MARINEMAP_MAX_WAITING{name}": most for name, most in room.items()})
    site.start_web()
    return site


# PostgreSQL refuses more of what may be asked for than SQLite does: NUL, large numbers.
@pytest.mark.parametrize("prepared", ["postgresql"], indirect=True)
def test_few_random_requests_of_each_operation_are_answered(
    site: RunningSite, tmp_path: Path
) -> None:
    # The same each time: what is found anew is for the long run, and holds up nobody's work.
    sent = send(site, tmp_path, 2, 600, **{"--seed": 1})
    assert sent >= len(operations(site))


@pytest.mark.fuzz
@pytest.mark.skipif(not MANY, reason="for make fuzz: FUZZ_REQUESTS says how many")
def test_many_random_requests_are_answered(site: RunningSite, tmp_path: Path) -> None:
    # In rounds over all operations: when the time is over, none was left out.
    each = max(1, min(_EACH_ROUND, MANY // len(operations(site))))
    sent, until = 0, time.monotonic() + SECONDS
    while sent < MANY and (left := until - time.monotonic()) > 0:
        sent += send(site, tmp_path, each, max(60, int(left)))
    print(f"\n{sent:,} random requests, none answered by 5xx")


def send(site: RunningSite, folder: Path, each: int, seconds: int, **more: int) -> int:
    """Send so many requests of each operation; fail where an answer is wrong; return how many."""
    (folder / "schemathesis.toml").write_text(known_names(site))
    run = [sys.executable, "-m", "schemathesis.cli", "run", f"{site.base}/api/openapi.json"]
    options = {
        "--phases": "fuzzing",
        "--max-examples": each,
        "--checks": CHECKS,
        "--generation-database": "none",
        "--request-timeout": 180,
        # Streams, which go on until their reader leaves.
        "--exclude-path-regex": "/events$",
        "--warnings": "off",
        "--workers": 2,
    } | more
    given = [str(part) for option in options.items() for part in option]
    printed = _ended(subprocess.Popen([*run, *given, "--no-color"], cwd=folder, **_TEXT), seconds)
    found = re.search(r"(\d+) generated, \1 passed", printed)
    assert found, printed[-8000:]
    return int(found[1])


def _ended(process: subprocess.Popen[str], seconds: int) -> str:
    """Return what a program has printed; it is interrupted after some time, and sums up then."""
    try:
        return process.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        # It ends what it has begun first; without its sum there is nothing to tell.
        return process.communicate(timeout=600)[0]
    finally:
        process.kill()


def known_names(site: RunningSite) -> str:
    """Return what a client has found out before: names at random are mostly not there."""
    body = {"inputs": {"message": "a"}}
    headers = {"Prefer": "respond-async"}
    address = f"{site.base}/api/processes/echo/execution"
    job = requests.post(address, json=body, headers=headers, timeout=120).json()["jobID"]
    names = {
        "processId": ["echo", "estimate", "extract"],
        "jobId": [job, "none"],
        "collectionId": ["reefs", "none"],
        "featureId": ["1", "3", "none"],
    }
    lines = [f'"path.{name}" = {json.dumps(values)}' for name, values in names.items()]
    return "\n".join(["[parameters]", *lines])


def operations(site: RunningSite) -> list[str]:
    """Return the operations of the API's description."""
    paths = requests.get(f"{site.base}/api/openapi.json", timeout=120).json()["paths"]
    return [method for path in paths.values() for method in path if method != "parameters"]
