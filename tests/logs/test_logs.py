"""What is written down: an id from the request on, text or JSON, and little of an outage."""

from __future__ import annotations

import errno
import json
import logging
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError
from django.test import Client

from marinemap.jobs import submission
from marinemap.jobs.models import Job
from marinemap.jobs.owners import Sender
from marinemap.jobs.space import find_shortage
from marinemap.logs import quiet, request_id
from marinemap.logs.formats import JsonFormatter, TextFormatter
from marinemap.logs.quiet import OutageFilter, find_outage


def record(message: str, *args: object, error: BaseException | None = None) -> logging.LogRecord:
    raised = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord("marinemap.x", logging.WARNING, "x.py", 1, message, args, raised)


def wrapped(cause: BaseException) -> BaseException:
    try:
        try:
            raise cause
        except BaseException as error:
            raise RuntimeError("the look failed") from error
    except RuntimeError as error:
        return error


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (OperationalError("server closed the connection"), "database"),
        (wrapped(OperationalError("locked")), "database"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk"),
        (wrapped(OSError(errno.EDQUOT, "quota")), "disk"),
        (OSError(errno.ENOENT, "no such file"), None),
        (ValueError("a fault"), None),
    ],
)
def test_outages_are_known_by_their_errors(error: BaseException, what: str | None) -> None:
    assert find_outage(record("It failed", error=error)) == what
    assert find_outage(record("It failed: %s", error)) == what


def test_folder_that_cannot_be_used_is_an_outage_of_the_disk(
    tmp_path: Path, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.MARINEMAP_HOME = tmp_path
    (tmp_path / "artifacts").write_text("a file where a folder belongs")
    assert find_shortage() is not None
    # A thread that another test has left may write, too.
    lines = [told for told in caplog.records if told.name == "marinemap.jobs.space"]
    assert [find_outage(told) for told in lines] == ["disk"]


def test_outage_is_a_line_a_minute_with_a_count(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(quiet.time, "monotonic", lambda: now)
    outages, formatter, written = OutageFilter(), TextFormatter(), []
    for second in range(125):
        now = 1000.0 + second
        told = record("Answered 503: %s", "x", error=wrapped(OperationalError("is\naway")))
        # However many handlers a process has.
        if outages.filter(told) and outages.filter(told):
            written.append(formatter.format(told))
        if outages.filter(record("another matter")):
            assert outages.filter(record("another matter"))
    assert len(written) == 3
    assert not any("\n" in line for line in written)
    assert "RuntimeError: the look failed" in written[0]
    assert written[1].endswith("(59 like it were not written since the last)")


def test_answers_of_503_are_a_line_a_minute() -> None:
    outages = OutageFilter()
    told = record("%s: %s", "Service Unavailable", "/api/jobs")
    told.status_code = 503
    again = record("%s: %s", "Service Unavailable", "/api/processes")
    again.status_code = 503
    assert (outages.filter(told), outages.filter(again)) == (True, False)
    other = record("%s: %s", "Not Found", "/x")
    other.status_code = 404
    assert outages.filter(other) and outages.filter(other)


def test_id_stands_in_text_and_json() -> None:
    told = record("Job %s begins", 7, error=ValueError("x"))
    with request_id.working_for("abc-1"):
        text, line = TextFormatter().format(told), json.loads(JsonFormatter().format(told))
    assert text.partition("\n")[0].endswith("Job 7 begins [request abc-1]")
    assert line["message"] == "Job 7 begins" and line["request_id"] == "abc-1"
    assert line["error"] == "ValueError: x" and line["level"] == "WARNING"
    assert "request_id" not in json.loads(JsonFormatter().format(told))


def test_request_under_a_foreign_name_is_a_line_without_traceback(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever looks over all addresses asks so, day and night."""
    logging.getLogger("django").addHandler(caplog.handler)
    try:
        assert client.get("/api/", HTTP_HOST="evil.example").status_code == 400
    finally:
        logging.getLogger("django").removeHandler(caplog.handler)
    # A thread that another test has left may write, too.
    records = [told for told in caplog.records if told.name.startswith("django")]
    lines = [TextFormatter().format(told) for told in records]
    assert any("evil.example" in line for line in lines), lines
    assert not any("\n" in line or " ERROR " in line for line in lines), lines
    objects = [json.loads(JsonFormatter().format(told)) for told in records]
    assert {told["level"] for told in objects} == {"WARNING"}
    assert not any("error" in told for told in objects)


def test_key_of_a_link_is_in_no_line() -> None:
    """Who reads the log would have the files, of which only a digest of the key is kept."""
    address = f"/api/shared/{'k' * 43}"
    told = record("Service Unavailable: %s", address, error=ValueError(address))
    for line in (TextFormatter().format(told), JsonFormatter().format(told)):
        assert "/api/shared/..." in line and "kkk" not in line


@pytest.mark.parametrize("given", ["x" * 65, "a b", "a\nb", "ü", "", "a;drop"])
def test_id_of_a_stranger_is_checked(given: str) -> None:
    assert request_id.take_or_make(given) != given


@pytest.mark.django_db
def test_id_goes_from_the_request_to_the_job_and_back(client: Client) -> None:
    answer = client.post(
        "/api/processes/echo/execution",
        {"inputs": {"message": "x"}},
        content_type="application/json",
        HTTP_PREFER="respond-async",
        HTTP_X_REQUEST_ID="abc-1",
    )
    assert (answer.status_code, answer.headers["X-Request-ID"]) == (201, "abc-1")
    assert Job.objects.get().request_id == "abc-1"
    made = client.get("/healthz").headers["X-Request-ID"]
    assert len(made) == 32 and request_id.current() == ""


@pytest.mark.django_db
def test_job_without_a_request_has_no_id() -> None:
    assert submission.submit("echo", {"message": "x"}, Sender("browser:one")).request_id == ""


def test_worker_whose_log_has_no_room_says_nothing_and_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Celery's worker prints what it is, and ended where it could not."""
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        monkeypatch.setattr(sys, "__stdout__", full)
        call_command("celeryd", "--try")
        for stream in (sys.stdout, sys.__stdout__):
            assert stream is not None
            print("ready " * 10_000, file=stream, flush=True)


def test_log_with_room_has_what_a_worker_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = tmp_path / "log"
    with written.open("w") as log:
        monkeypatch.setattr(sys, "stdout", log)
        monkeypatch.setattr(sys, "__stdout__", log)
        call_command("celeryd", "--try")
        print("ready: Ελλάδα", flush=True)
    assert written.read_text() == "ready: Ελλάδα\n"
