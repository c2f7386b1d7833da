"""New data of a layer in the admin site: what changes is shown before they are served."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client

from marinemap.catalogue import drawings, undrawn
from marinemap.catalogue.changes import compare
from marinemap.catalogue.models import Drawing, Layer, SourceToRead
from marinemap.catalogue.new_sources import give, is_any_waiting, read_waiting, serve_held
from tests.catalogue.test_admin import form

pytestmark = pytest.mark.django_db
REVIEW = "/admin/catalogue/layer/reefs/review/"
DRAWING = "/admin/catalogue/layer/reefs/drawing/"


@pytest.fixture
def held(reefs: Layer, marine_gpkg: Path) -> SourceToRead:
    """The ports in place of the reefs, read and held."""
    give(reefs, str(marine_gpkg), "ports", is_held=True)
    (told,) = read_waiting()
    assert told == "reefs: read, 100 features, and held until somebody has looked at it"
    return SourceToRead.objects.get()


def answer_to(client: Client, **choice: str) -> Any:
    asked = SourceToRead.objects.get().asked_at.isoformat()
    return client.post(REVIEW, {"asked": asked, **choice}, follow=True)


def test_layer_is_served_as_it_was_until_somebody_has_looked(
    admin_client: Client, held: SourceToRead
) -> None:
    assert Layer.objects.get().source_layer == "reefs"
    assert not is_any_waiting()
    shown = admin_client.get(REVIEW).content.decode()
    assert "Polygon" in shown and "Point" in shown and "Field habitat_class" in shown
    answer = answer_to(admin_client, serve="1")
    assert "are served from now on" in answer.content.decode()
    layer = Layer.objects.get()
    assert (layer.source_layer, layer.geometry_type) == ("ports", "Point")
    assert not SourceToRead.objects.exists()


def test_what_is_given_while_another_is_discarded_stays(
    admin_client: Client, held: SourceToRead, marine_gpkg: Path
) -> None:
    def give_another(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith("DELETE") and "sourcetoread" in sql and not given:
            given.append(True)
            give(held.layer, str(marine_gpkg), "coastline", is_held=True)
        return execute(sql, *rest)

    given: list[bool] = []
    with connection.execute_wrapper(give_another):
        answer = answer_to(admin_client, discard="1")
    assert SourceToRead.objects.get().source_layer == "coastline"
    assert "Another source was given meanwhile" in answer.content.decode()


def test_drawing_that_was_served_meanwhile_is_kept(held: SourceToRead, home: Path) -> None:
    list(drawings.draw_missing())
    # As after an upgrade of the way of drawing: what is served is drawn anew.
    Drawing.objects.update(key="before", is_finished=False)

    def serve() -> None:
        if Drawing.objects.exclude(key="before").exists() and SourceToRead.objects.exists():
            assert serve_held(SourceToRead.objects.get())

    list(drawings.draw_missing(serve))
    drawing, layer = Drawing.objects.get(), Layer.objects.get()
    assert layer.source_layer == "ports"
    assert (drawing.key, drawing.is_finished) == (undrawn.key_of(layer), True)
    assert drawing.file == f"{drawing.key}.pmtiles"
    assert undrawn.find_next() is None


def test_drawing_that_is_served_amid_the_cleaning_stays(held: SourceToRead, home: Path) -> None:
    list(drawings.draw_missing())
    file = SourceToRead.objects.get().drawing
    for each in (home / "drawings").glob("*.pmtiles"):
        os.utime(each, (time.time() - 3600,) * 2)

    def serve(execute: Any, *asked: Any) -> Any:
        found = execute(*asked)
        if not served:
            served.append(True)
            serve_held(SourceToRead.objects.get())
        return found

    served: list[bool] = []
    with connection.execute_wrapper(serve):
        drawings.remove_stale()
    assert Drawing.objects.get().file == file
    assert (home / "drawings" / file).is_file()


def test_drawing_of_held_data_is_the_layers_once_they_are_served(
    admin_client: Client, held: SourceToRead, home: Path
) -> None:
    assert [told.partition(": Drawn")[0] for told in drawings.draw_missing()] == ["reefs", "reefs"]
    shown = admin_client.get(REVIEW).content.decode()
    assert f"{DRAWING}served/" in shown and f"{DRAWING}new/" in shown
    parts = [
        admin_client.get(f"{DRAWING}{which}/", headers={"Range": "bytes=0-126"})
        for which in ("served", "new")
    ]
    assert [part.status_code for part in parts] == [206, 206]
    assert all(part.content.startswith(b"PMTiles\x03") for part in parts)
    assert parts[0].content != parts[1].content
    file = SourceToRead.objects.get().drawing
    for each in (home / "drawings").glob("*.pmtiles"):
        os.utime(each, (time.time() - 3600,) * 2)
    assert drawings.remove_stale() == []
    answer_to(admin_client, serve="1")
    assert Drawing.objects.get().file == file
    assert not undrawn.find_next()


def test_discarded_data_change_nothing(admin_client: Client, held: SourceToRead) -> None:
    answer = answer_to(admin_client, discard="1")
    assert "served as it was" in answer.content.decode()
    assert not SourceToRead.objects.exists()
    assert Layer.objects.get().source_layer == "reefs"
    assert "No new data" in admin_client.get(REVIEW, follow=True).content.decode()


def test_words_are_saved_without_serving_what_is_held(
    admin_client: Client, held: SourceToRead, marine_gpkg: Path
) -> None:
    edited = form(marine_gpkg, source_layer="ports", title="Reefs of the west")
    assert admin_client.post("/admin/catalogue/layer/reefs/change/", edited).status_code == 302
    layer, given = Layer.objects.get(), SourceToRead.objects.get()
    assert (layer.title, layer.source_layer) == ("Reefs of the west", "reefs")
    assert given.is_held and given.found is not None
    assert (
        "wait to be looked at"
        in admin_client.get("/admin/catalogue/layer/reefs/change/").content.decode()
    )


def test_what_another_gave_meanwhile_is_not_served_unseen(
    admin_client: Client, held: SourceToRead, reefs: Layer, marine_gpkg: Path
) -> None:
    seen = held.asked_at.isoformat()
    give(reefs, str(marine_gpkg), "coastline", is_held=True)
    list(read_waiting())
    answer = admin_client.post(REVIEW, {"asked": seen, "serve": "1"}, follow=True)
    assert "Another source was given meanwhile" in answer.content.decode()
    assert Layer.objects.get().source_layer == "reefs"


def test_data_that_cannot_be_served_are_refused_on_the_page(
    admin_client: Client, reefs: Layer, marine_gpkg: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.gpkg"
    shutil.copyfile(marine_gpkg, damaged)
    os.truncate(damaged, damaged.stat().st_size // 2)
    give(reefs, str(damaged), "reefs", is_held=True)
    list(read_waiting())
    shown = admin_client.get(REVIEW).content.decode()
    assert "They are refused" in shown and "Serve the new data" not in shown
    answer_to(admin_client, serve="1")
    assert Layer.objects.get().source == str(marine_gpkg)


def test_changes_are_told_field_by_field(reefs: Layer) -> None:
    before, after = Layer.objects.get(), Layer.objects.get()
    after.feature_count = 90
    after.fields = [{"name": "name", "type": "int32"}, {"name": "ü'<b>", "type": "str"}]
    told = {change.what: change for change in compare(before, after)}
    assert (told["Features"].before, told["Features"].note) == ("100", "-10")
    assert told["Field name"].note == "it has another type"
    assert told["Field ü'<b>"].note == "it is new"
    assert told["Field habitat_class"].after == "–"
    assert told["CRS"].is_same and told["Content"].note == "the same to the byte"
    after.source_layer = "ports"
    assert compare(before, after)[-1].note == "the same file, another layer of it"


@pytest.mark.parametrize("asked", ["", "bytes=0-", "bytes=5-2", "bytes=99999999-999999999", "x"])
def test_odd_ranges_are_answered(admin_client: Client, held: SourceToRead, asked: str) -> None:
    list(drawings.draw_missing())
    answer = admin_client.get(f"{DRAWING}served/", headers={"Range": asked})
    assert answer.status_code in (206, 416)
    for which in ("other", "secret_key"):
        assert admin_client.get(f"{DRAWING}{which}/").status_code == 404


@pytest.mark.parametrize("pk", ["nothing", "x" * 300, "a%00b", "%E2%80%AE"])
def test_pages_of_no_layer_are_not_found(admin_client: Client, pk: str) -> None:
    for page in ("review/", "drawing/new/"):
        assert admin_client.get(f"/admin/catalogue/layer/{pk}/{page}").status_code == 404


def test_who_may_only_look_sees_the_map_and_serves_nothing(
    client: Client, held: SourceToRead
) -> None:
    list(drawings.draw_missing())
    ann = User.objects.create_user("ann", is_staff=True)
    client.force_login(ann)
    assert client.get(f"{DRAWING}served/").status_code == 403
    ann.user_permissions.add(Permission.objects.get(codename="view_layer"))
    assert client.get(f"{DRAWING}served/").status_code == 206
    shown = client.get("/admin/catalogue/layer/reefs/change/")
    assert shown.status_code == 200 and "page-map" in shown.content.decode()
    assert client.get(REVIEW).status_code == 403
    assert client.post(REVIEW, {"serve": "1"}).status_code == 403
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.create_superuser("boss"))
    assert strict.post(REVIEW, {"serve": "1"}).status_code == 403
    assert Layer.objects.get().source_layer == "reefs"
