"""A source is read whole, of one version, or the failure is named."""

from __future__ import annotations

import math
import os
import shutil
import sqlite3
import struct
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyogrio
import pyproj
import pytest
import shapely

from marinemap.errors import DatasetError
from marinemap.extraction import (
    ExtractionRequest,
    SourceLayer,
    Wanted,
    describe,
    extract,
    fingerprint,
    read_page,
)
from marinemap.extraction.reading.read import open_source
from tests.extraction.layers import AREA, read, run, unpack, write_layer

chance = np.random.default_rng(1)
POINTS = [shapely.Point(*xy) for xy in chance.uniform(0.1, 9.9, (500, 2))]
DRIVERS = {
    ".fgb": "FlatGeobuf",
    ".geojson": "GeoJSON",
    ".geojsonl": "GeoJSONSeq",
    ".gml": "GML",
    ".csv": "CSV",
}


def write_source(folder: Path, suffix: str, geometries: list[Any] = POINTS) -> Path:
    path = folder / f"sea{suffix}"
    if suffix == ".csv":
        rows = (f'"{point.wkt}",{i}\n' for i, point in enumerate(geometries))
        path.write_text("WKT,number\n" + "".join(rows))
        path.with_suffix(".prj").write_text(pyproj.CRS(4326).to_wkt("WKT1_ESRI"))
        return path
    return write_layer(path, geometries, kind="Unknown", driver=DRIVERS[suffix])


@pytest.mark.parametrize("suffix", DRIVERS)
@pytest.mark.parametrize("percent", [1, 10, 30, 50, 90, 99, 99.9])
def test_cut_source_is_a_named_failure(tmp_path: Path, suffix: str, percent: float) -> None:
    path = write_source(tmp_path, suffix)
    assert run(path, tmp_path).features_written == 500
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * percent / 100)])
    with pytest.raises(DatasetError, match=rf"sea\{suffix}"):
        run(path, tmp_path)


@pytest.mark.parametrize("suffix", [".gml", ".csv", ".geojsonl"])
def test_damage_in_the_middle_is_a_named_failure(tmp_path: Path, suffix: str) -> None:
    path = write_source(tmp_path, suffix)
    lines = path.read_bytes().split(b"\n")
    lines[len(lines) // 2] = lines[len(lines) // 2][:9]
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(DatasetError, match=rf"sea\{suffix}"):
        run(path, tmp_path)


def test_index_of_a_flatgeobuf_that_lies_hides_no_feature(tmp_path: Path) -> None:
    path = write_source(tmp_path, ".fgb")
    data = bytearray(path.read_bytes())
    box = struct.pack("<d", sorted(point.x for point in POINTS)[250])
    # The box of one leaf is moved far away; the feature itself is as it was.
    leaf = max(at for at in range(0, len(data) - 8) if data[at : at + 8] == box and at < 30_000)
    data[leaf : leaf + 8] = struct.pack("<d", 1e6)
    path.write_bytes(data)
    assert run(path, tmp_path).features_written == 500


@pytest.mark.parametrize("suffix", [".fgb", ".geojson", ".geojsonl", ".gml"])
def test_features_that_lie_nowhere_are_counted(tmp_path: Path, suffix: str) -> None:
    # GML has no empty geometries; GDAL writes no FlatGeobuf without geometry.
    nowhere = [None, shapely.Point(), shapely.LineString()]
    nowhere = {".gml": nowhere[:1], ".fgb": nowhere[1:]}.get(suffix, nowhere)
    path = tmp_path / f"sea{suffix}"
    wkb = pa.array(shapely.to_wkb(np.array([*POINTS[:5], *nowhere], object)), pa.binary())
    # GDAL writes no FlatGeobuf with such features and an index.
    options = {"layer_options": {"SPATIAL_INDEX": "NO"}} if suffix == ".fgb" else {}
    pyogrio.write_arrow(
        pa.table({"number": range(len(wkb)), "shape": wkb}),
        path,
        driver=DRIVERS[suffix],
        geometry_name="shape",
        geometry_type="Unknown",
        crs="EPSG:4326",
        **options,
    )
    (report,) = run(path, tmp_path).layers
    assert (report.features_written, report.without_position) == (5, len(nowhere))


def test_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "sea.gpkg")
    with pytest.raises(DatasetError, match=r"sea\.gpkg is neither a file nor a folder"):
        describe(tmp_path / "sea.gpkg")


@pytest.mark.parametrize(("suffix", "driver"), [("gpkg", "GPKG"), ("fgb", "FlatGeobuf")])
def test_page_of_a_layer_that_became_a_pipe_is_refused(
    tmp_path: Path, suffix: str, driver: str
) -> None:
    """Each request for one would hold a thread of the web server for ever."""
    path = write_layer(tmp_path / f"sea.{suffix}", POINTS, driver=driver)
    dataset = describe(path)
    path.unlink()
    os.mkfifo(path)
    refused: list[str] = []

    def ask() -> None:
        with pytest.raises(DatasetError) as caught:
            read_page(dataset, "", Wanted(limit=1))
        refused.append(caught.value.message)

    # Of its own: where it waits for whoever writes into the pipe, the test need not.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(60)
    assert "is neither a file nor a folder" in "".join(refused)


def in_wal_mode(path: Path) -> Path:
    with closing(sqlite3.connect(path)) as database:
        # They call functions that only GDAL has.
        triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        for (name,) in database.execute(triggers).fetchall():
            database.execute(f'DROP TRIGGER "{name}"')
        database.commit()
        database.execute("PRAGMA journal_mode = wal")
    return path


EDITOR = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], timeout=60)
for line in sys.stdin:
    database.execute("UPDATE sea SET number = ?", [int(line)])
    database.commit()
    print(line, end="", flush=True)
"""


@pytest.mark.parametrize("edits", [1, 10**6], ids=["once", "without end"])
def test_geopackage_that_is_edited_gives_all_of_one_version(tmp_path: Path, edits: int) -> None:
    many = [POINTS[i % 500] for i in range(40_000)]
    path = in_wal_mode(write_layer(tmp_path / "sea.gpkg", many, kind="Point"))
    path.with_suffix(".qml").write_text("<qgis/>")
    made = 0
    # In a process of its own: SQLite's locks are the process's, whichever of its libraries asks.
    with subprocess.Popen(
        [sys.executable, "-c", EDITOR, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as editor:
        assert editor.stdin and editor.stdout

        def edit(fraction: float, message: str) -> None:
            nonlocal made
            if made < edits:
                made += 1
                editor.stdin.write(b"%d\n" % made)
                editor.stdin.flush()
                assert editor.stdout.readline() == b"%d\n" % made

        request = ExtractionRequest([SourceLayer("sea", path)], AREA, tmp_path / "out.zip")
        result = extract(request, progress=edit)
        editor.stdin.close()
    assert result.features_written == len(many)
    _, columns = read(unpack(result) / "sea.shp")
    assert len(set(columns["number"])) == 1
    assert made > 0
    assert "sea.qml" in result.layers[0].files


def test_commit_beside_a_geopackage_changes_its_mark(tmp_path: Path) -> None:
    path = in_wal_mode(write_layer(tmp_path / "sea.gpkg", POINTS, kind="Point"))
    before = fingerprint(path)
    with closing(sqlite3.connect(path)) as editor:
        editor.execute("UPDATE sea SET number = 7")
        editor.commit()
        assert fingerprint(path) != before


def test_link_is_followed_at_each_reading(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("old", "new")]
    for number, folder in enumerate(folders):
        folder.mkdir()
        write_layer(folder / "sea.shp", POINTS[: 10 + number], driver="ESRI Shapefile")
    link = tmp_path / "current.shp"
    found = []
    for folder in folders:
        link.unlink(missing_ok=True)
        link.symlink_to(folder / "sea.shp")
        found.append((run(link, tmp_path).features_written, fingerprint(link)))
    assert [count for count, _ in found] == [10, 11]
    assert found[0][1] != found[1][1]


def test_replacement_of_the_same_size_and_time_changes_the_mark(tmp_path: Path) -> None:
    path = write_source(tmp_path, ".geojson")
    before = fingerprint(path)
    copy = shutil.copy2(path, tmp_path / "copy")
    Path(copy).replace(path)
    assert fingerprint(path) != before


def circular(positions: list[tuple[float, ...]]) -> bytes:
    flat = [number for position in positions for number in position]
    return struct.pack(f"<BII{len(flat)}d", 1, 8, len(positions), *flat)


def multi(kind: int, parts: list[bytes]) -> bytes:
    return struct.pack("<BII", 1, kind, len(parts)) + b"".join(parts)


TRIANGLE_Z = struct.pack("<BIII12d", 1, 1017, 1, 4, 1, 1, 5, 2, 1, 5, 1, 2, 5, 1, 1, 5)
PATCH_Z = TRIANGLE_Z[:1] + struct.pack("<I", 1003) + TRIANGLE_Z[5:]
CIRCLE = circular([(4, 5), (6, 5), (4, 5)])
HALF = circular([(4, 5), (5, 6), (6, 5)])
CLOSING = shapely.to_wkb(shapely.LineString([(6, 5), (4, 5)]))


@pytest.mark.parametrize(
    ("wkb", "measure", "expected"),
    [
        (HALF, shapely.length, math.pi),
        (CIRCLE, shapely.length, 2 * math.pi),
        (multi(9, [HALF, CLOSING]), shapely.length, math.pi + 2),
        (multi(10, [CIRCLE]), shapely.area, math.pi),
        (multi(10, [multi(9, [HALF, CLOSING])]), shapely.area, math.pi / 2),
        (multi(11, [HALF, CLOSING]), shapely.length, math.pi + 2),
        (multi(12, [multi(10, [CIRCLE])]), shapely.area, math.pi),
        (multi(1016, [TRIANGLE_Z]), shapely.area, 0.5),
        (multi(1015, [PATCH_Z]), shapely.area, 0.5),
        (multi(7, [HALF]), shapely.length, math.pi),
    ],
    ids=["arc", "circle", "compound", "disc", "half disc", "multicurve", "multisurface", "tin"]
    + ["polyhedral", "collection"],
)
@pytest.mark.parametrize("suffix", [".gpkg", ".fgb"])
def test_arcs_and_surfaces_become_lines_and_polygons(
    tmp_path: Path, wkb: bytes, measure: Callable[[Any], float], expected: float, suffix: str
) -> None:
    table = pa.table({"number": [1], "shape": pa.array([wkb], pa.binary())})
    path = tmp_path / f"sea{suffix}"
    driver = DRIVERS.get(suffix, "GPKG")
    options = {"geometry_name": "shape", "geometry_type": "Unknown", "crs": "EPSG:4326"}
    with warnings.catch_warnings():
        # A GeoPackage needs an extension for some of them.
        warnings.simplefilter("ignore")
        pyogrio.write_arrow(table, path, driver=driver, **options)
    result = run(path, tmp_path, format="geopackage")
    (geometry,), _ = read(unpack(result) / "sea.gpkg")
    # A line within 1e-7 of an arc of radius 1 is shorter by less than a millionth.
    assert measure(geometry) == pytest.approx(expected, rel=1e-6)
    assert result.layers[0].straightened == 1
    assert any("arcs or surfaces" in note for note in result.layers[0].notes)


def test_key_with_a_name_of_its_own_is_a_field(tmp_path: Path) -> None:
    path = tmp_path / "sea.gpkg"
    table = pa.table(
        {"reef_id": pa.array([70, 500]), "name": ["a", "b"]}
        | {"shape": pa.array(shapely.to_wkb(np.array(POINTS[:2], object)), pa.binary())}
    )
    options = {"geometry_name": "shape", "geometry_type": "Point", "crs": "EPSG:4326"}
    pyogrio.write_arrow(table, path, driver="GPKG", layer_options={"FID": "reef_id"}, **options)
    assert [field.name for field in describe(path).fields] == ["reef_id", "name"]
    _, columns = read(unpack(run(path, tmp_path)) / "sea.shp")
    assert columns == {"reef_id": [70, 500], "name": ["a", "b"]}
    only = run(path, tmp_path, fields=["name"], filter="reef_id > 100")
    assert read(unpack(only) / "sea.shp")[1] == {"name": ["b"]}


@pytest.mark.parametrize("suffix", [".gpkg", ".fgb", ".geojson"])
def test_field_named_as_the_column_of_geometries_is_kept(tmp_path: Path, suffix: str) -> None:
    columns = {"wkb_geometry": ["x"], "geom": ["y"], "geometry": ["z"]}
    if suffix == ".gpkg":
        del columns["geom"]
    path = write_layer(
        tmp_path / f"sea{suffix}", POINTS[:1], columns, driver=DRIVERS.get(suffix, "GPKG")
    )
    _, found = read(made(path))
    assert sorted(found) == sorted(name[:10] for name in columns)


def made(path: Path) -> Path:
    folder = unpack(run(path, path.parent))
    return next(folder.glob("*.shp"))


def test_large_features_make_small_batches(tmp_path: Path) -> None:
    ring = shapely.Point(5, 5).buffer(1, quad_segs=50_000)
    small = [shapely.Point(5, 5).buffer(1, quad_segs=2)] * 5_000
    for suffix in (".gpkg", ".fgb", ".shp", ".geojson"):
        driver = {".shp": "ESRI Shapefile"}.get(suffix, DRIVERS.get(suffix, "GPKG"))
        path = write_layer(
            tmp_path / f"sea{suffix}", [*small, *[ring] * 12], kind="Polygon", driver=driver
        )
        dataset = describe(path)
        source = open_source(dataset, [dataset.bounds or AREA])
        sizes = [(len(b.geometries), b.geometries.nbytes) for b in source.batches()]
        assert sum(rows for rows, _ in sizes) == 5_012
        assert max(size for _, size in sizes) < 20_000_000
