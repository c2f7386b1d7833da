"""Damaged sources that ended the process which opened them; found by mutation."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
import shapely

from marinemap.errors import DatasetError
from marinemap.extraction import describe, fingerprint, list_layers
from marinemap.extraction.sources.first_look import look_first
from marinemap.extraction.sources.sqlite_source import find_damage
from tests.extraction.layers import write_layer
from tests.extraction.s57_cell import write_chart

BOXES = [shapely.box(x, 0, x + 0.5, 1) for x in range(200)]
DESCRIBE = """
import sys
from pathlib import Path
from marinemap.errors import DatasetError
from marinemap.extraction import describe
try:
    describe(Path(sys.argv[1]))
except DatasetError as error:
    print(error)
"""


def write(path: Path) -> Path:
    if path.suffix == ".000":
        return write_chart(path)
    return write_layer(path, BOXES, kind="Polygon", driver="GPKG")


def harm(path: Path, old: bytes, new: bytes) -> None:
    data = path.read_bytes()
    at = data.rindex(old)
    path.write_bytes(data[:at] + new + data[at + len(old) :])


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("sea.gpkg", b"index_gpkg_ext", b"index\xdfgpkg_ext", "sea.gpkg is no sound database"),
        ("sea.gpkg", b"CREATE TRIGGER", b"CREATE\xa0TRIGGER", "sea.gpkg is no sound database"),
        ("sea.000", b"SG3D0", b"SG3D\x80", "sea.000 ends the process that opens it"),
        ("sea.000", b"SG3D", b"SG2\xe1", "sea.000 cannot be read as vector data"),
        ("sea.000", b"FOID", b"\x02\xff\x1e\x80", "sea.000 cannot be read as vector data"),
    ],
)
def test_source_that_ended_the_process_is_a_named_failure(
    tmp_path: Path, name: str, old: bytes, new: bytes, message: str
) -> None:
    source = write(tmp_path / name)
    harm(source, old, new)
    done = subprocess.run(
        [sys.executable, "-c", DESCRIBE, source], capture_output=True, text=True, errors="replace"
    )
    assert done.returncode == 0, f"it ended by {done.returncode}: {done.stderr[-500:]}"
    assert message in done.stdout


def test_kml_larger_than_memory_may_hold_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    source = write_layer(tmp_path / "sea.kml", BOXES, kind="Polygon", driver="KML")
    assert describe(source).feature_count == len(BOXES)
    with source.open("r+b") as file:
        # Bytes that take no place on the disk: nobody reads them.
        file.truncate(100_000_001)
    with pytest.raises(DatasetError, match="sea.kml has 100,000,001 bytes") as caught:
        describe(source)
    assert "ogr2ogr sea.gpkg sea.kml" in str(caught.value.hint)


def test_text_of_gdal_that_is_no_text_is_a_named_failure(tmp_path: Path) -> None:
    shapefile = write_layer(
        tmp_path / "sea.shp", BOXES, kind="Polygon", driver="ESRI Shapefile", crs="EPSG:3035"
    )
    whole = shapefile.with_suffix(".prj").read_bytes()
    for old, new in (
        (b'"Central_Meridian",1', b'"Central_Meridian",\x80'),
        (b"Azimuthal", b"Azimuth\xcal"),
    ):
        harm(shapefile.with_suffix(".prj"), old, new)
        with pytest.raises(DatasetError, match=r"sea\.shp .*(CRS|cannot be read|damaged)"):
            describe(shapefile)
        shapefile.with_suffix(".prj").write_bytes(whole)
    package = write(tmp_path / "sea.gpkg")
    harm(package, b'"number" M', b'"number" \xff')
    assert describe(package).feature_count == len(BOXES)


def test_source_is_opened_apart_once_for_each_state(tmp_path: Path) -> None:
    chart = write(tmp_path / "sea.000")
    list_layers(chart)
    before = look_first.cache_info()
    describe(chart, "SOUNDG")
    assert look_first.cache_info().misses == before.misses
    harm(chart, b"SG3D0", b"SG3D\x80")
    for _ in range(2):
        with pytest.raises(DatasetError, match="ends the process"):
            list_layers(chart)


def test_page_that_is_blank_is_found_before_rows_are_missed(tmp_path: Path) -> None:
    source = write(tmp_path / "sea.gpkg")
    with closing(sqlite3.connect(source)) as database:
        (page,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'sea'")
        (size,) = database.execute("PRAGMA page_size").fetchone()
    data = bytearray(source.read_bytes())
    data[(page[0] - 1) * size : page[0] * size] = bytes(size)
    source.write_bytes(data)
    with pytest.raises(DatasetError, match="sea.gpkg is no sound database"):
        describe(source)


def test_row_that_breaks_a_rule_of_its_table_is_no_damage(tmp_path: Path) -> None:
    source = tmp_path / "sea.sqlite"
    with closing(sqlite3.connect(source)) as database:
        database.execute("CREATE TABLE sea (depth INTEGER CHECK (depth > 0))")
        database.execute("PRAGMA ignore_check_constraints = ON")
        database.execute("INSERT INTO sea VALUES (-1)")
        database.commit()
        database.execute("PRAGMA ignore_check_constraints = OFF")
        assert "CHECK" in database.execute("PRAGMA quick_check(1)").fetchone()[0]
    assert find_damage(source) is None


def test_database_that_is_locked_is_not_damaged(tmp_path: Path) -> None:
    source = write(tmp_path / "sea.gpkg")
    with closing(sqlite3.connect(source)) as database:
        database.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        assert find_damage(source) is None
        # Far below the 60 s of a look that is waited for.
        assert time.monotonic() - began < 20
    assert fingerprint(source)
