"""Signatures of callbacks, checked by the library of Standard Webhooks itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from standardwebhooks import Webhook, WebhookVerificationError

from marinemap.jobs import notify, submission
from marinemap.jobs.models import Callback, Delivery, Job
from marinemap.jobs.notify import Subscriber
from marinemap.jobs.owners import Sender
from marinemap.jobs.periodic import call_back
from marinemap.jobs.signing import secrets_for, sign
from marinemap.jobs.states import JobStatus
from marinemap.jobs.tasks import run_job
from marinemap.logs import request_id
from tests.jobs.conftest import OWNER
from tests.jobs.test_notify import Receiver
from tests.running_site import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def receiver(tmp_path: Path, settings: Any, posts: None) -> Iterator[Receiver]:
    settings.MARINEMAP_CALLBACK_PRIVATE = True
    found = Receiver(tmp_path / "notes")
    yield found
    found.stop()


def tell(receiver: Receiver, answer: int = 200) -> Job:
    addresses = {JobStatus.SUCCESSFUL: f"{receiver.base}/done/{answer}"}
    subscriber = Subscriber(addresses, "http://maps.example/api/")
    with request_id.working_for("abc-1"):
        job = submission.submit("echo", {"message": "é"}, Sender(OWNER), subscriber=subscriber)
    run_job(str(job.pk))
    call_until(lambda: bool(Delivery.objects.exists()))
    return job


def call_until(condition: Callable[[], bool]) -> None:
    def look() -> bool:
        call_back()
        return condition()

    wait_for(look, "that it is told")


def test_receiver_knows_whose_it_is(receiver: Receiver) -> None:
    job = tell(receiver)
    (told,) = receiver.told()
    (secret,) = secrets_for("127.0.0.1")
    assert Webhook(secret).verify(told["raw"], told["headers"])
    assert job.pk.hex in told["headers"]["webhook-id"]
    assert told["headers"]["x-request-id"] == "abc-1"
    delivery = Delivery.objects.get()
    assert (delivery.was_taken, delivery.attempt, delivery.outcome) == (True, 1, "taken")


@pytest.mark.parametrize("change", ["body", "host", "id", "time"])
def test_what_was_changed_is_noticed(receiver: Receiver, change: str) -> None:
    tell(receiver)
    (told,) = receiver.told()
    raw, headers, host = told["raw"], dict(told["headers"]), "127.0.0.1"
    if change == "body":
        raw = raw.replace("{", "{ ", 1)
    elif change == "host":
        host = "other.example"
    elif change == "id":
        headers["webhook-id"] += "x"
    else:
        headers["webhook-timestamp"] = str(int(headers["webhook-timestamp"]) - 3600)
    with pytest.raises(WebhookVerificationError):
        Webhook(secrets_for(host)[0]).verify(raw, headers)


def test_id_stays_when_it_is_sent_again(receiver: Receiver) -> None:
    tell(receiver, 500)
    Callback.objects.update(due_at=timezone.now())
    call_until(lambda: Delivery.objects.count() == 2)
    first, second = receiver.told()
    assert first["headers"]["webhook-id"] == second["headers"]["webhook-id"]
    outcomes = list(Delivery.objects.order_by("attempt").values_list("attempt", "outcome"))
    assert outcomes == [(1, "it answers 500"), (2, "it answers 500")]


def test_old_and_new_secret_sign_while_it_is_changed(settings: Any) -> None:
    settings.MARINEMAP_WEBHOOK_SECRETS = ["the-old-one-of-the-site"]
    (old,) = secrets_for("a.example")
    settings.MARINEMAP_WEBHOOK_SECRETS = ["the-new-one-of-the-site", "the-old-one-of-the-site"]
    new, still_old = secrets_for("A.example")
    assert (old, old != new) == (still_old, True)
    headers = sign("msg_1", int(timezone.now().timestamp()), b'{"a": 1}', "a.example")
    for secret in (old, new):
        assert Webhook(secret).verify('{"a": 1}', headers) == {"a": 1}


def test_operator_is_shown_a_receivers_secret() -> None:
    output = StringIO()
    call_command("webhooksecret", "https://A.example:8443/hook", stdout=output)
    assert output.getvalue().split() == secrets_for("a.example")
    with pytest.raises(CommandError, match="begins with http"):
        call_command("webhooksecret", "ftp://a.example/")


def test_deliveries_are_kept_for_a_month(receiver: Receiver) -> None:
    tell(receiver)
    notify.forget_old()
    assert Delivery.objects.count() == 1
    Delivery.objects.update(sent_at=timezone.now() - timedelta(days=31))
    notify.forget_old()
    assert not Delivery.objects.exists()


def test_job_removed_while_it_is_told_holds_nothing_up(receiver: Receiver) -> None:
    job = submission.submit("echo", {"message": "x"}, Sender(OWNER))
    callback = Callback(job=job, status=JobStatus.SUCCESSFUL, host="x", attempts=1, pk=1)
    Job.objects.all().delete()
    notify._record(callback, "")
    assert not Delivery.objects.exists()
