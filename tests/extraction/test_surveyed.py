"""Where an extract ends and where its edges run, against positions that PROJ moves one by one.

The rule is in docs/explanation/geometry.md: an area's edges are straight lines in its own CRS, and
are followed to 1 m into a layer's; edges of features are followed to 0.1 m into the output's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import shapely

from marinemap.errors import RequestError
from marinemap.extraction import parse_area
from tests.extraction.layers import read, run, unpack, write_layer

AREA_METRES, FEATURE_METRES = 1.0, 0.1
# Between the positions looked at, a chord of the longest edge bulges by so much more at most.
HALF_WORLD_M = 20_037_508.342789244


def there(crs: str, source: str = "OGC:CRS84") -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(source, crs, always_xy=True)


def moved(positions: Any, crs: str, source: str = "OGC:CRS84") -> Any:
    return np.column_stack(there(crs, source).transform(*np.asarray(positions, float).T))


def along(corners: Any, pieces: int = 997) -> Any:
    """Return positions on the straight lines between corners, as their own CRS has them."""
    shares = np.linspace(0, 1, pieces)[:, None]
    pairs = zip(corners[:-1], corners[1:], strict=True)
    return np.concatenate([np.array(a) + shares * (np.array(b) - a) for a, b in pairs])


def extracted(source: Path, folder: Path, area: Any, **request: Any) -> Any:
    """Return the geometries of an extract, in the order of the field ``number``."""
    result = run(source, folder, area, full_copy=False, **request)
    found: dict[int, Any] = {}
    for path in unpack(result).glob("*.shp"):
        geometries, columns = read(path)
        found |= dict(zip(columns["number"], geometries, strict=True))
    return found, result


def box_ring(west: float, south: float, east: float, north: float) -> list[list[float]]:
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


@pytest.mark.parametrize(
    ("crs", "ring", "layer"),
    [
        ("EPSG:3035", box_ring(-10, 35, 30, 65), (2.0e6, 1.0e6, 7.0e6, 6.0e6)),
        ("EPSG:3035", [[0, 50], [1, 50], [1, 51], [0, 50]], (2.0e6, 1.0e6, 7.0e6, 6.0e6)),
        ("EPSG:3031", box_ring(-40, -80, 100, -62), (-4e6, -4e6, 4e6, 4e6)),
        ("EPSG:3413", box_ring(150, 65, 250, 80), (-4e6, -4e6, 4e6, 4e6)),
        ("EPSG:32633", [[12, -8], [18, 8], [18, 9], [12, -8]], (-2e6, -2e6, 3e6, 3e6)),
        ("EPSG:3460", box_ring(176, -19, 181.5, -15), (1e6, 3e6, 3e6, 5e6)),
        ("EPSG:3832", box_ring(160, -20, 210, 30), (-5e6, -5e6, 8e6, 8e6)),
        ("EPSG:27572", box_ring(-1, 44, 5, 49), (0, 1.5e6, 1.3e6, 2.8e6)),
        ("EPSG:2154", [[-4, 42], [8, 51], [8, 42], [-4, 42]], (-2e5, 6.0e6, 1.4e6, 7.3e6)),
    ],
)
def test_edges_of_an_area_are_followed_to_a_metre(
    tmp_path: Path, crs: str, ring: list[list[float]], layer: tuple[float, ...]
) -> None:
    everything = shapely.segmentize(shapely.box(*layer), 5e4)
    source = write_layer(tmp_path / "sea.gpkg", [everything], kind="Polygon", crs=crs)
    found, result = extracted(source, tmp_path, {"type": "Polygon", "coordinates": [ring]})
    edges = shapely.points(moved(along(ring), crs))
    edges = edges[shapely.contains_properly(shapely.box(*layer), edges)]
    assert len(edges) > 900
    assert shapely.distance(shapely.boundary(found[0]), edges).max() <= AREA_METRES
    assert result.layers[0].area_tolerance_m == AREA_METRES
    # What lies within by its longitude and latitude lies within, and nothing else.
    outline = shapely.Polygon(ring)
    x, y = np.random.default_rng(1).uniform(layer[:2], layer[2:], (4_000, 2)).T
    degrees = moved(np.column_stack([x, y]), "OGC:CRS84", crs)
    degrees[degrees[:, 0] < outline.bounds[0], 0] += 360
    clear = shapely.distance(shapely.boundary(found[0]), shapely.points(x, y)) > 2 * AREA_METRES
    inside = shapely.contains_xy(outline, *degrees[clear].T)
    assert (shapely.contains_xy(found[0], x[clear], y[clear]) == inside).all()


@pytest.mark.parametrize("west", [-180, -90], ids=["whole cap", "three quarters"])
def test_polar_cap_is_whole(tmp_path: Path, west: float) -> None:
    longitudes = np.arange(0, 360, 5.0)
    degrees = np.column_stack([longitudes, np.full(len(longitudes), -65 - 1e-3)])
    degrees = np.vstack([degrees, degrees - [[0, 10]], [[0, -90], [180, -75]]])
    points = shapely.points(moved(degrees, "EPSG:3031"))
    source = write_layer(tmp_path / "ice.gpkg", list(points), kind="Point", crs="EPSG:3031")
    found, _ = extracted(source, tmp_path, [west, -90, 180, -65])
    wrapped = (degrees[:, 0] + 180) % 360 - 180
    wanted = (wrapped >= west) | (degrees[:, 1] == -90) | (wrapped == -180)
    assert sorted(found) == np.flatnonzero(wanted).tolist()


def test_seam_of_a_polar_cap_leaves_no_cut(tmp_path: Path) -> None:
    island = shapely.Polygon(moved(box_ring(170, -80, 190, -75), "EPSG:3031"))
    source = write_layer(tmp_path / "ice.gpkg", [island], kind="Polygon", crs="EPSG:3031")
    found, _ = extracted(source, tmp_path, [-180, -90, 180, -65])
    assert found[0].geom_type == "Polygon"
    assert found[0].normalize().equals_exact(island.normalize(), 0)


def test_box_in_another_crs_means_that_box(tmp_path: Path) -> None:
    # EPSG:3832 is Mercator round 150 degrees east: this box goes from 140 to 200.
    edge = moved([[140, -10], [160, 20]], "EPSG:3832")
    width = edge[1, 0] - edge[0, 0]
    box = [edge[0, 0], edge[0, 1], edge[0, 0] + 3 * width, edge[1, 1]]
    longitudes = [-175.0, -165.0, -155.0, 0.0, 100.0, 135.0, 145.0, 179.0]
    points = [shapely.Point(x, 5) for x in longitudes]
    source = write_layer(tmp_path / "sea.gpkg", points, kind="Point")
    found, _ = extracted(source, tmp_path, {"bbox": box, "crs": "EPSG:3832"})
    assert sorted(found) == [0, 1, 6, 7]


def test_world_as_a_projected_box_holds_every_feature(tmp_path: Path) -> None:
    places = np.random.default_rng(2).uniform([-8, 37], [28, 62], (100, 2))
    points = list(shapely.points(moved(places, "EPSG:3035")))
    source = write_layer(tmp_path / "sea.gpkg", points, kind="Point", crs="EPSG:3035")
    world = [-HALF_WORLD_M, -HALF_WORLD_M, HALF_WORLD_M, HALF_WORLD_M]
    found, _ = extracted(source, tmp_path, {"bbox": world, "crs": "EPSG:3857"})
    assert len(found) == 100


@pytest.mark.parametrize("crs", ["EPSG:25832", "EPSG:3035", "EPSG:3857"])
@pytest.mark.parametrize("across", [[1000, 0], [0, 1000]], ids=["row", "column"])
def test_world_holds_all_stations_of_a_row(tmp_path: Path, crs: str, across: list[int]) -> None:
    first = np.array([[4_000_000.0, 3_000_000.0] if crs == "EPSG:3035" else [400_000.0, 6_000_000]])
    places = first + np.arange(40)[:, None] * np.array([across])
    geometries = [*shapely.points(places), shapely.LineString(places[[0, -1]])]
    source = write_layer(tmp_path / "sea.gpkg", geometries, crs=crs)
    for mode in ("clip", "within"):
        found, _ = extracted(source, tmp_path, [-180, -90, 180, 90], mode=mode)
        assert all(shapely.equals(found[i], geometries[i]) for i in range(len(geometries)))


def test_projected_box_round_a_pole_holds_what_lies_in_it(tmp_path: Path) -> None:
    places = np.random.default_rng(3).uniform([-180, -90], [180, -60], (500, 2))
    source = write_layer(tmp_path / "sea.gpkg", list(shapely.points(places)), kind="Point")
    found, _ = extracted(source, tmp_path, {"bbox": [-1e6, -1e6, 1e6, 2e6], "crs": "EPSG:3031"})
    x, y = moved(places, "EPSG:3031").T
    inside = (np.abs(x) < 1e6) & (y > -1e6) & (y < 2e6)
    assert sorted(found) == np.flatnonzero(inside).tolist()


def test_box_that_holds_both_poles_is_refused_with_the_reason() -> None:
    with pytest.raises(RequestError, match="both poles|has no place") as caught:
        parse_area({"bbox": [-8.2e6, -1.25e7, 1.7e7, 1.25e7], "crs": "EPSG:3035"})
    assert caught.value.hint


@pytest.mark.parametrize(
    "area",
    [[-175, -10, -165, 10], [185, -10, 195, 10], [-180, -90, 180, 90], [180, -90, 360, 90]],
    ids=["west of 180", "beyond 180", "the world", "the half from 180 to 360"],
)
def test_longitudes_from_0_to_360_are_found(tmp_path: Path, area: list[float]) -> None:
    island = shapely.box(186, -5, 194, 5)
    source = write_layer(tmp_path / "sea.gpkg", [island, shapely.box(1, 1, 2, 2)], kind="Polygon")
    found, _ = extracted(source, tmp_path, area)
    assert shapely.equals(found[0], island)
    assert (1 in found) == (area[0] == -180)


def test_layer_from_0_to_360_is_cut_in_one_piece_across_180(tmp_path: Path) -> None:
    island = shapely.box(170, -5, 194, 5)
    source = write_layer(tmp_path / "sea.gpkg", [island], kind="Polygon")
    found, _ = extracted(source, tmp_path, [175, -10, -170, 10])
    assert shapely.equals(found[0], shapely.box(175, -5, 190, 5))


@pytest.mark.parametrize("corner", [0.0, 7.0], ids=["same corner first", "other corner first"])
@pytest.mark.parametrize("crs", ["EPSG:3035", "EPSG:32632", "EPSG:3857"])
def test_neighbours_share_their_edge_to_the_last_bit(
    tmp_path: Path, crs: str, corner: float
) -> None:
    # A long edge between a small and a large polygon, which run along it in opposite ways.
    a, b = [8.5, 40.25], [11.25 + corner, 51.0]
    small = shapely.Polygon([a, b, [b[0] + 1, 45], a])
    large = shapely.Polygon([b, a, [-20, 38], [-20, 60], b])
    source = write_layer(tmp_path / "sea.gpkg", [small, large], kind="Polygon")
    found, _ = extracted(source, tmp_path, [-30, 43, 40, 70], crs=crs)
    shared = [
        {tuple(xy) for xy in shapely.get_coordinates(found[number]).tolist()} for number in (0, 1)
    ]
    assert len(shared[0] & shared[1]) > 10
    assert shapely.intersection(found[0], found[1]).area == 0
    edge = shapely.linestrings(moved(along([a, b], 5_000), crs))
    near = shapely.points(list(shared[0] ^ shared[1]))
    inner = shapely.contains_xy(
        shapely.box(*found[0].bounds).buffer(-1e4), *shapely.get_coordinates(near).T
    )
    assert (shapely.distance(near[inner], edge) > 1).all()


@pytest.mark.parametrize(
    ("crs", "line"),
    [
        ("EPSG:3857", [[-60, -60], [60, 60]]),
        ("EPSG:32633", [[12, -8], [18, 8]]),
        ("EPSG:3035", [[4.0, 54.0], [4.4, 54.0]]),
        ("EPSG:3035", [[-20, 35], [40, 65]]),
        ("EPSG:3031", [[0, -60], [170, -60]]),
    ],
)
def test_edges_of_features_are_followed_to_a_decimetre(
    tmp_path: Path, crs: str, line: list[list[float]]
) -> None:
    source = write_layer(tmp_path / "sea.gpkg", [shapely.LineString(line)], kind="LineString")
    found, result = extracted(source, tmp_path, [-180, -89, 180, 89], crs=crs)
    edge = shapely.points(moved(along(line, 9_973), crs))
    assert shapely.distance(found[0], edge).max() <= FEATURE_METRES
    assert result.layers[0].tolerance_m == FEATURE_METRES


@pytest.mark.parametrize(
    ("crs", "place"), [("EPSG:4267", [-115, 37]), ("EPSG:4230", [3, 44]), ("EPSG:27700", [-1, 52])]
)
def test_extract_ends_where_the_area_ends_whatever_the_datum(
    tmp_path: Path, crs: str, place: list[float]
) -> None:
    x, y = place
    ring = box_ring(x - 0.5, y - 0.5, x + 0.5, y + 0.5)
    corners = moved(along(box_ring(x - 1, y - 1, x + 1, y + 1), 50)[:-1], crs)
    source = write_layer(tmp_path / "sea.gpkg", [shapely.Polygon(corners)], kind="Polygon", crs=crs)
    area = {"type": "Polygon", "coordinates": [ring]}
    found, result = extracted(source, tmp_path, area, crs="EPSG:4326")
    # A metre is 9e-6 degrees of latitude.
    off = shapely.distance(shapely.boundary(found[0]), shapely.points(along(ring)))
    assert off.max() <= 9e-6
    report = result.layers[0]
    assert report.accuracy_m is not None and report.accuracy_m > 0
    assert f"accuracy {report.accuracy_m:g} m" in report.transformation


def test_compound_crs_goes_by_its_datum_not_by_a_ballpark(tmp_path: Path) -> None:
    place = shapely.Point(155_000, 463_000)
    source = write_layer(tmp_path / "sea.gpkg", [place], kind="Point", crs="EPSG:7415")
    found, result = extracted(source, tmp_path, [3, 50, 8, 54], crs="EPSG:4326")
    expected = moved([[155_000, 463_000]], "OGC:CRS84", "EPSG:28992")[0]
    # 1 mm is 9e-9 degrees.
    assert shapely.get_coordinates(found[0])[0] == pytest.approx(expected, abs=9e-9)
    assert "ballpark" not in result.layers[0].transformation.lower()
    assert result.layers[0].accuracy_m == 1


def test_ballpark_step_is_a_warning_in_metres(tmp_path: Path) -> None:
    # Of ATS77 every operation in the registry needs a grid.
    point = shapely.Point(-64, 45)
    source = write_layer(tmp_path / "sea.gpkg", [point], kind="Point", crs="EPSG:4122")
    _, result = extracted(source, tmp_path, [-66, 44, -62, 46], crs="EPSG:4326")
    (note,) = (note for note in result.layers[0].notes if "1,000 m" in note)
    assert "shift is left out" in note
    assert result.layers[0].accuracy_m is None


def test_grid_that_is_not_installed_is_told_with_both_accuracies(tmp_path: Path) -> None:
    point = shapely.Point(-115, 37)
    source = write_layer(tmp_path / "sea.gpkg", [point], kind="Point", crs="EPSG:4267")
    _, result = extracted(source, tmp_path, [-120, 35, -110, 40], crs="EPSG:4326")
    (note,) = (note for note in result.layers[0].notes if "not installed" in note)
    assert "up to 7 m" in note
    assert "1.5 m" in note


@pytest.mark.parametrize(
    ("crs", "seam"), [("EPSG:3832", -30.0), ("EPSG:8857", 180.0), ("EPSG:3857", 180.0)]
)
def test_feature_on_both_sides_of_the_end_of_a_crs_is_cut_there(
    tmp_path: Path, crs: str, seam: float
) -> None:
    island = shapely.box(seam - 5, 40, seam + 5, 50)
    source = write_layer(tmp_path / "sea.gpkg", [island], kind="Polygon")
    found, result = extracted(source, tmp_path, [seam - 50, 30, seam + 10, 60], crs=crs)
    parts = shapely.get_parts(found[0])
    assert len(parts) == 2
    # Five degrees on each side of the seam, and nothing between the two.
    assert shapely.distance(*parts) > 1e7
    for part in parts:
        degrees = moved(shapely.get_coordinates(part), "OGC:CRS84", crs)
        off = np.abs((degrees[:, 0] - seam + 180) % 360 - 180)
        assert (off.min(), off.max()) == pytest.approx((0, 5), abs=1e-6)
    (note,) = (note for note in result.layers[0].notes if "both sides" in note)
    assert note.startswith("1 feature ")


def test_polar_polygon_is_whole_in_degrees(tmp_path: Path) -> None:
    cap = shapely.Point(0, 0).buffer(1e6, 64)
    source = write_layer(tmp_path / "ice.gpkg", [cap], kind="Polygon", crs="EPSG:3031")
    crs = "EPSG:4326"
    found, _ = extracted(source, tmp_path, [-180, -90, 180, -60], crs=crs)
    x, y = np.random.default_rng(4).uniform(-1.2e6, 1.2e6, (2_000, 2)).T
    clear = shapely.distance(shapely.boundary(cap), shapely.points(x, y)) > 5
    degrees = moved(np.column_stack([x, y])[clear], crs, "EPSG:3031")
    inside = shapely.contains_xy(cap, x[clear], y[clear])
    assert (shapely.contains_xy(found[0], *degrees.T) == inside).all()


def test_antarctica_in_degrees_has_no_cut_in_a_polar_crs(tmp_path: Path) -> None:
    coast = [[x, -70 - 3 * np.sin(np.radians(3 * x))] for x in np.linspace(-180, 180, 73)]
    land = shapely.Polygon([*coast, [180, -90], [-180, -90], coast[0]])
    source = write_layer(tmp_path / "ice.gpkg", [land], kind="Polygon")
    found, _ = extracted(source, tmp_path, [-180, -90, 180, -60], crs="EPSG:3031")
    assert found[0].geom_type == "Polygon"
    assert found[0].is_valid
    assert shapely.contains_xy(found[0], [0, 0, 1e-3], [0, -1e6, -1e6]).all()


@pytest.mark.parametrize("axes", ["Z", "ZM"])
def test_heights_and_measures_survive_a_move(tmp_path: Path, axes: str) -> None:
    more = {"Z": " 7", "ZM": " 7 8"}[axes]
    wkts = [
        f"POINT {axes} (3 43{more})",
        f"MULTILINESTRING {axes} ((3 43{more}, 3.1 43{more}), (4 44{more}, 4.1 44{more}))",
        f"GEOMETRYCOLLECTION {axes} (POINT {axes} (3 43{more}))",
    ]
    source = write_layer(tmp_path / "sea.gpkg", [shapely.from_wkt(wkt) for wkt in wkts])
    result = run(source, tmp_path, [0, 40, 10, 50], crs="EPSG:3857", format="geopackage")
    (path,) = unpack(result).glob("*.gpkg")
    found, _ = read(path)
    values = shapely.get_coordinates(found, include_z=True)[:, 2]
    assert (values == 7).all()


def test_crs_made_for_elsewhere_is_told_with_what_it_does(tmp_path: Path) -> None:
    points = [shapely.Point(3, 55), shapely.Point(39, 55)]
    source = write_layer(tmp_path / "sea.gpkg", points, kind="Point")
    _, result = extracted(source, tmp_path, [0, 50, 40, 60], crs="EPSG:32631")
    (note,) = (note for note in result.layers[0].notes if "made for" in note)
    # Of a transverse Mercator: 1 / cos(36 degrees of arc from its middle), by 0.9996.
    across = np.arcsin(np.cos(np.radians(55)) * np.sin(np.radians(36)))
    assert f"{0.9996 / np.cos(across):.2f} times" in note


def test_crs_made_for_the_place_is_told_nothing_of(tmp_path: Path) -> None:
    source = write_layer(tmp_path / "sea.gpkg", [shapely.Point(3, 55)], kind="Point")
    _, result = extracted(source, tmp_path, [0, 50, 6, 60], crs="EPSG:32631")
    assert result.layers[0].notes == ()


@pytest.mark.parametrize(
    ("source", "target", "box"),
    [
        ("EPSG:4326", "EPSG:3857", (-180, -85, 180, 85)),
        ("EPSG:4326", "EPSG:32631", (0, 0, 6, 80)),
        ("EPSG:4326", "EPSG:32756", (150, -60, 156, 0)),
        ("EPSG:4326", "EPSG:3031", (-180, -89, 180, -60)),
        ("EPSG:4326", "EPSG:3413", (-180, 60, 180, 89)),
        ("EPSG:4326", "EPSG:8857", (-179, -89, 179, 89)),
        ("EPSG:4326", "EPSG:6933", (-179, -80, 179, 80)),
        ("EPSG:4326", "EPSG:3832", (120, -40, 170, 40)),
        ("EPSG:4258", "EPSG:3035", (-10, 35, 30, 70)),
        ("EPSG:4258", "EPSG:25832", (6, 40, 12, 60)),
        ("EPSG:4258", "EPSG:3034", (-10, 35, 30, 70)),
        ("EPSG:4269", "EPSG:26911", (-120, 30, -114, 50)),
        ("EPSG:4269", "EPSG:5070", (-120, 25, -70, 50)),
        ("EPSG:4269", "EPSG:3978", (-120, 42, -60, 70)),
        ("EPSG:4171", "EPSG:2154", (-4, 42, 8, 51)),
        ("EPSG:4167", "EPSG:2193", (168, -46, 178, -35)),
        ("EPSG:7844", "EPSG:7856", (150, -40, 156, -20)),
        ("EPSG:4277", "EPSG:27700", (-6, 50, 1, 58)),
        ("EPSG:4289", "EPSG:28992", (4, 51, 7, 53)),
        ("EPSG:4267", "EPSG:26711", (-120, 30, -114, 50)),
    ],
)
def test_positions_are_those_of_proj_to_a_millimetre_there_and_back(
    tmp_path: Path, source: str, target: str, box: tuple[float, ...]
) -> None:
    places = np.random.default_rng(7).uniform(box[:2], box[2:], (200, 2))
    expected = moved(places, target, source)
    points = list(shapely.points(places))
    layer = write_layer(tmp_path / "a.gpkg", points, kind="Point", crs=source)
    world = [-180, -90, 180, 90]
    found, _ = extracted(layer, tmp_path, world, crs=target)
    off = shapely.get_coordinates([found[n] for n in range(200)]) - expected
    assert np.hypot(*off.T).max() <= 1e-3
    back = write_layer(
        tmp_path / "b.gpkg", list(shapely.points(expected)), kind="Point", crs=target
    )
    found, _ = extracted(back, tmp_path, world, crs=source)
    # PROJ's own way back: of equal-area projections it leaves 1.6 mm of the way there.
    wanted = moved(expected, source, target)
    off = shapely.get_coordinates([found[n] for n in range(200)]) - wanted
    # 1 mm is 9e-9 degrees of latitude, and more of longitude.
    off[:, 0] *= np.cos(np.radians(places[:, 1]))
    assert np.hypot(*off.T).max() <= 9e-9
