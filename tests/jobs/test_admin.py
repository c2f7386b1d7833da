"""Jobs in the admin site: found, read, fetched, cancelled, run again."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from marinemap.catalogue.models import Layer
from marinemap.catalogue.registration import register
from marinemap.jobs import submission
from marinemap.jobs.models import Job
from marinemap.jobs.owners import Sender, owner_of_user
from marinemap.jobs.states import JobStatus
from tests.jobs.conftest import AREA, OWNER

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


@pytest.mark.parametrize("action", ["cancel", "run_again"])
def test_who_may_only_look_changes_nothing(job: Job, action: str) -> None:
    user = User.objects.create_user("looker", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_job"))
    client = Client()
    client.force_login(user)
    assert str(job.pk) in page(client, LIST)
    client.post(LIST, {"action": action, "_selected_action": [str(job.pk)]})
    assert [each.status for each in Job.objects.all()] == [JobStatus.ACCEPTED]
