"""Drawings: what each zoom shows of a layer is true, and a tile is small."""

from __future__ import annotations

import contextlib
import gzip
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pyproj
import pytest
import shapely
from mapbox_vector_tile import decode
from mapbox_vector_tile.Mapbox import vector_tile_pb2
from pmtiles.reader import MemorySource, Reader, all_tiles
from shapely.geometry import shape

from marinemap.errors import DatasetError
from marinemap.extraction import SourceLayer
from marinemap.extraction.pages.page import read_one
from marinemap.extraction.reading.describe import describe
from marinemap.extraction.tiles import draw

# mapbox_vector_tile 2.2.0 calls what shapely 2.2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
HALF_WORLD_M = 20037508.342789244


def write(path: Path, geometries: Any, crs: str = "EPSG:4326", kind: str = "Unknown") -> Path:
    """Write geometries without any field but a number."""
    pyogrio.raw.write(
        path,
        shapely.to_wkb(np.asarray(geometries, object)),
        field_data=[np.arange(len(geometries))],
        fields=["n"],
        geometry_type=kind,
        crs=crs,
    )
    return path


def drawn(path: Path, folder: Path) -> dict[tuple[int, int, int], list[dict[str, Any]]]:
    """Draw a file and decode every tile."""
    archive = folder / "drawing.pmtiles"
    draw(SourceLayer("layer", path), archive, work_folder=folder)
    if not archive.exists():
        return {}
    tiles = {}
    for place, content in all_tiles(MemorySource(archive.read_bytes())):
        layers = decode(gzip.decompress(content), default_options={"y_coord_down": True})
        tiles[place] = layers["layer"]["features"]
        extent = layers["layer"]["extent"]
        for feature in tiles[place]:
            scaled = shapely.transform(shape(feature["geometry"]), lambda xy, e=extent: xy / e)
            feature["geometry"] = scaled
    return tiles


def at_zoom(tiles: dict[tuple[int, int, int], Any], zoom: int) -> Any:
    """Return a zoom's polygons together, in tiles of that zoom, each within its tile."""
    found = [
        (feature["geometry"], (column, row))
        for (z, column, row), features in tiles.items()
        if z == zoom
        for feature in features
    ]
    if not found:
        return shapely.union_all([])
    shapes, corners = zip(*found, strict=True)
    parts = shapely.intersection(shapely.make_valid(np.array(shapes)), shapely.box(0, 0, 1, 1))
    moves = np.repeat(corners, shapely.get_num_coordinates(parts), axis=0)
    return shapely.union_all(shapely.set_coordinates(parts, shapely.get_coordinates(parts) + moves))


def grid(count: int, west: float, south: float, size: float) -> list[Any]:
    """Return squares that touch one another, count by count."""
    step = size / count
    edges = np.arange(count) * step
    x, y = (part.ravel() for part in np.meshgrid(west + edges, south + edges))
    return list(shapely.box(x, y, x + step, y + step))


def in_tiles(longitude: float, latitude: float, zoom: int) -> tuple[float, float]:
    """Return a position in tiles of a zoom (OGC 17-083r4, WebMercatorQuad)."""
    x = (longitude + 180) / 360
    y = (1 - np.arcsinh(np.tan(np.radians(latitude))) / np.pi) / 2
    return x * 2**zoom, y * 2**zoom


def test_point_lies_where_it_lies_on_the_map(tmp_path: Path) -> None:
    tiles = drawn(write(tmp_path / "p.gpkg", shapely.points([(90, 0), (-90, 0)])), tmp_path)
    found = {f["id"]: f["geometry"].coords[0] for f in tiles[0, 0, 0]}
    # The equator is the world's middle; a unit is 2.4 m.
    assert found[1] == pytest.approx((0.75, 0.5), abs=1e-7)
    assert found[2] == pytest.approx((0.25, 0.5), abs=1e-7)


def test_projected_layer_lies_where_it_is(tmp_path: Path) -> None:
    square = shapely.box(499_000, 4_999_000, 501_000, 5_001_000)
    tiles = drawn(write(tmp_path / "utm.gpkg", [square], "EPSG:32631"), tmp_path)
    zoom = max(z for z, _, _ in tiles)
    middle = at_zoom(tiles, zoom).centroid
    # 500 km east and 5,000 km north of UTM 31 is 3 degrees east, 45.1535 north.
    assert (middle.x, middle.y) == pytest.approx(in_tiles(3, 45.1535, zoom), abs=1e-3 * 2**zoom)


@pytest.mark.parametrize(
    ("crs", "shape"),
    [
        ("EPSG:4326", shapely.Polygon([(0, 0), (60, 0), (60, 60)])),
        ("EPSG:4326", shapely.box(0, 0, 60, 60).difference(shapely.box(9, 9, 50, 51).buffer(-1))),
        ("EPSG:3035", shapely.box(3e6, 2e6, 5e6, 4e6)),
        ("EPSG:3413", shapely.box(-2e6, -3e6, -1e6, -1e6)),
    ],
    ids=["degrees", "hole", "Europe", "Arctic"],
)
def test_long_edges_run_as_they_run_in_the_layer(tmp_path: Path, crs: str, shape: Any) -> None:
    tiles = drawn(write(tmp_path / "long.gpkg", [shape], crs), tmp_path)
    zoom = max(z for z, _, _ in tiles)
    mover = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    dense = shapely.segmentize(shape, shape.length / 10_000)
    true = shapely.transform(
        dense,
        lambda xy: np.column_stack(in_tiles(*mover.transform(xy[:, 0], xy[:, 1]), zoom)),
    )
    assert at_zoom(tiles, zoom).symmetric_difference(true).area < 1e-4 * true.area


BEYOND = shapely.box(170, -10, 190, 10).difference(shapely.box(178, -2, 184, 2))
POLAR = {radius: shapely.Point(0, 0).buffer(radius * 1_000_000) for radius in (1, 2)}


@pytest.mark.parametrize(
    ("crs", "shape", "within", "outside"),
    [
        ("EPSG:4326", BEYOND, [(172, 0), (-172, 0), (179, 5), (-179, 5)], [(179, 0), (-177, 0)]),
        ("EPSG:4326", shapely.box(-190, 20, -175, 30), [(172, 25), (-178, 25)], [(-172, 25)]),
        ("EPSG:4326", shapely.box(179, -1, 538, 1), [(0, 0), (-90, 0), (177, 0)], [(178.5, 0)]),
        # A thousand and two thousand kilometres from the pole: 80.8 and 71.7 degrees.
        ("EPSG:3031", POLAR[1], [(179.9, -82), (-179.9, -84), (0, -82), (90, -84)], [(0, -79)]),
        ("EPSG:3031", POLAR[2] - POLAR[1], [(179.9, -75), (-179.9, -75), (9, -78)], [(9, -82)]),
        ("EPSG:3413", POLAR[1], [(179.9, 82), (-179.9, 84), (0, 82), (-90, 84)], [(0, 79)]),
        ("EPSG:3413", shapely.box(-2e6, 1e6, 0, 3e6), [(-179.5, 70), (179.5, 70)], [(-179, 80)]),
    ],
    ids=["beyond, a hole", "west", "nearly all", "South", "round it", "North", "no pole"],
)
def test_what_crosses_180_degrees_lies_on_both_sides(
    tmp_path: Path, crs: str, shape: Any, within: Any, outside: Any
) -> None:
    tiles = drawn(write(tmp_path / "seam.gpkg", [shape], crs), tmp_path)
    for zoom in {z for z, _, _ in tiles}:
        area = at_zoom(tiles, zoom)
        for is_drawn, places in ((True, within), (False, [*outside, (100, 60), (-60, -50)])):
            for place in places:
                point = shapely.Point(in_tiles(*place, zoom))
                assert area.contains(point) == is_drawn, (zoom, place)


def test_line_across_180_degrees_goes_on_at_the_other_side(tmp_path: Path) -> None:
    lines = [shapely.LineString([(170, 0), (190, 5)])]
    lines += [shapely.LineString([(x / 400, 0), (x / 400, 0.01)]) for x in range(40_000)]
    tiles = drawn(write(tmp_path / "l.gpkg", lines), tmp_path)
    longest = max(z for z, _, _ in tiles)
    x = [
        (column + corner[0]) / 2**z
        for (z, column, _), features in tiles.items()
        if z == longest
        for feature in features
        if feature["id"] == 1
        for corner in shapely.get_coordinates(feature["geometry"])
    ]
    assert min(x) < 0.001
    assert max(x) > 0.999
    assert not any(0.04 < each < 0.96 for each in x)


@pytest.mark.parametrize("count", [12, 150], ids=["some", "so many that they merge"])
def test_seamless_layer_is_seamless_at_every_zoom(tmp_path: Path, count: int) -> None:
    tiles = drawn(write(tmp_path / "s.gpkg", grid(count, 10, 40, 12.0)), tmp_path)
    for zoom in range(max(z for z, _, _ in tiles) + 1):
        (west, south), (east, north) = (in_tiles(*p, zoom) for p in ((10, 40), (22, 52)))
        whole = shapely.box(west, north, east, south)
        # Two pixels of 512 a tile, at the outline and nowhere else.
        margin = 2 / 512 if count < 100 else 6 / 512
        found = at_zoom(tiles, zoom)
        missing = whole.buffer(-margin).difference(found)
        beyond = found.difference(whole.buffer(margin))
        assert missing.area < 1e-9 and beyond.area < 1e-9, zoom


def test_every_feature_is_whole_at_the_deepest_zoom(tmp_path: Path) -> None:
    tiles = drawn(write(tmp_path / "s.gpkg", grid(60, 10, 40, 12.0)), tmp_path)
    deepest = max(z for z, _, _ in tiles)
    ids = {f["id"] for (z, _, _), features in tiles.items() if z == deepest for f in features}
    assert ids == set(range(1, 3601))


def test_island_keeps_its_shape_or_vanishes(tmp_path: Path) -> None:
    island = shapely.Point(20, 40).buffer(0.5, quad_segs=16)
    far = [shapely.box(x, -60, x + 2, -58) for x in range(-170, 170, 4)]
    tiles = drawn(write(tmp_path / "i.gpkg", [island, *far]), tmp_path)
    for (zoom, _, _), features in tiles.items():
        for feature in features:
            if feature["id"] == 1:
                minx, miny, maxx, maxy = feature["geometry"].bounds
                assert max(maxx - minx, maxy - miny) * 2**-zoom == pytest.approx(1 / 360, rel=0.5)
                # Of a disk of many pixels; squares have 1.27.
                if maxx - minx > 16 / 512:
                    shapeliness = feature["geometry"].length ** 2 / feature["geometry"].area
                    assert shapeliness / (4 * np.pi) < 1.2


@pytest.mark.parametrize("suffix", [".gpkg", ".shp", ".fgb", ".geojson"])
def test_feature_bears_the_number_by_which_its_fields_are_found(
    tmp_path: Path, suffix: str
) -> None:
    # The first lies nowhere, and is not drawn; FlatGeobuf takes none such.
    squares = [None, *grid(4, 10, 40, 12.0)][suffix == ".fgb" :]
    path = write(tmp_path / f"s{suffix}", squares, kind="Polygon")
    dataset = describe(path)
    tiles = drawn(path, tmp_path)
    deepest = max(z for z, _, _ in tiles)
    features = [f for (z, *_), found in tiles.items() if z == deepest for f in found]
    assert len({feature["id"] for feature in features}) == 16
    for feature in features:
        found = read_one(dataset, feature["id"])
        assert found is not None
        west, south, *_ = found.geometries[0].bounds
        place = round((west - 10) / 3) + 4 * round((south - 40) / 3)
        assert found.attributes["n"][0].as_py() == place + (squares[0] is None)


def test_features_drawn_as_one_bear_no_number(tmp_path: Path) -> None:
    archive = tmp_path / "drawing.pmtiles"
    path = write(tmp_path / "s.gpkg", grid(240, 10, 40, 12.0))
    draw(SourceLayer("layer", path), archive, work_folder=tmp_path)
    bears = {}
    for (zoom, *_), content in all_tiles(MemorySource(archive.read_bytes())):
        tile = vector_tile_pb2.tile()
        tile.ParseFromString(gzip.decompress(content))
        bears.setdefault(zoom, set()).update(f.HasField("id") for f in tile.layers[0].features)
    assert {False} in bears.values()
    assert bears[max(bears)] == {True}


@pytest.mark.parametrize("number", [1, 2**31, 2**40, 2**53, 2**62])
def test_large_numbers_of_features_are_kept(tmp_path: Path, number: int) -> None:
    path = write(tmp_path / "p.gpkg", [shapely.Point(3, 45)])
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            database.execute(f'DROP TRIGGER "{name}"')
        database.execute("UPDATE p SET fid = ?", [number])
        database.execute("UPDATE rtree_p_geom SET id = ?", [number])
    tiles = drawn(path, tmp_path)
    assert {f["id"] for found in tiles.values() for f in found} == {number}


def test_hole_stays_a_hole(tmp_path: Path) -> None:
    ring = shapely.Point(20, 40).buffer(8).difference(shapely.Point(20, 40).buffer(4))
    tiles = drawn(write(tmp_path / "h.gpkg", [ring]), tmp_path)
    for zoom in {z for z, _, _ in tiles}:
        assert not at_zoom(tiles, zoom).contains(shapely.Point(in_tiles(20, 40, zoom)))


def test_points_thin_out_evenly(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    many = shapely.points(rng.uniform((-10, 40), (10, 50), (120_000, 2)))
    tiles = drawn(write(tmp_path / "p.gpkg", many), tmp_path)
    deepest = max(z for z, _, _ in tiles)
    assert deepest >= 2
    ids = [{f["id"] for (z, *_), fs in tiles.items() if z == zoom for f in fs} for zoom in (1, 2)]
    assert 100 < len(ids[0]) < len(ids[1]) < 120_000
    shown = {
        f["id"]: column + f["geometry"].x
        for (z, column, _), features in tiles.items()
        if z == 1
        for f in features
    }
    x = np.array(list(shown.values()))
    halves = np.histogram(x, bins=4)[0]
    assert halves.min() > 0.5 * halves.max()


@pytest.mark.parametrize("crowd", [0, 51_000], ids=["scattered", "and a crowd"])
def test_point_by_itself_is_there_at_the_deepest_zoom(tmp_path: Path, crowd: int) -> None:
    """Nearer zooms are drawn from it: of 500,000 all over the world 11,651 were never seen."""
    rng = np.random.default_rng(8)
    few = rng.uniform((10, 49), (11, 50), (300, 2)) if crowd else (
        rng.uniform((-170, -60), (170, 60), (51_000, 2))
    )  # fmt: skip
    close = rng.uniform((10.5, 50.5), (10.502, 50.502), (crowd, 2))
    tiles = drawn(
        write(tmp_path / "p.gpkg", shapely.points(np.concatenate([few, close]))), tmp_path
    )
    deepest = max(z for z, _, _ in tiles)
    ids = {f["id"] for (z, *_), features in tiles.items() if z == deepest for f in features}
    assert ids.issuperset(range(1, len(few) + 1))
    # Where a tile would hold too many, some stand for those beside them.
    assert len(ids) - len(few) <= crowd / 10


def test_no_tile_is_larger_than_it_may_be(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    steps = rng.uniform(-0.4, 0.4, (4_000, 60, 2)).cumsum(axis=1) + rng.uniform(
        -9, 9, (4_000, 1, 2)
    )
    path = write(tmp_path / "l.gpkg", shapely.linestrings(steps))
    archive = tmp_path / "drawing.pmtiles"
    draw(SourceLayer("layer", path), archive, work_folder=tmp_path)
    sizes = [len(content) for _, content in all_tiles(MemorySource(archive.read_bytes()))]
    assert max(sizes) <= 250_000


@pytest.mark.parametrize(
    "geometries",
    [
        [],
        [None, shapely.Point()],
        [shapely.Point(0, 90), shapely.box(-180, -90, 180, 90)],
        [shapely.from_wkt("GEOMETRYCOLLECTION (POINT (1 1), POLYGON ((0 0, 9 0, 9 9, 0 0)))")],
        [shapely.from_wkt("POLYGON ((0 0, 9 9, 9 0, 0 9, 0 0))")],
        [shapely.from_wkt("LINESTRING (179 0, -179 1)")],
        [shapely.from_wkt("POINT Z (1 2 3)")],
    ],
    ids=["none", "nowhere", "poles", "collection", "bow-tie", "180 degrees", "height"],
)
def test_odd_layers_are_drawn_without_complaint(tmp_path: Path, geometries: Any) -> None:
    tiles = drawn(write(tmp_path / "odd.gpkg", geometries), tmp_path)
    assert bool(tiles) == any(g is not None and not g.is_empty for g in geometries)


@pytest.mark.parametrize("others", [[], [shapely.Point(1e6, 1e6)]], ids=["alone", "beside"])
def test_sliver_along_180_degrees_keeps_nothing_from_being_drawn(
    tmp_path: Path, others: list[Any]
) -> None:
    cap = shapely.Polygon([(1e-10, -5e5), (-1e-10, -5e5), (-1e-10, 0), (1e-10, 0)])
    path = write(tmp_path / "polar.gpkg", [cap, *others], crs="EPSG:3031")
    assert bool(drawn(path, tmp_path)) == bool(others)


def test_low_zooms_of_a_large_layer_come_first(tmp_path: Path) -> None:
    path = write(tmp_path / "s.gpkg", grid(200, 10, 40, 6.0))
    seen = []

    def look(low: Path) -> None:
        header = Reader(MemorySource(low.read_bytes())).header()
        seen.append((header["min_zoom"], header["max_zoom"], archive.exists()))

    archive = tmp_path / "drawing.pmtiles"
    result = draw(SourceLayer("layer", path), archive, on_first_picture=look)
    assert seen == [(0, 5, False)]
    assert result.top_zoom > 5 and archive.exists()


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    path = write(tmp_path / "s.gpkg", grid(12, 10, 40, 6.0))
    work = tmp_path / "work"
    work.mkdir()
    draw(SourceLayer("layer", path), work / "drawing.pmtiles", work_folder=work)
    assert [file.name for file in work.iterdir()] == ["drawing.pmtiles"]
    (tmp_path / "gone.gpkg").unlink(missing_ok=True)
    with pytest.raises(DatasetError):
        draw(SourceLayer("layer", tmp_path / "gone.gpkg"), work / "other.pmtiles", work_folder=work)
    assert [file.name for file in work.iterdir()] == ["drawing.pmtiles"]
