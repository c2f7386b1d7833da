"""pygeoapi, which the API is measured beside: in an environment of its own, behind gunicorn."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.broker_servers import find_free_port, wait_until
from benchmarks.processes import bound

_PACKAGES = ("pygeoapi", "gunicorn", "gevent")
# Its extra installs what workers of that kind need besides.
_INSTALLED = ("pygeoapi", "gunicorn[gevent]")
_START_SECONDS = 60


@dataclass(frozen=True)
class Server:
    """A server that runs, by its address and its process."""

    base: str
    pid: int


def prepare(folder: Path) -> Path:
    """Return the programs of an environment with the newest pygeoapi, made on first use."""
    place = folder / f"pygeoapi-{sys.version_info[0]}.{sys.version_info[1]}"
    programs = place / "bin"
    if not (programs / "gunicorn").exists():
        venv.create(place, with_pip=True)
    install = [str(programs / "python"), "-m", "pip", "install", "-q", "--upgrade", *_INSTALLED]
    subprocess.run(install, check=True, capture_output=True)
    return programs


def version_of(programs: Path) -> str:
    """Return what the peer's packages are."""
    listed = subprocess.run(
        [str(programs / "python"), "-m", "pip", "freeze"],
        check=True,
        capture_output=True,
        text=True,
    )
    found = [line for line in listed.stdout.split() if line.partition("==")[0] in _PACKAGES]
    return ", ".join(line.replace("==", " ") for line in found)


@contextmanager
def running(programs: Path, folder: Path, points: Path) -> Iterator[Server]:
    """Run one process of gunicorn with the workers of pygeoapi's own Docker image (gevent)."""
    folder.mkdir()
    port = find_free_port()
    base = f"http://127.0.0.1:{port}"
    config = folder / "pygeoapi.yml"
    # JSON is YAML.
    config.write_text(json.dumps(_configuration(base, folder, points)))
    described = folder / "openapi.yml"
    environment = os.environ | {"PYGEOAPI_CONFIG": str(config), "PYGEOAPI_OPENAPI": str(described)}
    generate = ["openapi", "generate", str(config), "--output-file", str(described)]
    subprocess.run(
        [str(programs / "pygeoapi"), *generate], env=environment, check=True, capture_output=True
    )
    serve = ["--workers", "1", "--worker-class", "gevent", "--bind", f"127.0.0.1:{port}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            bound([str(programs / "gunicorn"), *serve, "pygeoapi.flask_app:APP"]),
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(lambda: _answers(base), "pygeoapi does not answer")
        yield Server(base, process.pid)
    finally:
        process.terminate()
        process.wait(_START_SECONDS)


def one_job(server: Server) -> str:
    """Run a process as a job; return its path once it is done."""
    address = f"{server.base}/processes/hello-world/execution"
    body = json.dumps({"inputs": {"name": "MarineMap"}}).encode()
    headers = {"Content-Type": "application/json", "Prefer": "respond-async"}
    with urllib.request.urlopen(urllib.request.Request(address, body, headers)) as answer:
        path = f"/jobs/{answer.headers['Location'].rpartition('/')[2]}"
    deadline = time.monotonic() + _START_SECONDS
    while _get(f"{server.base}{path}?f=json")["status"] != "successful":
        if time.monotonic() > deadline:
            raise SystemExit("pygeoapi's job did not end")
        time.sleep(0.05)
    return path


def _get(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=10) as answer:
        return json.load(answer)


def _answers(base: str) -> bool:
    try:
        return bool(_get(f"{base}/?f=json"))
    except OSError:
        return False


def _configuration(base: str, folder: Path, points: Path) -> dict[str, Any]:
    layer = {
        "type": "collection",
        "title": "Sites",
        "description": "Points",
        "keywords": ["sites"],
        "links": [],
        "extents": {"spatial": {"bbox": [-180, -90, 180, 90]}},
        "providers": [
            {"type": "feature", "name": "GeoJSON", "data": str(points), "id_field": "site_id"}
        ],
    }
    person = {"name": "Benchmark", "url": base}
    return {
        "server": {
            "bind": {"host": "127.0.0.1", "port": int(base.rpartition(":")[2])},
            "url": base,
            "mimetype": "application/json; charset=UTF-8",
            "encoding": "utf-8",
            "gzip": False,
            "languages": ["en-US"],
            "limits": {"default_items": 100, "max_items": 5000},
            "map": {"url": f"{base}/{{z}}/{{x}}/{{y}}", "attribution": "none"},
            "manager": {
                "name": "TinyDB",
                "connection": str(folder / "jobs.json"),
                "output_dir": str(folder),
            },
        },
        "logging": {"level": "ERROR"},
        "metadata": {
            "identification": {
                "title": "MarineMap's peer",
                "description": "The same layer",
                "keywords": ["sites"],
                "keywords_type": "theme",
                "terms_of_service": "none",
                "url": base,
            },
            "license": {"name": "none", "url": base},
            "provider": person,
            "contact": person,
        },
        "resources": {
            # As many layers as the site beside it has.
            "sites": layer,
            "million": layer,
            "hello-world": {"type": "process", "processor": {"name": "HelloWorld"}},
        },
    }
