"""A feature whose geometry cannot be read: left out, counted, named; all others are delivered."""

from __future__ import annotations

import json
import random
import sqlite3
import struct
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyproj
import pytest
import shapely

from marinemap.errors import DatasetError
from marinemap.extraction import (
    Division,
    ExtractionRequest,
    SourceLayer,
    describe,
    estimate,
    extract,
    fingerprint,
    help_extract,
    read_geometries,
)
from marinemap.extraction.layers.servable import check_servable
from marinemap.extraction.pages.page import Wanted, read_one, read_page
from marinemap.extraction.tiles import draw
from tests.extraction.layers import AREA, read, run, unpack, write_layer
from tests.extraction.parquet_files import write_parquet

BOXES = [shapely.box(x, y, x + 0.5, y + 0.5) for x in range(1, 8) for y in range(1, 8)]
SOUND = shapely.to_wkb(BOXES[0])


def polygon(*rings: list[tuple[float, float]]) -> bytes:
    parts = [
        struct.pack("<I", len(ring)) + b"".join(struct.pack("<2d", *xy) for xy in ring)
        for ring in rings
    ]
    return struct.pack("<BII", 1, 3, len(rings)) + b"".join(parts)


def multi(kind: int, *parts: bytes) -> bytes:
    return struct.pack("<BII", 1, kind, len(parts)) + b"".join(parts)


def nested(depth: int) -> bytes:
    geometry = SOUND
    for _ in range(depth):
        geometry = multi(7, geometry)
    return geometry


POINT = struct.pack("<BI2d", 1, 1, 1.0, 1.0)
ONE_POSITION = struct.pack("<BII2d", 1, 2, 1, 1.0, 1.0)
BROKEN = {
    "ring of one position": polygon([(1, 1)]),
    "hole of one position": polygon([(1, 1), (2, 1), (2, 2), (1, 1)], [(1.5, 1.2)]),
    "line of one position": ONE_POSITION,
    "line of one position in a collection": multi(7, POINT, ONE_POSITION),
    "cut off": SOUND[:-20],
    "no such type": struct.pack("<BII", 1, 99, 1),
    "more parts than bytes": struct.pack("<BII", 1, 6, 2**31 - 1) + SOUND,
    "point among polygons": multi(6, POINT),
    "arc of two positions": struct.pack("<BII4d", 1, 8, 2, 1, 1, 2, 2),
    "arcs cut off": struct.pack("<BII", 1, 10, 1) + struct.pack("<BII2d", 1, 8, 3, 1, 1),
    "point among surfaces": multi(12, POINT),
    "collections without end": nested(1_500),
    "no such byte order": b"\x07" + SOUND[1:],
    "of big-endian order, cut": shapely.to_wkb(BOXES[0], byte_order=0)[:-8],
}


def with_geometries(path: Path, changed: Mapping[int, bytes], kind: str = "Unknown") -> Path:
    """Write BOXES as a GeoPackage, in which features of some ids have other bytes of WKB."""
    source = write_layer(path, BOXES, kind=kind)
    with closing(sqlite3.connect(source)) as database:
        triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        for (name,) in database.execute(triggers).fetchall():
            database.execute(f'DROP TRIGGER "{name}"')
        for id_, wkb in changed.items():
            (blob,) = database.execute("SELECT geom FROM sea WHERE fid = ?", [id_]).fetchone()
            # The header and the box stay, so that the index is right.
            database.execute("UPDATE sea SET geom = ? WHERE fid = ?", [blob[:40] + wkb, id_])
        database.commit()
    return source


@pytest.mark.parametrize("wkb", BROKEN.values(), ids=BROKEN)
def test_all_ways_to_a_geopackage_leave_out_the_same_feature(tmp_path: Path, wkb: bytes) -> None:
    source = with_geometries(tmp_path / "sea.gpkg", {8: wkb})
    result = run(source, tmp_path, format="geopackage")
    (report,) = result.layers
    assert (report.features_written, report.unreadable, report.not_finite) == (48, 1, 0)
    assert [each.id for each in report.left_out] == [8]
    assert report.notes[0].startswith("1 feature left out, for the geometry cannot be read: 8 (")
    folder = unpack(result)
    assert report.notes[0] in (folder / "README.txt").read_text()
    (told,) = json.loads((folder / "report.json").read_text())["layers"]
    assert told["left_out"] == [{"id": 8, "reason": report.left_out[0].reason}]
    geometries, columns = read(folder / "sea.gpkg")
    assert columns["number"] == [n for n in range(49) if n != 7]
    layer, dataset = SourceLayer("sea", source), describe(source)
    (foreseen,) = estimate(ExtractionRequest([layer], AREA))
    assert (foreseen.features, foreseen.is_exact) == (48, True)
    assert "1 feature cannot be read: 8." in foreseen.warnings
    assert len(read_geometries(layer, max_vertices=10_000)) == 48
    assert check_servable(dataset).ids == "8"
    page = read_page(dataset, fingerprint(source), Wanted(limit=100))
    ids = np.concatenate([part.ids for part in page.parts])
    shown = np.concatenate([part.geometries for part in page.parts])
    assert ids[shapely.is_missing(shown)].tolist() == [8]
    one = read_one(dataset, 8)
    assert one is not None and one.geometries.tolist() == [None]


def test_layer_is_drawn_without_what_cannot_be_read(tmp_path: Path) -> None:
    source = with_geometries(tmp_path / "sea.gpkg", dict(enumerate(BROKEN.values(), 1)))
    assert draw(SourceLayer("sea", source), tmp_path / "sea.pmtiles").tiles


def test_first_ten_are_named_and_all_counted(tmp_path: Path) -> None:
    source = with_geometries(tmp_path / "sea.gpkg", dict.fromkeys(range(3, 24), ONE_POSITION))
    (report,) = run(source, tmp_path).layers
    assert (report.features_written, report.unreadable) == (28, 21)
    assert [each.id for each in report.left_out] == list(range(3, 13))
    assert report.notes[0].endswith(", and 11 more.")


def test_layer_of_which_more_cannot_be_read_than_can_is_damaged(tmp_path: Path) -> None:
    source = with_geometries(tmp_path / "sea.gpkg", dict.fromkeys(range(1, 26), ONE_POSITION))
    found = r"25 of the 49 geometries .* of layer 'sea' of sea\.gpkg cannot be read: feature 1 \("
    with pytest.raises(DatasetError, match=found):
        run(source, tmp_path)
    with pytest.raises(DatasetError, match=found):
        estimate(ExtractionRequest([SourceLayer("sea", source)], AREA))
    with pytest.raises(DatasetError, match=found):
        check_servable(describe(source))
    with pytest.raises(DatasetError, match=found):
        read_geometries(SourceLayer("sea", source), max_vertices=10_000)
    with pytest.raises(DatasetError, match=found):
        draw(SourceLayer("sea", source), tmp_path / "sea.pmtiles")


def test_feature_that_the_filter_leaves_out_is_not_missed(tmp_path: Path) -> None:
    broken = {8: BROKEN["cut off"], 9: BROKEN["arc of two positions"], 10: ONE_POSITION}
    source = with_geometries(tmp_path / "sea.gpkg", broken)
    (report,) = run(source, tmp_path, filter="number <> 7 AND number <> 8").layers
    assert [each.id for each in report.left_out] == [10]
    assert (report.features_written, report.unreadable) == (46, 1)


def test_coordinates_that_are_no_numbers_are_named(tmp_path: Path) -> None:
    nan = float("nan")
    broken = {
        8: polygon([(1, 1), (2, nan), (2, 2), (1, 1)]),
        20: struct.pack("<BI2d", 1, 1, 1, nan),
    }
    (report,) = run(with_geometries(tmp_path / "sea.gpkg", broken), tmp_path).layers
    assert (report.features_written, report.not_finite, report.unreadable) == (47, 2, 0)
    assert "2 features left out, for a coordinate is no finite number: 8, 20." in report.notes


@pytest.mark.parametrize(
    ("suffix", "content", "id_"),
    [
        (
            ".geojson",
            '{{"type": "FeatureCollection", "features": [{}]}}',
            1,
        ),
        (".csv", "WKT,number\n{}\n", 2),
        (
            ".kml",
            '<kml xmlns="http://www.opengis.net/kml/2.2"><Document><Folder><name>sea</name>{}'
            "</Folder></Document></kml>",
            2,
        ),
    ],
)
def test_text_formats_leave_out_and_name_it_too(
    tmp_path: Path, suffix: str, content: str, id_: int
) -> None:
    source = tmp_path / f"sea{suffix}"
    lines = [[[3, 3], [4, 4]], [[1, 1]], [[5, 5], [6, 6]]]
    source.write_text(content.format(_SEPARATORS[suffix].join(map(_FEATURES[suffix], lines))))
    source.with_suffix(".prj").write_text(pyproj.CRS(4326).to_wkt("WKT1_ESRI"))
    (report,) = run(source, tmp_path).layers
    assert (report.features_written, report.unreadable) == (2, 1)
    assert [each.id for each in report.left_out] == [id_]
    page = read_page(describe(source), fingerprint(source), Wanted(limit=100))
    (part,) = page.parts
    assert part.ids[shapely.is_missing(part.geometries)].tolist() == [id_]


def _as_geojson(line: list[list[int]]) -> str:
    geometry = {"type": "LineString", "coordinates": line}
    return json.dumps({"type": "Feature", "properties": {}, "geometry": geometry})


def _as_csv(line: list[list[int]]) -> str:
    return '"LINESTRING ({})",7'.format(", ".join(f"{x} {y}" for x, y in line))


def _as_kml(line: list[list[int]]) -> str:
    positions = " ".join(f"{x},{y}" for x, y in line)
    return f"<Placemark><LineString><coordinates>{positions}</coordinates></LineString></Placemark>"


_FEATURES: Mapping[str, Any] = {".geojson": _as_geojson, ".csv": _as_csv, ".kml": _as_kml}
_SEPARATORS = {".geojson": ",", ".csv": "\n", ".kml": ""}


@pytest.mark.parametrize("boxes", ["", "double"])
def test_geoparquet_leaves_out_and_names_the_same(tmp_path: Path, boxes: str) -> None:
    wkb = [*BROKEN.values(), *shapely.to_wkb(BOXES[len(BROKEN) :]).tolist()]
    source = write_parquet(
        tmp_path / "sea.parquet", BOXES, types=(), boxes=boxes, geometry=pa.array(wkb)
    )
    (report,) = run(source, tmp_path).layers
    count = len(BROKEN)
    assert (report.features_written, report.unreadable) == (49 - count, count)
    assert [each.id for each in report.left_out] == list(range(10))
    assert check_servable(describe(source)).count == count
    (foreseen,) = estimate(ExtractionRequest([SourceLayer("sea", source)], AREA))
    assert foreseen.features == 49 - count
    (part,) = read_page(describe(source), fingerprint(source), Wanted(limit=100)).parts
    assert part.ids[shapely.is_missing(part.geometries)].tolist() == list(range(count))


def test_point_of_half_a_position_is_counted_once(tmp_path: Path) -> None:
    source = tmp_path / "sea.csv"
    source.write_text("WKT,number\nPOINT (1 nan),1\nPOINT (3 3),2\nPOINT (nan nan),3\n")
    source.with_suffix(".prj").write_text(pyproj.CRS(4326).to_wkt("WKT1_ESRI"))
    (report,) = run(source, tmp_path).layers
    assert (report.features_written, report.not_finite, report.without_position) == (1, 1, 1)


def test_what_is_left_is_what_the_sound_features_alone_would_give(tmp_path: Path) -> None:
    chance = random.Random(10)
    for trial, format_ in enumerate(["shapefile", "geojson", "flatgeobuf", "csv"]):
        folder = tmp_path / format_
        folder.mkdir()
        ids = sorted(chance.sample(range(1, 50), chance.randrange(1, 20)))
        broken = {id_: chance.choice(list(BROKEN.values())) for id_ in ids}
        (folder / "sound").mkdir()
        harmed = with_geometries(folder / "sea.gpkg", broken, "Polygon")
        sound = with_geometries(folder / "sound" / "sea.gpkg", {}, "Polygon")
        with closing(sqlite3.connect(sound)) as database:
            database.executemany("DELETE FROM sea WHERE fid = ?", [(id_,) for id_ in ids])
            database.execute("DELETE FROM rtree_sea_geom WHERE id NOT IN (SELECT fid FROM sea)")
            database.commit()
        area = [0.2 + trial, 1.25, 6.25, 9.0]
        crs = None if format_ == "geojson" else "EPSG:3857"
        found = [
            _files(run(path, folder, area, format=format_, crs=crs, full_copy=False))
            for path in (harmed, sound)
        ]
        assert found[0] == found[1], f"{format_} without {ids}"


def _files(result: Any) -> dict[str, bytes]:
    folder = unpack(result)
    kept = (path for path in folder.iterdir() if path.name not in ("README.txt", "report.json"))
    return {path.name: path.read_bytes() for path in kept}


def test_several_processes_leave_out_the_same_features(tmp_path: Path) -> None:
    count = 41_000
    x, y = np.random.default_rng(3).uniform(0, 9, (2, count))
    source = write_layer(
        tmp_path / "sea.gpkg",
        shapely.box(x, y, x + 0.01, y + 0.01),
        {"number": pa.array(range(count))},
        kind="Polygon",
    )
    with closing(sqlite3.connect(source)) as database:
        for (name,) in database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            database.execute(f'DROP TRIGGER "{name}"')
        for id_ in (5, 20_000, 40_999):
            (blob,) = database.execute("SELECT geom FROM sea WHERE fid = ?", [id_]).fetchone()
            database.execute("UPDATE sea SET geom = ? WHERE fid = ?", [blob[:-9], id_])
        database.commit()
    request = ExtractionRequest([SourceLayer("sea", source)], AREA, tmp_path / "out.zip")
    alone = extract(request)
    assert [each.id for each in alone.layers[0].left_out] == [5, 20_000, 40_999]
    whole = alone.archive.read_bytes()
    made = []
    folder = tmp_path / "shared"
    extract(
        request,
        division=Division(folder, 1, lambda pieces: made.append(help_extract(request, folder))),
    )
    assert made[0] > 1
    assert alone.archive.read_bytes() == whole
