"""A site with RabbitMQ or Redis: it works by itself, and what can be kept is kept."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.broker_servers import MissingServerError, run_rabbitmq, run_redis
from tests.postgresql import free_port, skip_or_fail
from tests.running_site import PROJECT, RunningSite, wait_for


@pytest.fixture(scope="module", params=["redis", "rabbitmq"])
def broker_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp(request.param)
    try:
        if request.param == "redis":
            with run_redis(folder / "server", "everysec") as port:
                yield f"redis://127.0.0.1:{port}/0"
        else:
            with run_rabbitmq(folder / "server") as port:
                yield f"amqp://guest:guest@127.0.0.1:{port}//"
    except MissingServerError as error:
        skip_or_fail(str(error))


@pytest.fixture(scope="module")
def site(broker_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    settings = {"DJANGO_SETTINGS_MODULE": "tests.tasks.harbour_settings"}
    home = tmp_path_factory.mktemp("site")
    found = RunningSite(home, None, CELERY_BROKER_URL=broker_url, **settings)
    found.manage("migrate", "--verbosity", "0")
    yield found


def tell(site: RunningSite, part: str, **environment: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.broker_story", part, str(site.home)],
        cwd=PROJECT,
        env={**site.environment, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


@pytest.fixture(scope="module")
def operated(site: RunningSite) -> dict[str, Any]:
    return tell(site, "operate")


@pytest.fixture(scope="module")
def worked(site: RunningSite, operated: dict[str, Any]) -> Iterator[dict[str, Any]]:
    try:
        for name in ("one", "two"):
            site._start(name, "manage.py", "celeryd", "-l", "INFO", "-c", "1", "-n", f"{name}@%h")
        for name in ("one", "two"):
            wait_for(lambda name=name: "ready." in site.log(name), "a worker")
        yield tell(site, "work")
    finally:
        for name in ("one", "two"):
            site.signal(name, signal.SIGKILL)


def waiting(told: list[dict[str, Any]]) -> dict[str, int]:
    return {each["queue_name"]: each["waiting"] for each in told}


def test_queue_is_listed_and_shown(operated: dict[str, Any]) -> None:
    assert waiting(operated["list"]) == {"celery": 0, "parts": 0, "periodic": 0, "short": 3}
    shown = operated["show"]
    assert [each["task_id"] for each in shown] == operated["ids"]
    assert {each["task_name"] for each in shown} == {"marinemap.jobs.tasks.run_short_job"}
    assert [each["task_id"] for each in operated["show two"]] == operated["ids"][:2]
    # Looking takes nothing.
    assert waiting(operated["still"])["short"] == 3


def test_what_differs_is_said(operated: dict[str, Any]) -> None:
    assert "rates hold over all workers" in operated["words"]
    assert "people take no turns" in operated["words"]
    assert "guest" not in operated["words"]


def test_request_is_sent_again(operated: dict[str, Any]) -> None:
    sent, refused = operated["requeue"]
    assert sent.startswith("Sent again: 1 ")
    assert "'17' is not the id of a request" in refused
    assert operated["after requeue"] == 4


def test_purge_cancels_what_waits(operated: dict[str, Any]) -> None:
    first, second = operated["purge"]
    assert first.startswith("Purged: 3 requests cancelled, 4 messages deleted")
    assert second.startswith("Purged: 0 requests cancelled, 0 messages deleted")
    assert operated["states"] == ["dismissed"] * 3
    assert "there is no queue 'shorts'" in operated["no queue"]
    assert "keep no dead letters" in operated["dead"]


def test_health_knows_the_broker(operated: dict[str, Any]) -> None:
    assert operated["health"]["queue"] == "ok"


def test_rate_holds_over_both_workers(worked: dict[str, Any], site: RunningSite) -> None:
    starts = worked["starts"]
    # One in two seconds; two workers that each keep their own begin the fifth after four.
    assert starts[-1] - starts[0] > 6.5, starts
    assert all(site.log(name).count("rates hold over all workers") == 1 for name in ("one", "two"))


def test_request_while_the_broker_is_away_is_sent_at_its_return(
    site: RunningSite, broker_url: str, worked: dict[str, Any]
) -> None:
    # Nothing listens there.
    away = f"{broker_url.partition('://')[0]}://127.0.0.1:{free_port()}/"
    told = tell(site, "outage", CELERY_BROKER_URL=away)
    assert told == {"unsent": 3, "ahead": [0, 1, 2], "while away": []}
    back = tell(site, "back")
    assert back == {"sent": 3, "again": [], "unsent": 0}


def test_request_does_not_wait_for_a_broker_that_is_mute(
    site: RunningSite, broker_url: str
) -> None:
    # Connections to it come about, for the system accepts them, and nobody ever answers.
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"{broker_url.partition('://')[0]}://127.0.0.1:{server.getsockname()[1]}/"
        told = tell(site, "mute", CELERY_BROKER_URL=url)
    accepted, unsent = "accepted", True
    assert told == {"jobs": [[accepted, unsent], [accepted, unsent], ["dismissed", unsent]]}
