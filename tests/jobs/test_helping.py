"""A job that other workers help with: one request still, with one end."""

from __future__ import annotations

import os
import threading
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely
from django.db import OperationalError, connection

from marinemap.catalogue.models import Layer
from marinemap.catalogue.registration import register
from marinemap.extraction import Division
from marinemap.jobs import helping, lifecycle, orphans, runs, submission, tasks
from marinemap.jobs.artifacts import artifact_path
from marinemap.jobs.models import Job, JobDocuments
from marinemap.jobs.owners import Sender
from marinemap.jobs.states import JobStatus
from marinemap.jobs.work_folders import files_of_run, work_folder
from marinemap.processes import extract
from marinemap.processes.process import RunContext, RunResult
from marinemap.processes.registry import all_processes, get_process
from tests.extraction.layers import write_layer
from tests.jobs.conftest import OWNER, Messages, begin
from tests.running_site import wait_for

pytestmark = pytest.mark.django_db

FEATURES = 12_000
AREA = [0.0, 40.0, 9.0, 50.0]


@pytest.fixture(scope="module")
def points_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As many points as make two pieces."""
    random = np.random.default_rng(5)
    points = shapely.points(*random.uniform(0, 10, (2, FEATURES)) + [[0], [40]])
    path = tmp_path_factory.mktemp("helping") / "points.gpkg"
    return write_layer(path, points, {"number": pa.array(range(FEATURES))}, kind="Point")


@pytest.fixture
def points(db: None, points_file: Path, settings: Any) -> Layer:
    """The points in the catalogue of a site whose workers help one another."""
    settings.MARINEMAP_SPLIT_WORKERS = 2
    settings.MARINEMAP_SPLIT_FEATURES = 1
    return register("points", points_file)[0]


def ask() -> Job:
    return submission.submit("extract", {"layers": ["points"], "area": AREA}, Sender(OWNER))


def table_of(job: Job) -> bytes:
    """Return the table of a job's archive; other members tell when it was made."""
    job = Job.objects.get(pk=job.pk)
    assert job.status == JobStatus.SUCCESSFUL, job.message
    with zipfile.ZipFile(artifact_path(job)) as archive:
        return archive.read("points.shp")


def test_others_are_sent_for_and_need_no_start(points: Layer, messages: Messages) -> None:
    job = ask()
    messages()
    assert tasks.run_job(str(job.pk)) == "successful"
    (sent,) = messages()
    assert sent["task"] == helping.HELP_JOB
    assert sent["arguments"] == [str(job.pk), 1]
    # The message of a job that is done by then does no harm.
    assert tasks.help_job(str(job.pk), 1) == "nothing to help with"


def test_nobody_is_sent_for_unless_the_operator_wants_it(
    points: Layer, messages: Messages, settings: Any
) -> None:
    settings.MARINEMAP_SPLIT_WORKERS = 0
    job = ask()
    messages()
    assert tasks.run_job(str(job.pk)) == "successful"
    assert messages() == []


def test_result_with_help_is_that_without(
    points: Layer, eager: None, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    helped = ask()
    assert f"Helping with job {helped.pk}, attempt 1" in caplog.text
    settings.MARINEMAP_SPLIT_WORKERS = 0
    assert table_of(helped) == table_of(ask())


def test_two_that_finish_at_once_leave_one_archive(points: Layer, messages: Messages) -> None:
    job = ask()
    first = begin(job)

    def overtake(pieces: int) -> None:
        # The first run was frozen amid its work, and another took its message; each has help.
        assert tasks.help_job(str(job.pk), 1) == "helped"
        second = begin(job, is_redelivered=True)
        assert tasks.help_job(str(job.pk), 1) == "nothing to help with"
        runs.succeed(second, run_shared(second, lambda pieces: None))

    result = run_shared(first, overtake)
    ours = artifact_path(first)
    assert ours.exists()
    with pytest.raises(runs.JobStoppedError):
        runs.succeed(first, result)
    assert not ours.exists()
    assert Job.objects.get(pk=job.pk).artifact == f"{job.pk}-2.zip"
    assert table_of(job)


def test_cancelling_reaches_who_helps(
    points: Layer, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_begun = threading.Event()

    def work_until_told(inputs: Mapping[str, Any], context: RunContext) -> None:
        has_begun.set()
        wait_for(lambda: context.progress(0.5, "at work"), "the end of the run")

    process = replace(get_process("extract"), help=work_until_told)
    monkeypatch.setitem(all_processes(), "extract", process)
    job = begin(ask())
    (files_of_run(job) / "pieces").mkdir(parents=True)
    ended: list[str] = []
    helper = threading.Thread(target=lambda: ended.append(in_thread(job)), daemon=True)
    helper.start()
    assert has_begun.wait(180)
    lifecycle.dismiss(job)
    helper.join(240)
    assert ended == ["stopped"]


def test_request_that_may_begin_ends_the_help(points: Layer, messages: Messages) -> None:
    """A small one waited for all pieces of a layer."""
    job = begin(ask())
    messages()
    made: list[int] = []

    def help_it(pieces: int) -> None:
        assert pieces == 2
        for _ in range(2):
            assert tasks.help_job(str(job.pk), job.attempt) == "helped"
            made.append(len(list(files_of_run(job).glob("pieces/*/*.arrow"))))
            messages()

    submission.submit("echo", {"message": "hello"}, Sender(OWNER))
    run_shared(job, help_it)
    # The message of the other is gone by the second time.
    assert made == [1, 2]


def test_database_that_goes_ends_the_help_only(
    points: Layer, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose_database(inputs: Mapping[str, Any], context: RunContext) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    process = replace(get_process("extract"), help=lose_database)
    monkeypatch.setitem(all_processes(), "extract", process)
    job = begin(ask())
    (files_of_run(job) / "pieces").mkdir(parents=True)
    assert tasks.help_job(str(job.pk), 1) == "gave up"


def test_help_that_fails_is_no_fault_of_the_job(
    points: Layer, eager: None, settings: Any, points_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    # Less than the process has already.
    settings.MARINEMAP_MAX_RUN_MB = "0.000001"
    job = ask()
    assert f"Job {job.pk} is helped no longer" in caplog.text
    assert Job.objects.get(pk=job.pk).problem["field"] == "bytes"


def test_pieces_of_a_killed_run_are_cleaned_up(points: Layer, messages: Messages) -> None:
    job = begin(ask())
    pieces = files_of_run(job) / "pieces" / "0-abc"
    pieces.mkdir(parents=True)
    (pieces / "1.arrow").write_bytes(b"left")
    for folder in (files_of_run(job).parent, pieces):
        os.utime(folder, (1, 1))
    assert orphans.remove_abandoned() == [f"{job.pk}-1"]
    assert tasks.help_job(str(job.pk), 1) == "out of reach"


def run_shared(job: Job, call: Callable[[int], None]) -> RunResult:
    """Run a job as its worker does, but for what calls its helpers."""
    inputs = JobDocuments.objects.get(pk=job.pk).inputs
    with work_folder(job) as folder:
        division = Division(folder / "pieces", 1, call)
        context = RunContext(folder, artifact_path(job), lambda *_: None, division=division)
        return extract.run(inputs, context)


def in_thread(job: Job) -> str:
    try:
        return str(tasks.help_job(str(job.pk), job.attempt))
    finally:
        connection.close()
