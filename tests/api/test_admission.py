"""Large bodies are taken a few at a time, before they are read."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from django.test import Client, RequestFactory

from marinemap.api.declarations.admission import admitted

EXECUTION = "/api/processes/estimate/execution"


def request(size: int) -> object:
    return RequestFactory().post(EXECUTION, b"x" * size, content_type="application/json")


@pytest.mark.django_db
def test_fifth_large_body_is_refused_before_it_is_read_and_small_ones_are_not() -> None:
    with ExitStack() as others:
        for _ in range(4):
            others.enter_context(admitted(request(70_000)))
        refused = Client().post(EXECUTION, b"x" * 70_000, content_type="application/json")
        assert refused.status_code == 503
        assert refused.headers["Retry-After"]
        small = Client().post(EXECUTION, b"x" * 60_000, content_type="application/json")
        # It was read: it is not JSON.
        assert small.status_code == 400
    after = Client().post(EXECUTION, b"x" * 70_000, content_type="application/json")
    assert after.status_code == 400
