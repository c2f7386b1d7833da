"""The catalogue in the admin site, through its real forms."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from marinemap.catalogue import admin
from marinemap.catalogue.models import Layer
from marinemap.catalogue.registration import register
from marinemap.catalogue.viewers import OPERATOR

pytestmark = pytest.mark.django_db


def form(path: Path, **changes: str) -> dict[str, str]:
    filled = {
        "title": "Reefs",
        "description": "",
        "source": str(path),
        "source_layer": "reefs",
        "licence": "",
        "attribution": "",
        "is_published": "on",
    }
    return {**filled, **changes}


def errors(response: Any) -> dict[str, list[str]]:
    assert response.status_code == 200
    found: dict[str, list[str]] = response.context["adminform"].form.errors
    return found


def test_list_and_form_show_a_layer(admin_client: Client, reefs: Layer) -> None:
    assert b"reefs" in admin_client.get("/admin/catalogue/layer/").content
    shown = admin_client.get("/admin/catalogue/layer/reefs/change/")
    assert b"EPSG:4326" in shown.content
    assert admin_client.get("/admin/catalogue/layer/add/").status_code == 200


def test_edit_keeps_words_and_reads_the_data(
    admin_client: Client, reefs: Layer, marine_gpkg: Path
) -> None:
    edited = form(marine_gpkg, title="Harbours", source_layer="ports", licence="CC0")
    response = admin_client.post("/admin/catalogue/layer/reefs/change/", edited)
    assert response.status_code == 302
    layer = Layer.objects.get()
    assert (layer.pk, layer.title, layer.licence) == ("reefs", "Harbours", "CC0")
    assert (layer.source_layer, layer.geometry_type) == ("ports", "Point")


def test_words_are_changed_without_reading_the_data(
    admin_client: Client, marine_gpkg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within the web server, a layer of a gigabyte would cost one for each slip in a title."""
    copy = tmp_path / "marine.gpkg"
    shutil.copyfile(marine_gpkg, copy)
    register("reefs", copy, "reefs")
    before = Layer.objects.get()
    readings: list[Layer] = []
    really_read = admin.read
    monkeypatch.setattr(admin, "read", lambda *a: (readings.append(a[0]), really_read(*a)))
    named = form(copy, title="Reefs of the west", area_names="name")
    assert admin_client.post("/admin/catalogue/layer/reefs/change/", named).status_code == 302
    after = Layer.objects.get()
    assert (after.title, after.area_names) == ("Reefs of the west", "name")
    assert (after.version, after.fields) == (before.version, before.fields)
    wrong = errors(
        admin_client.post("/admin/catalogue/layer/reefs/change/", form(copy, area_names="nam"))
    )
    assert "Did you mean 'name'" in wrong["area_names"][0]
    assert readings == []
    os.utime(copy)
    admin_client.post("/admin/catalogue/layer/reefs/change/", form(copy))
    assert len(readings) == 1


def test_layer_can_be_hidden(admin_client: Client, reefs: Layer, marine_gpkg: Path) -> None:
    edited = form(marine_gpkg)
    del edited["is_published"]
    admin_client.post("/admin/catalogue/layer/reefs/change/", edited)
    assert not Layer.objects.visible_to(OPERATOR).exists()


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        ({"source": "/nowhere/reefs.gpkg"}, "source", "no map data can be read there"),
        ({"source": "/etc/passwd"}, "source", "no map data can be read there"),
        ({"source": "/proc/self/mem"}, "source", "no map data can be read there"),
        ({"source": "/root"}, "source", "no map data can be read there"),
        ({"source_layer": "reef"}, "source_layer", "Did you mean"),
        ({"source_layer": ""}, "source_layer", "holds 3 layers"),
    ],
)
def test_data_that_cannot_be_read_are_refused_at_their_field(
    admin_client: Client,
    reefs: Layer,
    marine_gpkg: Path,
    change: dict[str, str],
    field: str,
    reason: str,
) -> None:
    edited = form(marine_gpkg, title="Changed", **change)
    found = errors(admin_client.post("/admin/catalogue/layer/reefs/change/", edited))
    assert list(found) == [field]
    assert reason in found[field][0]
    assert Layer.objects.get().title == "reefs"


@pytest.mark.parametrize("layer_id", ["", "Reefs", "../reefs", "reefs\n"])
def test_new_layer_with_a_bad_id_or_path_is_refused(
    admin_client: Client, marine_gpkg: Path, tmp_path: Path, layer_id: str
) -> None:
    filled = form(tmp_path / "gone.gpkg", id=layer_id)
    found = errors(admin_client.post("/admin/catalogue/layer/add/", filled))
    assert set(found) & {"id", "source"}
    assert not Layer.objects.exists()


def test_reading_again_tells_of_the_layer_that_cannot_be_read(
    admin_client: Client, reefs: Layer, marine_gpkg: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.gpkg"
    shutil.copyfile(marine_gpkg, copy)
    register("gone", copy, "ports")
    copy.unlink()
    response = admin_client.post(
        "/admin/catalogue/layer/",
        {"action": "read_again", "_selected_action": ["reefs", "gone"]},
        follow=True,
    )
    told = [str(message) for message in response.context["messages"]]
    assert len(told) == 1
    assert told[0].startswith("gone: ")


def test_stranger_is_sent_to_sign_in(client: Client, reefs: Layer) -> None:
    response = client.get("/admin/catalogue/layer/")
    assert response.status_code == 302
    assert "/admin/login/" in response.headers["Location"]


@pytest.mark.django_db
def test_layer_can_be_added_in_admin(admin_client, marine_gpkg):
    r = admin_client.post(
        "/admin/catalogue/layer/add/",
        {
            "id": "reefs",
            "title": "R",
            "source": str(marine_gpkg),
            "source_layer": "reefs",
            "is_published": "on",
        },
    )
    assert r.status_code == 302


@pytest.mark.django_db
def test_refused_form_changes_nothing(admin_client, reefs, marine_gpkg):
    admin_client.post(
        "/admin/catalogue/layer/add/",
        {"id": "reefs", "title": "Other", "source": str(marine_gpkg), "source_layer": "ports"},
    )
    assert Layer.objects.get().title == "reefs"
