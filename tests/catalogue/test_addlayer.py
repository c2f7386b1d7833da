"""``manage.py addlayer``, and what the catalogue keeps of a layer."""

from __future__ import annotations

import shutil
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyogrio
import pytest
import shapely
from django.core.management import call_command
from django.core.management.base import CommandError

from marinemap.catalogue import reading
from marinemap.catalogue.freshness import refresh, refresh_all
from marinemap.catalogue.models import Layer
from marinemap.catalogue.registration import LayerText, register
from marinemap.catalogue.viewers import EVERYONE
from marinemap.errors import DatasetError, RequestError
from tests.extraction.layers import write_layer


def addlayer(*args: Any, **options: Any) -> str:
    out = StringIO()
    call_command("addlayer", *args, stdout=out, **options)
    return out.getvalue()


def write_points(path: Path, positions: list[tuple[float, float]], crs: str = "EPSG:4326") -> Path:
    pyogrio.raw.write(
        path,
        shapely.to_wkb(shapely.points(positions)),
        field_data=[np.arange(len(positions))],
        fields=["number"],
        geometry_type="Point",
        crs=crs,
    )
    return path


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "most"), [("title", 200), ("licence", 200), ("attribution", 500), ("title", 0)]
)
def test_words_that_have_no_room_are_refused(marine_gpkg: Path, name: str, most: int) -> None:
    """SQLite took a title of any length, which filled the map page; PostgreSQL failed by it."""
    if most:
        addlayer("reefs", marine_gpkg, layer="reefs", **{name: "x" * most})
    with pytest.raises(CommandError, match=f"{name}: .*(at most {most} char|cannot be blank)"):
        addlayer("other", marine_gpkg, layer="reefs", **{name: "x" * (most and most + 1)})
    assert not Layer.objects.filter(pk="other").exists()


@pytest.mark.django_db
def test_everything_but_the_words_is_read_from_the_data(marine_gpkg: Path) -> None:
    told = addlayer(
        "reefs",
        marine_gpkg,
        layer="reefs",
        title="Reefs",
        theme="Habitats",
        licence="CC0",
        attribution="Me",
    )
    layer = Layer.objects.get(pk="reefs")
    assert told.startswith("Added: reefs, 100 features (Polygon), EPSG:4326, version ")
    assert (layer.title, layer.licence, layer.attribution) == ("Reefs", "CC0", "Me")
    assert layer.theme == "Habitats"
    assert (layer.crs, layer.geometry_type, layer.feature_count) == ("EPSG:4326", "Polygon", 100)
    assert layer.bounds == layer.bounds_4326 == pytest.approx([0.1, 40.1, 9.9, 49.9])
    assert [field["name"] for field in layer.fields] == [
        "reef_id",
        "name",
        "habitat_class",
        "depth_m",
    ]
    assert layer.is_published
    assert Path(layer.source) == marine_gpkg


@pytest.mark.django_db
def test_bounds_of_a_projected_layer_are_kept_in_degrees_too(tmp_path: Path) -> None:
    path = write_points(tmp_path / "utm.gpkg", [(500_000, 0), (500_000, 1_000)], "EPSG:32631")
    addlayer("utm", path)
    # The central meridian of zone 31 is 3 degrees east, its false northing 0 at the equator.
    assert Layer.objects.get().bounds_4326 == pytest.approx([3, 0, 3, 1000 / 110_574], abs=1e-5)


@pytest.mark.django_db
def test_adding_again_reads_again_and_keeps_the_words(marine_gpkg: Path, tmp_path: Path) -> None:
    path = write_points(tmp_path / "p.gpkg", [(1, 1)])
    addlayer("p", path, title="Ports", licence="CC0")
    first = Layer.objects.get().version
    write_points(path, [(1, 1), (2, 2)])
    told = addlayer("p", path, attribution="Harbour office")
    layer = Layer.objects.get()
    assert told.startswith("Read again: p, 2 features")
    assert (layer.title, layer.licence, layer.attribution) == ("Ports", "CC0", "Harbour office")
    assert layer.version != first
    assert layer.feature_count == 2


@pytest.mark.django_db
def test_title_is_the_id_unless_given(marine_gpkg: Path) -> None:
    addlayer("reefs", marine_gpkg, layer="reefs")
    assert Layer.objects.get().title == "reefs"


def no_crs(folder: Path) -> Path:
    path = folder / "bare.shp"
    write_points(path, [(1, 1)])
    path.with_suffix(".prj").unlink()
    return path


def table(folder: Path) -> Path:
    path = folder / "table.csv"
    path.write_text("species,tonnes\ncod,3\n")
    return path


def cut(folder: Path) -> Path:
    path = write_points(folder / "cut.shp", [(1, 1), (2, 2)])
    path.write_bytes(path.read_bytes()[:-8])
    return path


def words(folder: Path) -> Path:
    path = folder / "words.gpkg"
    path.write_text("not a GeoPackage")
    return path


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (no_crs, "has no CRS"),
        (table, "has no geometry"),
        (cut, "its header says"),
        (words, "cannot be read as vector data"),
        (lambda folder: folder / "gone.gpkg", "there is no file /.*/gone.gpkg"),
    ],
    ids=["no CRS", "table", "cut", "no vector data", "missing"],
)
def test_what_cannot_be_served_is_refused_with_the_reason(
    tmp_path: Path, make: Any, reason: str
) -> None:
    with pytest.raises(CommandError, match=reason):
        addlayer("layer", make(tmp_path))
    assert not Layer.objects.exists()


@pytest.mark.django_db
def test_unknown_layer_of_a_file_is_answered_with_the_nearest(marine_gpkg: Path) -> None:
    with pytest.raises(CommandError, match=r"it has 'reefs'.* Did you mean 'coastline'\?"):
        addlayer("coast", marine_gpkg, layer="coast")
    with pytest.raises(CommandError, match="holds 3 layers"):
        addlayer("coast", marine_gpkg)


@pytest.mark.django_db
@pytest.mark.parametrize("layer_id", ["", "Reefs", "../x", "a/b", "a b", "récif", "-a", "x" * 64])
def test_id_that_could_not_name_a_file_is_refused(marine_gpkg: Path, layer_id: str) -> None:
    with pytest.raises(DatasetError) as caught:
        register(layer_id, marine_gpkg, "reefs")
    assert caught.value.field == "id"


@pytest.mark.django_db
def test_refused_reading_leaves_the_known_layer_as_it_was(
    reefs: Layer, marine_gpkg: Path, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError):
        register("reefs", words(tmp_path))
    assert Layer.objects.get().source == reefs.source


@pytest.mark.django_db
def test_refresh_reads_only_what_changed(tmp_path: Path) -> None:
    path = write_points(tmp_path / "p.gpkg", [(1, 1)])
    layer, _ = register("p", path)
    before = layer.updated_at
    assert refresh(Layer.objects.get()).updated_at == before
    write_points(path, [(1, 1), (5, 5)])
    again = refresh(Layer.objects.get())
    assert (again.feature_count, again.bounds) == (2, [1, 1, 5, 5])
    assert Layer.objects.get().version == again.version != layer.version


@pytest.mark.django_db
def test_refresh_leaves_a_layer_withdrawn_that_was_withdrawn_meanwhile(tmp_path: Path) -> None:
    path = write_points(tmp_path / "p.gpkg", [(1, 1)])
    register("p", path)
    loaded = Layer.objects.get()
    Layer.objects.update(is_published=False, title="Old")
    write_points(path, [(1, 1), (5, 5)])
    refresh(loaded)
    kept = Layer.objects.get()
    assert (kept.is_published, kept.title, kept.feature_count) == (False, "Old", 2)


@pytest.mark.django_db
def test_layer_withdrawn_while_it_is_added_again_stays_withdrawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_points(tmp_path / "p.gpkg", [(1, 1)])
    register("p", path)

    def withdraw_and_check(dataset: Any) -> Any:
        Layer.objects.update(is_published=False, licence="Ours")
        return check_servable(dataset)

    check_servable = reading.check_servable
    monkeypatch.setattr(reading, "check_servable", withdraw_and_check)
    write_points(path, [(1, 1), (5, 5)])
    register("p", path, text=LayerText(title="Points"))
    kept = Layer.objects.get()
    assert (kept.is_published, kept.licence) == (False, "Ours")
    assert (kept.title, kept.feature_count) == ("Points", 2)


@pytest.mark.django_db
def test_switched_link_is_read_again(tmp_path: Path) -> None:
    for name, points in (("old", [(1, 1)]), ("new", [(1, 1), (5, 5)])):
        (tmp_path / name).mkdir()
        write_points(tmp_path / name / "p.gpkg", points)
    link = tmp_path / "current.gpkg"
    link.symlink_to(tmp_path / "old" / "p.gpkg")
    register("p", link)
    link.unlink()
    link.symlink_to(tmp_path / "new" / "p.gpkg")
    assert not any(dict(refresh_all()).values())
    assert Layer.objects.get().feature_count == 2
    link.unlink()
    assert dict(refresh_all()).keys() == {"p"}


@pytest.mark.django_db
def test_damaged_source_is_not_added(tmp_path: Path) -> None:
    path = tmp_path / "p.gml"
    pyogrio.raw.write(
        path,
        shapely.to_wkb([shapely.Point(1, 1)] * 50),
        [],
        [],
        geometry_type="Point",
        crs="EPSG:4326",
    )
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DatasetError, match="not well-formed"):
        register("p", path)
    assert not Layer.objects.exists()


@pytest.mark.django_db
def test_refresh_of_vanished_data_is_a_dataset_error(tmp_path: Path, marine_gpkg: Path) -> None:
    path = tmp_path / "copy.gpkg"
    shutil.copyfile(marine_gpkg, path)
    layer, _ = register("reefs", path, "reefs")
    path.unlink()
    with pytest.raises(DatasetError, match=r"copy\.gpkg"):
        refresh(layer)


def test_layer_that_is_not_published_is_not_found(reefs: Layer, marine_gpkg: Path) -> None:
    hidden, _ = register("hidden", marine_gpkg, "ports")
    Layer.objects.filter(pk=hidden.pk).update(is_published=False)
    assert Layer.objects.get_visible("reefs", EVERYONE) == reefs
    with pytest.raises(RequestError, match="has 'reefs'"):
        Layer.objects.get_visible("hidden", EVERYONE)


@pytest.mark.parametrize("name", ["reef", None, 7, ["reefs"], {"id": "reefs"}, "reefs\0"])
def test_unknown_layer_is_answered_with_what_there_is(reefs: Layer, name: Any) -> None:
    with pytest.raises(RequestError, match="the catalogue has 'reefs'") as caught:
        Layer.objects.get_visible(name, EVERYONE)
    assert caught.value.field == "layers"


@pytest.mark.parametrize(
    ("bounds", "meets"),
    [
        ((0, 40, 1, 41), True),
        ((9.9, 49.9, 20, 60), True),
        ((-180, -90, 180, 90), True),
        ((10, 40, 11, 41), False),
        ((0, 50, 1, 51), False),
        ((-5, 40, -1, 41), False),
        ((0, 30, 1, 40), False),
    ],
)
def test_layer_knows_whether_a_box_meets_it(
    reefs: Layer, bounds: tuple[float, float, float, float], meets: bool
) -> None:
    assert reefs.touches(bounds) is meets


@pytest.mark.django_db
def test_zones_of_times_are_read_with_the_data(tmp_path: Path) -> None:
    source = tmp_path / "seen.fgb"
    seen = pa.array([0, 1], pa.timestamp("ms", "+05:30"))
    points = [shapely.Point(1, 1), shapely.Point(2, 2)]
    write_layer(source, points, {"seen": seen}, kind="Point", driver="FlatGeobuf")
    layer, _ = register("seen", source)
    assert layer.zones == layer.to_source().zones == {"seen": "+05:30"}
    later = pa.array([0, 1], pa.timestamp("ms", "+01:00"))
    write_layer(source, points, {"seen": later}, kind="Point", driver="FlatGeobuf")
    refresh(layer)
    assert Layer.objects.get().zones == {"seen": "+01:00"}


@pytest.mark.django_db
def test_crs_that_is_assumed_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ports = tmp_path / "ports.csv"
    ports.write_text("lon,lat,name\n24.75,59.44,Tallinn\n")
    assert "ports, 1 feature (Point), EPSG:4326" in addlayer("ports", ports)
    assert "'lon' and 'lat' are taken for longitudes and latitudes in WGS 84" in caplog.text
