"""From SQLite to PostgreSQL, by the commands of docs/how-to/deploy.md."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from marinemap.api.models import PersonalToken
from marinemap.catalogue.registration import register
from marinemap.jobs.models import Job
from tests.deployment.test_deploy_document import DEPLOY, commands


def _options(command: str) -> list[str]:
    """Return what the document gives a command, without the place of the file."""
    text = commands(DEPLOY, "From SQLite to PostgreSQL")
    line = next(line for line in text.splitlines() if f"manage.py {command} " in line)
    words = line.partition(f"manage.py {command} ")[2].split()
    return [word for word in words if "/" not in word and word != "--output"]


def _fill(marine_gpkg: Path) -> None:
    layer = register("reefs", marine_gpkg, "reefs")[0]
    group = Group.objects.create(name="hydrographers")
    group.permissions.add(Permission.objects.get(codename="view_job"))
    ann = User.objects.create_user("ann", "ann@example.org", "secret words")
    ann.groups.add(group)
    layer.groups.add(group)
    ann.user_permissions.add(Permission.objects.get(codename="change_layer"))
    PersonalToken.objects.create(
        user=ann, digest="d", expires_at=timezone.now() + timedelta(days=1), scopes=[]
    )
    every = IntervalSchedule.objects.create(every=3, period="hours")
    PeriodicTask.objects.create(name="of our own", task="x", interval=every)
    Job.objects.create(process_id="echo", owner="browser:one", message="Ελλάδα", layers=["reefs"])


@pytest.mark.django_db(transaction=True)
def test_all_that_a_site_knows_goes_along(tmp_path: Path, marine_gpkg: Path) -> None:
    before, after = tmp_path / "before.jsonl", tmp_path / "after.jsonl"
    _fill(marine_gpkg)
    call_command("dumpdata", *_options("dumpdata"), "--output", str(before))
    # As a new database is after `migrate`.
    call_command("flush", "--no-input", verbosity=0)
    assert not Job.objects.exists() and not User.objects.exists()
    call_command("loaddata", str(before), verbosity=0)
    call_command("dumpdata", *_options("dumpdata"), "--output", str(after))
    assert _rows(after) == _rows(before)
    ann = User.objects.get(username="ann")
    assert ann.check_password("secret words")
    assert ann.has_perms(["jobs.view_job", "catalogue.change_layer"])
    # What comes next has numbers of its own.
    assert User.objects.create_user("bob").pk != ann.pk


def _rows(file: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    # When the schedule was changed last: it is, by what comes in.
    return [row for row in rows if row["model"] != "django_celery_beat.periodictasks"]
