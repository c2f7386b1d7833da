"""Geometries and texts that a format's own tools change, drop or refuse."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyogrio
import pytest
import shapely

from marinemap.extraction import describe, list_layers
from marinemap.extraction.formats.one_turn import within_one_turn
from marinemap.extraction.geometry.wkb import to_column, to_geometries
from tests.extraction.layers import read, run, unpack, write_layer

SQUARE = "POLYGON ((4 1, 5 1, 5 2, 4 2, 4 1))"


def geojson(folder: Path, wkts: list[str], columns: dict[str, Any] | None = None) -> list[Any]:
    """Return the features that an extract as GeoJSON has."""
    source = write_layer(folder / "sea.gpkg", list(shapely.from_wkt(wkts)), columns)
    written = unpack(run(source, folder, format="geojson")) / "sea.geojson"
    features: list[Any] = json.loads(written.read_text())["features"]
    return features


def test_geojson_keeps_texts_in_brackets_as_texts(tmp_path: Path) -> None:
    texts = ["[]", "{}", "[1, 2]", '{"a": 1}', "plain", None]
    features = geojson(tmp_path, [SQUARE] * len(texts), {"note": texts})
    assert [feature["properties"]["note"] for feature in features] == texts


@pytest.mark.parametrize("format_", ["geojson", "kml", "csv"])
def test_bytes_become_text_and_that_is_told(tmp_path: Path, format_: str) -> None:
    columns = {"raw": pa.array([b"\x00\xff"])}
    source = write_layer(tmp_path / "sea.gpkg", [shapely.Point(1, 1)], columns)
    result = run(source, tmp_path, format=format_)
    folder = unpack(result)
    assert "00ff" in (folder / f"sea.{format_}").read_text()
    assert result.layers[0].notes[0] == "'raw' (bytes) is kept as text"
    assert read(folder / "sea.gpkg")[1]["raw"] == [b"\x00\xff"]


@pytest.mark.parametrize(
    "wkt",
    [
        f"GEOMETRYCOLLECTION (MULTIPOINT ((1 1), (2 2)), {SQUARE})",
        "GEOMETRYCOLLECTION (POINT (1 1), MULTIPOINT ((2 2), (3 3)))",
        f"GEOMETRYCOLLECTION (GEOMETRYCOLLECTION (MULTIPOINT ((1 1), (2 2))), {SQUARE})",
    ],
)
def test_geojson_keeps_all_parts_of_a_collection(tmp_path: Path, wkt: str) -> None:
    (feature,) = geojson(tmp_path, [wkt])
    assert shapely.from_geojson(json.dumps(feature["geometry"])).equals(shapely.from_wkt(wkt))


@pytest.mark.parametrize(
    ("wkt", "expected"),
    [
        ("POLYGON ((1 3, 9 3, 9 3.00000001, 1 3.00000001, 1 3))", "Polygon"),
        ("LINESTRING (5 5, 5 5.00000001)", "LineString"),
        (
            "MULTIPOLYGON (((1 3, 9 3, 9 3.00000001, 1 3.00000001, 1 3)), ((4 1, 5 1, 5 2, 4 1)))",
            "MultiPolygon",
        ),
        ("POLYGON ((1 1, 9 1, 9 9, 5 1.00000001, 1 9, 1 1))", "MultiPolygon"),
    ],
    ids=["sliver", "short line", "sliver in a multi", "torn"],
)
def test_geojson_keeps_the_type_of_what_rounding_flattens(
    tmp_path: Path, wkt: str, expected: str
) -> None:
    (feature,) = geojson(tmp_path, [wkt])
    assert feature["geometry"]["type"] == expected
    found = shapely.from_geojson(json.dumps(feature["geometry"]))
    assert found.area == pytest.approx(shapely.from_wkt(wkt).area, abs=1e-6)


@pytest.mark.parametrize("name", ["geojson", "kml"])
@pytest.mark.parametrize(
    ("wkt", "expected"),
    [
        (
            "POLYGON Z ((175 -5 1, 185 -5 1, 185 5 1, 175 5 1, 175 -5 1))",
            "MULTIPOLYGON (((175 -5, 180 -5, 180 5, 175 5, 175 -5)),"
            " ((-180 -5, -175 -5, -175 5, -180 5, -180 -5)))",
        ),
        ("LINESTRING (-185 0, -175 0)", "MULTILINESTRING ((175 0, 180 0), (-180 0, -175 0))"),
        ("MULTIPOINT ((179 1), (181 2))", "MULTIPOINT ((179 1), (-179 2))"),
        (
            "POLYGON ((180 1, 190 1, 190 2, 180 2, 180 1))",
            "POLYGON ((-180 1, -170 1, -170 2, -180 2, -180 1))",
        ),
        # What is wide does not cross.
        (
            "POLYGON ((-179 1, 179 1, 179 2, -179 2, -179 1))",
            "POLYGON ((-179 1, 179 1, 179 2, -179 2, -179 1))",
        ),
        (
            "POLYGON ((355 1, 365 1, 365 2, 355 2, 355 1))",
            "POLYGON ((-5 1, 5 1, 5 2, -5 2, -5 1))",
        ),
        (
            "MULTIPOLYGON (((0 1, 20 1, 20 2, 0 2, 0 1)), ((340 1, 360 1, 360 2, 340 2, 340 1)))",
            "POLYGON ((-20 1, 0 1, 20 1, 20 2, 0 2, -20 2, -20 1))",
        ),
        ("LINESTRING (355 1, 365 2)", "LINESTRING (-5 1, 5 2)"),
        ("POINT (180 3)", "POINT (180 3)"),
        ("POINT (-180 3)", "POINT (-180 3)"),
        (
            "POLYGON ((170 4, 180 4, 180 5, 170 5, 170 4))",
            "POLYGON ((170 4, 180 4, 180 5, 170 5, 170 4))",
        ),
        (
            "GEOMETRYCOLLECTION (POINT (181 6), LINESTRING (179 6, 181 6))",
            "GEOMETRYCOLLECTION (POINT (-179 6), LINESTRING (179 6, 180 6),"
            " LINESTRING (-180 6, -179 6))",
        ),
    ],
)
def test_formats_in_degrees_cut_at_180_what_crosses_it_and_nothing_else(
    tmp_path: Path, name: str, wkt: str, expected: str
) -> None:
    source = write_layer(tmp_path / "sea.gpkg", [shapely.from_wkt(wkt)])
    result = run(source, tmp_path, [-180, -20, 180, 20], mode="intersects", format=name)
    (found,), _ = read(unpack(result) / f"sea.{name}")
    assert shapely.force_2d(found).normalize().equals(shapely.from_wkt(expected).normalize())
    assert found.bounds == shapely.from_wkt(expected).bounds


def test_corner_far_off_is_not_brought_back_turn_by_turn() -> None:
    texts = ["LINESTRING (0 0, 1000000 1)", "LINESTRING (179 0, 182 1)", "POINT (1085 3)"]
    far = shapely.from_wkt(texts)
    moved = to_geometries(within_one_turn(to_column(far)))
    assert moved[0] == far[0]
    assert shapely.to_wkt(moved[1]).startswith("MULTILINESTRING")
    assert moved[2] == shapely.Point(5, 3)


def test_kml_leaves_out_what_xml_has_not(tmp_path: Path) -> None:
    source = write_layer(tmp_path / "sea.gpkg", [shapely.Point(1, 1)], {"note": ["a\uffff\ufffeb"]})
    result = run(source, tmp_path, format="kml")
    assert read(unpack(result) / "sea.kml")[1]["note"] == ["ab"]
    assert [loss.field for loss in result.layers[0].losses] == ["note"]


@pytest.mark.parametrize(
    ("declared", "z", "m", "wkt", "expected"),
    [
        ("GEOMETRY", 1, 0, "POINT Z (1 1 5)", "3D Point"),
        ("GEOMETRY", 1, 1, "LINESTRING ZM (1 1 5 1, 2 2 5 2)", "3D LineString"),
        ("GEOMETRY", 0, 1, "POINT M (1 1 5)", "Point"),
        ("POLYGON", 1, 1, "POLYGON ZM ((4 1 0 1, 5 1 0 2, 5 2 0 3, 4 1 0 1))", "3D Polygon"),
        ("MULTISURFACE", 0, 0, f"MULTIPOLYGON ({SQUARE.removeprefix('POLYGON ')})", "MultiPolygon"),
        ("TIN", 0, 0, f"MULTIPOLYGON ({SQUARE.removeprefix('POLYGON ')})", "MultiPolygon"),
        ("COMPOUNDCURVE", 1, 0, "LINESTRING Z (1 1 5, 2 2 5)", "3D LineString"),
    ],
)
def test_layers_of_all_declared_types_are_served(
    tmp_path: Path, declared: str, z: int, m: int, wkt: str, expected: str
) -> None:
    source = write_layer(tmp_path / "sea.gpkg", [shapely.from_wkt(wkt)])
    with closing(sqlite3.connect(source)) as database:
        database.execute(
            "UPDATE gpkg_geometry_columns SET geometry_type_name = ?, z = ?, m = ?",
            (declared, z, m),
        )
        database.commit()
    assert list_layers(source) == ["sea"]
    assert describe(source).geometry_type == expected
    found, _ = read(unpack(run(source, tmp_path, format="geojson")) / "sea.geojson")
    assert found[0].equals(shapely.from_wkt(wkt))


MEASURED = "POLYGON ZM ((8 9 1 1, 12 9 2 2, 12 9.5 3 3, 8 9.5 4 4, 8 9 1 1))"
AROUND_ALL = "POLYGON M ((-5 -5 1, 15 -5 2, 15 15 3, -5 15 4, -5 -5 1))"


def test_rings_that_are_cut_end_with_the_measure_of_their_beginning(tmp_path: Path) -> None:
    cases = [f"GEOMETRYCOLLECTION ZM ({MEASURED}, POINT ZM (1 1 5 7))", MEASURED]
    source = write_layer(tmp_path / "sea.gpkg", list(shapely.from_wkt(cases)))
    folder = unpack(run(source, tmp_path, format="geopackage"))
    column = pyogrio.read_arrow(folder / "sea.gpkg")[1].column("geom").to_pylist()
    measures = [
        shapely.get_coordinates(each, include_m=True)[:, 2] for each in shapely.from_wkb(column)
    ]
    assert [sorted(set(each.tolist())) for each in measures] == [
        [1.0, 1.5, 3.5, 4.0, 7.0],
        [1.0, 1.5, 3.5, 4.0],
    ]


@pytest.mark.parametrize("format_", ["filegdb", "csv"])
def test_measures_that_are_no_number_become_0_and_are_counted(tmp_path: Path, format_: str) -> None:
    # Within a polygon nothing is known of the measures at the corners of the area.
    source = write_layer(tmp_path / "sea.gpkg", [shapely.from_wkt(AROUND_ALL)])
    result = run(source, tmp_path, format=format_)
    detail = "1 feature with measures that are no number: 0 stands in their place"
    assert [(loss.kind, loss.detail) for loss in result.layers[0].losses] == [("measure", detail)]
    if format_ == "csv":
        assert (
            "POLYGON M ((0 0 0, 0 10 0, 10 10 0, 10 0 0, 0 0 0))"
            in (unpack(result) / "sea.csv").read_text()
        )


def test_collections_are_told_one_by_one(tmp_path: Path) -> None:
    source = write_layer(
        tmp_path / "sea.gpkg", [shapely.from_wkt("GEOMETRYCOLLECTION (POINT (1 1))")]
    )
    (loss,) = run(source, tmp_path).layers[0].losses
    assert loss.detail == "1 collection became a feature for each type of geometry within"


def test_what_collapsed_on_the_edge_is_left_out_and_not_called_repaired(tmp_path: Path) -> None:
    cases = [
        "POLYGON ((5 5, 15 5, 5 5, 5 5))",
        "POLYGON ((8 5, 12 9, 12 5, 8 9, 8 5))",
        "LINESTRING (10 3, 10 3)",
        "POLYGON ((1 1, 2 2, 1 1, 1 1))",
    ]
    source = write_layer(tmp_path / "sea.gpkg", list(shapely.from_wkt(cases)))
    (report,) = run(source, tmp_path, format="geojson").layers
    # The second crosses itself; the last lies within, where all is as it is in the source.
    assert (report.features_written, report.repaired, report.collapsed) == (2, 1, 2)
    assert [each.id for each in report.left_out] == [1, 3]
    assert any(note.endswith("cannot be cut: 1, 3.") for note in report.notes)


@pytest.mark.parametrize("format_", ["shapefile", "geojson", "geopackage"])
@pytest.mark.parametrize(
    ("odd", "plain"),
    [
        ("MULTILINESTRING (EMPTY, (1 1, 2 2))", "MULTILINESTRING ((1 1, 2 2))"),
        (f"MULTIPOLYGON (EMPTY, {SQUARE[8:]})", f"MULTIPOLYGON ({SQUARE[8:]})"),
        (f"{SQUARE[:-1]}, EMPTY)", SQUARE),
        (
            f"GEOMETRYCOLLECTION (MULTILINESTRING ((1 1, 2 2), EMPTY), {SQUARE}, POLYGON EMPTY)",
            f"GEOMETRYCOLLECTION (MULTILINESTRING ((1 1, 2 2)), {SQUARE})",
        ),
    ],
    ids=["line", "polygon", "ring", "collection"],
)
def test_empty_parts_are_left_out_and_measure_nothing(
    tmp_path: Path, odd: str, plain: str, format_: str
) -> None:
    source = write_layer(tmp_path / "odd.gpkg", [shapely.from_wkt(odd)])
    asked = {"format": format_, "area": [0, 0, 10, 10]}
    result = run(source, tmp_path, **asked)
    folder = unpack(result)
    same = run(write_layer(tmp_path / "plain.gpkg", [shapely.from_wkt(plain)]), tmp_path, **asked)
    (found,), (expected,) = result.layers, same.layers
    assert (found.length_m, found.area_m2) == (expected.length_m, expected.area_m2)
    assert (found.repaired, expected.repaired) == (1, 0)
    if format_ == "geojson":
        (feature,) = json.loads((folder / "sea.geojson").read_text())["features"]
        assert "[]" not in json.dumps(feature["geometry"])


def test_track_with_an_empty_segment_is_extracted(tmp_path: Path) -> None:
    points = '<trkpt lat="1" lon="1"/><trkpt lat="2" lon="2"/>'
    source = tmp_path / "sea.gpx"
    source.write_text(
        '<gpx version="1.1" creator="us" xmlns="http://www.topografix.com/GPX/1/1"><trk><trkseg/>'
        f"<trkseg>{points}</trkseg></trk></gpx>"
    )
    (line,), _ = read(unpack(run(source, tmp_path, layer="tracks")) / "sea.shp")
    assert line.equals(shapely.LineString([(1, 1), (2, 2)]))
