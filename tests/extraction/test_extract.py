"""The engine from request to archive, checked against shapely and read back by fiona."""

from __future__ import annotations

import json
import math
import resource
import signal
import zipfile
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import fiona
import numpy as np
import pyogrio
import pyproj
import pytest
import shapely
from shapely.geometry import shape

from marinemap.errors import DatasetError, RequestError, ServiceError
from marinemap.extraction import (
    ExtractionRequest,
    ExtractionResult,
    SourceLayer,
    extract,
    parse_area,
    read_geometries,
)
from marinemap.extraction.extracts.archive import new_archive
from tests.extraction.conftest import Unpack, WriteSource
from tests.extraction.layers import write_layer

# An outline that no edge of the fixture's data runs along.
OUTLINE = {
    "type": "Polygon",
    "coordinates": [[[1.23, 41.3], [7.71, 42.2], [8.05, 47.77], [4.4, 44.9], [2.17, 48.6]]],
}
PARTS = [".cpg", ".dbf", ".prj", ".shp", ".shx"]
# Coordinates of some ten degrees have fifteen digits; sums over some hundred features keep nine.
RELATIVE = 1e-9


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder / "extract.zip"


def read(path: Path) -> list[Any]:
    """Read a shapefile with fiona, whose GDAL is not the one that wrote it."""
    with fiona.open(path) as source:
        return [(shape(f.geometry), dict(f.properties)) for f in source]


def source_features(path: Path, layer: str) -> tuple[np.ndarray, dict[str, Any]]:
    meta, _, wkb, columns = pyogrio.raw.read(path, layer=layer)
    return shapely.from_wkb(wkb), dict(zip(meta["fields"], columns, strict=True))


def one_layer(
    path: Path, destination: Path, layer: str | None = None, area: Any = OUTLINE, **options: Any
) -> ExtractionResult:
    source = SourceLayer(layer or path.stem, path, layer)
    return extract(ExtractionRequest([source], area, destination, **options))


@pytest.mark.parametrize(
    ("layer", "measure"),
    [("reefs", shapely.area), ("coastline", shapely.length), ("ports", lambda points: len(points))],
)
def test_extract_holds_what_shapely_finds_in_the_area(
    marine_gpkg: Path, archive: Path, unpack: Unpack, layer: str, measure: Any
) -> None:
    result = one_layer(marine_gpkg, archive, layer)
    geometries, columns = source_features(marine_gpkg, layer)
    outline = shapely.Polygon(OUTLINE["coordinates"][0])
    cut = shapely.intersection(geometries, outline)
    hit = ~shapely.is_empty(cut)

    found = read(unpack(archive) / f"{layer}.shp")
    assert result.features_written == len(found) == hit.sum()
    assert sum(measure(np.array([g])) for g, _ in found) == pytest.approx(
        float(np.sum([measure(np.array([g])) for g in cut[hit]])), rel=RELATIVE
    )
    by_number = {next(iter(p.values())): g for g, p in found}
    for number, expected in zip(next(iter(columns.values()))[hit], cut[hit], strict=True):
        assert shapely.hausdorff_distance(by_number[int(number)], expected) < RELATIVE


def test_attributes_arrive_as_they_are(marine_gpkg: Path, archive: Path, unpack: Unpack) -> None:
    one_layer(marine_gpkg, archive, "reefs")
    found = read(unpack(archive) / "reefs.shp")
    assert found
    for _, properties in found:
        number = properties["reef_id"]
        assert properties == {
            "reef_id": number,
            "name": f"Récif {number} 珊瑚",
            "habitat_cl": f"class {number % 4}",
            "depth_m": pytest.approx(number / 10),
        }


def test_extract_in_another_crs_lies_where_the_formula_says(
    marine_gpkg: Path, archive: Path, unpack: Unpack
) -> None:
    one_layer(marine_gpkg, archive, "ports", crs="EPSG:3857")
    with fiona.open(unpack(archive) / "ports.shp") as source:
        assert pyproj.CRS(source.crs_wkt).to_epsg() == 3857
        found = {f.properties["port_id"]: f.geometry.coordinates for f in source}
    outline = shapely.Polygon(OUTLINE["coordinates"][0])
    geometries, columns = source_features(marine_gpkg, "ports")
    inside = shapely.within(geometries, outline)
    expected = {
        int(number): (
            6_378_137 * math.radians(point.x),
            6_378_137 * math.log(math.tan(math.pi / 4 + math.radians(point.y) / 2)),
        )
        for number, point in zip(columns["port_id"][inside], geometries[inside], strict=True)
    }
    assert found.keys() == expected.keys()
    for number, position in expected.items():
        # A micrometre: what double precision leaves of some 1e7 metres.
        assert found[number] == pytest.approx(position, abs=1e-6)


def test_area_of_reprojected_polygons_is_that_of_an_independent_projection(
    marine_gpkg: Path, archive: Path, unpack: Unpack
) -> None:
    one_layer(marine_gpkg, archive, "reefs", crs="EPSG:3035")
    geometries, _ = source_features(marine_gpkg, "reefs")
    cut = shapely.intersection(geometries, shapely.Polygon(OUTLINE["coordinates"][0]))
    geod = pyproj.Geod(ellps="GRS80")
    expected_m2 = sum(abs(geod.geometry_area_perimeter(g)[0]) for g in cut if not g.is_empty)
    found_m2 = sum(g.area for g, _ in read(unpack(archive) / "reefs.shp"))
    # EPSG:3035 keeps areas; straight edges there instead of geodesics move cells of a degree by
    # less than a thousandth.
    assert found_m2 == pytest.approx(expected_m2, rel=1e-3)


def test_source_in_another_crs_is_cut_where_the_area_lies(
    write_source: WriteSource, archive: Path, unpack: Unpack
) -> None:
    # Zone 32's central meridian is 9 degrees east: 500 km in its x.
    squares = [shapely.box(x, 5_000_000, x + 1000, 5_001_000) for x in (300_000, 499_500, 700_000)]
    path = write_source("utm.gpkg", squares, crs="EPSG:32632")
    result = one_layer(path, archive, area=[5, 40, 9, 50])
    (_, first), (cut, second) = ((g, p["number"]) for g, p in read(unpack(archive) / "utm.shp"))
    assert (first, second, result.layers[0].crs) == (0, 1, "EPSG:32632")
    # The edge at 9 degrees halves the square; a millimetre on a kilometre.
    assert cut.area == pytest.approx(500_000, rel=1e-6)


def test_mixed_layer_becomes_a_file_for_each_type(
    write_source: WriteSource, archive: Path, unpack: Unpack
) -> None:
    mixed = [
        shapely.Point(3, 43),
        shapely.MultiPoint([(3, 43), (3.5, 43.5), (100, 0)]),
        shapely.LineString([(3, 43), (4, 43)]),
        shapely.box(3, 43, 4, 43.5),
        shapely.Point(100, 0),
    ]
    result = one_layer(write_source("mixed.gpkg", mixed, kind="Unknown"), archive)
    folder = unpack(archive)
    assert {p.stem for p in folder.glob("*.shp")} == {"mixed_point", "mixed_line", "mixed_polygon"}
    assert result.features_written == 4
    points = read(folder / "mixed_point.shp")
    assert [(p["number"], len(shapely.get_coordinates(g))) for g, p in points] == [(0, 1), (1, 2)]
    assert [p["number"] for _, p in read(folder / "mixed_line.shp")] == [2]
    assert [p["number"] for _, p in read(folder / "mixed_polygon.shp")] == [3]


def test_mixed_layer_without_lines_has_no_file_of_lines(
    write_source: WriteSource, archive: Path
) -> None:
    mixed = [shapely.Point(3, 43), shapely.box(3, 43, 4, 43.5)]
    one_layer(write_source("mixed.gpkg", mixed, kind="Unknown"), archive)
    shapes = [name for name in zipfile.ZipFile(archive).namelist() if name.endswith(".shp")]
    assert shapes == ["mixed_point.shp", "mixed_polygon.shp"]


@pytest.mark.parametrize(
    ("kind", "wkt"),
    [
        ("Point Z", "POINT Z (3 43 -7.5)"),
        ("MultiPoint Z", "MULTIPOINT Z (3 43 -7.5, 4 44 12)"),
        ("LineString Z", "LINESTRING Z (3 43 -7.5, 4 44 12)"),
        ("Polygon Z", "POLYGON Z ((3 43 -7.5, 4 43 12, 4 44 3, 3 43 -7.5))"),
    ],
)
def test_heights_are_kept(
    write_source: WriteSource, archive: Path, unpack: Unpack, kind: str, wkt: str
) -> None:
    geometry = shapely.from_wkt(wkt)
    one_layer(write_source("deep.gpkg", [geometry], kind=kind), archive, area=[0, 40, 10, 50])
    ((found, _),) = read(unpack(archive) / "deep.shp")
    assert found.has_z
    assert shapely.normalize(found) == shapely.normalize(geometry)


def test_invalid_polygons_on_the_edge_are_repaired_with_a_note(
    write_source: WriteSource, archive: Path, unpack: Unpack
) -> None:
    bow_tie = shapely.Polygon([(2, 43), (4, 45), (4, 43), (2, 45)])
    result = one_layer(write_source("bow.gpkg", [bow_tie]), archive, area=[0, 40, 3, 50])
    ((found, _),) = read(unpack(archive) / "bow.shp")
    # The left of two triangles of base 2 and height 1 that meet at (3, 44).
    assert found.area == pytest.approx(1)
    assert found.is_valid
    assert any("1 feature on the edge not valid" in note for note in result.layers[0].notes)


def test_missing_and_empty_geometries_are_left_out(
    write_source: WriteSource, archive: Path, unpack: Unpack
) -> None:
    rows = [None, shapely.Polygon(), shapely.box(3, 43, 4, 44)]
    one_layer(write_source("gaps.gpkg", rows), archive, area=[0, 40, 10, 50])
    assert [p["number"] for _, p in read(unpack(archive) / "gaps.shp")] == [2]


@pytest.mark.parametrize("geometries", [[], [shapely.box(60, 0, 61, 1)]], ids=["empty", "far"])
def test_nothing_within_the_area_gives_an_empty_shapefile_and_says_so(
    write_source: WriteSource, archive: Path, unpack: Unpack, geometries: list[Any]
) -> None:
    result = one_layer(write_source("sea.gpkg", geometries), archive)
    folder = unpack(archive)
    assert sorted(p.suffix for p in folder.glob("sea.*")) == PARTS
    assert read(folder / "sea.shp") == []
    assert "file is empty" in result.layers[0].notes[0]
    assert result.features_written == 0


def test_area_across_180_degrees_takes_both_sides(
    write_source: WriteSource, archive: Path, unpack: Unpack
) -> None:
    points = [shapely.Point(x, -15) for x in (179, -179, 0, 160)]
    path = write_source("fiji.gpkg", points, kind="Point")
    one_layer(path, archive, area=[170, -20, -170, -10])
    assert [p["number"] for _, p in read(unpack(archive) / "fiji.shp")] == [0, 1]


def test_table_is_utf_8_and_says_so(
    write_source: WriteSource, archive: Path, unpack: Unpack
) -> None:
    names = np.array(["Récif 珊瑚 🐠", "naïve", ""], dtype=object)
    path = write_source("names.gpkg", [shapely.Point(3, 43)] * 3, {"name": names}, kind="Point")
    one_layer(path, archive)
    folder = unpack(archive)
    assert (folder / "names.cpg").read_text().strip().upper() == "UTF-8"
    assert names[0].encode() in (folder / "names.dbf").read_bytes()
    assert [p["name"] for _, p in read(folder / "names.shp")][:2] == list(names[:2])


def test_long_texts_are_cut_between_characters_with_a_note(
    write_source: WriteSource, archive: Path, unpack: Unpack
) -> None:
    texts = np.array(["珊" * 200, "x"], dtype=object)
    path = write_source("long.gpkg", [shapely.Point(3, 43)] * 2, {"text": texts}, kind="Point")
    result = one_layer(path, archive)
    assert [p["text"] for _, p in read(unpack(archive) / "long.shp")] == ["珊" * 84, "x"]
    assert "1 of the texts of 'text' had to be cut to 254 bytes" in result.layers[0].notes[0]


def test_field_names_that_clash_when_cut_stay_apart(
    write_source: WriteSource, archive: Path, unpack: Unpack
) -> None:
    fields = {"habitat_class": [1], "habitat_code": [2], "HABITAT_CLASSES": [3], "Shape_Area": [4]}
    path = write_source("clash.gpkg", [shapely.Point(3, 43)], fields, kind="Point")
    result = one_layer(path, archive)
    ((_, properties),) = read(unpack(archive) / "clash.shp")
    assert properties == {"habitat_cl": 1, "habitat_co": 2, "HABITAT__1": 3, "Shape_Ar_1": 4}
    assert result.layers[0].renamed_fields == dict(zip(fields, properties, strict=True))


def test_layer_without_fields_is_written(
    write_source: WriteSource, archive: Path, unpack: Unpack
) -> None:
    path = write_source("bare.gpkg", [shapely.Point(3, 43)], {}, kind="Point")
    one_layer(path, archive)
    assert len(read(unpack(archive) / "bare.shp")) == 1


def test_prj_is_the_crs_of_a_source_without_a_code(
    write_source: WriteSource, archive: Path, unpack: Unpack
) -> None:
    crs = "+proj=laea +lat_0=43 +lon_0=3 +datum=WGS84"
    path = write_source("own.gpkg", [shapely.box(-1000, -1000, 1000, 1000)], crs=crs)
    one_layer(path, archive)
    prj = pyproj.CRS.from_wkt((unpack(archive) / "own.prj").read_text())
    x, y = pyproj.Transformer.from_crs("OGC:CRS84", prj, always_xy=True).transform(3, 43)
    # The centre of the projection is its origin; a micrometre.
    assert (x, y) == pytest.approx((0, 0), abs=1e-6)


def test_archive_tells_what_is_in_it(marine_gpkg: Path, archive: Path) -> None:
    reefs = SourceLayer(
        "reefs", marine_gpkg, "reefs", "Coral reefs", "CC BY 4.0", "Reef Office", "abc123"
    )
    ports = SourceLayer("ports", marine_gpkg, "ports")
    made_at = datetime(2026, 11, 21, 13, 5, tzinfo=timezone(timedelta(hours=1)))
    result = extract(
        ExtractionRequest([reefs, ports], [0, 40, 5, 45], archive, "EPSG:3035", made_at=made_at)
    )
    with zipfile.ZipFile(archive) as opened:
        names = opened.namelist()
        readme = opened.read("README.txt").decode()
    expected = {f"{layer}{part}" for layer in ("reefs", "ports") for part in PARTS}
    # The reefs have a field whose name is cut; its full name stands in the metadata.
    expected |= {"reefs.shp.xml", "README.txt", "area.geojson", "report.json"}
    assert set(names) == expected
    assert len(names) == len(set(names))
    for words in (
        "longitude 0.000000 to 5.000000, latitude 40.000000 to 45.000000 degrees",
        "4 corners",
        "Coral reefs",
        "Features:     25",
        "EPSG:3035",
        "CC BY 4.0",
        "Reef Office",
        "abc123",
        "habitat_class -> habitat_cl",
        "Licence:      not stated",
        "Made:  2026-11-21 12:05 UTC",
    ):
        assert words in readme
    assert result.size_bytes == archive.stat().st_size


@pytest.mark.parametrize("driver", ["GeoJSON", "FlatGeobuf"])
def test_readme_says_of_no_feature_far_away_that_it_is_near(tmp_path: Path, driver: str) -> None:
    suffix = {"GeoJSON": ".geojson", "FlatGeobuf": ".fgb"}[driver]
    points = [shapely.Point(1, 41), shapely.Point(100, -41)]
    source = write_layer(tmp_path / f"sea{suffix}", points, kind="Point", driver=driver)
    report = one_layer(source, tmp_path / "out.zip", "sea", area=[0, 40, 5, 45]).layers[0]
    # A GeoJSON has no index: all of it is looked at.
    assert report.features_read == {"GeoJSON": 2, "FlatGeobuf": 1}[driver]
    with zipfile.ZipFile(tmp_path / "out.zip") as opened:
        readme = opened.read("README.txt").decode()
    assert f"Features:     1 (of {report.features_read} looked at)" in readme


def test_archive_holds_the_area_as_it_was_used(marine_gpkg: Path, archive: Path) -> None:
    bow_tie = {"type": "Polygon", "coordinates": [[[0, 40], [2, 42], [2, 40], [0, 42], [0, 40]]]}
    result = one_layer(marine_gpkg, archive, "ports", area=bow_tie)
    with zipfile.ZipFile(archive) as opened:
        area = shape(json.loads(opened.read("area.geojson")))
        readme = opened.read("README.txt").decode()
    assert area.is_valid
    assert area.area == pytest.approx(2)
    assert result.notes and all(note in readme for note in result.notes)


def test_progress_never_falls_and_ends_at_one(marine_gpkg: Path, archive: Path) -> None:
    told: list[tuple[float, str]] = []
    layers = [SourceLayer(name, marine_gpkg, name) for name in ("reefs", "coastline", "ports")]
    extract(
        ExtractionRequest(layers, OUTLINE, archive),
        progress=lambda fraction, message: told.append((fraction, message)),
    )
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions)
    assert fractions[0] >= 0 and fractions[-1] == 1
    assert all(message for _, message in told)


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("step", ["Clipping", "Packing"])
def test_progress_that_raises_stops_the_run_and_leaves_nothing(
    marine_gpkg: Path, archive: Path, tmp_path: Path, step: str
) -> None:
    def stop(fraction: float, message: str) -> None:
        if message.startswith(step):
            raise StoppedError(message)

    work = tmp_path / "work"
    work.mkdir()
    request = ExtractionRequest([SourceLayer("reefs", marine_gpkg, "reefs")], OUTLINE, archive)
    with pytest.raises(StoppedError):
        extract(request, work_folder=work, progress=stop)
    assert list(work.iterdir()) == list(archive.parent.iterdir()) == []


def test_failed_run_leaves_nothing_and_keeps_the_older_archive(
    archive: Path, tmp_path: Path
) -> None:
    archive.write_bytes(b"older")
    work = tmp_path / "work"
    work.mkdir()
    # Were one of them there, it would be delivered.
    layers = [SourceLayer(name, tmp_path / f"{name}.gpkg") for name in ("gone", "lost")]
    with pytest.raises(DatasetError, match=r"(gone|lost)\.gpkg"):
        extract(ExtractionRequest(layers, OUTLINE, archive), work_folder=work)
    assert archive.read_bytes() == b"older"
    assert list(work.iterdir()) == []
    assert list(archive.parent.iterdir()) == [archive]


def test_packing_that_fails_leaves_no_partial_archive(archive: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole.shp"
    whole.write_bytes(b"x" * 1000)
    with pytest.raises(FileNotFoundError), new_archive(archive) as opened:
        opened.add_text("README.txt", "x")
        opened.add(whole)
        opened.add(tmp_path / "gone.shp")
    assert list(archive.parent.iterdir()) == []


def test_destination_is_replaced_in_one_step(
    marine_gpkg: Path, archive: Path, unpack: Unpack
) -> None:
    archive.write_bytes(b"older")
    with archive.open("rb") as being_downloaded:
        one_layer(marine_gpkg, archive, "ports")
        # Who reads the older archive keeps it: it was replaced, not written over.
        assert being_downloaded.read() == b"older"
    assert list(archive.parent.iterdir()) == [archive]
    assert read(unpack(archive) / "ports.shp")


def test_source_cut_after_it_was_listed_is_a_dataset_error(
    write_source: WriteSource, archive: Path
) -> None:
    path = write_source("squares.shp", [shapely.box(x, 43, x + 0.5, 44) for x in range(2, 7)])
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DatasetError, match="cut or damaged"):
        one_layer(path, archive)
    assert not archive.exists()


def test_no_layer_is_refused(archive: Path) -> None:
    with pytest.raises(RequestError, match="at least one"):
        ExtractionRequest([], OUTLINE, archive)


def test_name_given_twice_is_refused(marine_gpkg: Path, archive: Path) -> None:
    layers = [SourceLayer("a", marine_gpkg, "reefs"), SourceLayer("a", marine_gpkg, "ports")]
    with pytest.raises(RequestError, match="'a' is listed twice") as caught:
        ExtractionRequest(layers, OUTLINE, archive)
    assert caught.value.field == "layers"


@pytest.mark.parametrize(
    ("area", "crs", "field"),
    [
        ({"type": "Point", "coordinates": [1, 2]}, None, "area"),
        (OUTLINE, "EPSG:999999", "crs"),
        (OUTLINE, "EPSG:3851", "crs"),
    ],
    ids=["point", "no such CRS", "CRS of another place"],
)
def test_request_that_cannot_be_done_names_its_field(
    marine_gpkg: Path, archive: Path, area: Any, crs: str | None, field: str
) -> None:
    with pytest.raises(RequestError) as caught:
        one_layer(marine_gpkg, archive, "reefs", area=area, crs=crs)
    assert caught.value.field == field
    assert not archive.exists()


def test_bare_geometries_are_those_of_the_layer(marine_gpkg: Path) -> None:
    source = SourceLayer("reefs", marine_gpkg, "reefs")
    expected, _ = source_features(marine_gpkg, "reefs")
    assert read_geometries(source, max_vertices=1000) == list(expected)


def test_bare_geometries_are_clipped_to_an_area(marine_gpkg: Path) -> None:
    source = SourceLayer("reefs", marine_gpkg, "reefs")
    found = read_geometries(source, parse_area(OUTLINE), max_vertices=1000)
    geometries, _ = source_features(marine_gpkg, "reefs")
    cut = shapely.intersection(geometries, shapely.Polygon(OUTLINE["coordinates"][0]))
    assert len(found) == (~shapely.is_empty(cut)).sum()
    assert shapely.area(found).sum() == pytest.approx(shapely.area(cut).sum(), rel=RELATIVE)


def test_bare_geometries_beyond_the_limit_are_refused_and_not_cut_short(marine_gpkg: Path) -> None:
    source = SourceLayer("reefs", marine_gpkg, "reefs")
    # Each of 100 reefs has two closed rings of five positions.
    assert len(read_geometries(source, max_vertices=1000)) == 100
    with pytest.raises(RequestError, match="more than 999 vertices") as caught:
        read_geometries(source, max_vertices=999)
    assert "extract" in (caught.value.hint or "")


WIDE_AREAS = [[-180, -90, 180, 90], [-180, -85, 180, 85], [-100, -10, 100, 80]]


@pytest.mark.parametrize("area", WIDE_AREAS, ids=str)
@pytest.mark.parametrize(
    ("crs", "box"),
    [
        ("EPSG:32633", (400_000, 5_000_000, 405_000, 5_005_000)),
        ("EPSG:3035", (4_000_000, 2_000_000, 4_500_000, 2_500_000)),
        ("EPSG:3413", (-300_000, -3_000_000, 400_000, -2_500_000)),
    ],
)
def test_area_wider_than_the_layers_crs_loses_nothing(
    write_source: WriteSource, archive: Path, unpack: Unpack, area: Any, crs: str, box: Any
) -> None:
    square = shapely.box(*box)
    result = one_layer(write_source("far.gpkg", [square], crs=crs), archive, area=area)
    assert result.features_written == 1
    ((found, _),) = read(unpack(archive) / "far.shp")
    assert shapely.normalize(found) == shapely.normalize(square)


def test_wide_area_whose_edge_runs_through_the_layer_cuts_there(
    write_source: WriteSource, archive: Path, unpack: Unpack
) -> None:
    # Zone 33's central meridian is 15 degrees east: 500 km in its x.
    squares = [shapely.box(x, 5_000_000, x + 1000, 5_001_000) for x in (400_000, 499_500, 600_000)]
    path = write_source("utm.gpkg", squares, crs="EPSG:32633")
    one_layer(path, archive, area=[15, -90, 180, 90])
    found = read(unpack(archive) / "utm.shp")
    assert [p["number"] for _, p in found] == [1, 2]
    # A millimetre on a kilometre.
    assert [g.area for g, _ in found] == pytest.approx([500_000, 1_000_000], rel=1e-6)


def test_area_on_the_other_side_of_the_world_gives_an_empty_shapefile(
    write_source: WriteSource, archive: Path
) -> None:
    path = write_source(
        "utm.gpkg", [shapely.box(400_000, 5_000_000, 405_000, 5_005_000)], crs="EPSG:32633"
    )
    assert one_layer(path, archive, area=[-170, -40, -160, -30]).layers[0].is_empty


@pytest.mark.parametrize(("kind", "crs"), [("Point Z", "EPSG:3857"), ("Unknown", None)])
def test_heights_survive_reprojection_and_an_open_type(
    write_source: WriteSource, archive: Path, unpack: Unpack, kind: str, crs: str | None
) -> None:
    path = write_source("deep.gpkg", [shapely.from_wkt("POINT Z (3 43 -7.5)")], kind=kind)
    one_layer(path, archive, area=[0, 40, 10, 50], crs=crs)
    ((found, _),) = read(unpack(archive) / "deep.shp")
    assert shapely.get_coordinates(found, include_z=True)[0, 2] == -7.5


@pytest.mark.parametrize("other", ["mix_polygon", "MIX", "mix_point_2"])
def test_files_of_a_mixed_layer_do_not_clash_with_another_layers(
    write_source: WriteSource, archive: Path, unpack: Unpack, other: str
) -> None:
    rows = [shapely.box(3, 43, 4, 44), shapely.Point(3, 43)]
    mixed = write_source("source.gpkg", rows, kind="Unknown")
    single = write_source("single.gpkg", [shapely.box(3, 43, 4, 44)])
    layers = [SourceLayer("mix", mixed), SourceLayer(other, single)]
    result = extract(ExtractionRequest(layers, [0, 40, 10, 50], archive))
    with zipfile.ZipFile(archive) as opened:
        names = [name.lower() for name in opened.namelist()]
    assert len(names) == len(set(names))
    assert result.features_written == 3
    assert set(result.layers[0].files).isdisjoint(result.layers[1].files)
    assert f"{other}.shp" in result.layers[1].files


def test_layer_called_area_does_not_clash_with_the_outline(
    write_source: WriteSource, archive: Path
) -> None:
    source = SourceLayer("area", write_source("a.gpkg", [shapely.box(3, 43, 4, 44)]))
    extract(ExtractionRequest([source], [0, 40, 10, 50], archive, format="geojson"))
    with zipfile.ZipFile(archive) as opened:
        assert {"area.geojson", "area-1.geojson"} <= set(opened.namelist())


@pytest.mark.parametrize("east", [9, 5.5], ids=["inside", "on the edge"])
def test_collections_are_split_by_type(
    write_source: WriteSource, archive: Path, unpack: Unpack, east: float
) -> None:
    collection = shapely.from_wkt(
        "GEOMETRYCOLLECTION (POINT (1 1), POLYGON ((3 3, 4 3, 4 4, 3 3)), LINESTRING (5 5, 6 5))"
    )
    rows = [shapely.Point(2, 2), collection]
    path = write_source("gc.gpkg", rows, kind="Unknown")
    result = one_layer(path, archive, area=[0, 0, east, 9])
    folder = unpack(archive)
    assert {p.stem for p in folder.glob("*.shp")} == {"gc_point", "gc_line", "gc_polygon"}
    assert [p["number"] for _, p in read(folder / "gc_point.shp")] == [0, 1]
    ((line, properties),) = read(folder / "gc_line.shp")
    assert (line.length, properties["number"]) == (min(east, 6) - 5, 1)
    ((triangle, _),) = read(folder / "gc_polygon.shp")
    assert triangle.area == 0.5
    assert [loss.kind for loss in result.layers[0].losses] == ["collection"]


@pytest.mark.parametrize("error", [StoppedError, InterruptedError])
def test_stop_at_the_last_report_leaves_no_archive(
    marine_gpkg: Path, archive: Path, error: type[Exception]
) -> None:
    def stop(fraction: float, message: str) -> None:
        if fraction == 1:
            raise error

    request = ExtractionRequest([SourceLayer("r", marine_gpkg, "reefs")], OUTLINE, archive)
    with pytest.raises(error):
        extract(request, progress=stop)
    assert list(archive.parent.iterdir()) == []


def test_missing_folder_is_the_operators_error(marine_gpkg: Path, tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="cannot be written: No such file") as caught:
        one_layer(marine_gpkg, tmp_path / "gone" / "a.zip", "ports")
    assert str(tmp_path) not in str(caught.value)
    source = SourceLayer("ports", marine_gpkg, "ports")
    with pytest.raises(ServiceError, match="cannot be written: No such file"):
        extract(
            ExtractionRequest([source], OUTLINE, tmp_path / "a.zip"),
            work_folder=tmp_path / "gone",
        )


def test_full_disk_is_the_operators_error(marine_gpkg: Path, archive: Path) -> None:
    # A limit on the length of files fails a write as a full disk does.
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(ServiceError, match="cannot be written"):
            one_layer(marine_gpkg, archive, "reefs")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(archive.parent.iterdir()) == []


@pytest.mark.parametrize("name", ["../evil", "a/b", "", "a b", "a\n", "é", "a" * 101])
def test_name_that_is_no_plain_file_name_is_refused(marine_gpkg: Path, name: str) -> None:
    with pytest.raises(RequestError, match="cannot name a file") as caught:
        SourceLayer(name, marine_gpkg, "reefs")
    assert caught.value.field == "name"


def test_points_without_a_position_are_told_of(write_source: WriteSource, archive: Path) -> None:
    rows = [shapely.Point(*xy) for xy in ((3, 43), (math.nan, math.nan), (math.nan, 43))]
    path = write_source("lost.gpkg", rows, kind="Point")
    (report,) = one_layer(path, archive).layers
    assert report.features_written == 1
    assert report.without_position == 2
    assert any("2 features of the layer left out" in note for note in report.notes)
