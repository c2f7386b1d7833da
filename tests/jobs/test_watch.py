"""The operator is told what is wrong with the site: once when it begins, and once when it ends."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from standardwebhooks import Webhook

from marinemap.catalogue.models import Layer
from marinemap.errors import RequestError, ServiceError
from marinemap.jobs import lifecycle, notify, runs, submission, watch
from marinemap.jobs.alarms import tell_of
from marinemap.jobs.models import Alarm, Callback, Delivery, Job, WorkerSighting
from marinemap.jobs.owners import Sender
from marinemap.jobs.periodic import call_back, watch_site
from marinemap.jobs.signing import secrets_for
from tests.jobs.conftest import OWNER, begin
from tests.jobs.test_notify import Receiver

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("posts")]

Told = Callable[[], list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def site(settings: Any, home: Path) -> None:
    """A site that is well: a worker is alive, and there is room."""
    settings.MARINEMAP_ALERT_FREE_MB = 0
    home.mkdir()
    see("celery@one:10", 0)


@pytest.fixture
def receiver(tmp_path: Path, settings: Any) -> Iterator[Receiver]:
    # Those of strangers may not lead inward; the operator's may.
    settings.MARINEMAP_CALLBACK_PRIVATE = False
    found = Receiver(tmp_path / "notes")
    settings.MARINEMAP_OPERATOR_WEBHOOKS = [f"{found.base}/hook/200"]
    yield found
    found.stop()


@pytest.fixture
def told(receiver: Receiver) -> Told:
    """Watch, and tell; return the events that the receiver has."""

    def look() -> list[dict[str, Any]]:
        watch_site.apply().get()
        call_back.apply().get()
        return [each["body"] for each in receiver.told()]

    return look


def see(name: str, seconds_ago: float) -> None:
    """Note a worker as seen some time ago."""
    then = timezone.now() - timedelta(seconds=seconds_ago)
    WorkerSighting.objects.update_or_create(
        name=name, defaults={"started_at": then, "seen_at": then}
    )


def states(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(each["type"], each["data"].get("state", "")) for each in events]


def test_site_that_is_well_tells_nothing(told: Told) -> None:
    assert told() == [] and not Alarm.objects.exists()


def test_missing_worker_is_told_once_and_when_it_is_back(told: Told) -> None:
    see("celery@two:20", 130)
    assert states(told()) == [("worker.missing", "begun")]
    assert len(told()) == 1
    # Started again, by whatever starts it: another process, of the same name.
    see("celery@two:21", 0)
    assert states(told()) == [("worker.missing", "begun"), ("worker.missing", "ended")]
    assert told()[0]["data"]["subject"] == "celery@two"


def test_site_whose_only_worker_is_started_again_tells_nothing(told: Told) -> None:
    """Its caretaker, or the web server, looks while none is alive."""
    see("celery@one:10", 60)
    assert told() == []
    WorkerSighting.objects.update(stopped_at=timezone.now())
    assert told() == []
    see("celery@one:10", 130)
    assert states(told()) == [("worker.missing", "begun")], "nobody came back"


def test_caretaker_that_was_replaced_is_not_missing(told: Told) -> None:
    see("caretaker-10@one:11", 130)
    assert told() == []


def test_web_server_tells_where_no_worker_is_left(receiver: Receiver) -> None:
    watch.stand_in_once()
    assert receiver.told() == []
    see("celery@one:10", 130)
    watch.stand_in_once()
    events = [each["body"] for each in receiver.told()]
    assert {each["data"]["subject"] for each in events} == {"all", "celery@one"}


def test_job_that_waits_for_long_is_told(told: Told, job: Job, settings: Any) -> None:
    assert told() == []
    Job.objects.update(created_at=timezone.now() - timedelta(minutes=61))
    assert states(told()) == [("queue.growing", "begun")]
    lifecycle.dismiss(job)
    assert states(told())[1:] == [("queue.growing", "ended")]


def test_full_queue_is_told(told: Told, settings: Any) -> None:
    settings.MARINEMAP_MAX_WAITING = "2"
    submission.submit("echo", {"message": "1"}, Sender(OWNER))
    assert told() == []
    submission.submit("echo", {"message": "2"}, Sender(OWNER))
    assert states(told()) == [("queue.growing", "begun")]


def test_little_room_is_told(told: Told, settings: Any) -> None:
    settings.MARINEMAP_ALERT_FREE_MB = 1e9
    # Both folders are on it.
    assert states(told()) == [("disk.low", "begun")] * 2
    settings.MARINEMAP_ALERT_FREE_MB = 0
    assert states(told())[2:] == [("disk.low", "ended")] * 2


def test_unreadable_layer_is_told(told: Told, reefs: Layer) -> None:
    Layer.objects.update(trouble="the file is gone")
    (event,) = told()
    assert (event["type"], event["data"]["subject"]) == ("layer.unreadable", "reefs")
    assert "the file is gone" in event["data"]["message"]


def test_failed_job_is_told_unless_whoever_asked_has_to_mend_it(told: Told, job: Job) -> None:
    tell_of(job, RequestError("no such layer"))
    assert told() == []
    tell_of(job, ServiceError("it broke"), "ref-1")
    (event,) = told()
    assert event["type"] == "job.failed" and event["timestamp"]
    assert event["data"]["jobID"] == str(job.pk) and event["data"]["reference"] == "ref-1"


def test_only_chosen_events_are_told(told: Told, settings: Any, job: Job) -> None:
    settings.MARINEMAP_OPERATOR_EVENTS = ["disk.low"]
    tell_of(job, ServiceError("it broke"))
    see("celery@two:20", 130)
    assert told() == []


def test_event_is_signed_recorded_and_shown_without_its_key(
    told: Told, receiver: Receiver, settings: Any, admin_client: Client
) -> None:
    settings.MARINEMAP_OPERATOR_WEBHOOKS = [f"{receiver.base}/key-of-the-hook/200"]
    see("celery@two:20", 130)
    told()
    (sent,) = receiver.told()
    Webhook(secrets_for("127.0.0.1")[0]).verify(sent["raw"], sent["headers"])
    delivery = Delivery.objects.get()
    assert (delivery.event, delivery.job, delivery.was_taken) == ("worker.missing", None, True)
    for model in ("delivery", "alarm"):
        page = admin_client.get(f"/admin/jobs/{model}/").content.decode()
        assert "worker.missing" in page and "key-of-the-hook" not in page


def test_receiver_that_refuses_is_told_again_by_the_same_id(
    told: Told, receiver: Receiver, settings: Any
) -> None:
    settings.MARINEMAP_OPERATOR_WEBHOOKS = [f"{receiver.base}/hook/500"]
    see("celery@two:20", 130)
    told()
    Callback.objects.update(due_at=timezone.now())
    told()
    first, second = (each["headers"]["webhook-id"] for each in receiver.told())
    assert first == second


def test_progress_is_told_at_steps_and_never_after_the_end(
    receiver: Receiver, settings: Any
) -> None:
    settings.MARINEMAP_CALLBACK_PRIVATE = True
    addresses = {"running": f"{receiver.base}/running/200", "failed": f"{receiver.base}/failed/200"}
    subscriber = notify.Subscriber(addresses, "http://maps.example/api/")
    job = begin(submission.submit("echo", {"message": "1"}, Sender(OWNER), subscriber=subscriber))
    for progress in (0, 5, 19, 20, 21, 39, 45, 99):
        runs.report(job, progress, "working")
        for _ in range(2):
            notify.tell_due()
    sent = receiver.told()
    assert [each["body"]["progress"] for each in sent] == [0, 20, 45, 99]
    assert len({each["headers"]["webhook-id"] for each in sent}) == 4
    runs.fail(job, ServiceError("it broke"))
    notify.tell_due()
    assert [json.loads(each["raw"])["status"] for each in receiver.told()[4:]] == ["failed"]
    assert not Callback.objects.exists()
