"""A GeoPackage's R-tree read by its nodes: held against SQLite's own answers."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import fiona
import numpy as np
import pytest
import shapely

from marinemap.errors import DatasetError
from marinemap.extraction.geopackage.index import RTree, find_rtree
from marinemap.extraction.geopackage.rtree_nodes import KeySet
from marinemap.extraction.layers.geometries import read_geometries
from marinemap.extraction.reading.describe import describe
from marinemap.extraction.request import SourceLayer
from tests.extraction.layers import run, unpack, write_layer

# Enough for a tree of three levels: a node holds 51 entries.
MANY = 12_000
WINDOW = (2.0, 3.0, 6.5, 4.0)


def near_window(boxes: Any) -> Any:
    west, south, east, north = WINDOW
    return (
        (boxes[:, 2] >= west)
        & (boxes[:, 0] <= east)
        & (boxes[:, 3] >= south)
        & (boxes[:, 1] <= north)
    )


def scattered(count: int) -> Any:
    generator = np.random.default_rng(5)
    x, y = generator.uniform(-5, 15, (2, count))
    return shapely.box(x, y, x + 0.02, y + 0.01)


def change(path: Path, *statements: str) -> None:
    """Run SQL on a GeoPackage, whose triggers need GDAL's functions of geometry."""
    with closing(sqlite3.connect(path)) as database:
        box = {"ST_MinX": 0, "ST_MinY": 1, "ST_MaxX": 2, "ST_MaxY": 3}
        for name, side in box.items():
            database.create_function(name, 1, lambda blob, side=side: bounds(blob)[side])
        database.create_function("ST_IsEmpty", 1, lambda blob: blob is None)
        for statement in statements:
            database.execute(statement)
        database.commit()


def bounds(blob: bytes) -> Any:
    # A header of 8 bytes and a box of 32 (GeoPackage 1.3, section 2.1.3).
    return shapely.from_wkb(blob[40:]).bounds


def rtree(path: Path) -> RTree:
    found = find_rtree(path, path.stem)
    assert found is not None
    return found


def keys(found: KeySet | None) -> list[int]:
    assert found is not None
    return [int(key) for block in found.blocks(3, 100) for key in block]


def keys_by_sqlite(path: Path) -> list[int]:
    table = rtree(path).table
    west, south, east, north = WINDOW
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute(
            f'SELECT id FROM "{table}" WHERE maxx >= ? AND minx <= ? AND maxy >= ? AND miny <= ? '
            "ORDER BY id",
            [west, east, south, north],
        )
        return [key for (key,) in rows]


@pytest.mark.parametrize("count", [1, 51, 52, 3_000, MANY])
def test_nodes_give_the_keys_that_sqlite_gives(tmp_path: Path, count: int) -> None:
    path = write_layer(tmp_path / "sea.gpkg", scattered(count), kind="Polygon")
    assert keys(rtree(path).keys_near(near_window)) == keys_by_sqlite(path)


def test_keys_are_found_after_many_changes(tmp_path: Path) -> None:
    path = write_layer(tmp_path / "sea.gpkg", scattered(MANY), kind="Polygon")
    change(
        path,
        "DELETE FROM sea WHERE number % 3 = 0",
        "UPDATE sea SET geom = (SELECT geom FROM sea WHERE fid = 2) WHERE number % 11 = 1",
        "INSERT INTO sea (geom, number) SELECT geom, number + 50000 FROM sea WHERE fid < 4000",
    )
    found = keys(rtree(path).keys_near(near_window))
    assert found == keys_by_sqlite(path)
    assert len(found) > 100


def test_index_without_entries_has_no_keys(tmp_path: Path) -> None:
    path = write_layer(tmp_path / "sea.gpkg", scattered(3), kind="Polygon")
    change(path, "DELETE FROM sea")
    assert keys(rtree(path).keys_near(near_window)) == []


@pytest.mark.parametrize("shift", [0, 10**12, -(10**15)])
def test_features_with_any_keys_are_all_extracted(tmp_path: Path, shift: int) -> None:
    """Keys far apart are left to SQLite; those that begin far from zero are not."""
    path = write_layer(tmp_path / "sea.gpkg", scattered(500), kind="Polygon")
    change(path, f"UPDATE sea SET fid = fid * 1000 + {shift} WHERE fid % 2 = 0")
    west, south, east, north = WINDOW
    expected = int(shapely.intersects(scattered(500), shapely.box(*WINDOW)).sum())
    result = run(path, tmp_path, [west, south, east, north])
    assert [layer.features_written for layer in result.layers] == [expected]
    assert expected > 3


def test_missing_geometries_among_many_wanted_are_no_failure(tmp_path: Path) -> None:
    """Where most of a table is wanted, it is read from end to end."""
    squares = [None if n % 10 == 3 else shapely.box(n, 0, n + 0.5, 1) for n in range(100)]
    path = write_layer(tmp_path / "sea.gpkg", squares, kind="Polygon")
    result = run(path, tmp_path, [-1, -1, 89.7, 2])
    (layer,) = result.layers
    assert (layer.features_written, layer.without_position) == (81, 10)
    with fiona.open(unpack(result) / "sea.shp") as source:
        numbers = [feature.properties["number"] for feature in source]
    assert numbers == [n for n in range(90) if n % 10 != 3]


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param("zeroblob(length(data))", id="zeros"),
        pytest.param("substr(data, 1, 20)", id="short"),
        pytest.param("x'0001ffff' || substr(data, 5)", id="too many cells"),
        pytest.param("x'7fff' || substr(data, 3)", id="too deep"),
    ],
)
def test_damaged_index_is_a_named_failure(tmp_path: Path, harm: str) -> None:
    path = write_layer(tmp_path / "sea.gpkg", scattered(3_000), kind="Polygon")
    table = f"{rtree(path).table}_node"
    change(path, f'UPDATE "{table}" SET data = CAST({harm} AS BLOB) WHERE nodeno = 1')
    with pytest.raises(DatasetError, match=r"spatial index of .*sea\.gpkg is damaged"):
        run(path, tmp_path)
    assert list(tmp_path.iterdir()) == [path]


_WORLD = (-180.0, -90.0, 180.0, 90.0)


@pytest.mark.parametrize("harm", ["cut", "gone"])
def test_file_that_is_harmed_while_it_is_asked_is_a_named_failure(
    tmp_path: Path, harm: str
) -> None:
    path = write_layer(tmp_path / "sea.gpkg", scattered(3_000), kind="Polygon")
    index = rtree(path)
    if harm == "gone":
        path.unlink()
    else:
        os.truncate(path, path.stat().st_size // 2)
    for ask in (index.size, lambda: index.count([_WORLD]), lambda: index.boxes([_WORLD])):
        with pytest.raises(DatasetError, match=r"spatial index of sea\.gpkg cannot be read"):
            ask()


def test_keys_come_in_blocks_in_rising_order() -> None:
    found = KeySet(-5, 3_000_000)
    found.add(np.array([2_999_999, -5, 7]))
    found.add(np.array([7, 1_000_001, 8]))
    assert [block.tolist() for block in found.blocks(2, 3)] == [[-5, 7], [8, 1_000_001, 2_999_999]]
    assert len(found) == 5
    with pytest.raises(ValueError, match="outside"):
        found.add(np.array([3_000_001]))


DIAGONAL = [shapely.Point(400_000 + n * 10_000, 5_000_000 + n * 10_000) for n in range(10)]
# No registry says where it is for, so that the extent alone tells where the layer may lie.
CUSTOM = "+proj=tmerc +lon_0=15 +k=0.9996 +x_0=500000 +ellps=GRS80 +units=m"
AROUND, FAR = (10.0, 40.0, 20.0, 50.0), (-80.0, 30.0, -70.0, 40.0)
UNDERSTATED = "UPDATE gpkg_contents SET max_x = 430000, max_y = 5030000"


@pytest.mark.parametrize("crs", ["EPSG:32633", CUSTOM])
@pytest.mark.parametrize("index", ["YES", "NO"])
def test_features_beyond_the_extent_that_is_stated_are_found(
    tmp_path: Path, crs: str, index: str
) -> None:
    options = {"SPATIAL_INDEX": index}
    path = write_layer(
        tmp_path / "sea.gpkg", DIAGONAL, kind="Point", crs=crs, layer_options=options
    )
    change(path, UNDERSTATED)
    assert len(read_geometries(SourceLayer("sea", path), max_vertices=100)) == 10
    if index == "YES":
        assert run(path, tmp_path, AROUND).features_written == 10
        assert describe(path).bounds == pytest.approx((4e5, 5e6, 4.9e5, 5.09e6), rel=1e-6)


@pytest.mark.parametrize("index", ["YES", "NO"])
def test_area_far_from_a_layer_holds_nothing_of_it(tmp_path: Path, index: str) -> None:
    options = {"SPATIAL_INDEX": index}
    path = write_layer(
        tmp_path / "sea.gpkg", DIAGONAL, kind="Point", crs="EPSG:32633", layer_options=options
    )
    change(path, UNDERSTATED)
    assert run(path, tmp_path, FAR).features_written == 0


def test_extent_that_is_stated_right_stays_to_the_last_bit(tmp_path: Path) -> None:
    points = [shapely.Point(0.1, 0.2), shapely.Point(1 / 3, 2 / 3)]
    path = write_layer(tmp_path / "sea.gpkg", points, kind="Point")
    assert describe(path).bounds == (0.1, 0.2, 1 / 3, 2 / 3)
