"""Jobs in the admin site: found, read, fetched, cancelled, run again."""

from __future__ import annotations

import html
import io
import re
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)

from marinemap.catalogue.models import Layer
from marinemap.catalogue.registration import register
from marinemap.jobs import submission
from marinemap.jobs.conf import job_settings
from marinemap.jobs.models import Job
from marinemap.jobs.owners import Sender, owner_of_user
from marinemap.jobs.states import JobStatus
from tests.jobs.conftest import AREA, OWNER, begin, finish, when_saved

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "/admin/jobs/job/"


def page(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return str(answer.content.decode())


@pytest.fixture
def extracted(reefs: Layer, eager: None) -> Job:
    """An extract that is done."""
    job = submission.submit("extract", {"layers": ["reefs"], "area": AREA}, Sender(OWNER))
    job.refresh_from_db()
    assert job.status == JobStatus.SUCCESSFUL
    return job


def test_job_is_shown_with_what_was_asked_and_its_report(
    admin_client: Client, extracted: Job
) -> None:
    shown = page(admin_client, f"{LIST}{extracted.pk}/change/")
    assert "&quot;reefs&quot;" in shown
    # Out of the README of its archive.
    assert "Source:" in shown or "reefs.shp" in shown
    assert extracted.file_name in shown


def test_archive_is_fetched_by_who_may_look_at_jobs(admin_client: Client, extracted: Job) -> None:
    answer: Any = admin_client.get(f"{LIST}{extracted.pk}/archive/")
    assert answer.status_code == 200
    assert extracted.file_name in answer.headers["Content-Disposition"]
    archive = zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))
    assert archive.testzip() is None
    staff = Client()
    staff.force_login(User.objects.create_user("staff", is_staff=True))
    assert staff.get(f"{LIST}{extracted.pk}/archive/").status_code == 403


def test_jobs_are_found_by_layer_and_person(
    admin_client: Client, reefs: Layer, marine_gpkg: Any
) -> None:
    register("ports", marine_gpkg, "ports")
    ann = User.objects.create_user("ann")
    asked = {"layers": ["ports"], "area": AREA}
    of_ports = submission.submit("extract", asked, Sender(owner_of_user(ann.pk)))
    asked = {"layers": ["reefs"], "area": AREA}
    of_reefs = submission.submit("extract", asked, Sender(OWNER))
    found = page(admin_client, f"{LIST}?layer=ports")
    assert str(of_ports.pk) in found and str(of_reefs.pk) not in found
    assert ">ann<" in found
    assert str(of_reefs.pk) in page(admin_client, f"{LIST}?q={of_reefs.pk}")


def test_job_is_run_again_for_the_same_person(admin_client: Client, extracted: Job) -> None:
    form = {"action": "run_again", "_selected_action": [str(extracted.pk)]}
    assert admin_client.post(LIST, form).status_code == 302
    again = Job.objects.exclude(pk=extracted.pk).get()
    assert (again.owner, again.layers, again.status) == (OWNER, ["reefs"], JobStatus.SUCCESSFUL)
    assert again.artifact != extracted.artifact


def test_what_can_no_longer_be_run_is_told(admin_client: Client, extracted: Job) -> None:
    Layer.objects.all().delete()
    form = {"action": "run_again", "_selected_action": [str(extracted.pk)]}
    answer = admin_client.post(LIST, form, follow=True)
    (told,) = map(str, answer.context["messages"])
    assert told.startswith(f"{extracted.pk}: layers")
    assert Job.objects.count() == 1


def test_cancelling_leaves_the_files_of_those_that_ended(
    admin_client: Client, job: Job, extracted: Job
) -> None:
    chosen = [str(extracted.pk), str(job.pk)]
    answer = admin_client.post(LIST, {"action": "cancel", "_selected_action": chosen}, follow=True)
    assert [str(each) for each in answer.context["messages"]] == [f"Ended already: {extracted.pk}"]
    job.refresh_from_db()
    assert job.status == JobStatus.DISMISSED
    kept = Job.objects.get(pk=extracted.pk)
    assert kept.artifact == extracted.artifact
    assert (job_settings().artifacts / kept.artifact).is_file()


def test_cancelling_leaves_the_files_of_one_that_ends_meanwhile(
    admin_client: Client, job: Job
) -> None:
    waits = submission.submit("echo", {"message": "x"}, Sender(OWNER))
    running = begin(job)
    chosen = [str(running.pk), str(waits.pk)]
    # The newest is cancelled first.
    with when_saved(waits, lambda: finish(running)):
        form = {"action": "cancel", "_selected_action": chosen}
        answer = admin_client.post(LIST, form, follow=True)
    assert [str(each) for each in answer.context["messages"]] == [f"Ended already: {job.pk}"]
    states = dict(Job.objects.values_list("pk", "status"))
    assert states == {job.pk: "successful", waits.pk: "dismissed"}
    assert Job.objects.get(pk=job.pk).artifact


def test_cancelling_many_ends_in_time_and_goes_on_when_asked_again(
    admin_client: Client, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 8,000 that waited it took minutes, and a proxy had answered 504 long before."""
    monkeypatch.setattr("marinemap.jobs.job_admin._MOST_SECONDS", 0.0)
    submission.submit("echo", {"message": "x"}, Sender(OWNER))
    every: dict[str, Any] = {"action": "cancel", "select_across": "1"}
    every |= {"_selected_action": [str(job.pk)]}
    answer = admin_client.post(LIST, every, follow=True)
    (told,) = map(str, answer.context["messages"])
    assert told.startswith("1 were cancelled in 0 s; of those chosen 1 are left.")
    assert Job.objects.filter(status=JobStatus.DISMISSED).count() == 1
    admin_client.post(LIST, every)
    assert Job.objects.filter(status=JobStatus.DISMISSED).count() == 2


def test_more_than_an_answer_may_take_are_not_run_again(
    admin_client: Client, job: Job, extracted: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 10,000 it took minutes; who saw the proxy's 504 asked for all of them once more."""
    monkeypatch.setattr("marinemap.jobs.job_admin._MOST_AGAIN", 1)
    every: dict[str, Any] = {"action": "run_again", "select_across": "1"}
    every |= {"_selected_action": [str(extracted.pk)]}
    answer = admin_client.post(LIST, every, follow=True)
    (told,) = map(str, answer.context["messages"])
    assert told.startswith("1 are run again at once at most, and 2 are chosen. None was")
    assert Job.objects.count() == 2


@pytest.mark.parametrize("action", ["cancel", "run_again"])
def test_who_may_only_look_changes_nothing(job: Job, action: str) -> None:
    user = User.objects.create_user("looker", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_job"))
    client = Client()
    client.force_login(user)
    assert str(job.pk) in page(client, LIST)
    client.post(LIST, {"action": action, "_selected_action": [str(job.pk)]})
    assert [each.status for each in Job.objects.all()] == [JobStatus.ACCEPTED]


def test_jobs_are_found_by_the_name_of_a_person(admin_client: Client, job: Job) -> None:
    ann = User.objects.create_user("ann")
    Job.objects.filter(pk=job.pk).update(owner=owner_of_user(ann.pk))
    assert str(job.pk) in page(admin_client, f"{LIST}?q=ANN")
    assert str(job.pk) not in page(admin_client, f"{LIST}?q=bob")
    assert str(job.pk) in page(admin_client, f"{LIST}?q=")
    for odd in ("%00", "x" * 300, "%E2%80%AE", "'%22<"):
        page(admin_client, f"{LIST}?q={odd}")


def test_jobs_are_found_by_how_long_they_took(admin_client: Client, job: Job) -> None:
    started = timezone.now()
    for seconds, found_by in ((3, "0"), (10, "10"), (599, "60"), (90_000, "600")):
        ended = started + timedelta(seconds=seconds)
        Job.objects.filter(pk=job.pk).update(started_at=started, finished_at=ended)
        for chosen in ("0", "10", "60", "600"):
            found = str(job.pk) in page(admin_client, f"{LIST}?took={chosen}")
            assert found == (chosen == found_by), (seconds, chosen)
    page(admin_client, f"{LIST}?took=x")


def test_schedules_are_told_in_words(admin_client: Client) -> None:
    ten_minutes = IntervalSchedule.objects.create(every=600, period="seconds")
    at_night = CrontabSchedule.objects.create(minute="15", hour="3")
    weekly = CrontabSchedule.objects.create(minute="0", hour="12", day_of_week="1")
    odd = CrontabSchedule.objects.create(minute="*/7", hour="8-18")
    once = ClockedSchedule.objects.create(clocked_time=datetime(2030, 1, 2, 3, 4, tzinfo=UTC))
    given = ({"interval": ten_minutes}, {"crontab": at_night}, {"crontab": weekly})
    more = ({"crontab": odd}, {"clocked": once, "one_off": True})
    tasks = [
        PeriodicTask.objects.create(name=f"task {number}", task="x", **when)
        for number, when in enumerate((*given, *more))
    ]
    address = "/admin/django_celery_beat/periodictask/"
    listed = page(admin_client, address)
    for words in ("every 10 minutes", "daily at 03:15 (UTC)", "on Mondays at 12:00 (UTC)"):
        assert words in listed
    assert "Every 7 minutes" in listed and "once, at 2030-01-02 03:04 UTC" in listed
    assert "(m/h/dM/MY/d) UTC</td>" not in listed
    for task in tasks:
        shown = page(admin_client, f"{address}{task.pk}/change/")
        assert "daily at 03:15 (UTC)</option>" in shown
        # The site's policy lets none run that is within a page.
        assert "readableCrontabs" not in shown
    assert page(admin_client, f"{address}add/")


def test_schedule_is_changed_by_its_form(admin_client: Client) -> None:
    minute = IntervalSchedule.objects.create(every=60, period="seconds")
    night = CrontabSchedule.objects.create(minute="15", hour="3")
    task = PeriodicTask.objects.create(name="clean", task="x", interval=minute)
    filled = {"name": "clean", "task": "x", "crontab": str(night.pk), "enabled": "on"}
    filled |= {"args": "[]", "kwargs": "{}", "headers": "{}"}
    address = f"/admin/django_celery_beat/periodictask/{task.pk}/change/"
    assert admin_client.post(address, filled).status_code == 302
    task.refresh_from_db()
    assert (task.interval, task.crontab) == (None, night)


def test_older_form_does_not_switch_a_schedule_on_again(admin_client: Client) -> None:
    """Each form sends all fields: whoever saved new words undid what another had switched off."""
    minute = IntervalSchedule.objects.create(every=60, period="seconds")
    task = PeriodicTask.objects.create(name="clean", task="x", interval=minute)
    address = f"/admin/django_celery_beat/periodictask/{task.pk}/change/"

    def opened() -> dict[str, str]:
        hidden = re.search(r'name="as_opened" value="([^"]*)"', page(admin_client, address))
        assert hidden
        filled = {"name": "clean", "task": "x", "interval": str(minute.pk), "enabled": "on"}
        filled |= {"args": "[]", "kwargs": "{}", "headers": "{}"}
        return filled | {"as_opened": html.unescape(hidden[1])}

    first, second = opened(), opened()
    del first["enabled"]
    assert admin_client.post(address, first).status_code == 302
    refused = admin_client.post(address, {**second, "description": "By day"})
    assert "somebody else has changed: Enabled." in refused.content.decode()
    task.refresh_from_db()
    assert (task.enabled, task.description) == (False, "")
    assert admin_client.post(address, {**opened(), "description": "By day"}).status_code == 302
    task.refresh_from_db()
    assert (task.enabled, task.description) == (True, "By day")


@pytest.mark.parametrize(
    ("table", "given", "named"),
    [
        ("crontabschedule", {"minute": "-1"}, "No enumeration for Minutes"),
        ("crontabschedule", {"hour": "*/-5"}, "No enumeration for Hours"),
        ("intervalschedule", {"every": "99999999999", "period": "days"}, "beyond what can be"),
        ("solarschedule", {"event": "sunset", "latitude": "0", "longitude": "0"}, "ephem"),
    ],
)
def test_times_that_cannot_be_followed_are_refused(
    admin_client: Client, table: str, given: dict[str, str], named: str
) -> None:
    inline = {f"periodictask_set-{name}_FORMS": "0" for name in ("TOTAL", "INITIAL")}
    every = dict.fromkeys(("minute", "hour", "day_of_month", "month_of_year", "day_of_week"), "*")
    filled = (every if table == "crontabschedule" else {}) | {"timezone": "UTC"} | given | inline
    address = f"/admin/django_celery_beat/{table}/add/"
    assert named in str(admin_client.post(address, filled).content)
    right = filled | {"minute": "0", "hour": "*/5", "every": "3"}
    if table != "solarschedule":
        assert admin_client.post(address, right).status_code == 302


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"kwargs": "[]"}, "an object in JSON, such as {&quot;days&quot;: 3}"),
        ({"args": "{}"}, "a list in JSON"),
        ({"args": "[1,"}, "Unable to parse JSON"),
        ({"headers": "[]"}, "an object in JSON, such as {}"),
        ({"task": "x" * 201}, "at most 200 characters"),
    ],
)
def test_odd_arguments_of_a_schedule_are_refused(
    admin_client: Client, given: dict[str, str], named: str
) -> None:
    minute = IntervalSchedule.objects.create(every=60, period="seconds")
    filled = {"name": "clean", "task": "x", "interval": str(minute.pk), "enabled": "on"}
    filled |= {"args": "[]", "kwargs": "{}", "headers": "{}"}
    address = "/admin/django_celery_beat/periodictask/add/"
    assert named in str(admin_client.post(address, filled | given).content)
    assert admin_client.post(address, filled).status_code == 302


def test_schedule_by_times_that_cannot_be_followed_is_refused(admin_client: Client) -> None:
    sunset = SolarSchedule.objects.create(event="sunset", latitude=0, longitude=0)
    filled = {"name": "clean", "task": "x", "solar": str(sunset.pk), "args": "[]", "kwargs": "{}"}
    answer = admin_client.post("/admin/django_celery_beat/periodictask/add/", filled)
    assert "This cannot be followed" in str(answer.content)
    assert not PeriodicTask.objects.filter(name="clean").exists()


@pytest.mark.parametrize("action", ["enable", "disable", "toggle", "run"])
def test_who_may_only_look_leaves_the_schedule(action: str) -> None:
    minute = IntervalSchedule.objects.create(every=60, period="seconds")
    task = PeriodicTask.objects.create(name="clean", task="no.such", interval=minute)
    PeriodicTask.objects.filter(pk=task.pk).update(enabled=action != "enable")
    looker = User.objects.create_user("looker", is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_periodictask"))
    client, before = Client(), PeriodicTask.objects.filter(pk=task.pk).values().get()
    client.force_login(looker)
    asked = {"action": f"{action}_tasks", "_selected_action": str(task.pk), "index": "0"}
    address = "/admin/django_celery_beat/periodictask/"
    answer = client.post(address, asked, follow=True)
    assert "clean" in page(client, address) and f"{action}_tasks" not in str(answer.content)
    # Of a task that is none, "run" tells so to whoever may run it.
    assert "no.such" not in str(answer.content)
    assert PeriodicTask.objects.filter(pk=task.pk).values().get() == before


def test_task_that_does_not_take_its_arguments_is_told(admin_client: Client) -> None:
    minute = IntervalSchedule.objects.create(every=60, period="seconds")
    task = PeriodicTask.objects.create(
        name="clean",
        task="marinemap.jobs.periodic.clean_up_temp_files",
        interval=minute,
        kwargs='{"days": 3}',
    )
    asked = {"action": "run_tasks", "_selected_action": str(task.pk), "index": "0"}
    address = "/admin/django_celery_beat/periodictask/"
    answer = admin_client.post(address, asked, follow=True)
    assert "does not take its arguments" in str(answer.content)
    assert "&#x27;days&#x27;" in str(answer.content)


@pytest.mark.parametrize("table", ["taskresult", "groupresult"])
def test_results_are_not_made_by_hand(admin_client: Client, table: str) -> None:
    address = f"/admin/django_celery_results/{table}/"
    assert f"{table}/add/" not in page(admin_client, address)
    assert admin_client.post(f"{address}add/", {"status": "SUCCESS"}).status_code == 403
