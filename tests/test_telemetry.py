"""Errors that reach a Sentry, and traces that reach a collector, by their own clients."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from marinemap import telemetry
from marinemap.environment import read_dsn, read_uri
from tests.running_site import PROJECT, Client, RunningSite, wait_for

SECRET = "word-of-nobody"


class Receiver(ThreadingHTTPServer):
    """Takes what is posted, and keeps it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[bytes] = []


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        assert isinstance(self.server, Receiver)
        self.server.bodies.append(body)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_errors_reach_a_sentry_without_what_anybody_asked(
    receiver: Receiver, tmp_path: Path
) -> None:
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "marinemap.settings",
        "MARINEMAP_HOME": str(tmp_path),
        "SENTRY_DSN": f"http://key@127.0.0.1:{receiver.server_port}/7",
    }
    command = [sys.executable, "-m", "tests.telemetry_story", SECRET]
    subprocess.run(command, cwd=PROJECT, env=environment, check=True, timeout=300)
    told = [(error["type"], event["tags"]) for event in _events(receiver) for error in _of(event)]
    kinds = [kind for kind, _ in told]
    # What is away is told once, as in the log.
    assert sorted(kinds) == ["OperationalError", "RuntimeError", "ValueError"]
    assert dict(told)["RuntimeError"]["request_id"] == "first-voyage"
    assert dict(told)["ValueError"]["request_id"] == "second-voyage"
    assert not [body for body in receiver.bodies if SECRET.encode() in body]


def _events(receiver: Receiver) -> list[dict[str, Any]]:
    """Return the events of envelopes: lines of JSON, of which each second one tells what comes."""
    found = []
    for body in receiver.bodies:
        _, *lines = body.splitlines()
        items = zip(lines[::2], lines[1::2], strict=False)
        found += [json.loads(item) for head, item in items if json.loads(head)["type"] == "event"]
    return found


def _of(event: dict[str, Any]) -> list[dict[str, Any]]:
    errors: list[dict[str, Any]] = event["exception"]["values"]
    return errors


def test_trace_goes_from_the_request_to_the_worker(receiver: Receiver, tmp_path: Path) -> None:
    collector = f"http://127.0.0.1:{receiver.server_port}"
    site = RunningSite(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=collector, OTEL_SERVICE_NAME="sea")
    try:
        site.manage("migrate")
        site.manage("loadsamples")
        site.start_web()
        site.start_worker()
        client = Client(site)
        client.session.headers["X-Request-ID"] = "third-voyage"
        client.wait(client.submit(layers=["ports"], area=[20, 55, 30, 62]))

        def whole() -> tuple[Any, Any] | None:
            spans = [span for body in list(receiver.bodies) for span in _spans(body)]
            asked = [
                one for one in spans if _attribute(one, "marinemap.request_id") == "third-voyage"
            ]
            ids = {one.trace_id for one in asked if "execution" in one.name}
            run = [one for one in spans if one.name.startswith("run/") and one.trace_id in ids]
            return (asked, run) if run else None

        wait_for(whole, "a trace of a request and its run")
    finally:
        site.stop()
    resources = {
        attribute.value.string_value
        for body in receiver.bodies
        for one in ExportTraceServiceRequest.FromString(body).resource_spans
        for attribute in one.resource.attributes
        if attribute.key == "service.name"
    }
    assert resources == {"sea"}


def _spans(body: bytes) -> list[Any]:
    told = ExportTraceServiceRequest.FromString(body)
    return [
        span for one in told.resource_spans for scope in one.scope_spans for span in scope.spans
    ]


def _attribute(span: Any, name: str) -> str | None:
    found = [each.value.string_value for each in span.attributes if each.key == name]
    return found[0] if found else None


@pytest.mark.parametrize(
    "dsn", ["https://example.net/7", "https://key@example.net", "key@example.net/7"]
)
def test_address_that_is_no_projects_is_refused_and_not_shown(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENTRY_DSN", dsn)
    with pytest.raises(ImproperlyConfigured, match=r"^SENTRY_DSN: write it as") as refused:
        read_dsn("SENTRY_DSN")
    assert dsn not in str(refused.value)


def test_collector_without_an_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "127.0.0.1:4318")
    with pytest.raises(ImproperlyConfigured, match=r"^OTEL_EXPORTER_OTLP_ENDPOINT: write"):
        read_uri("OTEL_EXPORTER_OTLP_ENDPOINT")


def test_client_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.SENTRY_DSN = "https://key@sentry.example.org/7"
    assert telemetry.check_telemetry() == []
    monkeypatch.setitem(telemetry._NEEDS, "sentry", ("sentry_sdk", "no_such.module"))
    (error,) = telemetry.check_telemetry()
    assert error.msg == "SENTRY_DSN: its client is missing: no_such.module"
    assert "pip install '.[sentry]'" in (error.hint or "")
