"""A layer is drawn by itself, beside the worker."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import requests

from tests.running_site import Client, RunningSite, wait_for
from tests.slow_source import held_open

pytestmark = pytest.mark.parametrize("prepared", ["sqlite"], indirect=True)


def test_added_layers_are_drawn_while_the_worker_runs(
    make_site: Callable[..., RunningSite], marine_gpkg: Path
) -> None:
    site = make_site(MARINEMAP_LAYER_FOLDERS=str(marine_gpkg.parent))
    site.start_web()
    site.start_worker("-B")

    def waiting() -> list[str]:
        answer = requests.get(f"{site.base}/api/collections", timeout=120).json()
        return [layer["id"] for layer in answer["collections"] if "drawing" in layer]

    assert set(waiting()) <= {"reefs", "coastline", "ports"}
    wait_for(lambda: not waiting(), "the drawing of three layers")
    site.manage("addlayer", "more", marine_gpkg, "--layer", "reefs")
    wait_for(lambda: not waiting(), "the drawing of a layer that was added")
    _add_in_admin(site, marine_gpkg)
    typed = f"{site.base}/api/collections/typed"
    wait_for(lambda: requests.get(typed, timeout=120).ok, "the reading of a layer typed in admin")


def _add_in_admin(site: RunningSite, source: Path) -> None:
    boss = "from django.contrib.auth.models import User; "
    boss += "User.objects.create_superuser('boss', password='of-the-harbour')"
    site.manage("shell", "--no-imports", "--command", boss)
    browser = requests.Session()
    login, add = f"{site.base}/admin/login/", f"{site.base}/admin/catalogue/layer/add/"
    browser.get(login, timeout=120)

    def post(address: str, **form: str) -> requests.Response:
        form["csrfmiddlewaretoken"] = browser.cookies["csrftoken"]
        return browser.post(address, form, headers={"Referer": address}, timeout=120)

    assert post(login, username="boss", password="of-the-harbour", next="/admin/").ok
    words = {"id": "typed", "title": "Typed", "is_published": "on"}
    answer = post(add, source=str(source), source_layer="ports", **words)
    assert "Its data are read now" in answer.text


# As an administrator who has not five minutes.
SOONER = """
from django_celery_beat.models import IntervalSchedule, PeriodicTask
soon, _ = IntervalSchedule.objects.get_or_create(every=5, period="seconds")
entry = PeriodicTask.objects.get(name="read layers again that changed")
entry.interval = soon
entry.save()
"""


def test_layer_that_changed_is_read_again_beside_a_long_job(
    make_site: Callable[..., RunningSite], marine_gpkg: Path, tmp_path: Path
) -> None:
    """That waited in the queue of extracts, behind a long one, and lapsed there."""
    site = make_site()
    site.start_web()
    site.start_worker("-B")
    wait_for(lambda: site.health()["status"] == "ok", "a schedule that is followed")
    growing = tmp_path / "growing.geojson"
    growing.write_text(points(1))
    site.manage("addlayer", "growing", growing)
    site.manage("shell", "--no-imports", "--command", SOONER)
    client = Client(site)
    # For some time only: nothing slow is done meanwhile.
    with held_open(marine_gpkg):
        job = client.submit(layers=["reefs"], area=[0, 40, 5, 45])
        wait_for(lambda: client.status(job)["status"] == "running", "the start of the long job")
        growing.write_text(points(7))
        wait_for(lambda: count_of(site) == 7, "the reading of the layer that changed")
        assert client.status(job)["status"] == "running"


def count_of(site: RunningSite) -> int:
    """Return how many features the catalogue has of the layer."""
    count = "SELECT feature_count FROM catalogue_layer WHERE id = 'growing'"
    with closing(sqlite3.connect(site.home / "marinemap.sqlite3", timeout=60)) as database:
        return int(database.execute(count).fetchone()[0])


def points(count: int) -> str:
    features = [
        {
            "type": "Feature",
            "properties": {"n": n},
            "geometry": {"type": "Point", "coordinates": [n, 45]},
        }
        for n in range(count)
    ]
    return json.dumps({"type": "FeatureCollection", "features": features})
