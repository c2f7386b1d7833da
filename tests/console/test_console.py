"""The admin site's first page, and its pages of dead letters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.utils import timezone
from django_celery_results.models import TaskResult

from marinemap.console.figures import HOURS, Hour
from marinemap.console.plots import plot_jobs
from marinemap.jobs import submission
from marinemap.jobs.models import Job
from marinemap.jobs.owners import Sender
from marinemap.jobs.states import JobStatus

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def clean(settings: Any, tmp_path: Path, transactional_db: None) -> Iterator[None]:
    settings.MARINEMAP_HOME = tmp_path
    yield
    for table in ("messages", "dead_letters"):
        execute(f"DELETE FROM broker_{table}")


def execute(sql: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


def text_of(response: Any) -> str:
    assert response.status_code == 200
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def end(status: str, *, hours_ago: float, size: int = 0) -> Job:
    ended = timezone.now() - timedelta(hours=hours_ago)
    return Job.objects.create(
        process_id="echo",
        owner="browser:one",
        status=status,
        message=f"{status} it was",
        finished_at=ended,
        started_at=ended,
        artifact_bytes=size,
    )


def bury(reason: str = "rejected") -> int:
    """Submit a job, and move its message to the dead letters as a worker would."""
    submission.submit("echo", {"message": "x"}, Sender("browser:one"))
    shared = "queue_name, owner, correlation_id, payload, published_at_ms, task_name"
    execute(
        "INSERT INTO broker_dead_letters (message_id, attempts, died_at_ms, reason, "
        f"{shared}) SELECT id, 20, 1700000000000, '{reason}', {shared} FROM broker_messages"
    )
    execute("DELETE FROM broker_messages")
    return int(execute("SELECT max(id) FROM broker_dead_letters")[0][0])


@pytest.fixture
def looker() -> Client:
    """Staff who may look at jobs, and no more."""
    user = User.objects.create_user("looker", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_job"))
    client = Client()
    client.force_login(user)
    return client


def test_first_page_counts_what_waits_and_what_ended(admin_client: Client) -> None:
    submission.submit("echo", {"message": "x"}, Sender("browser:one"))
    end(JobStatus.SUCCESSFUL, hours_ago=1, size=3_000_000)
    end(JobStatus.SUCCESSFUL, hours_ago=30, size=9_000_000)
    end(JobStatus.FAILED, hours_ago=2)
    shown = text_of(admin_client.get("/admin/"))
    assert "Waiting 1 " in shown
    assert "1 jobs successful, 1 failed" in shown
    assert "2.9 MB of archives" in shown
    assert "failed it was" in shown
    assert "Needs a look: no worker" in shown


def test_who_may_not_look_at_jobs_sees_no_figures() -> None:
    client = Client()
    client.force_login(User.objects.create_user("staff", is_staff=True))
    assert "Last 24 hours" not in text_of(client.get("/admin/"))
    assert client.get("/admin/queue/dead/").status_code == 403
    assert Client().get("/admin/queue/dead/").status_code == 302


def test_what_celery_keeps_for_itself_is_folded_away(admin_client: Client) -> None:
    page = admin_client.get("/admin/").content.decode()
    shown, folded = page.split("<details", 1)
    shown = shown.split('id="content-main"')[1]
    assert "Periodic tasks" in shown
    assert "Solar events" not in shown
    assert "Solar events" in folded and "Task results" in folded


def test_dead_letter_is_sent_again(admin_client: Client) -> None:
    number = bury("took the worker down")
    shown = text_of(admin_client.get("/admin/queue/dead/"))
    assert "took the worker down" in shown
    assert str(Job.objects.get().pk)[:8] in shown
    form = {"chosen": [str(number)], "action": "send"}
    answer = admin_client.post("/admin/queue/dead/", form, follow=True)
    assert "Sent again: 1 dead letter." in text_of(answer)
    assert execute("SELECT count(*) FROM broker_messages")[0][0] == 1
    assert execute("SELECT count(*) FROM broker_dead_letters")[0][0] == 0


def test_dead_letter_is_discarded(admin_client: Client) -> None:
    form = {"chosen": [str(bury())], "action": "discard"}
    answer = admin_client.post("/admin/queue/dead/", form, follow=True)
    assert "Discarded: 1 dead letter." in text_of(answer)
    assert execute("SELECT count(*) FROM broker_messages")[0][0] == 0
    assert "No message was given up." in text_of(answer)


@pytest.mark.parametrize(
    "form",
    [
        {"action": "send"},
        {"chosen": ["99999999999999999999"], "action": "send"},
        {"chosen": ["²"], "action": "discard"},
        {"chosen": ["1"], "action": "burn"},
    ],
)
def test_action_that_is_none_changes_nothing(admin_client: Client, form: dict[str, Any]) -> None:
    bury()
    shown = text_of(admin_client.post("/admin/queue/dead/", form, follow=True))
    assert "Choose dead letters, and what to do with them." in shown
    assert execute("SELECT count(*) FROM broker_dead_letters")[0][0] == 1


def test_dead_letter_of_no_such_number_is_told(admin_client: Client) -> None:
    number = bury() + 1
    form = {"chosen": [str(number)], "action": "discard"}
    answer = text_of(admin_client.post("/admin/queue/dead/", form, follow=True))
    assert f"there is no dead letter {number}" in answer
    assert admin_client.get(f"/admin/queue/dead/{number}/").status_code == 404
    assert admin_client.get(f"/admin/queue/dead/{2**63}/").status_code == 404


def test_who_may_only_look_reads_dead_letters_and_leaves_them(looker: Client) -> None:
    number = bury()
    assert "Send again" not in text_of(looker.get("/admin/queue/dead/"))
    assert "correlation_id" in text_of(looker.get(f"/admin/queue/dead/{number}/"))
    form = {"chosen": [str(number)], "action": "discard"}
    assert looker.post("/admin/queue/dead/", form).status_code == 403
    assert execute("SELECT count(*) FROM broker_dead_letters")[0][0] == 1


def test_more_than_an_answer_may_hold_are_not_deleted_at_once(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 100,000 the page that asks had 22 MB; to delete them took longer than a proxy waits."""
    monkeypatch.setattr("marinemap.console.deleting._MOST", 2)
    many = [TaskResult.objects.create(task_id=f"task-{number}").pk for number in range(3)]
    address = "/admin/django_celery_results/taskresult/"
    form: dict[str, Any] = {"action": "delete_selected", "post": "yes"}
    form |= {"_selected_action": many, "select_across": "1"}
    refused = admin_client.post(address, form, follow=True)
    (told,) = map(str, refused.context["messages"])
    assert told.startswith("2 are deleted at once at most, and 3 are chosen. None was deleted")
    assert TaskResult.objects.count() == 3
    # A page of the list at a time.
    admin_client.post(address, {**form, "_selected_action": many[:2], "select_across": "0"})
    assert [each.pk for each in TaskResult.objects.all()] == many[2:]


def test_failed_jobs_stand_upon_successful_ones() -> None:
    now = timezone.now()
    hours = [Hour(now + timedelta(hours=place)) for place in range(HOURS)]
    hours[3] = Hour(hours[3].begins_at, successful=30, failed=10)
    hours[9] = Hour(hours[9].begins_at, failed=1)
    plot = plot_jobs(hours)
    good, bad, few = plot.bars
    assert (plot.most, good.height, bad.height) == (40, 30, 10)
    assert (good.y, bad.y) == (10, 0)
    assert (good.kind, bad.kind, few.kind) == ("successful", "failed", "failed")
    # One among many is seen.
    assert few.height == 1
