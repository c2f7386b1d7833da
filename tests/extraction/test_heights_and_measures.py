"""Heights (Z) and measures (M): kept in a shapefile, whatever the type and the number of parts."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyogrio
import pytest
import shapely

from marinemap.errors import RequestError
from marinemap.extraction import ExtractionRequest, SourceLayer, estimate
from marinemap.extraction.extracts.verify import verify
from marinemap.extraction.formats.shapefile import ShapefileSet
from marinemap.extraction.geometry.wkb import to_column
from tests.extraction.layers import run, unpack, write_layer
from tests.extraction.test_shapefile_limits import write_plan

# pyogrio has no names for types with measures; their geometries come whole.
pytestmark = pytest.mark.filterwarnings("ignore:Measured")

# Any number below -1e38 means no measure (Esri, ShapefileTechnical Description, 1998, page 2).
NO_MEASURE = -1e38
BODIES = {
    "POINT": "(1 2{0})",
    "MULTIPOINT": "((1 2{0}), (3 4{1}))",
    "LINESTRING": "(1 2{0}, 3 4{1}, 3 5{2})",
    "MULTILINESTRING": "((1 2{0}, 3 4{1}), (5 5{2}, 6 6{3}))",
    "POLYGON": "((1 1{0}, 8 1{1}, 8 8{2}, 1 1{0}), (5 3{3}, 7 3{4}, 7 5{5}, 5 3{3}))",
    "MULTIPOLYGON": "(((1 1{0}, 2 1{1}, 2 2{2}, 1 1{0})), ((5 3{3}, 7 3{4}, 7 5{5}, 5 3{3})))",
}
VALUES = {
    "Z": [" -12", " -7.5", " 0", " 3", " 4", " -1e4"],
    "M": [" 3", " 2.5", " 0", " -3", " 4", " 1e4"],
    "ZM": [" -12 3", " -7.5 2.5", " 0 0", " 3 -3", " 4 4", " -1e4 1e4"],
}


def made(kind: str, axes: str) -> Any:
    return shapely.from_wkt(f"{kind} {axes} {BODIES[kind].format(*VALUES[axes])}")


def geometries(path: Path) -> Any:
    """Read with measures: only through Arrow does pyogrio hand them on."""
    meta, table = pyogrio.read_arrow(path)
    column = table.column(meta["geometry_name"] or "wkb_geometry")
    return shapely.from_wkb(column.to_pylist())


def positions(found_geometries: Any) -> list[tuple[float, ...]]:
    """Return x, y, z, m of each corner, sorted: readers turn rings as they like."""
    found = shapely.get_coordinates(found_geometries, include_z=True, include_m=True)
    found[found < NO_MEASURE] = np.nan
    return sorted(tuple(row) for row in np.nan_to_num(found, nan=9e9).tolist())


def ranges(path: Path) -> tuple[float, ...]:
    """Return the least and the most height and measure that the header states."""
    return struct.unpack_from("<4d", path.read_bytes(), 68)


@pytest.mark.parametrize("axes", list(VALUES))
@pytest.mark.parametrize("kind", list(BODIES))
def test_heights_and_measures_are_kept(tmp_path: Path, kind: str, axes: str) -> None:
    geometry = made(kind, axes)
    source = write_layer(tmp_path / "sea.gpkg", [geometry])
    result = run(source, tmp_path)
    folder = unpack(result)
    (path,) = folder.glob("*.shp")
    assert positions(geometries(path)) == positions(geometry)
    expected = shapely.get_coordinates(geometry, include_z=True, include_m=True)[:, 2:]
    stated = [[column.min(), column.max()] for column in expected.T if not np.isnan(column).any()]
    zeros = [[0.0, 0.0]]
    pairs = {"Z": [*stated, *zeros], "M": [*zeros, *stated], "ZM": stated}[axes]
    # A point with a height has a place for a measure whether there is one or not.
    if not (kind == "POINT" and axes == "Z"):
        assert ranges(path) == tuple(number for pair in pairs for number in pair)
    assert result.layers[0].losses == ()


@pytest.mark.parametrize("axes", ["M", "ZM"])
@pytest.mark.parametrize("kind", ["POINT", "MULTIPOINT", "LINESTRING", "POLYGON"])
def test_measures_of_a_shapefile_count_where_the_first_feature_has_none(
    tmp_path: Path, kind: str, axes: str
) -> None:
    geometry = made(kind, axes)
    plain = unpack(run(write_layer(tmp_path / "sea.gpkg", [geometry] * 2), tmp_path))
    (source,) = plain.glob("*.shp")
    data = bytearray(source.read_bytes())
    (words,) = struct.unpack_from(">i", data, 104)
    count = shapely.get_num_coordinates(geometry)
    struct.pack_into(f"<{count}d", data, 108 + 2 * words - 8 * count, *[-1e39] * count)
    source.write_bytes(data)
    folder = unpack(run(source, tmp_path, format="geopackage"))
    _, second = geometries(folder / "sea.gpkg")
    assert positions(second) == positions(geometry)
    assert second.has_m


@pytest.mark.parametrize("kind", ["POINT", "POLYGON", "MULTILINESTRING"])
def test_rows_with_and_without_measures_share_a_file(tmp_path: Path, kind: str) -> None:
    rows = [made(kind, "ZM"), made(kind, "Z")]
    source = write_layer(tmp_path / "sea.gpkg", rows)
    (path,) = unpack(run(source, tmp_path)).glob("*.shp")
    assert positions(geometries(path)) == positions(rows)


def test_height_that_is_no_number_becomes_zero_and_is_told(tmp_path: Path) -> None:
    lines = [shapely.from_wkt("LINESTRING Z (1 1 NaN, 2 2 -5)"), made("LINESTRING", "Z")]
    source = write_layer(tmp_path / "sea.gpkg", lines, kind="LineString Z")
    result = run(source, tmp_path)
    path = unpack(result) / "sea.shp"
    assert ranges(path) == (-12, 0, 0, 0)
    (loss,) = result.layers[0].losses
    assert (loss.kind, loss.count) == ("height", 1)


@pytest.mark.parametrize("name", ["geopackage", "filegdb", "flatgeobuf", "geojson", "kml", "csv"])
@pytest.mark.parametrize("height", ["NaN", "Infinity"])
def test_height_that_a_format_cannot_hold_fails_none(
    tmp_path: Path, name: str, height: str
) -> None:
    """GeoJSON and geodatabases failed by it as a whole, CSV by an infinite one.

    A CSV with NaN is one that GDAL 3.6, which Debian 12 has, does not open at all.
    """
    places = [shapely.Point(1, 1, float(height)), shapely.Point(2, 2, -5)]
    multi = shapely.MultiPoint([(1, 1, 3), (2, 2, float(height))])
    source = write_layer(tmp_path / "sea.gpkg", [*places, multi])
    (report,) = run(source, tmp_path, format=name).layers
    assert report.features_written == 3
    told = [(loss.kind, loss.count) for loss in report.losses if loss.kind == "height"]
    assert told == ([] if name in {"geopackage", "flatgeobuf"} else [("height", 2)])


def test_measures_that_come_too_late_are_left_out_and_counted(tmp_path: Path) -> None:
    batch = pa.RecordBatch.from_pydict({"n": pa.array([1], pa.int32())})
    writer = ShapefileSet(write_plan(tmp_path, batch.schema))
    for axes in ("Z", "ZM", "M"):
        writer.write(to_column(np.array([made("MULTIPOINT", axes)], object)), batch)
    (written,) = writer.close()
    verify(written)
    told = {(loss.kind, loss.count) for loss in written.losses}
    assert told == {("measure", 2), ("height", 1)}


def test_range_of_heights_begins_with_the_first_even_where_it_is_zero(tmp_path: Path) -> None:
    batch = pa.RecordBatch.from_pydict({"n": pa.array([1], pa.int32())})
    writer = ShapefileSet(write_plan(tmp_path, batch.schema, has_z=True))
    for height in (0.0, 5.0):
        writer.write(to_column(np.array([shapely.Point(1, 2, height)], object)), batch)
    (written,) = writer.close()
    assert ranges(written.path)[:2] == (0, 5)


HOLLAND = [3, 50, 8, 54]
PLACES = {
    "EPSG:4326": (5.4, 52.2, 10),
    "EPSG:4979": (5.4, 52.2, 10),
    "EPSG:7415": (155_000, 463_000, 10),
    "EPSG:28992": (155_000, 463_000, 10),
}


def tower(folder: Path, crs: str, *, is_flat: bool = False) -> Path:
    place = shapely.Point(PLACES[crs])
    points = [shapely.force_2d(place) if is_flat else place]
    return write_layer(folder / "sea.gpkg", points, kind="Point" if is_flat else "Point Z", crs=crs)


@pytest.mark.parametrize(
    ("crs", "output", "reason"),
    [
        ("EPSG:4326", "EPSG:7415", "'NAP height', and the layer has heights of which nothing"),
        ("EPSG:28992", "EPSG:4979", "above the ellipsoid of World Geodetic"),
        ("EPSG:4979", "EPSG:7415", "Take EPSG:28992"),
        ("EPSG:7415", "EPSG:4979", "in 'NAP height'; heights are not converted"),
        ("EPSG:7415", "EPSG:9707", "'EGM96 height'"),
    ],
)
def test_crs_that_would_mislabel_heights_is_refused(
    tmp_path: Path, crs: str, output: str, reason: str
) -> None:
    """Ten metres above the ellipsoid are 43 m below those of the tide gauge in Amsterdam."""
    source = tower(tmp_path, crs)
    with pytest.raises(RequestError) as caught:
        run(source, tmp_path, HOLLAND, crs=output)
    assert reason in f"{caught.value} {caught.value.hint}"
    assert caught.value.field == "crs"
    with pytest.raises(RequestError, match="heights"):
        estimate(ExtractionRequest([SourceLayer("sea", source)], HOLLAND, None, crs=output))


@pytest.mark.parametrize(
    ("crs", "output", "told"),
    [
        ("EPSG:7415", "EPSG:4326", ["'NAP height'; EPSG:4326 says nothing of heights"]),
        ("EPSG:4979", "EPSG:28992", ["above the ellipsoid of World Geodetic"]),
        ("EPSG:7415", None, []),
        ("EPSG:7415", "EPSG:7415", []),
        ("EPSG:4979", "EPSG:4979", []),
        ("EPSG:4326", "EPSG:28992", []),
    ],
)
def test_heights_are_kept_and_named(
    tmp_path: Path, crs: str, output: str | None, told: list[str]
) -> None:
    result = run(tower(tmp_path, crs), tmp_path, HOLLAND, crs=output, format="geopackage")
    notes = [note for note in result.layers[0].notes if "Heights" in note]
    assert len(notes) == len(told)
    assert all(words in note for words, note in zip(told, notes, strict=True))
    (point,) = shapely.from_wkb(pyogrio.raw.read(unpack(result) / "sea.gpkg")[2])
    assert shapely.get_z(point) == 10


def test_crs_with_heights_is_taken_for_a_layer_without_any(tmp_path: Path) -> None:
    result = run(tower(tmp_path, "EPSG:28992", is_flat=True), tmp_path, HOLLAND, crs="EPSG:7415")
    assert result.layers[0].features_written == 1
