"""Figures for Prometheus: who may read them, and that they are true."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from marinemap.jobs import runs, submission
from marinemap.jobs.models import BeatSighting, Job, WorkerSighting
from marinemap.jobs.owners import Sender
from marinemap.processes.process import RunResult
from tests.jobs.conftest import empty_queue

pytestmark = pytest.mark.django_db(transaction=True)
TOKEN = "a-token-of-twenty-letters"


@pytest.fixture(autouse=True)
def queue(settings: Any) -> None:
    settings.MARINEMAP_METRICS_TOKEN = TOKEN
    empty_queue()


def read(client: Client) -> dict[tuple[str, ...], float]:
    answer = client.get("/metrics", HTTP_AUTHORIZATION=f"Bearer {TOKEN}")
    assert answer.status_code == 200, answer.content
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
    }


@pytest.mark.parametrize(
    "shown", [None, "Bearer ", f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer ünïcode"]
)
def test_figures_are_for_who_shows_the_token(client: Client, shown: str | None) -> None:
    headers = {"HTTP_AUTHORIZATION": shown} if shown is not None else {}
    answer = client.get("/metrics", **headers)
    assert answer.status_code == 403
    assert b"marinemap_" not in answer.content


def test_without_a_token_only_staff_may(client: Client, settings: Any) -> None:
    settings.MARINEMAP_METRICS_TOKEN = ""
    assert client.get("/metrics", HTTP_AUTHORIZATION="Bearer ").status_code == 403
    user = User.objects.create_user("ann", password="x")
    client.force_login(user)
    assert client.get("/metrics").status_code == 403
    User.objects.filter(pk=user.pk).update(is_staff=True)
    assert client.get("/metrics").status_code == 200


def test_jobs_and_messages_are_counted(client: Client) -> None:
    jobs = [submission.submit("echo", {"message": "x"}, Sender("browser:one")) for _ in range(3)]
    begun = runs.start(jobs[0].pk, is_redelivered=False)
    assert begun is not None
    begun.started_at = timezone.now() - timedelta(seconds=20)
    runs.succeed(begun, RunResult("Done.", outputs={"value": 1}))
    found = read(client)
    assert found["marinemap_jobs", "accepted", "echo"] == 2
    assert (
        found["marinemap_queue_messages", "short", "waiting_for_rate"]
        + found["marinemap_queue_messages", "short", "waiting"]
        == 3
    )
    assert found["marinemap_job_duration_seconds_count", "echo", "successful"] == 1
    assert 20 <= found["marinemap_job_duration_seconds_sum", "echo", "successful"] < 60
    assert found["marinemap_job_duration_seconds_bucket", "15", "echo", "successful"] == 0
    assert found["marinemap_job_duration_seconds_bucket", "60", "echo", "successful"] == 1
    assert found["marinemap_database_up",] == 1


def test_counts_outlive_the_jobs(client: Client) -> None:
    for _ in range(2):
        job = submission.submit("echo", {"message": "x"}, Sender("browser:one"))
        Job.objects.filter(pk=job.pk).update(attempt=3)
        runs.start(job.pk, is_redelivered=False)
    Job.objects.all().delete()
    assert read(client)["marinemap_job_duration_seconds_count", "echo", "failed"] == 2


def test_workers_beat_and_disk_are_told(client: Client) -> None:
    now = timezone.now()
    WorkerSighting.objects.create(name="one", started_at=now, seen_at=now)
    BeatSighting.objects.create(name="one", seen_at=now, is_holder=True)
    found = read(client)
    assert found["marinemap_workers",] == found["marinemap_beats",] == 1
    assert found["marinemap_beat_last_tick_timestamp_seconds",] == pytest.approx(now.timestamp())
    free, total = (
        found["marinemap_disk_free_bytes", "work"],
        found["marinemap_disk_total_bytes", "work"],
    )
    assert 0 < free < total


def test_database_that_fails_is_a_figure(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE jobs_jobtally RENAME TO elsewhere")
    try:
        found = read(client)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE elsewhere RENAME TO jobs_jobtally")
    assert found["marinemap_database_up",] == 0
    assert found["marinemap_disk_total_bytes", "work"] > 0
