"""What becomes of a request's body."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from marinemap.api.bodies import BodyMiddleware


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
