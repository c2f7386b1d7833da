"""What was written, in each format, as fiona, pyogrio and ogr2ogr read it: three GDALs.

Attributes with their types, geometries, CRS and encoding. A format that cannot hold something
says so (docs/known-issues.md); what is expected of it stands in the table here.
"""

from __future__ import annotations

import functools
import json
import math
import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import fiona
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pyproj
import pytest
import shapely
from shapely.geometry import shape

from marinemap.extraction import FORMATS
from marinemap.extraction.formats import get_format
from tests.extraction.layers import run, unpack, write_layer

SUFFIXES = {name: get_format(name).suffix[1:] for name in FORMATS}
TEXTS = ["récif 珊瑚 🐠", "a,b;\"c\"\n'd'", "<e> & f", None]
COLUMNS = {
    "small": pa.array([1, -(2**31), None, 7], pa.int32()),
    "large": pa.array([10**15 - 1, None, 0, -5], pa.int64()),
    "real": pa.array([1 / 3, -2.5e-300, None, 1e15]),
    "text": pa.array(TEXTS),
    "truth": pa.array([True, False, None, True]),
    "day": pa.array([date(2026, 11, 21), date(1, 2, 3), None, date(9999, 12, 31)]),
    "moment": pa.array(
        [datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), None, datetime(1970, 1, 1, tzinfo=UTC), None]
    ),
}
SQUARE = shapely.box(1, 1, 9, 9)
GEOMETRIES = {
    "Point": ["POINT (1.1234567 2)", "POINT (3 4)", "POINT (0.1 0.2)", "POINT (9 9)"],
    "LineString": ["LINESTRING (1 1, 2 2.5, 3 1)"] * 4,
    "MultiPolygon": [
        "MULTIPOLYGON (((1 1, 2 1, 2 2, 1 1)), ((5 5, 8 5, 8 8, 5 5), (6 5.2, 7 5.2, 7 6, 6 5.2)))",
        "POLYGON ((1 1, 9 1, 9 9, 1 9, 1 1), (2 2, 2 3, 3 3, 2 2))",
        "POLYGON ((1 1, 2 1, 2 2, 1 1))",
        "POLYGON ((4 4, 5 4, 5 5, 4 4))",
    ],
    "Point Z": ["POINT Z (1 2 -3.5)", "POINT Z (3 4 0)", "POINT Z (5 6 7)", "POINT Z (1 1 1)"],
}
# GeoJSON and KML are always in degrees.
CRSES = {name: "EPSG:4326" for name in FORMATS if get_format(name).crs}
# Seven decimals of a degree (GeoJSON); fifteen digits of a text (KML, CSV).
COORDINATE_TOLERANCE = {"geojson": 1e-7, "kml": 1e-12, "csv": 0, "filegdb": 1e-9}
# All moments here are of UTC, which readers write in several ways or leave out.
_ZONE = re.compile(r"(Z|[+]00(:00)?)$")
ogr = pytest.mark.skipif(shutil.which("ogr2ogr") is None, reason="gdal-bin is not installed")


Made = Callable[..., Path]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Extract a layer of a kind in a format, once; return the file, unpacked."""

    @functools.cache
    def make(name: str, kind: str, crs: str | None = None) -> Path:
        folder = tmp_path_factory.mktemp(name)
        geometries = [shapely.from_wkt(wkt) for wkt in GEOMETRIES[kind]]
        source = write_layer(folder / "source.gpkg", geometries, COLUMNS, kind=kind)
        crs = None if name in CRSES else crs
        result = run(source, folder, format=name, crs=crs, full_copy=False)
        assert result.features_written == 4
        return unpack(result) / f"sea.{SUFFIXES[name]}"

    return make


def wanted(name: str) -> dict[str, list[Any]]:
    """Return the columns as a format keeps them: ISO 8601 for what becomes text."""
    columns = {key: column.to_pylist() for key, column in COLUMNS.items()}
    if name in ("shapefile", "geojson", "csv", "kml"):
        columns["moment"] = [value and value.isoformat() for value in columns["moment"]]
    if name in ("flatgeobuf", "filegdb"):
        # They have no dates, only date-times.
        columns["day"] = [value and f"{value.isoformat()}T00:00:00" for value in columns["day"]]
    return columns


def plain(value: Any) -> Any:
    """Return a value as any reader means it: dates as text, NaN and empty text as none."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, datetime | date):
        value = value.isoformat()
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, str):
        return normal_time(value)
    return value


def normal_time(text: str) -> str | None:
    """Return date-times alike, whichever of three notations a reader has; empty text is none."""
    for form in ("%Y/%m/%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y/%m/%d"):
        try:
            found = datetime.strptime(_ZONE.sub("", text), form)
        except ValueError:
            continue
        return (found.date() if form == "%Y/%m/%d" else found).isoformat()
    return text or None


def by_fiona(path: Path) -> tuple[list[Any], dict[str, list[Any]], pyproj.CRS]:
    with fiona.open(path, allow_unsupported_drivers=True) as source:
        rows = list(source)
        crs = pyproj.CRS.from_wkt(source.crs_wkt) if source.crs_wkt else None
    columns = {key: [row.properties.get(key) for row in rows] for key in rows[0].properties}
    return [shape(row.geometry) for row in rows], columns, crs


def by_pyogrio(path: Path) -> tuple[list[Any], dict[str, list[Any]], pyproj.CRS]:
    meta, table = pyogrio.read_arrow(path)
    column = meta["geometry_name"] or "wkb_geometry"
    columns = {key: table[key].to_pylist() for key in table.column_names if key != column}
    crs = pyproj.CRS.from_user_input(meta["crs"]) if meta["crs"] else None
    return list(shapely.from_wkb(table[column].to_pylist())), columns, crs


def by_parquet(path: Path) -> tuple[list[Any], dict[str, list[Any]], pyproj.CRS]:
    table = pq.read_table(path)
    geo = json.loads(table.schema.metadata[b"geo"])
    columns = {key: table[key].to_pylist() for key in table.column_names if key != "geometry"}
    crs = pyproj.CRS.from_json_dict(geo["columns"]["geometry"]["crs"])
    return list(shapely.from_wkb(table["geometry"].to_pylist())), columns, crs


def by_ogr2ogr(path: Path) -> tuple[list[Any], dict[str, list[Any]], pyproj.CRS]:
    """Convert with Debian's GDAL to GeoJSON lines, and ask ogrinfo for the CRS."""
    # OGR reads a CSV's well-known text without being told; its types stand beside it.
    out = path.with_name("by_ogr.geojsonl")
    options = ["-f", "GeoJSONSeq", "-lco", "COORDINATE_PRECISION=15", "-lco", "RFC7946=NO"]
    subprocess.run(
        ["ogr2ogr", *options, str(out), str(path)], check=True, capture_output=True, timeout=600
    )
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    out.unlink()
    info = subprocess.run(
        ["ogrinfo", "-ro", "-al", "-so", "-wkt_format", "WKT2_2019", str(path)],
        check=True,
        capture_output=True,
        text=True,
        timeout=600,
    ).stdout
    wkt = info.partition("Layer SRS WKT:\n")[2].partition("\nData axis")[0]
    crs = None if wkt.startswith("(unknown)") else pyproj.CRS.from_wkt(wkt)
    keys = {key for row in rows for key in row["properties"]}
    columns = {key: [row["properties"].get(key) for row in rows] for key in keys}
    return [shape(row["geometry"]) for row in rows], columns, crs


READERS = {
    "fiona": by_fiona,
    "pyogrio": by_pyogrio,
    "ogr2ogr": by_ogr2ogr,
    "pyarrow": by_parquet,
}
# The wheels' GDAL and Debian's are built without Parquet.
PAIRS = [
    pytest.param(name, reader, marks=ogr if reader == "ogr2ogr" else ())
    for name in FORMATS
    for reader in (["pyarrow"] if name == "geoparquet" else ["fiona", "pyogrio", "ogr2ogr"])
]


def in_order(
    geometries: list[Any], columns: dict[str, list[Any]]
) -> tuple[list[Any], dict[str, list[Any]]]:
    """Return the rows in the source's order: FlatGeobuf has the order of its index."""
    if "large" not in columns:
        return geometries, columns
    large = [plain(value) for value in columns["large"]]
    known = wanted("")["large"]
    places = [large.index(value) if value in large else large.index(str(value)) for value in known]
    return [geometries[p] for p in places], {
        key: [plain(column[p]) for p in places] for key, column in columns.items()
    }


@pytest.mark.parametrize(("name", "reader"), PAIRS)
def test_attributes_read_back_as_they_were(made: Made, name: str, reader: str) -> None:
    if (name, reader) == ("kml", "fiona"):
        pytest.skip("the KML driver of fiona's GDAL 3.9 reads names and descriptions only")
    geometries, columns, _ = READERS[reader](made(name, "Point"))
    _, columns = in_order(geometries, columns)
    for key, values in wanted(name).items():
        expected = [plain(value) for value in values]
        pairs = list(zip(columns[key], expected, strict=True))
        # In KML all is text; a shapefile of GDAL 3.6 has T and F.
        found = [
            as_type(value, like) if name == "kml" or key == "truth" else value
            for value, like in pairs
        ]
        if (name, reader, key) == ("filegdb", "ogr2ogr", "day"):
            # GDAL 3.6 reads days so long ago a second too late.
            found, expected = ([v and v[:10] for v in each] for each in (found, expected))
        if key == "real":
            assert [v is None for v in found] == [v is None for v in expected]
            found, expected = ([v for v in each if v is not None] for each in (found, expected))
            assert found == pytest.approx(expected, rel=1e-15, abs=0)
        else:
            assert found == expected, key


def as_type(value: Any, like: Any) -> Any:
    if value is None or like is None or isinstance(like, str):
        return None if value == "?" else value
    if isinstance(like, bool):
        return str(value).lower() in ("1", "true", "t")
    return type(like)(value)


@pytest.mark.parametrize("kind", GEOMETRIES)
@pytest.mark.parametrize(("name", "reader"), PAIRS)
def test_geometries_read_back_as_they_were(made: Made, name: str, reader: str, kind: str) -> None:
    geometries, columns, _ = READERS[reader](made(name, kind))
    found, _ = in_order(geometries, columns)
    tolerance = COORDINATE_TOLERANCE.get(name, 0)
    for geometry, wkt in zip(found, GEOMETRIES[kind], strict=True):
        expected = shapely.from_wkt(wkt)
        assert geometry.has_z == expected.has_z
        one, other = (alike(each) for each in (geometry, expected))
        assert shapely.equals_exact(one, other, tolerance=tolerance), (one, other)
        heights = (shapely.get_coordinates(g, include_z=True)[:, 2] for g in (one, other))
        assert np.allclose(*heights, rtol=0, atol=1e-12, equal_nan=True)


def alike(geometry: Any) -> Any:
    """Return a geometry in one order of corners and parts; a multi of one part as a single."""
    normal = shapely.normalize(geometry)
    parts = shapely.get_parts(normal)
    return parts[0] if len(parts) == 1 else normal


# A CSV has no place for a CRS; the README and the report state it.
CRS_CASES = [
    pytest.param(*pair.values, crs, marks=pair.marks)
    for pair in PAIRS
    for crs in ["EPSG:4326", "EPSG:3857", "EPSG:32631", "EPSG:3395"]
    if pair.values[0] != "csv" and CRSES.get(str(pair.values[0]), crs) == crs
]


@pytest.mark.parametrize(("name", "reader", "crs"), CRS_CASES)
def test_crs_reads_back_as_it_was(made: Made, name: str, reader: str, crs: str) -> None:
    found = READERS[reader](made(name, "Point", crs))[2]
    expected = pyproj.CRS(CRSES.get(name, crs))
    # Esri's text has other names and axes; the position of a point tells.
    both = pyproj.Transformer.from_crs(found, expected, always_xy=True)
    x, y = pyproj.Transformer.from_crs("OGC:CRS84", expected, always_xy=True).transform(5, 5)
    # A micrometre, or a hundred-thousandth of that in degrees.
    assert both.transform(x, y) == pytest.approx((x, y), abs=1e-6 if abs(x) > 180 else 1e-11)
    if name != "shapefile":
        assert found.to_authority(min_confidence=70) in (tuple(crs.split(":")), ("OGC", "CRS84"))


def test_dates_of_flatgeobuf_are_told_of_as_changed(tmp_path: Path) -> None:
    source = write_layer(tmp_path / "a.gpkg", [SQUARE], {"day": COLUMNS["day"][:1]})
    (loss,) = run(source, tmp_path, format="flatgeobuf").layers[0].losses
    assert (loss.kind, loss.field) == ("type_changed", "day")


@ogr
def test_types_of_a_shapefile_are_what_ogrinfo_says(made: Made) -> None:
    path = made("shapefile", "Point")
    info = subprocess.run(
        ["ogrinfo", "-ro", "-al", "-so", str(path)],
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    for words in (
        "Geometry: Point",
        "Feature Count: 4",
        "small: Integer64 (11.0)",
        "large: Integer64 (18.0)",
        "real: Real (24.15)",
        "text: String",
        "truth: String (1.0)",
        "day: Date (10.0)",
        "moment: String",
    ):
        assert words in info.stdout, info.stdout


@ogr
def test_ogr2ogr_cuts_the_same_features_to_the_same_shapes(tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    centers = random.uniform(-2, 12, (600, 2))
    blobs = shapely.buffer(shapely.points(centers), random.uniform(0.01, 3, 600), quad_segs=4)
    outline = shapely.Point(5, 5).buffer(5, 20).difference(shapely.Point(4, 6).buffer(1.5, 10))
    source = write_layer(tmp_path / "sea.gpkg", list(blobs), kind="MultiPolygon")
    area = json.loads(shapely.to_geojson(outline))
    result = run(source, tmp_path, area, format="geopackage")
    by_us, columns = read_numbers(unpack(result) / "sea.gpkg")
    clip = tmp_path / "outline.geojson"
    clip.write_text(json.dumps({"type": "Feature", "properties": {}, "geometry": area}))
    theirs = tmp_path / "theirs.gpkg"
    options = ["-f", "GPKG", "-nlt", "MULTIPOLYGON", "-clipsrc", str(clip)]
    subprocess.run(
        ["ogr2ogr", *options, str(theirs), str(source)],
        check=True,
        capture_output=True,
        timeout=300,
    )
    by_ogr, other = read_numbers(theirs)
    assert sorted(columns) == sorted(other)
    order = dict(zip(other, by_ogr, strict=True))
    off = [
        shapely.symmetric_difference(one, order[number]).area / blobs[number].area
        for number, one in zip(columns, by_us, strict=True)
    ]
    assert max(off) < 1e-9


def read_numbers(path: Path) -> tuple[list[Any], list[int]]:
    _, _, wkb, (numbers,) = pyogrio.raw.read(path, columns=["number"])
    return list(shapely.from_wkb(wkb)), numbers.tolist()
