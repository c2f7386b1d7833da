"""Results that lie in a storage: links to them, and what is answered here."""

from __future__ import annotations

import contextlib
import json
import socket
import uuid
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.contrib.auth.models import User
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from marinemap.api.models import SharedResult
from marinemap.api.processes.jobs import answer_results
from marinemap.jobs import expiry, site_mark
from marinemap.jobs.models import Job, JobDocuments
from marinemap.jobs.storage import site_bucket, trouble_of
from tests.storage_server import make_bucket, storage_at

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("patient_looks")]


@pytest.fixture
def storage(settings: Any, storage_server: str) -> dict[str, Any]:
    name = f"bucket-{uuid.uuid4()}"
    make_bucket(storage_server, name)
    settings.MARINEMAP_STORAGE = storage_at(storage_server, name)
    assert site_mark.claim() is None
    return settings.MARINEMAP_STORAGE


@pytest.fixture
def client(new_client: Callable[..., Client]) -> Client:
    return new_client()


@pytest.fixture
def job(storage: Any, tmp_path: Path) -> Job:
    """A job that is done, whose archive lies in the bucket."""
    now = timezone.now()
    job = Job.objects.create(
        process_id="extract",
        owner="browser:nobody",
        is_owner_known=False,
        attempt=1,
        status="successful",
        media_type="application/zip",
        file_name="Récif.zip",
        finished_at=now,
        expires_at=now + timedelta(days=1),
    )
    JobDocuments.objects.create(job=job, inputs={})
    path = tmp_path / f"{job.pk}-1.zip"
    report = {"area": {"notes": []}, "missing": [], "layers": [{"name": "reefs"}]}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("README.txt", "What it holds: reefs")
        archive.writestr("report.json", json.dumps(report))
    bucket = site_bucket()
    assert bucket is not None
    bucket.upload(path, lambda fraction: None)
    Job.objects.update(artifact=path.name, artifact_bytes=path.stat().st_size)
    return Job.objects.get()


def count_connections(server: socket.socket) -> int:
    """Count those that have come and were not taken yet."""
    server.setblocking(False)
    count = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            server.accept()[0].close()
            count += 1
    return count


def results(job: Job) -> str:
    return f"/api/jobs/{job.pk}/results"


def test_download_is_a_link_that_names_the_file(client: Client, job: Job) -> None:
    answer = client.get(results(job))
    assert (answer.status_code, answer["Cache-Control"]) == (302, "private, no-store")
    file = requests.get(answer["Location"], timeout=120)
    assert (file.status_code, len(file.content)) == (200, job.artifact_bytes)
    assert file.headers["Content-Type"] == "application/zip"
    assert "filename*=utf-8''R%C3%A9cif.zip" in file.headers["Content-Disposition"]
    part = requests.get(answer["Location"], headers={"Range": "bytes=0-3"}, timeout=120)
    assert (part.status_code, part.content) == (206, b"PK\x03\x04")
    output = client.get(f"{results(job)}/archive")
    assert (output.status_code, "X-Amz-Signature" in output["Location"]) == (302, True)


def test_head_and_conditions_are_answered_here(client: Client, job: Job) -> None:
    head = client.head(results(job))
    assert (head.status_code, head.content) == (200, b"")
    assert head["Content-Length"] == str(job.artifact_bytes)
    assert (head["Accept-Ranges"], head["Content-Type"]) == ("bytes", "application/zip")
    assert "R%C3%A9cif.zip" in head["Content-Disposition"]
    sent = requests.get(client.get(results(job))["Location"], timeout=120)
    assert (head["ETag"], head["Last-Modified"]) == (
        sent.headers["ETag"],
        sent.headers["Last-Modified"],
    )
    for method in (client.get, client.head):
        known = method(results(job), headers={"If-None-Match": head["ETag"]})
        assert (known.status_code, "Location" in known) == (304, False)
        other = method(results(job), headers={"If-Match": '"other"'})
        assert other.status_code == 412


def test_link_of_a_share_ends_with_it(client: Client, job: Job) -> None:
    made = client.post(f"/api/jobs/{job.pk}/share?days=1")
    assert made.status_code == 201, made.content
    address = urlsplit(made.json()["href"]).path
    shared = Client().get(address)
    assert shared.status_code == 302
    assert requests.get(shared["Location"], timeout=120).content[:2] == b"PK"
    SharedResult.objects.update(expires_at=timezone.now() + timedelta(seconds=20))
    asked = parse_qs(urlsplit(Client().get(address)["Location"]).query)
    assert int(asked["X-Amz-Expires"][0]) <= 20


def test_who_waited_is_sent_to_the_file(job: Job) -> None:
    """By 303: what was posted is not to be posted to the storage."""
    answer = answer_results(RequestFactory().post("/"), job, wanted={})
    assert answer.status_code == 303
    assert requests.get(answer.headers["Location"], timeout=120).content[:2] == b"PK"


def test_report_is_read_out_of_the_storage(client: Client, job: Job) -> None:
    report = client.get(f"/api/jobs/{job.pk}/report")
    assert [each["name"] for each in report.json()["layers"]] == ["reefs"]
    Job.objects.update(owner="browser:other")
    User.objects.create_superuser("ann", password="x")
    staff = Client()
    staff.login(username="ann", password="x")
    page = staff.get(reverse("admin:jobs_job_change", args=[job.pk]))
    assert b"reefs" in page.content and b"cannot be read" not in page.content
    archive = staff.get(reverse("admin:jobs_job_archive", args=[job.pk]))
    assert requests.get(archive["Location"], timeout=120).content[:2] == b"PK"


def test_storage_that_is_away_is_no_file_that_is_gone(
    client: Client, job: Job, settings: Any, storage: dict[str, Any]
) -> None:
    # Nobody listens there.
    settings.MARINEMAP_STORAGE = storage | {"endpoint": "http://127.0.0.1:9"}
    for address in (results(job), f"/api/jobs/{job.pk}/report"):
        answer = client.get(address)
        assert (answer.status_code, int(answer["Retry-After"]) > 0) == (503, True)
        assert "storage of results" in json.loads(answer.content)["detail"]
    settings.MARINEMAP_STORAGE = storage | {"bucket": "nowhere"}
    assert client.get(results(job)).status_code == 503


def test_mute_storage_holds_nobody_up(
    client: Client,
    job: Job,
    settings: Any,
    storage: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each who asked waited for ten seconds by itself, in a thread of the web server."""
    # No longer than a site waits.
    monkeypatch.setattr("marinemap.jobs.storage.site.trouble_of", trouble_of)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        endpoint = f"http://127.0.0.1:{mute.getsockname()[1]}"
        settings.MARINEMAP_STORAGE = storage | {"endpoint": endpoint}
        for _ in range(2):
            assert client.get(results(job)).status_code == 503
        assert client.delete(f"/api/jobs/{job.pk}").status_code == 200
        # One look for all of them, or a second where that has ended; of two tries each.
        assert count_connections(mute) <= 4


def test_file_that_is_gone_is_said_to_be(client: Client, job: Job) -> None:
    Job.objects.update(artifact="0d2b6f3e-6f0c-4a55-9d3c-3d6f2d1f5b7a-1.zip")
    assert client.get(results(job)).status_code == 404
    Job.objects.update(artifact=job.artifact, expires_at=timezone.now())
    assert client.get(results(job)).status_code == 404
    assert expiry.expire_artifacts() == [job.artifact]
    assert client.get(results(job)).status_code == 404


def test_renewed_archive_stays(client: Client, job: Job) -> None:
    Job.objects.update(expires_at=timezone.now() + timedelta(hours=1))
    assert client.post(f"/api/jobs/{job.pk}/renew").status_code == 200
    assert expiry.expire_artifacts() == []
    assert client.get(results(job)).status_code == 302


def test_metrics_tell_of_the_storage(
    settings: Any, storage: dict[str, Any], client: Client
) -> None:
    settings.MARINEMAP_METRICS_TOKEN = "a-token-of-twenty-letters"
    headers = {"Authorization": "Bearer a-token-of-twenty-letters"}
    assert b"\nmarinemap_storage_up 1.0" in client.get("/metrics", headers=headers).content
    settings.MARINEMAP_STORAGE = storage | {"bucket": "nowhere"}
    assert b"\nmarinemap_storage_up 0.0" in client.get("/metrics", headers=headers).content
    settings.MARINEMAP_STORAGE = None
    assert b"storage_up" not in client.get("/metrics", headers=headers).content
