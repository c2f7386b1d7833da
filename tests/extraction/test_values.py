"""No value changes without a word, whatever the format; no name stops an extract."""

from __future__ import annotations

import json
import math
import re
import zipfile
from datetime import time
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

from marinemap.extraction import FORMATS
from marinemap.extraction.extracts.verify import verify
from marinemap.extraction.formats import get_format
from marinemap.extraction.formats.plan import NO_DATE, WritePlan
from marinemap.extraction.formats.written import WrittenLayer
from marinemap.extraction.geometry.wkb import to_column
from tests.extraction.difficult import NAMES, columns, write_difficult
from tests.extraction.layers import run, unpack, write_layer

# The sources here are odd on purpose, and pyogrio reads no measures itself.
pytestmark = [
    pytest.mark.filterwarnings("ignore:A geometry of type"),
    pytest.mark.filterwarnings("ignore:Measured"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
POINTS = [shapely.Point(x, 5) for x in (1, 2, 3)]
IN_UTC = "The times of 'at' are given in UTC, as instants; one that has no zone counts as UTC."
WKTS = {
    "all three": [
        "POLYGON ((1 1, 2 1, 2 2, 1 1))",
        "POINT (1 1)",
        "LINESTRING (1 1, 2 2)",
    ],
    "heights in some": ["POINT Z (1 1 5)", "POINT (1 1)", "MULTIPOINT (1 1, 2 2)"],
    "measures in some": ["POINT M (1 1 5)", "POINT ZM (1 1 5 6)", "POINT (1 1)"],
    "measured polygons": ["POLYGON M ((1 1 7, 2 1 8, 2 2 9, 1 1 7))"] * 3,
    "collections": [
        "GEOMETRYCOLLECTION (POINT (1 1), LINESTRING (1 1, 2 2))",
        "POINT (3 3)",
        "POINT (4 4)",
    ],
}


def written_alone(folder: Path, name: str, values: dict[str, Any]) -> list[WrittenLayer]:
    """Write columns in a format without a source, and verify them."""
    batch = pa.RecordBatch.from_pydict(values)
    plan = WritePlan(folder, "sea", batch.schema, pyproj.CRS(4326), "Point", False, NO_DATE)
    writer = get_format(name).writer(plan)
    writer.write(to_column(np.array(POINTS[: batch.num_rows], object)), batch)
    written = writer.close()
    for layer in written:
        verify(layer)
    return written


@pytest.mark.parametrize("name", FORMATS)
def test_layer_of_every_difficulty_goes_through(tmp_path: Path, name: str) -> None:
    source = write_difficult(tmp_path / "source.gpkg", POINTS)
    result = run(source, tmp_path, format=name)
    assert result.features_written == 3
    names = zipfile.ZipFile(result.archive).namelist()
    assert len(names) == len({each.lower() for each in names})


@pytest.mark.parametrize("kind", WKTS)
@pytest.mark.parametrize("declared", ["Unknown", "Polygon"])
@pytest.mark.parametrize("name", FORMATS)
def test_types_and_dimensions_may_be_mixed(
    tmp_path: Path, name: str, kind: str, declared: str
) -> None:
    geometries = [shapely.from_wkt(wkt) for wkt in WKTS[kind]]
    source = tmp_path / "source.gpkg"
    pyogrio.raw.write(
        source,
        shapely.to_wkb(np.array(geometries, object), flavor="iso"),
        [np.arange(3)],
        ["number"],
        geometry_type=declared,
        crs="EPSG:4326",
    )
    (report,) = run(source, tmp_path, format=name, full_copy=False).layers
    assert report.features_written >= 3
    has_m = any(shapely.has_m(g) for g in geometries)
    if name in ("flatgeobuf", "geopackage", "geoparquet", "csv", "filegdb"):
        assert not [loss for loss in report.losses if loss.kind in ("height", "measure")]
    elif name in ("geojson", "kml"):
        assert [loss.kind for loss in report.losses] == (["measure"] if has_m else [])


def test_flatgeobuf_keeps_heights_and_measures_of_an_open_layer(tmp_path: Path) -> None:
    geometries = [shapely.from_wkt(wkt) for wkt in WKTS["measures in some"]]
    source = write_layer(tmp_path / "source.gpkg", geometries)
    folder = unpack(run(source, tmp_path, format="flatgeobuf"))
    kinds = set()
    for path in folder.glob("*.fgb"):
        with pyogrio.open_arrow(path, use_pyarrow=True) as (_, reader):
            (wkb,) = next(iter(reader)).column("wkb_geometry").to_pylist()
        kinds.add(shapely.from_wkb(wkb).wkt)
    assert kinds == {"POINT M (1 1 5)", "POINT ZM (1 1 5 6)", "POINT (1 1)"}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("field", NAMES)
def test_field_of_any_name_is_written(tmp_path: Path, name: str, field: str) -> None:
    (written,) = written_alone(tmp_path, name, {field: ["x"], field.swapcase() + "2": ["y"]})
    assert list(written.fields) == [field, field.swapcase() + "2"]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("kind", ["string", "integer"])
def test_names_that_differ_by_case_alone_stay_two_fields(
    tmp_path: Path, name: str, kind: str
) -> None:
    values = ["x"] if kind == "string" else [7]
    (written,) = written_alone(
        tmp_path, name, {"OGC_FID": values, "ogc_fid": values, "fid": values}
    )
    lowered = [new.lower() for new in written.fields.values()]
    assert len(set(lowered)) == (3 if name != "geoparquet" else 2)


@pytest.mark.parametrize("name", FORMATS)
def test_single_reals_read_back_and_are_no_loss(tmp_path: Path, name: str) -> None:
    (written,) = written_alone(tmp_path, name, {"v": columns()["single"]})
    assert written.losses == ()
    if name == "geoparquet":
        found = pq.read_table(written.path)["v"].to_pylist()
    else:
        _, _, _, (found,) = pyogrio.raw.read(written.path, columns=["v"])
    present = {float(np.float32(v)) for v in found if v is not None and not np.isnan(v)}
    assert present == {float(np.float32(v)) for v in (0.1, -3.4e38)}


REALS = [1.7976931348623157e308, 1 / 3, 5e-324]


@pytest.mark.parametrize("name", ["csv", "geopackage", "flatgeobuf", "geojson", "kml", "filegdb"])
def test_reals_are_exact_or_the_loss_is_counted(tmp_path: Path, name: str) -> None:
    if name not in FORMATS:
        pytest.skip("no such format")
    (written,) = written_alone(tmp_path, name, {"v": REALS})
    _, _, _, (found,) = pyogrio.raw.read(written.path, columns=["v"])
    assert all(math.isfinite(float(v)) for v in found)
    pairs = zip(sorted(float(v) for v in found), sorted(REALS), strict=True)
    changed = sum(value != real for value, real in pairs)
    assert changed == sum(loss.count for loss in written.losses)
    assert (changed > 0) == (name == "kml")


@pytest.mark.parametrize(
    ("name", "kind", "values", "count"),
    [
        ("geojson", "value_lost", [math.inf, math.nan, 1.0], 2),
        ("geopackage", "value_lost", [math.nan, 1.0, None], 1),
        ("kml", "text_changed", ["  x", "a\x01b", "plain "], 2),
        ("kml", "text_changed", ["a\r\nb", "a\rb", "a\nb"], 2),
        ("geopackage", "text_changed", ["a\0b", "c", None], 1),
        ("csv", "text_changed", ["a\0b", "c", None], 1),
        ("csv", "text_quoted", ["=1", "-2", "x"], 2),
        ("shapefile", "text_changed", ["a\0b", "c", None], 1),
    ],
)
def test_value_that_a_format_cannot_hold_is_counted(
    tmp_path: Path, name: str, kind: str, values: list[Any], count: int
) -> None:
    (written,) = written_alone(tmp_path, name, {"v": values})
    assert [(loss.kind, loss.count, loss.field) for loss in written.losses] == [(kind, count, "v")]


NOON = 1_577_880_000_123_456
AFTER_NOON = {"us": [NOON, NOON + 544, None], "ms": [NOON // 1000, NOON // 1000 + 1, None]}


@pytest.mark.parametrize("zone", [None, "UTC", "+05:30"])
@pytest.mark.parametrize(
    ("name", "unit", "count", "kept"),
    [
        *((name, "us", 1, [123, 124]) for name in ("geopackage", "flatgeobuf", "geojson", "kml")),
        ("geopackage", "ms", 0, [123, 124]),
        ("filegdb", "us", 2, [0, 0]),
        ("filegdb", "ms", 2, [0, 0]),
    ],
)
def test_moments_are_kept_or_their_rounding_is_counted(
    tmp_path: Path, name: str, unit: str, count: int, kept: list[int], zone: str | None
) -> None:
    column = pa.array(AFTER_NOON[unit], pa.timestamp(unit, zone))
    (written,) = written_alone(tmp_path, name, {"v": column})
    losses = [(loss.kind, loss.count) for loss in written.losses if loss.count]
    assert losses == ([("value_rounded", count)] if count else [])
    _, table = pyogrio.read_arrow(written.path, columns=["v"], datetime_as_string=True)
    found = sorted(filter(None, table.column("v").to_pylist()))
    parts = [re.search(r":00(?:\.(\d{3}))?(?!\d)", text[16:]) for text in found]
    assert [int(part[1] or 0) for part in parts if part] == kept


EARLY = ["1900-01-01T12:34:58.500", "1950-06-15T10:20:59.250", "1969-12-31T23:59:59.999"]
# The last second of a minute has whole seconds only.
EARLY_ROUNDED = [EARLY[0], "1950-06-15T10:20:59.000", "1970-01-01T00:00:00.000"]
LAST_OF_ALL = ["0001-01-01T00:00:00.000", "2020-01-01T00:00:00.500", "9999-12-31T23:59:59.999"]
OF_TEXTS = ["geopackage", "flatgeobuf", "geojson", "kml"]


def read_moments(path: Path) -> list[str]:
    """Return the field ``v`` as ISO 8601 to the millisecond, without zones, in order."""
    _, table = pyogrio.read_arrow(path, columns=["v"], datetime_as_string=True)
    texts = (re.sub(r"Z|\+00.*", "", t) for t in filter(None, table.column("v").to_pylist()))
    return sorted(np.datetime_as_string(np.datetime64(text, "ms")).item() for text in texts)


@pytest.mark.parametrize("zone", [None, "UTC"])
@pytest.mark.parametrize("name", OF_TEXTS)
def test_moments_before_1970_are_kept_or_their_rounding_is_counted(
    tmp_path: Path, name: str, zone: str | None
) -> None:
    column = pa.array(np.array(EARLY, "datetime64[ms]")).cast(pa.timestamp("ms", zone))
    (written,) = written_alone(tmp_path, name, {"v": column})
    found = read_moments(written.path)
    assert found in (EARLY, EARLY_ROUNDED)
    changed = 2 if found == EARLY_ROUNDED else 0
    assert [loss.count for loss in written.losses if loss.count] == [changed] * (changed > 0)


@pytest.mark.parametrize("name", [*OF_TEXTS, "filegdb"])
def test_last_moment_of_the_calendar_is_rounded_down(tmp_path: Path, name: str) -> None:
    ticks = np.array(LAST_OF_ALL, "datetime64[us]") + np.timedelta64(999, "us")
    (written,) = written_alone(tmp_path, name, {"v": pa.array(ticks)})
    assert [(loss.kind, loss.count) for loss in written.losses] == [("value_rounded", 3)]
    last = "9999-12-31T23:59:59.000" if name == "filegdb" else LAST_OF_ALL[2]
    assert read_moments(written.path)[-1] == last


@pytest.mark.parametrize("zone", [None, "UTC"])
@pytest.mark.parametrize("name", sorted(FORMATS))
def test_last_microsecond_of_a_day_is_written(tmp_path: Path, name: str, zone: str | None) -> None:
    moment = pa.array(np.array(["2020-01-01T23:59:59.999999"], "datetime64[us]"))
    (written,) = written_alone(tmp_path, name, {"v": moment.cast(pa.timestamp("us", zone))})
    if name == "csv":
        zoned = "+00:00" if zone else ""
        assert f'"2020-01-01T23:59:59.999999{zoned}"' in written.path.read_text()


@pytest.mark.parametrize(
    "text",
    ["2020-02-30", "0000-01-01", "10000-01-01", "23:59:59.999999", "2016-12-31T23:59:60Z"],
)
@pytest.mark.parametrize("name", sorted(FORMATS))
def test_text_that_looks_like_no_day_or_moment_is_written(
    tmp_path: Path, name: str, text: str
) -> None:
    (written,) = written_alone(tmp_path, name, {"v": pa.array([text])})
    if name == "geojson":
        (feature,) = json.loads(written.path.read_text())["features"]
        assert feature["properties"] == {"v": text}


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_last_microsecond_as_a_time_of_day_is_written(tmp_path: Path, name: str) -> None:
    until = pa.array([time(23, 59, 59, 999_999)], pa.time64("us"))
    (written,) = written_alone(tmp_path, name, {"v": until})
    if name == "geojson":
        (feature,) = json.loads(written.path.read_text())["features"]
        assert feature["properties"] == {"v": "23:59:59.999999"}


@pytest.mark.parametrize("zone", [None, "UTC", "+05:30"])
def test_moments_beyond_the_calendar_are_texts_of_a_shapefile(
    tmp_path: Path, zone: str | None
) -> None:
    ticks = np.array(["-0043-03-15T10:00", "12345-01-01", "NaT"], "datetime64[ms]")
    column = pa.array(ticks).cast(pa.timestamp("ms", zone))
    (written,) = written_alone(tmp_path, "shapefile", {"v": column})
    _, _, _, (found,) = pyogrio.raw.read(written.path)
    after = "+00:00" if zone else ""
    first, second = f"-0043-03-15T10:00:00.000{after}", f"12345-01-01T00:00:00.000{after}"
    assert found.tolist() == [first, second, None]


def test_moment_whose_clock_shows_the_year_10000_becomes_null(tmp_path: Path) -> None:
    late = pa.array(np.array(["9999-12-31T20:00:00"], "datetime64[ms]"))
    column = late.cast(pa.timestamp("ms", "UTC")).cast(pa.timestamp("ms", "+05:30"))
    (written,) = written_alone(tmp_path, "geojson", {"v": column})
    (feature,) = json.loads(written.path.read_text())["features"]
    assert feature["properties"] == {"v": None}
    assert [(loss.kind, loss.count) for loss in written.losses] == [("value_lost", 1)]


def test_largest_integer_keeps_its_sign_in_a_geodatabase(tmp_path: Path) -> None:
    values = [2**63 - 1, 2**53 + 1, None]
    (written,) = written_alone(tmp_path, "filegdb", {"v": pa.array(values, pa.int64())})
    _, _, _, (found,) = pyogrio.raw.read(written.path, columns=["v"])
    assert sorted(float(v) for v in found if not np.isnan(v)) == [2.0**53, 2.0**63 - 1024]
    assert [(loss.kind, loss.count) for loss in written.losses] == [("value_rounded", 2)]


@pytest.mark.parametrize(("zone", "told"), [(None, 0), ("UTC", 0), ("+05:30", 1)])
def test_geodatabase_tells_that_it_has_no_zones(
    tmp_path: Path, zone: str | None, told: int
) -> None:
    column = pa.array([1_577_880_000_000], pa.timestamp("ms", zone))
    (written,) = written_alone(tmp_path, "filegdb", {"v": column})
    assert read_moments(written.path) == ["2020-01-01T12:00:00.000"]
    assert [loss.kind for loss in written.losses] == ["type_changed"] * told


def test_name_of_a_field_is_no_formula_in_a_csv(tmp_path: Path) -> None:
    (written,) = written_alone(tmp_path, "csv", {"=1+1": ["x"], "@now": ["y"], "-": ["z"]})
    assert list(written.fields.values()) == ["'=1+1", "'@now", "'-"]
    assert written.path.read_text().startswith('"WKT","\'=1+1","\'@now","\'-"\n')


@pytest.mark.parametrize(
    ("wkts", "types"),
    [
        (["POINT (1 1)", "POINT Z (1 1 5)"], ["Point", "Point Z"]),
        (WKTS["collections"], ["GeometryCollection", "Point"]),
        # The standard has no word for measures, and an empty list says that nobody knows.
        (WKTS["measures in some"], []),
    ],
)
def test_geoparquet_names_the_types_of_all_its_geometries(
    tmp_path: Path, wkts: list[str], types: list[str]
) -> None:
    batch = pa.RecordBatch.from_pydict({"number": list(range(len(wkts)))})
    plan = WritePlan(tmp_path, "sea", batch.schema, pyproj.CRS(4326), "Unknown", True, NO_DATE)
    writer = get_format("geoparquet").writer(plan)
    writer.write(to_column(shapely.from_wkt(wkts)), batch)
    (written,) = writer.close()
    geo = json.loads(pq.read_schema(written.path).metadata[b"geo"])
    assert geo["columns"]["geometry"]["geometry_types"] == types


def test_integer_called_ogc_fid_stays_a_field_of_geojson(tmp_path: Path) -> None:
    (written,) = written_alone(tmp_path, "geojson", {"OGC_FID": [70, 80]})
    features = json.loads(written.path.read_text())["features"]
    assert [f["properties"] for f in features] == [{"OGC_FID_1": 70}, {"OGC_FID_1": 80}]
    assert all("id" not in f for f in features)


def test_geopackage_of_mixed_types_declares_any(tmp_path: Path) -> None:
    wkts = ["POLYGON ((1 1, 2 1, 2 2, 1 1))", "POINT (1 1)"]
    source = tmp_path / "source.gpkg"
    wkb = shapely.to_wkb([shapely.from_wkt(wkt) for wkt in wkts])
    pyogrio.raw.write(source, wkb, [], [], geometry_type="Polygon", crs="EPSG:4326")
    path = unpack(run(source, tmp_path, format="geopackage")) / "sea.gpkg"
    with fiona.open(path) as opened:
        assert opened.schema["geometry"] == "Unknown"


@pytest.mark.parametrize(
    ("zones", "hours", "notes"),
    [
        (["+02:00", "-05:00"], [22, 5], (IN_UTC,)),
        (["+02:00", "+02:00"], [0, 0], ()),
    ],
    ids=["mixed", "one"],
)
def test_times_of_mixed_zones_are_told_to_be_in_utc(
    tmp_path: Path, zones: list[str], hours: list[int], notes: tuple[str, ...]
) -> None:
    features = [
        {
            "type": "Feature",
            "properties": {"at": f"2020-01-01T00:00:00{zone}"},
            "geometry": {"type": "Point", "coordinates": [1, 1]},
        }
        for zone in zones
    ]
    source = tmp_path / "sea.geojson"
    source.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    result = run(source, tmp_path, format="geojson")
    content = json.loads((unpack(result) / "sea.geojson").read_text())
    found = [feature["properties"]["at"] for feature in content["features"]]
    assert [int(text[11:13]) for text in found] == hours
    assert result.layers[0].notes == notes
