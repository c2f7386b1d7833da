"""What a vector file holds, and why one cannot be served."""

from __future__ import annotations

import os
import shutil
import sqlite3
import struct
from contextlib import closing
from pathlib import Path

import pytest
import shapely

from marinemap.errors import DatasetError
from marinemap.extraction import (
    Field,
    SourceLayer,
    content_version,
    describe,
    fingerprint,
    list_layers,
    read_geometries,
)
from tests.extraction.conftest import WriteSource

SQUARES = [shapely.box(x, 40, x + 0.5, 40.5) for x in range(20)]


def test_description_says_what_the_layer_holds(marine_gpkg: Path) -> None:
    dataset = describe(marine_gpkg, "reefs")
    assert dataset.crs == "EPSG:4326"
    assert dataset.geometry_type == "Polygon"
    assert dataset.feature_count == 100
    assert dataset.bounds == pytest.approx((0.1, 40.1, 9.9, 49.9))
    assert dataset.fields == (
        Field("reef_id", "int64"),
        Field("name", "str"),
        Field("habitat_class", "str"),
        Field("depth_m", "float"),
    )


def test_layers_are_listed_as_the_file_names_them(marine_gpkg: Path) -> None:
    assert list_layers(marine_gpkg) == ["reefs", "coastline", "ports"]


def test_layer_may_be_left_out_where_there_is_one(write_source: WriteSource) -> None:
    assert describe(write_source("only.gpkg", SQUARES)).layer == "only"


def test_layer_must_be_named_where_there_are_several(marine_gpkg: Path) -> None:
    with pytest.raises(DatasetError, match="holds 3 layers: 'reefs', 'coastline', 'ports'"):
        describe(marine_gpkg)


def test_unknown_layer_is_answered_with_the_nearest(marine_gpkg: Path) -> None:
    with pytest.raises(DatasetError, match=r"it has .* Did you mean 'coastline'\?") as caught:
        describe(marine_gpkg, "coast")
    assert (caught.value.field, caught.value.value) == ("layer", "coast")


@pytest.mark.parametrize("name", ["no-crs.shp", "no-crs.gpkg"])
def test_layer_without_crs_is_refused_with_what_to_do(write_source: WriteSource, name: str) -> None:
    with pytest.warns(UserWarning, match="'crs' was not provided"):
        path = write_source(name, SQUARES, crs=None)
    with pytest.raises(DatasetError, match="no CRS") as caught:
        describe(path)
    assert "ogr2ogr" in (caught.value.hint or "")


def test_table_without_geometry_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "catches.csv"
    table.write_text("species,tonnes\ncod,3\n")
    with pytest.raises(DatasetError, match="no geometry"):
        describe(table)


def test_missing_file_is_named(tmp_path: Path) -> None:
    for ask in (describe, list_layers, fingerprint):
        with pytest.raises(DatasetError, match="no file .*gone.gpkg"):
            ask(tmp_path / "gone.gpkg")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("words.gpkg", b"no GeoPackage at all"),
        ("empty.gpkg", b""),
        ("empty.shp", b""),
        ("words.shp", b"x" * 200),
        ("page.geojson", b"<html></html>"),
        ("half.geojson", b'{"type": "FeatureCollection", "features": [{"type":'),
        ("picture.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 50),
    ],
)
def test_what_is_no_vector_file_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=name) as caught:
        describe(path)
    assert caught.value.field == "source"


def test_shapefile_cut_at_any_length_is_refused(write_source: WriteSource) -> None:
    path = write_source("squares.shp", SQUARES)
    whole = path.read_bytes()
    describe(path)
    for length in {*range(0, 120, 7), *range(120, len(whole), 97), len(whole) - 1}:
        path.write_bytes(whole[:length])
        with pytest.raises(DatasetError, match=r"squares\.shp"):
            describe(path)


def test_shapefile_longer_than_its_header_says_is_refused(write_source: WriteSource) -> None:
    path = write_source("squares.shp", SQUARES)
    with path.open("ab") as file:
        file.write(b"\0" * 8)
    with pytest.raises(DatasetError, match="its header says") as caught:
        describe(path)
    assert caught.value.value == "squares.shp"


def test_shapefile_whose_header_lies_is_refused(write_source: WriteSource) -> None:
    path = write_source("squares.shp", SQUARES)
    content = bytearray(path.read_bytes())
    content[24:28] = struct.pack(">I", len(content))
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="its header says"):
        describe(path)


def test_geopackage_cut_at_any_length_is_refused_or_read_in_full(
    write_source: WriteSource,
) -> None:
    path = write_source("squares.gpkg", SQUARES)
    whole = path.read_bytes()
    refused = 0
    for length in range(0, len(whole), len(whole) // 40):
        path.write_bytes(whole[:length])
        try:
            found = read_geometries(SourceLayer("squares", path, "squares"), max_vertices=1000)
        except DatasetError:
            refused += 1
        else:
            assert len(found) == len(SQUARES)
    assert refused > 30


def test_crs_without_a_code_is_kept_as_wkt(write_source: WriteSource) -> None:
    crs = "+proj=laea +lat_0=43 +lon_0=7 +datum=WGS84"
    dataset = describe(write_source("own.gpkg", [shapely.box(0, 0, 1000, 1000)], crs=crs))
    assert dataset.crs.startswith(("PROJCRS", "PROJCS"))
    assert "Lambert" in dataset.crs


def test_empty_layer_has_no_bounds(write_source: WriteSource) -> None:
    dataset = describe(write_source("none.gpkg", []))
    assert (dataset.feature_count, dataset.bounds) == (0, None)


@pytest.mark.parametrize(
    ("wkts", "kind"),
    [
        (["POINT (0 0)", "MULTIPOINT (1 1, 2 2)"], "MultiPoint"),
        (["POLYGON ((0 0, 1 0, 1 1, 0 0))"] * 2, "Polygon"),
        (["POINT (0 0)", "LINESTRING (0 0, 1 1)"], "Unknown"),
    ],
)
def test_type_that_the_file_does_not_state_is_found_in_the_features(
    write_source: WriteSource, wkts: list[str], kind: str
) -> None:
    path = write_source("any.gpkg", [shapely.from_wkt(wkt) for wkt in wkts], kind="Unknown")
    assert describe(path).geometry_type == kind


def test_version_and_fingerprint_change_with_the_content(write_source: WriteSource) -> None:
    path = write_source("squares.gpkg", SQUARES)
    before = (fingerprint(path), content_version(path))
    assert (fingerprint(path), content_version(path)) == before
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 10201")
    assert fingerprint(path) != before[0]
    assert content_version(path) != before[1]


@pytest.mark.parametrize("suffix", [".dbf", ".prj", ".shx", ".cpg"])
def test_every_part_of_a_shapefile_counts_for_its_version(
    write_source: WriteSource, suffix: str
) -> None:
    path = write_source("squares.shp", SQUARES, encoding="UTF-8")
    before = (fingerprint(path), content_version(path))
    with path.with_suffix(suffix).open("ab") as part:
        part.write(b" ")
    assert fingerprint(path) != before[0]
    assert content_version(path) != before[1]


def test_version_is_of_the_content_and_not_of_the_copy(
    write_source: WriteSource, tmp_path: Path
) -> None:
    path = write_source("squares.gpkg", SQUARES)
    copy = tmp_path / "copy.gpkg"
    shutil.copyfile(path, copy)
    os.utime(copy, (0, 0))
    assert content_version(copy) == content_version(path)
    assert fingerprint(copy) != fingerprint(path)


def test_driver_that_cannot_count_is_described_by_counting(tmp_path: Path) -> None:
    gpx = tmp_path / "buoys.gpx"
    points = "".join(f'<wpt lat="{y}" lon="2"/>' for y in (1, 2, 3))
    gpx.write_text(
        '<?xml version="1.0"?><gpx version="1.1" creator="test" '
        f'xmlns="http://www.topografix.com/GPX/1/1">{points}</gpx>'
    )
    dataset = describe(gpx, "waypoints")
    assert (dataset.feature_count, dataset.bounds) == (3, (2, 1, 2, 3))


@pytest.mark.parametrize("name", ["none.gpkg", "none.geojson"])
def test_layer_without_any_geometry_has_no_bounds(write_source: WriteSource, name: str) -> None:
    path = write_source(name, [None, None])
    dataset = describe(path)
    assert (dataset.feature_count, dataset.bounds) == (2, None)
    assert read_geometries(SourceLayer("none", path), max_vertices=10) == []


@pytest.mark.parametrize("kind", ["Unknown", "Point Z"])
def test_heights_of_a_layer_are_described(write_source: WriteSource, kind: str) -> None:
    path = write_source("deep.gpkg", [shapely.from_wkt("POINT Z (3 43 -7.5)")], kind=kind)
    assert describe(path).geometry_type == "3D Point"


def test_version_of_a_folder_changes_with_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "sea.gdb"
    folder.mkdir()
    table = folder / "a00000001.gdbtable"
    table.write_text("a")
    before = (fingerprint(folder), content_version(folder))
    (folder / "a00000001.gdbtable.host.1.lock").touch()
    assert (fingerprint(folder), content_version(folder)) == before
    table.write_text("bc")
    assert fingerprint(folder) != before[0]
    assert content_version(folder) != before[1]


@pytest.mark.parametrize(
    ("name", "beside"),
    [("sea.tab", "sea.dat"), ("sea.tab", "sea.MAP"), ("sea.TAB", "sea.ID"), ("sea.mif", "sea.mid")],
)
def test_every_file_of_a_mapinfo_dataset_counts_for_its_version(
    tmp_path: Path, name: str, beside: str
) -> None:
    path = tmp_path / name
    path.write_text("a")
    (tmp_path / beside).write_text("a")
    before = (fingerprint(path), content_version(path))
    (tmp_path / beside).write_text("bc")
    assert fingerprint(path) != before[0]
    assert content_version(path) != before[1]


@pytest.mark.parametrize("name", ["gone.gpkg", "words.gpkg", "words.geojson"])
def test_messages_do_not_tell_the_server_s_folders(tmp_path: Path, name: str) -> None:
    if not name.startswith("gone"):
        (tmp_path / name).write_text("words")
    for ask in (describe, list_layers):
        with pytest.raises(DatasetError, match=name) as caught:
            ask(tmp_path / name)
        assert str(tmp_path) not in f"{caught.value} {caught.value.value} {caught.value.hint}"
