"""What goes wrong in a request and in a task, told to the Sentry of the environment.

Run by ``tests/test_telemetry.py`` in a process of its own: it is set up once for all of a process.
"""

from __future__ import annotations

import sys

import django
import sentry_sdk
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory, override_settings
from django.urls import path


def wreck(_request: HttpRequest, place: str) -> HttpResponse:
    cargo = place
    raise RuntimeError(f"the hold is open, and of {len(cargo)} crates none is there")


urlpatterns = [path("wreck/<str:place>", wreck)]


def main(secret: str) -> None:
    """Have one of each, asked with a secret, and an outage that is told each time."""
    django.setup()
    from django.db import OperationalError

    from marinemap.celery import app
    from marinemap.logs import request_id

    @app.task(name="founder")
    def founder(place: str) -> None:
        raise ValueError("the mast is gone")

    @app.task(name="drift")
    def drift() -> None:
        raise OperationalError("no database")

    with override_settings(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"]):
        asked = RequestFactory(headers={"X-Request-ID": "first-voyage"}).get(
            f"/wreck/{secret}", query_params={"key": secret}
        )
        get_wsgi_application()(asked.environ, lambda *_: None)
    with request_id.working_for("second-voyage"):
        founder.apply([secret])
    for _ in range(3):
        drift.apply()
    sentry_sdk.flush(30)


if __name__ == "__main__":
    main(sys.argv[1])
