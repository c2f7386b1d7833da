"""What becomes of a request's body."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from marinemap.api.bodies import BodyMiddleware
from marinemap.wsgi import application


@pytest.fixture
def without_ends(db: None) -> Iterator[None]:
    """Leave the database's connection, which has the test's data, open after a request."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.mark.usefixtures("without_ends")
@pytest.mark.parametrize("charset", ["rot13", "idna", '"utf-16"', "ISO-8859-1", "none such"])
def test_address_is_in_utf_8_whatever_is_said_of_the_body(charset: str) -> None:
    told: list[Any] = []
    environ = {
        "PATH_INFO": "/api/crs",
        "QUERY_STRING": "q=%C3%8Ele&limit=1",
        "CONTENT_TYPE": f"text/plain; Charset={charset}; a=b",
    }
    setup_testing_defaults(environ)
    content = b"".join(application(environ, lambda *given: told.append(given[:2])))
    assert told[0][0] == "200 OK", content
    own = json.loads(content)["links"][0]["href"]
    assert own == "http://127.0.0.1/api/crs?q=%C3%8Ele&limit=1"
    assert environ["CONTENT_TYPE"] == "text/plain; a=b"


def test_body_is_let_go_of_when_it_is_answered(rf: RequestFactory) -> None:
    seen: list[bytes] = []

    def answer(request: HttpRequest) -> HttpResponse:
        seen.append(request.body)
        return HttpResponse()

    # Kept as a cycle of a request and its user keeps it.
    request = rf.post("/", b"megabytes", content_type="application/octet-stream")
    assert BodyMiddleware(answer)(request).status_code == 200
    assert seen == [b"megabytes"]
    assert request.body == b"" and request.read() == b""
