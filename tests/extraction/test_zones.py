"""Times that bear a zone, in formats in which each value has its own: none loses it."""

from __future__ import annotations

import csv
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyogrio
import pyproj
import pytest
import shapely

from marinemap.errors import UnavailableError
from marinemap.extraction import (
    KnownZones,
    SourceLayer,
    Wanted,
    attributes_schema,
    describe,
    fingerprint,
    read_page,
)
from marinemap.extraction.layers.layer import prepare
from tests.extraction.layers import run, unpack, write_layer

POINTS = [shapely.Point(1, 1), shapely.Point(2, 2), shapely.Point(3, 3)]
NOON = "2020-06-30T12:00:00"
IN_UTC = "The times of 'seen' are given in UTC, as instants; one that has no zone counts as UTC."


def csv_of(folder: Path, texts: list[str]) -> Path:
    path = folder / "source.csv"
    rows = [f'"{point.wkt}",{text}' for point, text in zip(POINTS, texts, strict=True)]
    path.write_text("\n".join(["WKT,seen", *rows, ""]))
    path.with_suffix(".csvt").write_text('"WKT","DateTime"\n')
    path.with_suffix(".prj").write_text(pyproj.CRS("EPSG:4326").to_wkt("WKT1_GDAL"))
    return path


def times_in(path: Path) -> list[str | None]:
    table = pyogrio.read_arrow(path, datetime_as_string=True, read_geometry=False)[1]
    texts: list[str | None] = table.column("seen").to_pylist()
    return texts


@pytest.mark.parametrize("suffix", ["fgb", "sqlite", "gml"])
def test_times_of_one_zone_keep_it(tmp_path: Path, suffix: str) -> None:
    drivers = {"fgb": "FlatGeobuf", "sqlite": "SQLite", "gml": "GML"}
    moments = pa.array([0, 86_399_999, None], pa.timestamp("ms", "+05:30"))
    source = tmp_path / f"source.{suffix}"
    write_layer(source, POINTS, {"seen": moments}, kind="Point", driver=drivers[suffix])
    result = run(source, tmp_path, format="geojson")
    found = times_in(unpack(result) / "sea.geojson")
    expected = {"1970-01-01T05:30:00+05:30", "1970-01-02T05:29:59.999+05:30", None}
    assert set(found) == expected
    assert not result.layers[0].notes


@pytest.mark.parametrize(
    ("texts", "expected", "notes"),
    [
        (
            ["Z", "+02:00", "-05:30"],
            ["12:00:00+00:00", "10:00:00+00:00", "17:30:00+00:00"],
            (IN_UTC,),
        ),
        (["+02:00", "", "Z"], ["10:00:00+00:00", "12:00:00+00:00", "12:00:00+00:00"], (IN_UTC,)),
        ([".250", "", ".5"], ["12:00:00.250000", "12:00:00", "12:00:00.500000"], ()),
    ],
    ids=["mixed", "one without", "none"],
)
def test_times_of_several_zones_are_instants(
    tmp_path: Path, texts: list[str], expected: list[str], notes: tuple[str, ...]
) -> None:
    result = run(csv_of(tmp_path, [NOON + text for text in texts]), tmp_path, format="csv")
    with (unpack(result) / "sea.csv").open() as file:
        found = [row["seen"].removeprefix("2020-06-30T") for row in csv.DictReader(file)]
    assert found == expected
    assert result.layers[0].notes == notes


def test_seconds_of_60_and_the_first_year_are_read(tmp_path: Path) -> None:
    source = csv_of(tmp_path, ["2016-12-31T23:59:60Z", "0001-01-01T00:00:00+01:00", ""])
    found = times_in(unpack(run(source, tmp_path, format="flatgeobuf")) / "sea.fgb")
    assert set(found) == {"2017-01-01T00:00:00Z", None}


def test_a_page_tells_instants_as_well(tmp_path: Path) -> None:
    source = csv_of(tmp_path, [f"{NOON}+02:00", f"{NOON}Z", ""])
    page = read_page(describe(source), "", Wanted(limit=5))
    times = page.parts[0].attributes.column("seen").to_pylist()
    assert [time and time.isoformat() for time in times] == [
        "2020-06-30T10:00:00+00:00",
        "2020-06-30T12:00:00+00:00",
        None,
    ]


def test_a_filter_compares_instants(tmp_path: Path) -> None:
    source = csv_of(tmp_path, [f"{NOON}+02:00", f"{NOON}Z", f"{NOON}-02:00"])
    after = run(source, tmp_path, filter="seen > TIMESTAMP('2020-06-30T10:30:00Z')")
    assert after.layers[0].features_written == 2


def test_zones_that_are_known_are_not_sought_again(tmp_path: Path) -> None:
    """A page and an estimate read every time of the layer before they began."""
    source = csv_of(tmp_path, [f"{NOON}Z"] * 3)
    mark, told = fingerprint(source), pa.timestamp("ms", "+01:00")
    # Not what the file has: whoever looks there tells another.
    known = KnownZones(mark, (("seen", "+01:00"),), seconds=1)
    dataset = replace(describe(source), known_zones=known)
    assert attributes_schema(dataset).field("seen").type == told
    layer = SourceLayer("sea", source, fingerprint=mark, zones={"seen": "+01:00"})
    assert prepare(layer, None).selection.schema.field("seen").type == told


def test_zones_of_changed_data_are_sought_for_a_limited_time(tmp_path: Path) -> None:
    source = csv_of(tmp_path, [f"{NOON}Z"] * 3)
    known = KnownZones("of other data", (("seen", "+01:00"),), seconds=0)
    dataset = replace(describe(source), known_zones=known)
    with pytest.raises(UnavailableError, match="not read yet"):
        attributes_schema(dataset)
    enough = replace(dataset, known_zones=replace(known, seconds=60))
    assert attributes_schema(enough).field("seen").type == pa.timestamp("ms", "UTC")
    layer = SourceLayer("sea", source, fingerprint="of other data", zones={})
    found = prepare(layer, None).selection.schema
    assert found.field("seen").type == pa.timestamp("ms", "UTC")


@pytest.mark.parametrize("others", [[".5Z", ".000499Z"], [".000123Z", ".000499Z"]])
def test_fraction_below_half_a_millisecond_keeps_its_zone(
    tmp_path: Path, others: list[str]
) -> None:
    """GDAL leaves such a fraction out of its text, and its bytes behind it."""
    source = csv_of(tmp_path, [f"{NOON}{text}" for text in (".000123Z", *others)])
    times = read_page(describe(source), "", Wanted(limit=5)).parts[0].attributes.column("seen")
    milliseconds = [500 if text == ".5Z" else 0 for text in ("", *others)]
    expected = [datetime.fromisoformat(f"{NOON}.{each:03}+00:00") for each in milliseconds]
    assert times.to_pylist() == expected
