"""What the tests of the API share: clients, a layer, and posting a request."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from marinemap.catalogue.models import Layer
from marinemap.catalogue.registration import register
from marinemap.jobs import pulse
from marinemap.jobs.models import Job
from marinemap.jobs.tasks import run_job

AREA = {"type": "Polygon", "coordinates": [[[0, 40], [5, 40], [5, 45], [0, 45], [0, 40]]]}
BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64)", "Sec-Fetch-Site": "same-origin"}

Post = Callable[..., Any]


@pytest.fixture(autouse=True)
def patience(patient_reading: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be a part for a machine that is slow; see ``patient_reading``."""
    monkeypatch.setattr("marinemap.catalogue.models.layer.ZONE_SECONDS", 60.0)


@pytest.fixture(autouse=True)
def home(settings: Any, tmp_path: Path) -> Path:
    """Give each test a home of its own, with the folder that WhiteNoise warns of if missing."""
    settings.MARINEMAP_HOME = tmp_path / "home"
    # As on a site for more than one machine.
    settings.MARINEMAP_LIST_BY_ADDRESS = False
    settings.STATIC_ROOT = tmp_path / "home" / "static"
    settings.STATIC_ROOT.mkdir(parents=True)
    return tmp_path / "home"


@pytest.fixture
def reefs(db: None, marine_gpkg: Path) -> Layer:
    """The reefs of the small sea, in the catalogue."""
    return register("reefs", marine_gpkg, "reefs")[0]


@pytest.fixture
def new_client() -> Callable[..., Client]:
    """Make a client as the world has them: CSRF is checked, errors are answered."""

    def make(headers: dict[str, str] | None = None) -> Client:
        return Client(enforce_csrf_checks=True, raise_request_exception=False, headers=headers)

    return make


@pytest.fixture
def post() -> Post:
    """Post an execute request."""

    def send(client: Client, body: Any, process: str = "extract", **options: Any) -> Any:
        content = body if isinstance(body, str | bytes) else json.dumps(body)
        address = f"/api/processes/{process}/execution"
        # What may run either way is a job where these tests follow it.
        headers = {"Prefer": "respond-async"} | (options.pop("headers", None) or {})
        return client.post(
            address, content, content_type="application/json", headers=headers, **options
        )

    return send


def run(job_id: str) -> Job:
    """Run a job as a worker does."""
    with pytest.MonkeyPatch.context() as patch:
        if connection.in_atomic_block:
            # What the test's own transaction holds, the signs of life do not see: to them a run
            # of more than half a second had lost its job.
            patch.setattr(pulse, "_LOOK_EVERY_SECONDS", 3600.0)
        run_job.apply(args=[job_id]).get()
    return Job.objects.get(pk=job_id)
