"""Downloads: whole, in part, continued, handed over; and what is compressed on its way."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from marinemap.catalogue.models import Layer
from marinemap.jobs.artifacts import artifact_path
from marinemap.jobs.models import Job

pytestmark = pytest.mark.django_db
CONTENT = bytes(range(256)) * 40
Get = Callable[..., Any]


@pytest.fixture
def job(home: Path) -> Job:
    """A job that is done, with a result."""
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
    path = artifact_path(job)
    path.write_bytes(CONTENT)
    Job.objects.filter(pk=job.pk).update(artifact=path.name, artifact_bytes=len(CONTENT))
    return job


@pytest.fixture
def get(job: Job) -> Iterator[Get]:
    """Ask for the job's result with some headers; what is left unread is read at the end."""
    answered = []

    def ask(method: str = "get", **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answered.append(getattr(Client(), method)(f"/api/jobs/{job.pk}/results", headers=named))
        return answered[-1]

    yield ask
    for response in answered:
        if response.streaming:
            body(response)


def body(response: Any) -> bytes:
    return b"".join(response.streaming_content)


def test_whole_file_says_what_it_is(get: Get) -> None:
    response = get()
    assert (response.status_code, body(response)) == (200, CONTENT)
    assert response["Content-Length"] == str(len(CONTENT))
    assert response["Accept-Ranges"] == "bytes"
    assert response["ETag"].startswith('"') and response["Last-Modified"].endswith("GMT")
    assert "filename*=utf-8''R%C3%A9cif.zip" in response["Content-Disposition"]


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=100-199", 100, 199),
        ("bytes=10000-", 10000, 10239),
        ("bytes=10000-99999999", 10000, 10239),
        ("bytes=-40", 10200, 10239),
        ("bytes=-99999", 0, 10239),
    ],
)
def test_part_is_answered_alone(get: Get, asked: str, first: int, last: int) -> None:
    response = get(Range=asked)
    assert response.status_code == 206
    assert body(response) == CONTENT[first : last + 1]
    assert response["Content-Range"] == f"bytes {first}-{last}/10240"
    assert response["Content-Length"] == str(last + 1 - first)


@pytest.mark.parametrize(
    "asked", ["bytes=10240-", "bytes=10241-", "bytes=99999-", "bytes=99999-100000", "bytes=-0"]
)
def test_part_beyond_the_end_is_refused_with_the_size(get: Get, asked: str) -> None:
    response = get(Range=asked)
    assert (response.status_code, response.json()["status"]) == (416, 416)
    assert response["Content-Range"] == "bytes */10240"


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=5-2",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=0-1,5-6",
        "lines=0-1",
        "bytes=" + "9" * 99,
    ],
)
def test_range_that_means_nothing_gives_the_whole(get: Get, asked: str) -> None:
    response = get(Range=asked)
    assert (response.status_code, body(response)) == (200, CONTENT)


def test_download_continues_where_the_file_is_the_same(get: Get) -> None:
    first = get()
    for mark in (first["ETag"], first["Last-Modified"]):
        rest = get(Range="bytes=4000-", If_Range=mark)
        assert (rest.status_code, body(rest)) == (206, CONTENT[4000:])
    for other in ('"other"', "W/" + first["ETag"], "Thu, 01 Jan 1970 00:00:00 GMT"):
        again = get(Range="bytes=4000-", If_Range=other)
        assert (again.status_code, body(again)) == (200, CONTENT)


def test_known_file_is_not_sent_again(get: Get) -> None:
    etag = get()["ETag"]
    assert get(If_None_Match=etag).status_code == 304
    assert get(If_None_Match='"other"').status_code == 200
    assert get(If_Match='"other"').status_code == 412


def test_head_gives_the_headers_of_the_whole(get: Get) -> None:
    response = get("head", Range="bytes=0-9")
    assert (response.status_code, response["Content-Length"]) == (200, "10240")


def test_apache_is_told_the_file(get: Get, job: Job, settings: Any) -> None:
    etag = get()["ETag"]
    settings.MARINEMAP_SENDFILE = "X-Sendfile"
    response = get(Range="bytes=0-9")
    assert (response.status_code, response.content) == (200, b"")
    # Without it mod_xsendfile sends "0" for each file.
    assert response["ETag"] == etag
    assert response["X-Sendfile"] == str(artifact_path(job))
    assert response["Content-Type"] == "application/zip"
    assert "attachment" in response["Content-Disposition"]


def test_nginx_is_told_the_file(get: Get, job: Job, settings: Any) -> None:
    settings.MARINEMAP_SENDFILE = "X-Accel-Redirect"
    name = artifact_path(job).name
    assert get()["X-Accel-Redirect"] == f"/marinemap-files/artifacts/{name}"


def test_documents_are_compressed_and_archives_are_not(get: Get, reefs: Layer) -> None:
    listed = Client().get("/api/collections", headers={"Accept-Encoding": "gzip"})
    assert listed["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(listed.content))["collections"][0]["id"] == "reefs"
    assert "Accept-Encoding" in listed["Vary"]
    archive = get(Accept_Encoding="gzip")
    assert "Content-Encoding" not in archive
    assert body(archive) == CONTENT
