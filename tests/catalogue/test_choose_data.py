"""Where the data of a layer come from in the admin site: uploads, folders, databases."""

from __future__ import annotations

import io
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyogrio
import pytest
from django.contrib.admin import ModelAdmin
from django.contrib.auth.models import Permission, User
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from marinemap.catalogue import uploads
from marinemap.catalogue.layer_ids import suggest_id
from marinemap.catalogue.models import Layer, SourceLook, SourceToRead
from marinemap.catalogue.new_sources import read_waiting
from marinemap.catalogue.source_looks import look_waiting, offered_by
from marinemap.errors import UnavailableError

pytestmark = pytest.mark.django_db
DATA = "/admin/catalogue/layer/data/"
ADD = "/admin/catalogue/layer/add/"


def zip_of(**files: bytes) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return written.getvalue()


@pytest.fixture(scope="module")
def shapefile(marine_gpkg: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a shapefile of the reefs, by their suffixes."""
    folder = tmp_path_factory.mktemp("shapefile")
    meta, _, geometry, fields = pyogrio.raw.read(marine_gpkg, layer="reefs", columns=["name"])
    pyogrio.raw.write(
        folder / "reefs.shp",
        geometry,
        field_data=fields,
        fields=meta["fields"],
        geometry_type=meta["geometry_type"],
        crs=meta["crs"],
    )
    return {file.suffix: file.read_bytes() for file in folder.iterdir()}


def garbled(content: bytes) -> bytes:
    """Return a zip whose first file begins with no block that there is (RFC 1951, 3.2.3)."""
    at = 30 + int.from_bytes(content[26:28], "little") + int.from_bytes(content[28:30], "little")
    return content[:at] + b"\x07" + content[at + 1 :]


def send(client: Client, name: str, content: bytes, piece: int = 100_000, **more: str) -> Any:
    """Upload a file in pieces; return the answer that began it, or the first that refused."""
    begun = client.post(f"{DATA}upload/", {"name": name, "size": str(len(content)), **more})
    if begun.status_code != 201:
        return begun
    for offset in range(0, len(content), piece):
        answer = send_piece(client, begun, offset, content[offset : offset + piece])
        assert answer.status_code == 200, answer.content
    return begun


def send_piece(client: Client, begun: Any, offset: int, content: bytes) -> Any:
    address = f"{begun.json()['piece']}?offset={offset}"
    return client.post(address, content, content_type="application/octet-stream")


def look(client: Client, begun: Any) -> str:
    """Have what waits looked at; return the page that shows what was found."""
    list(look_waiting())
    answer = client.get(begun.json()["page"])
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_uploaded_shapefile_becomes_a_layer(
    admin_client: Client, shapefile: dict[str, bytes]
) -> None:
    packed = zip_of(**{f"sea/Riffe März{suffix}": part for suffix, part in shapefile.items()})
    begun = send(admin_client, "sea.zip", packed)
    assert "waits to be" in admin_client.get(begun.json()["page"]).content.decode()
    found = look(admin_client, begun)
    (address,) = re.findall(r'href="([^"]*/layer/add/\?[^"]*)"', found)
    form = admin_client.get(address.replace("&amp;", "&")).context["adminform"].form
    given = {name: form[name].value() or "" for name in ("id", "title", "source", "source_layer")}
    assert (given["id"], given["source_layer"]) == ("riffe_marz", "Riffe_März")
    saved = admin_client.post(ADD, {**given, "is_published": "on"})
    assert saved.status_code == 302
    assert list(read_waiting()) == ["riffe_marz: read, 100 features"]
    # A layer uses it: it stays, however old it is.
    SourceLook.objects.update(unused_since=timezone.now() - uploads.timedelta(days=9))
    assert uploads.forget_old() == []
    assert "so it stays" in text_of(
        admin_client.post(begun.json()["page"], {"discard": "1"}, follow=True)
    )
    Layer.objects.all().delete()
    uploads.forget_old()
    SourceLook.objects.update(unused_since=timezone.now() - uploads.timedelta(days=2))
    assert uploads.forget_old() == ["sea.zip"]
    assert list(uploads.upload_folder().iterdir()) == []


def text_of(response: Any) -> str:
    assert response.status_code == 200
    return str(response.content.decode())


def test_of_several_layers_in_a_file_one_is_chosen(admin_client: Client, marine_gpkg: Path) -> None:
    begun = send(admin_client, "../../\u202emarine.exe", marine_gpkg.read_bytes())
    assert "Add reefs as a layer" in look(admin_client, begun)
    (found,) = SourceLook.objects.all()
    assert [each.layer for each in offered_by(found)] == ["reefs", "coastline", "ports"]
    source = offered_by(found)[0].source
    assert source.startswith(f"{uploads.upload_folder()}/{found.pk}/data/")
    wrong = {"id": "reefs", "title": "Reefs", "source": source, "source_layer": "reef"}
    (told,) = admin_client.post(ADD, wrong).context["adminform"].form.errors["source_layer"]
    assert "no layer 'reef' in" in told and "Did you mean 'reefs'?" in told
    assert not Layer.objects.exists()


@pytest.mark.parametrize(
    ("name", "driver", "is_zipped"),
    [("reefs.fgb", "FlatGeobuf", False), ("reefs.geojson", "GeoJSON", True)],
)
def test_each_format_is_known_by_its_content(
    admin_client: Client,
    marine_gpkg: Path,
    tmp_path: Path,
    name: str,
    driver: str,
    is_zipped: bool,
) -> None:
    meta, _, geometry, fields = pyogrio.raw.read(marine_gpkg, layer="reefs", max_features=5)
    made = {"field_data": fields, "fields": meta["fields"], "crs": meta["crs"]}
    kind = meta["geometry_type"]
    pyogrio.raw.write(tmp_path / name, geometry, geometry_type=kind, driver=driver, **made)
    content = (tmp_path / name).read_bytes()
    content = zip_of(**{name: content}) if is_zipped else content
    assert "Add reefs as a layer" in look(admin_client, send(admin_client, name, content))


def overlapping(shapefile: dict[str, bytes]) -> bytes:
    return zip_of(**{f"a{suffix}": part for suffix, part in shapefile.items()})[:-40]


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda s: b"\x00nothing", "is not a zipped shapefile"),
        (lambda s: b"<OGRVRTDataSource/>", "is not a zipped shapefile"),
        (lambda s: b"SQLite format 3\x00" + b"x" * 5_000, "cannot be read as vector data"),
        (lambda s: b'{"type": "Topology", "objects": {}}', "cannot be read as vector data"),
        (lambda s: zip_of(**{"readme.txt": b"x"}), "holds 0 shapefiles"),
        (lambda s: zip_of(**{"../reefs.shp": s[".shp"]}), "names that lead out"),
        (lambda s: zip_of(**{"a.shp": s[".shp"]}), "holds no a.shx"),
        (lambda s: zip_of(**{"a.gpkg": b"<OGRVRTDataSource/>"}), "is not a zipped shapefile"),
        (lambda s: zip_of(**{"a.gpkg": b"\x00" * 60_000_000}), "unpacks to 60,000,000 bytes"),
        (overlapping, "damaged"),
        (
            lambda s: garbled(zip_of(**{f"a{x}": p for x, p in s.items()})),
            "the zip is damaged or encrypted",
        ),
        (
            lambda s: zip_of(**{f"a{x}": p for x, p in s.items()}, **{"A.SHP": b"another"}),
            "the zip holds two files a.shp",
        ),
        (
            lambda s: zip_of(**{f"a{x}": p[: len(p) // 2] for x, p in s.items()}),
            "but its header says",
        ),
    ],
)
def test_what_is_damaged_or_hostile_is_refused_and_leaves_nothing(
    admin_client: Client, shapefile: dict[str, bytes], settings: Any, make: Any, reason: str
) -> None:
    settings.MARINEMAP_MAX_LAYER_UPLOAD_MB = 10
    begun = send(admin_client, "reefs.zip", make(shapefile))
    assert reason in re.sub("&#x27;", "'", look(admin_client, begun))
    assert list(uploads.upload_folder().iterdir()) == []
    assert list(look_waiting()) == []


def test_zip_that_lies_about_its_size_is_cut_short(
    admin_client: Client, settings: Any, tmp_path: Path
) -> None:
    settings.MARINEMAP_MAX_LAYER_UPLOAD_MB = 1
    honest = zip_of(**{"a.gpkg": b"\x00" * 9_000_000})
    lying = honest.replace((9_000_000).to_bytes(4, "little"), (9_000).to_bytes(4, "little"))
    assert lying != honest
    found = look(admin_client, send(admin_client, "a.zip", lying))
    assert "is refused" in found
    assert list(uploads.upload_folder().iterdir()) == []


def test_full_disk_refuses_no_upload_for_good(
    admin_client: Client, shapefile: dict[str, bytes], small_disk: Callable[[str], Path]
) -> None:
    disk = small_disk("1m")
    begun = send(
        admin_client, "a.zip", zip_of(**{f"a{name}": part for name, part in shapefile.items()})
    )
    (disk / "full").write_bytes(bytes(shutil.disk_usage(disk).free - 4_096))
    for _ in range(4):
        with pytest.raises(UnavailableError, match="disk is full"):
            list(look_waiting())
    assert not SourceLook.objects.get().refusal
    (disk / "full").unlink()
    assert "Add a as a layer" in look(admin_client, begun)


def test_piece_whose_answer_was_lost_ends_the_upload(admin_client: Client) -> None:
    begun = admin_client.post(f"{DATA}upload/", {"name": "a.zip", "size": "5"})
    assert send_piece(admin_client, begun, 0, b"12345").status_code == 200
    # As where the database was away then.
    SourceLook.objects.update(is_whole=False)
    assert send_piece(admin_client, begun, 0, b"12345").json() == {"received": 5}
    assert SourceLook.objects.get().is_whole


def test_piece_that_came_twice_or_too_far_is_told_where_to_go_on(admin_client: Client) -> None:
    begun = admin_client.post(f"{DATA}upload/", {"name": "a.zip", "size": "10"})
    assert send_piece(admin_client, begun, 0, b"12345").json() == {"received": 5}
    for offset in (0, 7, 10**14):
        again = send_piece(admin_client, begun, offset, b"12345")
        assert (again.status_code, again.json()) == (409, {"received": 5})
    over = send_piece(admin_client, begun, 5, b"123456")
    assert over.status_code == 400 and "said to have 10 bytes" in over.json()["error"]
    # Cut off: it is not looked at, and says so.
    assert list(look_waiting()) == []
    assert "was cut off" in text_of(admin_client.get(begun.json()["page"]))
    assert send_piece(admin_client, begun, 5, b"67890").json() == {"received": 10}
    admin_client.post(begun.json()["page"], {"discard": "1"})
    assert not SourceLook.objects.exists() and list(uploads.upload_folder().iterdir()) == []


def test_upload_that_was_not_looked_at_is_no_source(
    admin_client: Client, marine_gpkg: Path, settings: Any
) -> None:
    """GDAL has formats that point at other files: what arrives may be one, and stay half there."""
    content = b"<OGRVRTDataSource><OGRVRTLayer name='x'><SrcDataSource>/etc/passwd"
    begun = admin_client.post(f"{DATA}upload/", {"name": "x", "size": str(len(content) + 1)})
    send_piece(admin_client, begun, 0, content)
    arriving = uploads.part_of(SourceLook.objects.get())
    assert arriving.read_bytes() == content
    # Also where the operator allows a folder that has the site's home within it.
    settings.MARINEMAP_LAYER_FOLDERS = ["/"]
    beside = arriving.parent / ".." / arriving.parent.name / arriving.name
    for path in (arriving, beside, arriving.parent):
        refused = admin_client.post(ADD, {"id": "x", "title": "x", "source": str(path)})
        assert "is below none of" in refused.context["adminform"].form.errors["source"][0]
        assert "is below none of" in text_of(admin_client.post(DATA, {"file": str(path)}))
    assert not Layer.objects.exists()


def test_paths_that_the_disk_refuses_are_told(
    admin_client: Client, tmp_path: Path, settings: Any
) -> None:
    settings.MARINEMAP_LAYER_FOLDERS = [str(tmp_path)]
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    deep = tmp_path
    for _ in range(40):
        deep /= "folder"
        deep.mkdir()
    (deep / "reefs.gpkg").touch()
    (tmp_path / ("r" * 250 + ".gpkg")).touch()
    for name in ("r" * 300, "\u202e'\"<b>.gpkg", "loop", "loop/a.gpkg", "a\nb"):
        told = text_of(admin_client.post(DATA, {"file": str(tmp_path / name)}))
        assert 'class="errorlist"' in told
    offered = admin_client.get(DATA).context["found"]
    assert [len(path.name) for path in offered.files] == [255] and not offered.is_cut


@pytest.mark.parametrize("size", ["0", "-1", "x", "1000001", "9" * 40, ""])
def test_file_of_no_size_that_is_taken_is_refused_at_once(
    admin_client: Client, settings: Any, size: str
) -> None:
    settings.MARINEMAP_MAX_LAYER_UPLOAD_MB = 1
    answer = admin_client.post(f"{DATA}upload/", {"name": "a.zip", "size": size})
    assert answer.status_code == 400
    assert not SourceLook.objects.exists()


def test_uploads_that_nobody_uses_do_not_fill_the_disk(admin_client: Client) -> None:
    for _ in range(20):
        assert admin_client.post(f"{DATA}upload/", {"name": "a", "size": "9"}).status_code == 201
    answer = admin_client.post(f"{DATA}upload/", {"name": "a", "size": "9"})
    assert answer.status_code == 400 and "20 files" in answer.json()["error"]


def test_file_below_an_allowed_folder_becomes_a_layer(
    admin_client: Client, marine_gpkg: Path, tmp_path: Path, settings: Any
) -> None:
    folder = tmp_path / "données"
    (folder / "deep").mkdir(parents=True)
    shutil.copyfile(marine_gpkg, folder / "deep" / "mer d'Iroise.gpkg")
    outside = tmp_path / "secret.gpkg"
    shutil.copyfile(marine_gpkg, outside)
    (folder / "leads out.gpkg").symlink_to(outside)
    (folder / "up").symlink_to(tmp_path)
    settings.MARINEMAP_LAYER_FOLDERS = [str(folder)]
    chosen = str(folder / "deep" / "mer d'Iroise.gpkg")
    offered = admin_client.get(DATA).context["found"].files
    assert list(map(str, offered)) == [chosen]
    assert admin_client.get(f"{DATA}?q=IROISE+mer").context["found"].files == offered
    assert admin_client.get(f"{DATA}?q=nothing").context["found"].files == []
    for path in ("leads out.gpkg", "up/secret.gpkg", "../secret.gpkg", "deep/../../secret.gpkg"):
        told = text_of(admin_client.post(DATA, {"file": str(folder / path)}))
        assert "is below none of the folders" in told
    answer = admin_client.post(DATA, {"file": chosen}, follow=True)
    assert "waits to be" in text_of(answer)
    list(look_waiting())
    assert "Add coastline as a layer" in text_of(admin_client.get(answer.redirect_chain[-1][0]))


def test_part_of_a_shapefile_that_leads_out_is_refused(
    admin_client: Client, shapefile: dict[str, bytes], tmp_path: Path, settings: Any
) -> None:
    folder = tmp_path / "allowed"
    folder.mkdir()
    for suffix, part in shapefile.items():
        (folder / f"reefs{suffix}").write_bytes(part)
    (folder / "reefs.dbf").rename(tmp_path / "secret.dbf")
    (folder / "reefs.dbf").symlink_to(tmp_path / "secret.dbf")
    settings.MARINEMAP_LAYER_FOLDERS = [str(folder)]
    told = text_of(admin_client.post(DATA, {"file": str(folder / "reefs.shp")}))
    assert "reefs.dbf is a link that leads out" in told


def test_new_data_of_a_layer_are_taken_from_what_was_found(
    admin_client: Client, reefs: Layer, marine_gpkg: Path
) -> None:
    begun = send(admin_client, "marine.gpkg", marine_gpkg.read_bytes(), layer="reefs")
    assert "Use ports as the new data" in look(admin_client, begun)
    assert admin_client.post(begun.json()["page"], {"layer": "7"}).status_code == 302
    assert not SourceToRead.objects.exists()
    answer = admin_client.post(begun.json()["page"], {"layer": "2"}, follow=True)
    assert "They wait to be read" in text_of(answer)


@pytest.mark.parametrize("may", [(), ("view_layer",), ("change_layer",)])
def test_who_may_not_add_layers_points_at_nothing(client: Client, may: tuple[str, ...]) -> None:
    user = User.objects.create_user("ann", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=may))
    client.force_login(user)
    assert client.get(DATA).status_code == 403
    assert client.post(DATA, {"file": "/etc/passwd"}).status_code == 403
    assert client.post(f"{DATA}upload/", {"name": "a", "size": "9"}).status_code == 403
    assert not SourceLook.objects.exists()


def test_pieces_are_taken_from_who_began(admin_client: Client, client: Client) -> None:
    begun = admin_client.post(f"{DATA}upload/", {"name": "a", "size": "9"})
    client.force_login(User.objects.create_superuser("other"))
    assert send_piece(client, begun, 0, b"x").status_code == 403
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="admin"))
    assert send_piece(strict, begun, 0, b"x").status_code == 403
    assert Client().get(DATA).status_code == 302
    assert SourceLook.objects.get().is_whole is False


@pytest.mark.parametrize("layer", ["nothing", "a\0b", "../x", "x" * 300])
def test_new_data_of_no_layer_are_refused(admin_client: Client, layer: str) -> None:
    assert admin_client.get(DATA, {"layer": layer}).status_code == 404
    answer = admin_client.post(f"{DATA}upload/", {"name": "a", "size": "9", "layer": layer})
    assert answer.status_code == 404


def test_of_two_who_add_one_id_at_once_the_later_is_told(
    admin_client: Client, marine_gpkg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled = {"id": "reefs", "title": "Mine", "source": str(marine_gpkg), "source_layer": "reefs"}
    really_view = ModelAdmin.changeform_view
    refusals: list[str] = []

    def be_overtaken(own: Any, request: Any, *arguments: Any) -> Any:
        """Save where the form was checked before somebody else saved."""
        monkeypatch.setattr(ModelAdmin, "changeform_view", really_view)
        Layer.objects.create(id="reefs", title="Theirs")
        try:
            with transaction.atomic():
                own.save_model(request, Layer(id="reefs", title="Mine"), None, change=False)
        except IntegrityError as error:
            refusals.append(str(error))
            raise

    monkeypatch.setattr(ModelAdmin, "changeform_view", be_overtaken)
    answer = admin_client.post(ADD, filled)
    (told,) = answer.context["adminform"].form.errors["id"]
    assert "already exists" in told and len(refusals) == 1
    assert Layer.objects.get().title == "Theirs"


@pytest.mark.parametrize(
    ("name", "suggested"),
    [
        ("Riffe März", "riffe-marz"),
        ("sea.Große 'Riffe'", "sea-groe-riffe"),
        ("珊瑚礁", ""),
        ("reefs", "reefs-2"),
        ("x" * 300, "x" * 60),
    ],
)
def test_suggested_id_is_one_that_is_free(reefs: Layer, name: str, suggested: str) -> None:
    assert suggest_id(name) == suggested
