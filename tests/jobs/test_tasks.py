"""The tasks, run where they are called, and what travels in their messages."""

from __future__ import annotations

import json
import pickle
import threading
import time
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import kombu
import pytest
import shapely
from django.contrib.sessions.models import Session
from django.db import connection
from django.utils import timezone
from kombu.exceptions import ContentDisallowed
from kombu.utils.json import dumps, loads

from marinemap.catalogue.models import Layer
from marinemap.catalogue.registration import register
from marinemap.celery import app
from marinemap.errors import RequestError
from marinemap.jobs import lifecycle, submission
from marinemap.jobs.artifacts import open_artifact
from marinemap.jobs.conf import job_settings
from marinemap.jobs.models import Job, JobDocuments
from marinemap.jobs.owners import Sender
from marinemap.jobs.periodic import clear_sessions
from marinemap.jobs.queue import RUN_JOB, RUN_SHORT_JOB, find_place
from marinemap.jobs.states import JobStatus
from marinemap.jobs.tasks import get_shps, run_job
from marinemap.processes import extract, geometries
from marinemap.processes.process import RunContext
from tests.jobs.conftest import AREA, OWNER, Messages

pytestmark = pytest.mark.django_db

GEOMETRIES = [
    "POINT (1 2)",
    "POINT Z (1 2 -3.5)",
    "POINT EMPTY",
    "LINESTRING (0.1 0.2, 0.30000000000000004 1e-300)",
    "LINESTRING EMPTY",
    "POLYGON ((0 0, 3 0, 3 3, 0 0), (1 0.5, 2 0.5, 2 1, 1 0.5))",
    "POLYGON Z ((0 0 1, 3 0 2, 3 3 3, 0 0 1))",
    "POLYGON EMPTY",
    "MULTIPOINT (0 0, 1 1)",
    "MULTILINESTRING ((0 0, 1 1), (2 2, 3 3))",
    "MULTIPOLYGON (((0 0, 1 0, 1 1, 0 0)), ((5 5, 6 5, 6 6, 5 5)))",
    "MULTIPOLYGON EMPTY",
    "GEOMETRYCOLLECTION (POINT (1 2), LINESTRING (0 0, 1 1))",
    "GEOMETRYCOLLECTION EMPTY",
]


@pytest.mark.parametrize("wkt", GEOMETRIES)
def test_geometry_arrives_as_it_was_sent(wkt: str) -> None:
    sent = shapely.from_wkt(wkt)
    arrived = loads(dumps({"result": [sent]}))["result"][0]
    assert arrived.wkb == sent.wkb


def test_geometries_travel_as_geojson() -> None:
    sent = json.loads(dumps(shapely.Point(1, 2)))
    assert sent["__value__"] == {"type": "Point", "coordinates": [1.0, 2.0]}


def test_messages_and_results_are_json_only() -> None:
    assert list(app.conf.accept_content) == list(app.conf.result_accept_content) == ["json"]
    assert app.conf.task_serializer == app.conf.result_serializer == "json"


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("a pickle was opened",))


def test_pickle_in_the_queue_is_refused_unopened(transactional_db: None) -> None:
    with app.connection_for_write() as connection:
        queue = kombu.Queue("attack", routing_key="attack").bind(connection.default_channel)
        queue.declare()
        kombu.Producer(connection).publish(
            pickle.dumps(Bomb()),
            routing_key="attack",
            content_type="application/x-python-serialize",
            content_encoding="binary",
        )
        message = queue.get(accept=app.conf.accept_content)
        with pytest.raises(ContentDisallowed):
            message.decode()
        message.reject()
        queue.delete()


def test_direct_call_returns_the_layers_geometries(reefs: Layer) -> None:
    found = get_shps("reefs")
    assert len(found) == 100
    # Squares of 0.8 degrees with a hole of 0.2 degrees.
    assert [g.area for g in found] == pytest.approx([0.64 - 0.04] * 100)


def test_area_cuts_the_geometries(reefs: Layer) -> None:
    found = get_shps("reefs", AREA)
    assert sum(g.area for g in found) == pytest.approx(25 * 0.6)
    assert len(get_shps("reefs", [0, 40, 1, 41])) == 1


def test_delayed_call_gives_status_and_geometries(reefs: Layer, eager: None) -> None:
    result = get_shps.delay("reefs", area=AREA)
    assert result.status == "SUCCESS"
    assert result.ready()
    assert all(isinstance(g, shapely.Polygon) for g in result.result)
    assert len(result.result) == 25


def test_delayed_call_without_a_worker_waits_in_the_queue(reefs: Layer, messages: Messages) -> None:
    result = get_shps.delay("reefs", area=AREA)
    assert result.status == "PENDING"
    assert not result.ready()
    (message,) = messages()
    assert message["task"] == "marinemap.jobs.tasks.get_shps"
    assert message["arguments"] == ["reefs"]


def test_result_in_the_database_holds_geometries(reefs: Layer) -> None:
    app.backend.store_result("a-task", get_shps("reefs", [0, 40, 1, 41]), "SUCCESS")
    stored = app.AsyncResult("a-task")
    assert stored.status == "SUCCESS"
    assert [g.area for g in stored.result] == pytest.approx([0.6])


@pytest.mark.parametrize(
    ("arguments", "field"),
    [(("reef",), "layers"), (("reefs", {"type": "Point", "coordinates": [1, 2]}), "area")],
)
def test_wrong_call_says_what_is_wrong(
    reefs: Layer, eager: None, arguments: tuple[Any, ...], field: str
) -> None:
    with pytest.raises(RequestError) as caught:
        get_shps(*arguments)
    assert caught.value.field == field
    result = get_shps.delay(*arguments)
    assert result.status == "FAILURE"
    assert isinstance(result.result, RequestError)
    assert result.result.field == field


def test_users_mistake_is_no_traceback_in_the_log(
    reefs: Layer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="celery.app.trace")
    get_shps.apply(args=["reef"])
    told = [record for record in caplog.records if record.name == "celery.app.trace"]
    assert [record.levelname for record in told] == ["INFO"]
    assert "no layer 'reef'" in told[0].getMessage()
    assert "Traceback" not in caplog.text


def test_layer_too_large_for_a_result_says_to_ask_for_an_extract(
    reefs: Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(geometries, "MAX_VERTICES", 999)
    with pytest.raises(RequestError, match="more than 999 vertices") as caught:
        get_shps("reefs")
    assert "extract" in (caught.value.hint or "")


def test_tasks_are_limited_to_the_rate_of_the_setting() -> None:
    assert run_job.rate_limit == get_shps.rate_limit == "4/m"


def submit_extract(**inputs: Any) -> Job:
    asked = {"layers": ["reefs"], "area": AREA, **inputs}
    submission.submit("extract", asked, Sender(OWNER))
    return Job.objects.get()


def test_extract_runs_from_request_to_archive(reefs: Layer, eager: None) -> None:
    job = submit_extract(crs="EPSG:3857")
    assert (job.status, job.progress, job.attempt) == (JobStatus.SUCCESSFUL, 100, 1)
    assert "25 features" in job.message
    assert (job.media_type, job.file_name) == ("application/zip", "reefs.zip")
    with open_artifact(job) as archive, zipfile.ZipFile(archive) as opened:
        assert "reefs.shp" in opened.namelist()
    assert list(job_settings().work.iterdir()) == []


def test_echo_answers_its_inputs(eager: None) -> None:
    submission.submit("echo", {"message": "珊瑚"}, Sender(OWNER))
    job = Job.objects.get()
    assert job.documents.outputs == {"message": "珊瑚", "pause": 0}
    assert job.artifact == ""


def test_source_that_breaks_while_the_job_waits_fails_it_with_the_reason(
    db: None, marine_gpkg: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.gpkg"
    copy.write_bytes(marine_gpkg.read_bytes())
    register("reefs", copy, "reefs")
    job = submit_extract()
    copy.write_bytes(b"broken")
    assert run_job.apply(args=[str(job.pk)]).result == "failed"
    failed = Job.objects.get()
    assert failed.status == JobStatus.FAILED
    assert failed.problem["kind"] == "DatasetError"
    assert list(job_settings().work.iterdir()) == []


def test_layer_that_goes_while_its_job_waits_fails_it_by_name(reefs: Layer) -> None:
    job = submit_extract()
    reefs.delete()
    assert run_job.apply(args=[str(job.pk)]).result == "failed"
    assert "no layer 'reefs'" in Job.objects.get().message


def test_layer_that_goes_while_it_is_extracted_is_delivered(reefs: Layer, tmp_path: Path) -> None:
    kept = submit_extract().documents.inputs
    context = RunContext(tmp_path, tmp_path / "x.zip", lambda *_: Layer.objects.all().delete())
    assert "25 features" in extract.run(kept, context).message
    assert not Layer.objects.exists()


def test_layer_that_is_pointed_elsewhere_while_its_job_waits_gives_what_is_there_now(
    reefs: Layer, marine_gpkg: Path
) -> None:
    job = submit_extract()
    register("reefs", marine_gpkg, "ports")
    assert run_job.apply(args=[str(job.pk)]).result == "successful"
    with open_artifact(Job.objects.get()) as archive, zipfile.ZipFile(archive) as opened:
        fields = shapefile_fields(opened.read("reefs.dbf"))
    assert fields == ["port_id"]


def shapefile_fields(table: bytes) -> list[str]:
    """Return the names of a dBase III table's fields, each in 32 bytes up to a return."""
    heads = table[32 : table.index(b"\r")]
    return [heads[at : at + 11].rstrip(b"\0").decode() for at in range(0, len(heads), 32)]


def test_job_that_was_dismissed_runs_nothing(reefs: Layer) -> None:
    job = submit_extract()
    lifecycle.dismiss(job)
    assert run_job.apply(args=[str(job.pk)]).result == "nothing to run"


def test_dismissed_job_takes_no_start_from_others(messages: Messages) -> None:
    """Its message was delivered, and counted as a start under the rate of all."""
    dismissed, other = (submission.submit("echo", {"message": m}, Sender(OWNER)) for m in "ab")
    lifecycle.dismiss(dismissed)
    assert [message["arguments"] for message in messages()] == [[str(other.pk)]]


def test_short_jobs_take_no_start_and_no_place_from_extraction(
    reefs: Layer, messages: Messages
) -> None:
    for _ in range(3):
        submission.submit("echo", {"message": "x", "pause": 5}, Sender(OWNER))
    asked = {"layers": ["reefs"], "area": AREA}
    place = find_place(submission.submit("extract", asked, Sender(OWNER)))
    assert place is not None
    assert (place.ahead, place.seconds_until_start) == (0, 0)
    assert [message["task"] for message in messages()] == [RUN_SHORT_JOB] * 3 + [RUN_JOB]
    assert app.amqp.router.route({}, RUN_SHORT_JOB)["queue"].name == "short"


@pytest.mark.django_db(transaction=True)
def test_job_that_is_dismissed_while_it_runs_stops() -> None:
    job = submission.submit("echo", {"message": "x"}, Sender(OWNER))
    # Longer than anybody may ask for: it is not to end before it is cancelled.
    JobDocuments.objects.filter(pk=job.pk).update(inputs={"message": "x", "pause": 300})

    def cancel_once_it_runs() -> None:
        deadline = time.monotonic() + 180
        try:
            while not Job.objects.filter(status=JobStatus.RUNNING).exists():
                assert time.monotonic() < deadline, "the job never began"
                time.sleep(0.01)
            lifecycle.dismiss(job)
        finally:
            connection.close()

    canceller = threading.Thread(target=cancel_once_it_runs, daemon=True)
    canceller.start()
    assert run_job.apply(args=[str(job.pk)]).result == "stopped"
    canceller.join()
    assert Job.objects.get().status == JobStatus.DISMISSED


def test_expired_sessions_are_cleared() -> None:
    now = timezone.now()
    for key, shift in (("old", -1), ("new", 1)):
        Session.objects.create(
            session_key=key, session_data="", expire_date=now + timedelta(days=shift)
        )
    clear_sessions.apply()
    assert list(Session.objects.values_list("session_key", flat=True)) == ["new"]
