"""The catalogue in the admin site, through its real forms."""

from __future__ import annotations

import html
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from marinemap.catalogue.models import Layer, SourceToRead
from marinemap.catalogue.new_sources import is_any_waiting, read_waiting
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


def test_staff_who_may_only_look_see_a_layer(client: Client, reefs: Layer) -> None:
    user = User.objects.create_user("ann", password="secret", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_layer"))
    client.force_login(user)
    assert b"EPSG:4326" in client.get("/admin/catalogue/layer/reefs/change/").content
    assert client.post("/admin/catalogue/layer/reefs/change/", {"title": "x"}).status_code == 403


def test_edit_keeps_words_and_has_the_data_read(
    admin_client: Client, reefs: Layer, marine_gpkg: Path
) -> None:
    edited = form(marine_gpkg, title="Harbours", source_layer="ports", licence="CC0")
    response = admin_client.post("/admin/catalogue/layer/reefs/change/", edited)
    assert response.status_code == 302
    layer = Layer.objects.get()
    # It is served as it was until the other is read.
    assert (layer.title, layer.licence, layer.source_layer) == ("Harbours", "CC0", "reefs")
    assert len(list(read_waiting())) == 1
    layer = Layer.objects.get()
    assert (layer.pk, layer.source_layer, layer.geometry_type) == ("reefs", "ports", "Point")


def test_words_are_changed_without_reading_the_data(
    admin_client: Client, marine_gpkg: Path, tmp_path: Path
) -> None:
    """Within the web server, a layer of a gigabyte would cost one for each slip in a title."""
    copy = tmp_path / "marine.gpkg"
    shutil.copyfile(marine_gpkg, copy)
    register("reefs", copy, "reefs")
    before = Layer.objects.get()
    named = form(copy, title="Reefs of the west", area_names="name")
    assert admin_client.post("/admin/catalogue/layer/reefs/change/", named).status_code == 302
    after = Layer.objects.get()
    assert (after.title, after.area_names) == ("Reefs of the west", "name")
    assert (after.version, after.fields) == (before.version, before.fields)
    wrong = errors(
        admin_client.post("/admin/catalogue/layer/reefs/change/", form(copy, area_names="nam"))
    )
    assert "Did you mean 'name'" in wrong["area_names"][0]
    assert not is_any_waiting()
    os.utime(copy)
    admin_client.post("/admin/catalogue/layer/reefs/change/", form(copy))
    assert is_any_waiting()


def test_field_of_names_has_to_be_one_of_the_data(
    admin_client: Client, reefs: Layer, marine_gpkg: Path
) -> None:
    address = "/admin/catalogue/layer/reefs/change/"
    refused = errors(admin_client.post(address, form(marine_gpkg, name_field="nmae")))
    assert "Did you mean 'name'?" in refused["name_field"][0]
    assert admin_client.post(address, form(marine_gpkg, name_field="name")).status_code == 302
    assert Layer.objects.get().name_field == "name"


def opened(client: Client, **changes: Any) -> dict[str, Any]:
    """Return what a browser sends of a layer's form that it has opened now, with changes."""
    page = client.get("/admin/catalogue/layer/reefs/change/")
    shown = page.context["adminform"].form
    fields = {name: shown[name].value() for name in shown.fields}
    hidden = re.search(r'name="as_opened" value="([^"]*)"', page.content.decode())
    assert hidden
    sent = {**fields, "as_opened": html.unescape(hidden[1]), **changes}
    # A browser sends no box that is not ticked, and of what is empty nothing but its name.
    return {
        name: "" if value is None else value for name, value in sent.items() if value is not False
    }


def test_older_form_does_not_undo_what_somebody_else_changed(
    admin_client: Client, reefs: Layer, marine_gpkg: Path
) -> None:
    """Each form sends all fields: a layer that was withdrawn was for everyone again."""
    address = "/admin/catalogue/layer/reefs/change/"
    first, second = (opened(admin_client) for _ in range(2))
    assert admin_client.post(address, {**first, "is_published": ""}).status_code == 302
    assert not Layer.objects.get().is_published
    refused = admin_client.post(address, {**second, "description": "Of the west"})
    assert "somebody else has changed: Published." in str(errors(refused))
    # Sent again as it stands, it is as old as it was.
    again = re.search(r'name="as_opened" value="([^"]*)"', refused.content.decode())
    assert again and html.unescape(again[1]) == second["as_opened"]
    layer = Layer.objects.get()
    assert (layer.is_published, layer.description) == (False, "")
    # Opened anew, it is saved; and saved twice by one person as well.
    for words in ("Of the west", "Of the east"):
        newer = opened(admin_client, description=words)
        assert admin_client.post(address, newer).status_code == 302
    assert Layer.objects.get().description == "Of the east"


def test_older_form_does_not_undo_who_may_see_a_layer(admin_client: Client, reefs: Layer) -> None:
    older = opened(admin_client, title="Western reefs")
    reefs.is_restricted = True
    reefs.save()
    reefs.groups.add(Group.objects.create(name="divers"))
    told = str(errors(admin_client.post("/admin/catalogue/layer/reefs/change/", older)))
    assert "changed: For groups only, Groups." in told
    assert Layer.objects.get().is_restricted


def test_layer_can_be_hidden(admin_client: Client, reefs: Layer, marine_gpkg: Path) -> None:
    edited = form(marine_gpkg)
    del edited["is_published"]
    admin_client.post("/admin/catalogue/layer/reefs/change/", edited)
    assert not Layer.objects.visible_to(OPERATOR).exists()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"source_layer": "reef"}, "Did you mean 'reefs'?"),
        ({"source_layer": ""}, "holds 3 layers"),
        ({"source_layer": "ports", "area_names": "NAME"}, "has no field 'NAME'; it has"),
    ],
)
def test_data_that_cannot_be_read_are_refused_with_the_reason(
    admin_client: Client, reefs: Layer, marine_gpkg: Path, change: dict[str, str], reason: str
) -> None:
    edited = form(marine_gpkg, title="Changed", **change)
    admin_client.post("/admin/catalogue/layer/reefs/change/", edited)
    assert len(list(read_waiting())) == 1
    shown = admin_client.get("/admin/catalogue/layer/reefs/change/")
    told = html.unescape(shown.content.decode())
    assert "is refused: " in told and reason in told
    layer = Layer.objects.get()
    assert (layer.title, layer.source, layer.trouble) == ("Changed", str(marine_gpkg), "")
    # What was typed stands in the form, to be mended.
    assert f'value="{change.get("source", marine_gpkg)}"' in told
    mended = form(marine_gpkg, title="Changed")
    admin_client.post("/admin/catalogue/layer/reefs/change/", mended)
    assert not SourceToRead.objects.exists()


@pytest.mark.parametrize(
    "source", ["/nowhere/reefs.gpkg", "/etc/passwd", "/proc/self/mem", "/root", "../../etc/passwd"]
)
def test_source_elsewhere_is_refused_whether_it_is_there_or_not(
    admin_client: Client, reefs: Layer, marine_gpkg: Path, source: str
) -> None:
    edited = form(marine_gpkg, source=source)
    answer = admin_client.post("/admin/catalogue/layer/reefs/change/", edited)
    (told,) = errors(answer)["source"]
    assert "is below none of the folders that layers may be added from" in told
    assert not is_any_waiting()
    assert f'value="{source}"' in answer.content.decode()


@pytest.mark.parametrize(
    ("layer_id", "source", "field"),
    [
        ("", "marine.gpkg", "id"),
        ("Reefs", "marine.gpkg", "id"),
        ("../reefs", "marine.gpkg", "id"),
        ("reefs\n", "marine.gpkg", "id"),
        ("reefs", "", "source"),
        ("reefs", "no.gpkg", "source"),
        ("reefs", "~nobody-of-this-name/reefs.gpkg", "source"),
    ],
)
def test_new_layer_with_a_bad_id_or_path_is_refused(
    admin_client: Client, marine_gpkg: Path, layer_id: str, source: str, field: str
) -> None:
    is_beside = source.endswith(".gpkg") and not source.startswith("~")
    given = str(marine_gpkg.parent / source) if is_beside else source
    filled = form(Path("/data"), id=layer_id, source=given)
    # Django strips a line's end.
    if layer_id == "reefs\n":
        filled["id"] = "reefs\n\u200b"
    found = errors(admin_client.post("/admin/catalogue/layer/add/", filled))
    assert list(found) == [field]
    assert not Layer.objects.exists()


def test_reading_again_concerns_the_layers_that_changed(
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
    assert told == ["Read within a minute: gone"]
    assert len(list(read_waiting())) == 1
    # It has a source that was read once: that is marked, and the schedule looks at it from now on.
    assert "there is no file copy.gpkg" in Layer.objects.get(pk="gone").trouble
    assert not SourceToRead.objects.exists()


def test_stranger_is_sent_to_sign_in(client: Client, reefs: Layer) -> None:
    response = client.get("/admin/catalogue/layer/")
    assert response.status_code == 302
    assert "/admin/login/" in response.headers["Location"]


def test_refused_form_changes_nothing(
    admin_client: Client, reefs: Layer, marine_gpkg: Path
) -> None:
    admin_client.post(
        "/admin/catalogue/layer/add/", form(marine_gpkg, id="reefs", source_layer="ports")
    )
    assert Layer.objects.get().title == "reefs"
    assert not SourceToRead.objects.exists()


def test_layers_are_placed_in_their_list(
    admin_client: Client, reefs: Layer, marine_gpkg: Path
) -> None:
    register("ports", marine_gpkg, "ports")
    before = Layer.objects.get(pk="reefs")

    def place(**positions: str) -> Any:
        page = admin_client.get("/admin/catalogue/layer/")
        rows = {row.instance.pk: row for row in page.context["cl"].formset}
        sent: dict[str, Any] = {
            field.html_name: field.value() or ""
            for row in (*rows.values(), page.context["cl"].formset.management_form)
            for field in row
        }
        sent |= {rows[name]["position"].html_name: value for name, value in positions.items()}
        return admin_client.post("/admin/catalogue/layer/", {**sent, "_save": "Save"})

    assert list(Layer.objects.values_list("pk", flat=True)) == ["ports", "reefs"]
    assert place(reefs="1").status_code == 302
    assert list(Layer.objects.values_list("pk", flat=True)) == ["reefs", "ports"]
    listed = admin_client.get("/api/collections?f=json").json()["collections"]
    assert [(each["id"], each.get("position")) for each in listed] == [
        ("reefs", 1),
        ("ports", None),
    ]
    # Nothing else of a layer is in that list, or is saved by it.
    after = Layer.objects.get(pk="reefs")
    assert (after.title, after.source, after.is_published) == (
        before.title,
        before.source,
        before.is_published,
    )
    refused = place(ports="70000")
    assert "32767" in str(refused.context["cl"].formset.errors)
    assert place(reefs="").status_code == 302
    assert list(Layer.objects.values_list("pk", flat=True)) == ["ports", "reefs"]
