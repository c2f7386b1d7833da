"""Areas that a layer names: searched as people type, seen by who may see the layer."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import shapely
from django.contrib.auth.models import Group, User
from django.test import Client

from marinemap.catalogue import area_names
from marinemap.catalogue.freshness import refresh
from marinemap.catalogue.models import Layer, NameIndex, NamePhrase
from marinemap.catalogue.registration import register
from marinemap.catalogue.viewers import EVERYONE
from marinemap.errors import DatasetError, UnavailableError
from marinemap.jobs.models import JobDocuments
from tests.api.conftest import BROWSER, Post
from tests.api.test_jobs import assert_problem
from tests.extraction.parquet_files import write_parquet

pytestmark = pytest.mark.django_db
NewClient = Callable[..., Client]
NAMES = [
    "Aegean Sea",
    "Aegean",
    "North Aegean",
    "Mer Égée",
    "Østersjøen",
    "Sea of Marmara",
    "Sea of Crete",
    "Santa Cruz",
    "Santa Cruz",
    "珊瑚海",
    "!!!",
    None,
]


def write_seas(path: Path, names: list[Any], crs: str = "EPSG:4326", size: float = 0.5) -> Path:
    west = np.arange(len(names)) % 100 * 1.0
    south = np.arange(len(names)) // 100 * 1e-3
    pyogrio.raw.write(
        path,
        shapely.to_wkb(shapely.box(west, south, west + size, south + size)),
        field_data=[np.array(names, object)],
        fields=["name"],
        layer="seas",
        geometry_type="Polygon",
        crs=crs,
    )
    return path


@pytest.fixture
def seas(db: None, tmp_path: Path) -> Layer:
    """A layer whose polygons are areas with names, indexed."""
    path = write_seas(tmp_path / "seas.gpkg", NAMES)
    layer, _ = register("seas", path, area_names="name")
    assert list(area_names.index_missing()) == ["seas: 10 names"]
    return layer


@pytest.fixture
def names(new_client: NewClient) -> Callable[..., list[str]]:
    """Search as a program does; return the names in their order."""

    def ask(q: str, client: Client | None = None, limit: int = 10) -> list[str]:
        answer = (client or new_client()).get("/api/areas", {"q": q, "limit": limit})
        assert answer.status_code == 200, answer.content
        return [each["title"] for each in answer.json()["areas"]]

    return ask


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("aegean", ["Aegean", "Aegean Sea", "North Aegean"]),
        ("AEGEAN s", ["Aegean Sea"]),
        ("egee", ["Mer Égée"]),
        ("mer éGÉ", ["Mer Égée"]),
        ("ostersj", ["Østersjøen"]),
        ("sea", ["Sea of Crete", "Sea of Marmara", "Aegean Sea"]),
        ("marmara sea", ["Sea of Marmara"]),
        ("crete, sea of", ["Sea of Crete"]),
        ("珊瑚", ["珊瑚海"]),
        ("gean", []),
        ("%", []),
        ("_egean", []),
        ("santa cruz", ["Santa Cruz", "Santa Cruz"]),
    ],
)
def test_name_is_found_as_people_type_it(
    seas: Layer, names: Callable[..., list[str]], q: str, found: list[str]
) -> None:
    assert names(q) == found


def test_limit_and_nothing_sought(seas: Layer, names: Callable[..., list[str]]) -> None:
    assert names("sea", limit=2) == ["Sea of Crete", "Sea of Marmara"]
    assert names("", limit=3) == ["Aegean", "Aegean Sea", "Mer Égée"]


def test_id_stands_for_the_area(
    seas: Layer, new_client: NewClient, post: Post, tmp_path: Path
) -> None:
    client = new_client()
    area = client.get("/api/areas", {"q": "aegean sea"}).json()["areas"][0]
    assert area["id"] == "seas:aegean-sea"
    shown = client.get(area["links"][0]["href"]).json()
    assert shapely.from_geojson(json.dumps(shown["geometry"])).equals(shapely.box(0, 0, 0.5, 0.5))
    assert shown["bbox"] == area["bbox"] == [0, 0, 0.5, 0.5]
    made = post(client, {"inputs": {"layers": ["seas"], "area": area["id"]}})
    assert made.status_code == 201, made.content
    assert JobDocuments.objects.get().inputs["area"]["coordinates"]


def test_name_in_place_of_an_id_is_told_the_id(
    seas: Layer, new_client: NewClient, post: Post
) -> None:
    for name in ("Aegean Sea", "aegean s"):
        answer = post(new_client(), {"inputs": {"layers": ["seas"], "area": name}}, "estimate")
        assert "'seas:aegean-sea'" in assert_problem(answer, 400)["detail"]


def test_areas_of_one_name_have_ids_of_their_own(seas: Layer, new_client: NewClient) -> None:
    found = new_client().get("/api/areas", {"q": "santa"}).json()["areas"]
    assert len({each["id"] for each in found}) == 2
    boxes = [new_client().get(each["links"][0]["href"]).json()["bbox"] for each in found]
    assert boxes == [each["bbox"] for each in found]


def test_layer_in_metres_is_found_in_degrees(
    tmp_path: Path, names: Callable[..., list[str]], new_client: NewClient
) -> None:
    path = write_seas(tmp_path / "m.gpkg", ["Gulf"], "EPSG:3857", 111_319.49)
    register("gulfs", path, area_names="name")
    list(area_names.index_missing())
    area = new_client().get("/api/areas", {"q": "gulf"}).json()["areas"][0]
    assert area["bbox"] == pytest.approx([0, 0, 1, 1], abs=1e-3)


def test_area_of_a_closed_layer_is_there_for_its_group_only(
    seas: Layer, new_client: NewClient, names: Callable[..., list[str]], post: Post
) -> None:
    Layer.objects.update(is_restricted=True)
    seas.groups.add(Group.objects.create(name="sailors"))
    stranger, member = new_client(BROWSER), new_client(BROWSER)
    user = User.objects.create_user("sailor")
    user.groups.add(Group.objects.get())
    member.force_login(user)
    assert names("aegean", member)
    assert names("aegean", stranger) == []
    body = {"inputs": {"layers": ["seas"], "area": "seas:aegean"}}
    for person, status in ((member, 200), (stranger, 404)):
        assert person.get("/api/areas/seas:aegean").status_code == status
    absent = stranger.get("/api/areas/seas:nothing").json()
    assert stranger.get("/api/areas/seas:aegean").json()["detail"] == absent["detail"]
    assert post(member, body, "estimate").status_code == 200
    assert_problem(post(stranger, body, "estimate"), 400)


def test_data_that_change_are_indexed_anew_and_named_as_they_are(
    seas: Layer, new_client: NewClient, names: Callable[..., list[str]], tmp_path: Path
) -> None:
    path = tmp_path / "seas.gpkg"
    path.unlink()
    write_seas(path, ["Ionian Sea", "Aegean Sea"])
    # The index is of the old data: what bore the name bears another by now.
    assert new_client().get("/api/areas/seas:aegean-sea").status_code == 404
    refresh(Layer.objects.get())
    assert area_names.is_any_unindexed()
    assert list(area_names.index_missing()) == ["seas: 2 names"]
    assert names("aegean") == ["Aegean Sea"]
    assert NameIndex.objects.count() == 1
    assert NamePhrase.objects.count() == 4
    assert not area_names.is_any_unindexed()


def test_layer_that_is_no_longer_marked_is_searched_no_more(
    seas: Layer, names: Callable[..., list[str]]
) -> None:
    Layer.objects.update(area_names="")
    assert names("aegean") == []
    assert list(area_names.index_missing()) == ["seas: 0 names"]
    assert not NamePhrase.objects.exists()


@pytest.mark.parametrize("odd", ["\ud800", "seas:\ud800", "\0", "seas:\0"])
def test_text_that_no_database_takes_is_no_area(
    seas: Layer, new_client: NewClient, post: Post, odd: str
) -> None:
    body = {"inputs": {"layers": ["seas"], "area": odd}}
    problem = assert_problem(post(new_client(), body), 400)
    assert problem["field"] == "area"


def test_names_that_cannot_be_read_leave_nothing_behind(seas: Layer) -> None:
    Layer.objects.update(version="another")
    seas.path.unlink()
    for _ in range(3):
        (told,) = area_names.index_missing()
        assert told.startswith("seas: its names cannot be read: ")
    assert NameIndex.objects.count() == 1


def test_field_of_names_that_is_gone_holds_up_no_other_layer(seas: Layer, tmp_path: Path) -> None:
    other = write_seas(tmp_path / "other.gpkg", [*NAMES, "Red Sea"])
    register("other", other, area_names="name")
    Layer.objects.filter(pk="seas").update(area_names="gone")
    refused, done = area_names.index_missing()
    assert "has no field 'gone'" in refused
    assert done == "other: 11 names"


@pytest.mark.django_db(transaction=True)
def test_two_that_index_at_once_leave_one_index(
    seas: Layer, names: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = area_names.read_names

    def read_while_another_does(*asked: Any) -> Any:
        monkeypatch.setattr(area_names, "read_names", read)
        rows = read(*asked)
        yield next(rows)
        assert area_names.index(seas) == 10
        yield from rows

    monkeypatch.setattr(area_names, "read_names", read_while_another_does)
    with pytest.raises(UnavailableError, match="another process"):
        area_names.index(seas)
    assert NameIndex.objects.count() == 1
    assert names("crete") == ["Sea of Crete"]


def test_nul_in_a_name_is_a_blank(tmp_path: Path, names: Callable[..., list[str]]) -> None:
    areas = shapely.box([0, 2], 0, [1, 3], 1)
    path = write_parquet(tmp_path / "odd.parquet", areas, {"name": ["Dead\0Sea", "Red Sea"]})
    register("odd", path, area_names="name")
    assert list(area_names.index_missing()) == ["odd: 2 names"]
    assert names("dead sea") == ["Dead Sea"]
    (found,) = area_names.search("dead", EVERYONE, 1)
    assert found.bounds == [0.0, 0.0, 1.0, 1.0]


def test_index_that_was_cut_off_is_made_again(seas: Layer, names: Callable[..., list[str]]) -> None:
    NameIndex.objects.create(layer=seas, key="half done")
    Layer.objects.update(version="newer")
    assert names("aegean sea") == ["Aegean Sea"]
    list(area_names.index_missing())
    assert NameIndex.objects.count() == 1


def test_wrong_field_is_refused_with_the_nearest(tmp_path: Path, marine_gpkg: Path) -> None:
    with pytest.raises(DatasetError, match="Did you mean 'name'"):
        register("reefs", marine_gpkg, "reefs", area_names="nam")
    with pytest.raises(DatasetError, match="only polygons"):
        register("ports", marine_gpkg, "ports", area_names="port_id")


def test_search_among_many_names_is_fast_and_of_few_queries(
    seas: Layer, names: Callable[..., list[str]], django_assert_max_num_queries: Any
) -> None:
    # As many as 100,000 took 6 ms a search when measured; here enough to tell a scan from an index.
    made = NameIndex.objects.get()
    area = made.areas.first()
    NamePhrase.objects.bulk_create(
        NamePhrase(area=area, index=made, place=0, phrase=f"{number:06d}".encode().hex())
        for number in range(20_000)
    )
    names("aegean")
    begun = time.process_time()
    with django_assert_max_num_queries(4):
        assert names("aegean")[0] == "Aegean"
    assert time.process_time() - begun < 0.2
