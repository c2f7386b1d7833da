"""Areas that people upload: read, kept for a day, asked for by their ids."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import shapely
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from marinemap.api.declarations.admission import _AT_A_TIME, admitted
from marinemap.api.tokens import make_token
from marinemap.catalogue.models import Layer
from marinemap.jobs import periodic, uploads
from marinemap.jobs.conf import job_settings
from marinemap.jobs.models import JobDocuments, UploadedArea
from tests.api.conftest import BROWSER, Post, run
from tests.api.test_admission import request as request_of
from tests.api.test_jobs import assert_problem
from tests.extraction.layers import write_layer

pytestmark = pytest.mark.django_db
NewClient = Callable[..., Client]
SQUARE = shapely.box(0, 40, 5, 45)
BOW_TIE = "POLYGON ((0 40, 5 45, 5 40, 0 45, 0 40))"


@pytest.fixture
def send() -> Callable[..., Any]:
    """Upload a file as curl's --data-binary does."""

    def post(client: Client, content: bytes | str = SQUARE.wkt, query: str = "") -> Any:
        data = content.encode() if isinstance(content, str) else content
        return client.post(f"/api/areas{query}", data, content_type="application/octet-stream")

    return post


def zipped_shapefile(folder: Path) -> bytes:
    write_layer(folder / "a.shp", [SQUARE], kind="Polygon", driver="ESRI Shapefile")
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for part in folder.glob("a.*"):
            archive.write(part, part.name)
    return written.getvalue()


@pytest.mark.parametrize("kind", ["zip", "gpkg", "wkt", "geojson"])
def test_file_becomes_an_area_that_an_extract_takes(
    new_client: NewClient, send: Any, post: Post, reefs: Layer, tmp_path: Path, kind: str
) -> None:
    content = {
        "zip": lambda: zipped_shapefile(tmp_path),
        "gpkg": lambda: write_layer(tmp_path / "a.gpkg", [SQUARE], kind="Polygon").read_bytes(),
        "wkt": lambda: SQUARE.wkt.encode(),
        "geojson": lambda: shapely.to_geojson(SQUARE).encode(),
    }[kind]()
    client = new_client()
    answer = send(client, content, "?title=My%20bay")
    assert answer.status_code == 201, answer.content
    area = answer.json()
    assert answer["Location"].endswith(f"/api/areas/{area['id']}")
    assert shapely.from_geojson(json.dumps(area["geometry"])).equals(SQUARE)
    assert area["properties"]["title"] == "My bay"
    assert area["properties"]["areaKm2"] == pytest.approx(224_000, rel=0.02)
    shown = client.get(answer["Location"])
    assert shown.json()["geometry"] == area["geometry"]
    made = post(client, {"inputs": {"layers": ["reefs"], "area": area["id"]}})
    assert made.status_code == 201, made.content
    # The job has the area itself: it may go.
    assert client.delete(answer["Location"]).status_code == 200
    assert JobDocuments.objects.get().inputs["area"]["type"] == "MultiPolygon"
    assert run(made.json()["jobID"]).status == "successful"


def test_estimate_and_batch_take_the_id(new_client: NewClient, send: Any, reefs: Layer) -> None:
    client = new_client()
    area = send(client).json()["id"]
    estimate = "/api/processes/estimate/execution"
    for more in ({}, {"mediaType": "text/plain"}, {"format": {"mediaType": "text/plain"}}):
        inputs = {"layers": ["reefs"], "area": {"value": area, **more}}
        told = client.post(estimate, {"inputs": inputs}, content_type="application/json")
        assert told.json()["features"] == 25, told.content
    inputs["area"] = {"value": area, "mediaType": "image/png"}
    told = client.post(estimate, {"inputs": inputs}, content_type="application/json")
    assert assert_problem(told, 400)["field"] == "area.mediaType"
    inputs["area"] = {"value": area}
    asked = {"requests": [{"process": "extract", "inputs": inputs}]}
    made = client.post("/api/batches", asked, content_type="application/json")
    assert made.status_code == 201, made.content


def test_repair_is_told(new_client: NewClient, send: Any) -> None:
    area = send(new_client(), BOW_TIE).json()
    assert "repaired" in area["properties"]["notes"][0]
    assert shapely.from_geojson(json.dumps(area["geometry"])).is_valid


def test_form_with_one_file_is_taken_and_names_it(new_client: NewClient) -> None:
    file = SimpleUploadedFile("bay.wkt", SQUARE.wkt.encode())
    answer = new_client().post("/api/areas", {"whatever": file})
    assert answer.json()["properties"]["title"] == "bay.wkt", answer.content


def test_form_of_anything_else_is_refused(new_client: NewClient) -> None:
    client = new_client()
    two = {name: SimpleUploadedFile(name, b"x") for name in ("a", "b")}
    beside = {"file": SimpleUploadedFile("a", b"x"), "title": "bay"}
    for fields in (two, beside, {"title": "bay"}):
        problem = assert_problem(client.post("/api/areas", fields), 400)
        assert "one file and nothing else" in problem["detail"]
    cut = client.post("/api/areas", b"--x\r\nhalf", content_type="multipart/form-data; boundary=x")
    assert_problem(cut, 400)
    broken = client.post("/api/areas", b"x", content_type="multipart/form-data")
    assert_problem(broken, 400)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"a,b\n1,2\n", "is not a zipped shapefile"),
        (b"PK\x03\x04 but no more", "damaged"),
        (b"POLYGON EMPTY", "no area"),
        ("POLYGON ((1000 0, 1001 0, 1001 1, 1000 0))", "off the globe"),
    ],
)
def test_what_is_no_area_is_refused_and_nothing_stays(
    new_client: NewClient, send: Any, content: bytes, message: str
) -> None:
    problem = assert_problem(send(new_client(), content), 400)
    assert message in problem["detail"]
    assert problem["field"] == "file"
    assert not UploadedArea.objects.exists()
    work = job_settings().work
    assert not work.exists() or list(work.iterdir()) == []


def test_body_that_curl_made_a_form_is_told_how(new_client: NewClient) -> None:
    answer = new_client().post(
        "/api/areas", "POLYGON", content_type="application/x-www-form-urlencoded"
    )
    problem = assert_problem(answer, 400)
    assert "--data-binary" in problem["hint"]


def test_too_large_a_file_is_refused_with_the_limit(new_client: NewClient, send: Any) -> None:
    problem = assert_problem(send(new_client(), b"x" * (5 * 2**20 + 1)), 413)
    assert "5,242,880" in problem["detail"]


def test_area_too_large_to_be_kept_is_refused_with_the_limit(
    new_client: NewClient, send: Any, settings: Any
) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 500
    teeth = ", ".join(f"{x} {1 + x % 2}" for x in range(61))
    problem = assert_problem(send(new_client(), f"POLYGON (({teeth}, 60 -9, 0 -9, 0 1))"), 400)
    assert "64 corners" in problem["detail"]
    assert "500 bytes" in problem["detail"]


def test_large_upload_is_admitted_like_other_large_bodies(new_client: NewClient, send: Any) -> None:
    with ExitStack() as others:
        for _ in range(_AT_A_TIME):
            others.enter_context(admitted(request_of(70_000)))
        assert send(new_client(), b"x" * 70_000).status_code == 503


def test_area_is_its_owners(new_client: NewClient, send: Any, post: Post, reefs: Layer) -> None:
    owner = new_client(BROWSER)
    address = send(owner)["Location"]
    assert owner.get(address).status_code == 200
    area_id = address.rpartition("/")[2]
    user = User.objects.create_user("reader")
    _, token = make_token(user, "reads", ["jobs:read"])
    for other in (new_client(), new_client(BROWSER), new_client(bearer(token))):
        assert_problem(other.get(address), 404)
        assert other.delete(address).status_code in (403, 404)
        body = {"inputs": {"layers": ["reefs"], "area": area_id}}
        answer = post(other, body, "estimate")
        absent = post(other, {"inputs": {"layers": ["reefs"], "area": "nothing"}}, "estimate")
        assert answer.json()["detail"] == absent.json()["detail"]
    assert owner.get(address).status_code == 200


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_page_of_another_site_uploads_and_removes_nothing(new_client: NewClient, send: Any) -> None:
    client = new_client(BROWSER)
    address = send(client)["Location"]
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    assert_problem(client.delete(address, headers=elsewhere), 403)
    answer = client.post("/api/areas", b"x", content_type="text/plain", headers=elsewhere)
    assert_problem(answer, 403)


def test_area_goes_when_its_day_is_over(new_client: NewClient, send: Any) -> None:
    client = new_client()
    address = send(client)["Location"]
    UploadedArea.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert_problem(client.get(address), 404)
    periodic.remove_expired_artifacts()
    assert not UploadedArea.objects.exists()


def test_so_many_areas_are_kept_of_a_person(
    new_client: NewClient, send: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MOST_AREAS", 2)
    for client in (new_client(), new_client()):
        # Who keeps no cookie is known by the address alone.
        assert send(client).status_code == 201
    refused = send(new_client())
    problem = assert_problem(refused, 429)
    assert "at most 2" in problem["detail"]
    assert refused["Retry-After"]


def test_so_many_areas_are_kept_from_an_address_whatever_cookies_it_shows(
    new_client: NewClient, send: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MOST_AREAS", 2)
    for _ in range(4):
        client = new_client()
        # Whose cookie is shown is known by that from then on.
        assert client.get(send(client)["Location"]).status_code == 200
    refused = send(new_client())
    problem = assert_problem(refused, 429)
    assert "4 areas from your network address" in problem["detail"]
    assert "at most 4 are" in problem["detail"]


def test_page_of_an_area_has_a_picture(new_client: NewClient, send: Any) -> None:
    client = new_client(BROWSER)
    address = send(client)["Location"]
    page = client.get(address, headers={"Accept": "text/html"}).content.decode()
    assert "<svg" in page
