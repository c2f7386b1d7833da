"""What the tests of jobs share: a queue in memory, a layer, a submitted job."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from marinemap.catalogue.models import Layer
from marinemap.catalogue.registration import register
from marinemap.celery import app
from marinemap.jobs import lifecycle
from marinemap.jobs.models import Job

OWNER = "browser:one"
AREA = {"type": "Polygon", "coordinates": [[[0, 40], [5, 40], [5, 45], [0, 45], [0, 40]]]}

Messages = Callable[[], list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def broker() -> Iterator[None]:
    """Send messages through kombu's own queue in memory, empty at the start of each test."""
    before = app.conf.broker_url
    app.conf.broker_url = "memory://"
    app.control.purge()
    yield
    app.control.purge()
    app.conf.broker_url = before


@pytest.fixture(autouse=True)
def home(settings: Any, tmp_path: Path) -> Path:
    """Give each test a home of its own."""
    settings.MARINEMAP_HOME = tmp_path / "home"
    return tmp_path / "home"


@pytest.fixture
def messages(broker: None, transactional_db: None) -> Messages:
    """Take every message off the queue; return each one's headers, with its arguments.

    Messages are sent when a transaction commits, so that the test itself must not be one.
    """

    def take() -> list[dict[str, Any]]:
        taken = []
        with app.connection_for_read() as connection:
            queue = app.amqp.queues[app.conf.task_default_queue].bind(connection)
            while message := queue.get(no_ack=True):
                arguments = json.loads(message.body)[0]
                taken.append({**message.headers, "arguments": arguments})
        return taken

    return take


@pytest.fixture
def eager(transactional_db: None) -> Iterator[None]:
    """Run every task where it is called."""
    app.conf.task_always_eager = True
    yield
    app.conf.task_always_eager = False


@pytest.fixture
def reefs(db: None, marine_gpkg: Path) -> Layer:
    """The reefs of the small sea, in the catalogue."""
    return register("reefs", marine_gpkg, "reefs")[0]


@pytest.fixture
def job(db: None) -> Job:
    """A job that waits for its turn."""
    return lifecycle.submit("echo", {"message": "hello"}, OWNER, True)
