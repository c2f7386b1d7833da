"""GeoParquet as a source: the same extract as of the same features in another format."""

from __future__ import annotations

import datetime
import decimal
import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyogrio
import pytest
import shapely

from marinemap.errors import DatasetError, MarineMapError
from marinemap.extraction import (
    ExtractionRequest,
    SourceLayer,
    check_servable,
    describe,
    estimate,
    extract,
    parse_area,
)
from marinemap.extraction.geoparquet.layer import ParquetLayer
from marinemap.extraction.geoparquet.opened import opened
from marinemap.extraction.layers.layer import prepare
from marinemap.extraction.pages.page import Wanted, read_page
from tests.extraction.layers import run
from tests.extraction.parquet_files import SIDES, squares, write_parquet

COUNT = 1_000
AREA = {
    "type": "Polygon",
    "coordinates": [[[0.021, 0.02], [0.15, 0.02], [0.12, 0.15], [0.02, 0.1], [0.021, 0.02]]],
}
PLAIN = {"encoding": "WKB", "geometry_types": []}
KEPT = ("double", "float", "")


def named(count: int = COUNT) -> dict[str, Any]:
    return {"number": pa.array(range(count)), "name": pa.array([f"n{n % 7}" for n in range(count)])}


def as_flatgeobuf(folder: Path, geometries: Any, columns: dict[str, Any]) -> Path:
    """Write the same features with their order kept."""
    path = folder / "reefs.fgb"
    table = pa.table({**columns, "wkb": pa.array(shapely.to_wkb(geometries), pa.binary())})
    pyogrio.write_arrow(
        table,
        path,
        driver="FlatGeobuf",
        geometry_name="wkb",
        geometry_type="Polygon",
        crs="OGC:CRS84",
        layer_options={"SPATIAL_INDEX": "NO"},
    )
    return path


def extracted(path: Path, **options: Any) -> dict[str, bytes]:
    """Return what an extract holds, less what names its source's state."""
    archive = path.with_suffix(".zip")
    request = ExtractionRequest([SourceLayer("reefs", path)], AREA, archive, **options)
    extract(request)
    with zipfile.ZipFile(archive) as found:
        return {name: found.read(name) for name in found.namelist() if name.startswith("reefs.")}


@pytest.mark.parametrize("boxes", KEPT)
@pytest.mark.parametrize("format_", ["geojson", "shapefile"])
def test_extract_is_that_of_another_format(tmp_path: Path, boxes: str, format_: str) -> None:
    geometries = squares(COUNT)
    known = extracted(as_flatgeobuf(tmp_path, geometries, named()), format=format_)
    path = write_parquet(tmp_path / "reefs.parquet", geometries, named(), boxes=boxes)
    assert len(known["reefs.geojson" if format_ == "geojson" else "reefs.shp"]) > 10_000
    assert extracted(path, format=format_) == known


@pytest.mark.parametrize("boxes", KEPT)
def test_report_counts_what_lies_nowhere(tmp_path: Path, boxes: str) -> None:
    path = write_parquet(tmp_path / "reefs.parquet", squares(COUNT), named(), boxes=boxes)
    layer = extract(
        ExtractionRequest([SourceLayer("reefs", path)], AREA, tmp_path / "out.zip")
    ).layers[0]
    assert layer.without_position == 1
    assert layer.features_read == (COUNT if not boxes else layer.features_read)


@pytest.mark.parametrize("boxes", KEPT)
def test_estimate_is_the_number_itself(tmp_path: Path, boxes: str) -> None:
    path = write_parquet(tmp_path / "reefs.parquet", squares(COUNT), named(), boxes=boxes)
    request = ExtractionRequest([SourceLayer("reefs", path)], AREA, tmp_path / "out.zip")
    assert estimate(request)[0].features == extract(request).layers[0].features_written


def test_only_row_groups_near_the_area_are_read_in_steps(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "reefs.parquet", squares(COUNT), named(), boxes="double")
    source = prepare(SourceLayer("reefs", path), parse_area(AREA)).source
    # Rows of 32 squares: the area ends in the 16th.
    assert 1 < source.steps <= 6
    whole = [batch.attributes.column("number").to_pylist() for batch in source.batches()]
    steps = [
        batch.attributes.column("number").to_pylist()
        for step in range(source.steps)
        for batch in source.take_steps(step, step + 1)
    ]
    assert steps == whole
    assert max(max(part) for part in whole) < 600


@pytest.mark.parametrize("boxes", KEPT)
def test_pages_find_features_by_box_and_place(tmp_path: Path, boxes: str) -> None:
    path = write_parquet(tmp_path / "reefs.parquet", squares(COUNT), named(), boxes=boxes)
    dataset = describe(path)
    box = read_page(dataset, "state", Wanted(limit=10, box=(0.1, 0.1, 0.115, 0.115)))
    assert [n for part in box.parts for n in part.ids.tolist()] == [330, 331, 362, 363]
    later = read_page(dataset, "state", Wanted(limit=3, after=249))
    assert [part.attributes.column("number").to_pylist() for part in later.parts] == [
        [250, 251, 252]
    ]


POINTS = shapely.points([[1.5, 2.5], [2.5, 3.5], [0, 0]])
NATIVE: dict[str, Any] = {
    "Point": POINTS,
    "LineString": shapely.from_wkt(["LINESTRING (0 0, 1 1)", "LINESTRING (5 5, 6 6, 7 5)"]),
    "Polygon": shapely.from_wkt(
        ["POLYGON ((0 0, 4 0, 4 4, 0 0), (2 1, 3 1, 3 2, 2 1))", "POLYGON ((5 5, 6 5, 6 6, 5 5))"]
    ),
    "MultiPoint": shapely.from_wkt(["MULTIPOINT (0 0, 1 1)", "MULTIPOINT (5 5)"]),
    "MultiLineString": shapely.from_wkt(
        ["MULTILINESTRING ((0 0, 1 1), (2 2, 3 3))", "MULTILINESTRING ((5 5, 6 6))"]
    ),
    "MultiPolygon": shapely.from_wkt(
        ["MULTIPOLYGON (((0 0, 1 0, 1 1, 0 0)), ((2 2, 3 2, 3 3, 2 2)))"]
    ),
}


def in_native(geometries: Any, with_z: bool = False) -> Any:
    """Return geometries as GeoArrow keeps them, with one that is missing before the others."""
    geometries = shapely.force_3d(geometries, 7.0) if with_z else geometries
    _, corners, offsets = shapely.to_ragged_array(geometries, include_z=with_z)
    axes = "xyz"[: 3 if with_z else 2]
    values: Any = pa.StructArray.from_arrays(
        [pa.array(corners[:, n]) for n in range(len(axes))], list(axes)
    )
    for ends in offsets or ():
        values = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), values)
    return pa.concat_arrays([pa.nulls(1, values.type), values])


@pytest.mark.parametrize("with_z", [False, True], ids=["xy", "xyz"])
@pytest.mark.parametrize("kind", NATIVE)
def test_native_encodings_are_read(tmp_path: Path, kind: str, with_z: bool) -> None:
    z = " Z" if with_z else ""
    path = write_parquet(
        tmp_path / "reefs.parquet",
        None,
        {"number": pa.array(range(len(NATIVE[kind]) + 1))},
        geometry=in_native(NATIVE[kind], with_z),
        types=[f"{kind}{z}"],
        column={"encoding": kind.lower()},
    )
    dataset = describe(path)
    assert dataset.geometry_type == ("3D " if with_z else "") + kind
    assert dataset.bounds == tuple(shapely.total_bounds(NATIVE[kind]).tolist())
    (part,) = read_page(dataset, "state", Wanted(limit=10)).parts
    assert part.geometries[0] is None
    assert shapely.equals_exact(shapely.force_2d(part.geometries[1:]), NATIVE[kind]).all()
    assert (shapely.has_z(part.geometries[1:]) == with_z).all()


def test_values_of_other_types_are_brought_to_those_of_fields(tmp_path: Path) -> None:
    moment = datetime.datetime(2026, 1, 31, 12, 30, 0, 123456)
    stored = {
        "small": pa.array([7, None], pa.uint8()),
        "code": pa.array(["a", None]).dictionary_encode(),
        "long": pa.array(["b", None], pa.large_string()),
        "whole": pa.array([decimal.Decimal("123456789012345678"), None], pa.decimal128(18, 0)),
        "money": pa.array([decimal.Decimal("1.25"), None], pa.decimal128(10, 2)),
        "seen": pa.array([moment, None], pa.timestamp("ns", "Europe/Paris")),
        "local": pa.array([moment, None], pa.timestamp("ns")),
        "kinds": pa.array([["x", "ü"], None]),
        "parts": pa.array([{"a": [1.5, float("nan")], "b": b"\1"}, None]),
        "raw": pa.array([b"\1\2", None], pa.binary(2)),
        "nothing": pa.nulls(2),
    }
    path = write_parquet(tmp_path / "reefs.parquet", squares(4)[:2], stored)
    dataset = describe(path)
    assert {field.name: field.type for field in dataset.fields} == {
        "small": "int16", "code": "str", "long": "str", "whole": "int64", "money": "float",
        "seen": "datetime", "local": "datetime", "kinds": "json", "parts": "json", "raw": "bytes",
        "nothing": "str",
    }  # fmt: skip
    (part,) = read_page(dataset, "state", Wanted(limit=10)).parts
    first, second = part.attributes.to_pylist()
    assert set(second.values()) == {None}
    utc = datetime.UTC
    assert first == {
        "small": 7, "code": "a", "long": "b", "whole": 123456789012345678, "money": 1.25,
        "seen": moment.replace(tzinfo=utc), "local": moment, "kinds": '["x","ü"]',
        "parts": '{"a":[1.5,null],"b":"AQ=="}', "raw": b"\1\2", "nothing": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("type_", "value"), [(pa.uint64(), 2**63), (pa.timestamp("ms", "UTC"), 2**63 - 1)], ids=str
)
def test_number_beyond_64_bits_is_named(tmp_path: Path, type_: Any, value: int) -> None:
    """Of microseconds, which moments are counted in."""
    large = pa.array([1, value], type_)
    path = write_parquet(tmp_path / "reefs.parquet", squares(4)[:2], {"large": large})
    with pytest.raises(DatasetError, match="field 'large'"):
        read_page(describe(path), "state", Wanted(limit=10))


def test_other_geometries_and_boxes_are_no_fields(tmp_path: Path) -> None:
    centres = pa.array(shapely.to_wkb(shapely.points([[1, 1], [2, 2]])), pa.binary())
    other = {"encoding": "WKB", "geometry_types": []}
    primary = {"encoding": "WKB", "geometry_types": ["Polygon"]}
    path = write_parquet(
        tmp_path / "reefs.parquet",
        squares(4)[:2],
        {"centre": centres, "number": pa.array([1, 2])},
        geo={"columns": {"centre": other, "geometry": primary}},
    )
    assert [field.name for field in describe(path).fields] == ["number"]


def test_column_whose_name_no_database_keeps_is_refused(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "reefs.parquet", squares(4), {"n\0ame": pa.array([1] * 4)})
    with pytest.raises(DatasetError, match=r"a column of .* is called 'n\\x00ame'"):
        describe(path)


def test_missing_crs_is_degrees_and_a_null_one_is_refused(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "reefs.parquet", squares(4), column={"crs": None})
    with pytest.raises(DatasetError, match="has no CRS"):
        describe(path)
    assert describe(write_parquet(path, squares(4))).crs == "OGC:CRS84"


@pytest.mark.parametrize(
    ("column", "geo", "words"),
    [
        ({}, {"version": "2.0.0"}, "of GeoParquet 2.0.0"),
        ({}, {"version": None}, "of GeoParquet"),
        ({}, {"primary_column": "shape"}, "what .* says of its geometries cannot be read"),
        ({}, {"primary_column": "gone", "columns": {"gone": PLAIN}}, "no column 'gone'"),
        ({}, {"columns": []}, "cannot be read"),
        ({"encoding": "WKT"}, {}, "encoded as WKT"),
        ({"edges": "spherical"}, {}, "edges of .* are spherical"),
        ({"crs": {"type": "GeographicCRS"}}, {}, "the CRS of .* cannot be read"),
        ({"bbox": [0, 1]}, {}, "bbox of 2 numbers"),
        ({"geometry_types": ["Point"]}, {}, "holds a Polygon"),
        ({"covering": {"bbox": {s: ["box", s] for s in SIDES}}}, {}, "no column 'box.xmin'"),
        ({"covering": {"bbox": {}}}, {}, "KeyError"),
    ],
)  # fmt: skip
def test_what_cannot_be_served_is_named(
    tmp_path: Path, column: dict[str, Any], geo: dict[str, Any], words: str
) -> None:
    path = write_parquet(tmp_path / "reefs.parquet", squares(10), column=column, geo=geo)
    with pytest.raises(DatasetError, match=words):
        extracted(path)


def test_table_without_geometries_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "reefs.parquet"
    pa.parquet.write_table(pa.table(named(3)), path)
    with pytest.raises(DatasetError, match="not a GeoParquet"):
        describe(path)


def test_points_on_the_globe_have_no_edges(tmp_path: Path) -> None:
    path = write_parquet(
        tmp_path / "reefs.parquet", POINTS, types=["Point"], column={"edges": "spherical"}
    )
    assert describe(path).geometry_type == "Point"


@pytest.mark.parametrize("boxes", ["", "double"])
def test_box_across_180_degrees_hides_nothing(tmp_path: Path, boxes: str) -> None:
    """RFC 7946: the west of such a box is the greater number."""
    geometries = shapely.box([179.0, -180.0], 0, [180.0, -179.0], 1)
    stated = {"bbox": [179.0, 0.0, -179.0, 1.0]}
    path = write_parquet(tmp_path / "reefs.parquet", geometries, boxes=boxes, column=stated)
    assert describe(path).bounds == (-180.0, 0.0, 180.0, 1.0)


@pytest.mark.parametrize("boxes", ["", "double"])
@pytest.mark.parametrize("area", [[-180, -90, 180, 90], [4, -1, 6, 2]], ids=["world", "beyond"])
def test_box_of_a_part_of_the_file_hides_nothing(
    tmp_path: Path, area: list[int], boxes: str
) -> None:
    """Who puts files together by pyarrow keeps what the first one states."""
    path = write_parquet(
        tmp_path / "sea.parquet",
        shapely.box([0, 500_000], 0, [1, 600_000], 1),
        boxes=boxes,
        column={"bbox": [0.0, 0.0, 1.0, 1.0], "crs": "EPSG:3857"},
    )
    assert run(path, tmp_path, area).features_written == (2 if area[0] < 0 else 1)


@pytest.mark.parametrize("others", [[], [[0, 0, 1, 1]], [[-180, 0, -179, 1]], [[170, 0, 180, 1]]])
def test_kept_box_across_180_degrees_hides_nothing(tmp_path: Path, others: list[Any]) -> None:
    across = shapely.MultiPolygon([shapely.box(179, 0, 180, 1), shapely.box(-180, 0, -179, 1)])
    boxes = [[179, 0, -179, 1], *others]
    sides = [pa.array([float(box[n]) for box in boxes]) for n in range(4)]
    path = write_parquet(
        tmp_path / "sea.parquet",
        [across, *(shapely.box(*box) for box in others)],
        {"bbox": pa.StructArray.from_arrays(sides, SIDES)},
        types=["Polygon", "MultiPolygon"],
        column={"covering": {"bbox": {side: ["bbox", side] for side in SIDES}}},
    )
    for name, area in (("east", [179.2, 0, 179.8, 1]), ("west", [-179.8, 0, -179.2, 1])):
        (tmp_path / name).mkdir()
        expected = 1 + sum(shapely.box(*area).intersects(shapely.box(*box)) for box in others)
        assert run(path, tmp_path / name, area).features_written == expected


def test_feature_across_180_degrees_is_found_beyond_its_row_group(tmp_path: Path) -> None:
    """Neither the least nor the greatest of its group's sides are its own."""
    across = shapely.MultiPolygon([shapely.box(172, 0, 180, 1), shapely.box(-180, 0, -172, 1)])
    boxes = [[170, 2, 175, 3], [-180, 2, -175, 3], [172, 0, -172, 1]]
    sides = [pa.array([float(box[n]) for box in boxes]) for n in range(4)]
    path = write_parquet(
        tmp_path / "sea.parquet",
        [*(shapely.box(*box) for box in boxes[:2]), across],
        {"bbox": pa.StructArray.from_arrays(sides, SIDES)},
        types=["Polygon", "MultiPolygon"],
        column={"covering": {"bbox": {side: ["bbox", side] for side in SIDES}}},
    )
    page = read_page(describe(path), "", Wanted(limit=5, box=(177.0, 0.0, 178.0, 1.0)))
    assert sum(len(part.geometries) for part in page.parts) == 1
    assert run(path, tmp_path, [177, 0, 178, 1]).features_written == 1


def test_feature_without_a_box_is_looked_at(tmp_path: Path) -> None:
    points = [shapely.Point(0, 0), shapely.Point(50, 50), None]
    sides = [pa.array([0.0, None, None]) for _ in SIDES]
    path = write_parquet(
        tmp_path / "sea.parquet",
        np.array(points, object),
        {"bbox": pa.StructArray.from_arrays(sides, SIDES)},
        types=["Point"],
        column={
            "bbox": [0.0, 0.0, 50.0, 50.0],
            "covering": {"bbox": {side: ["bbox", side] for side in SIDES}},
        },
    )
    assert run(path, tmp_path, [49, 49, 51, 51]).features_written == 1


def test_big_endian_and_postgis_forms_are_read(tmp_path: Path) -> None:
    geometries = squares(4)[:3]
    forms = pa.array([
        shapely.to_wkb(geometries[0], byte_order=0),
        shapely.to_wkb(shapely.set_srid(geometries[1], 4326), include_srid=True),
        shapely.to_wkb(geometries[2]),
    ])  # fmt: skip
    path = write_parquet(tmp_path / "reefs.parquet", None, geometry=forms)
    (part,) = read_page(describe(path), "state", Wanted(limit=10)).parts
    assert shapely.equals_exact(part.geometries, geometries).all()


def test_shared_values_take_no_more_memory_than_a_batch(tmp_path: Path) -> None:
    """A text of 300 kB for all features is some kB in the file, and was 30 MB as one batch."""
    names = pa.array(["x" * 300_000] * 100)
    path = write_parquet(tmp_path / "reefs.parquet", squares(100), {"name": names})
    assert path.stat().st_size < 1_000_000
    sizes = [batch.nbytes for batch in ParquetLayer(path).stream({})]
    assert max(sizes) < 8 << 20
    assert sum(sizes) > 100 * 300_000


@pytest.mark.parametrize("boxes", ["double", ""])
def test_damaged_files_are_named_or_read_whole(tmp_path: Path, boxes: str) -> None:
    sound = write_parquet(
        tmp_path / "reefs.parquet", squares(300), named(300), boxes=boxes, write_page_checksum=True
    )
    known, data = extracted(sound, format="geojson"), sound.read_bytes()
    random = np.random.default_rng(7)
    path, named_ones = tmp_path / "other.parquet", 0
    for at in random.integers(4, len(data), 10).tolist():
        cut = bool(at % 2)
        path.write_bytes(
            data[:at] if cut else data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]
        )
        try:
            found = extracted(path, format="geojson")
        except MarineMapError as error:
            assert "Traceback" not in str(error)
            named_ones += 1
        else:
            assert not cut and _features(found) == _features(known)
    assert named_ones > 4


def _features(found: dict[str, bytes]) -> list[Any]:
    features: list[Any] = json.loads(found["reefs.geojson"])["features"]
    return [each["geometry"] for each in features]


def test_row_groups_are_pruned_by_their_boxes(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "reefs.parquet", squares(COUNT), named(), boxes="float")
    with opened(path) as file:
        assert file.group_boxes.shape == (10, 4)
        truth = shapely.bounds(squares(COUNT))[100:200]
        ((first, boxes),) = file.boxes(1)
        assert first == 0
        assert (boxes[:, :2] <= truth[:, :2]).all()
        assert (boxes[:, 2:] >= truth[:, 2:]).all()


def test_arcs_that_the_standard_has_not_are_read_as_lines(tmp_path: Path) -> None:
    half = struct.pack("<BII6d", 1, 8, 3, 0.0, 0.0, 0.05, 0.05, 0.1, 0.0)
    geometry = pa.array([half, shapely.to_wkb(shapely.Point(0.05, 0.01))], pa.binary())
    path = write_parquet(tmp_path / "reefs.parquet", None, named(2), types=(), geometry=geometry)
    west, south, east, north = describe(path).bounds or (0.0,) * 4
    assert (west, south, east, north) == pytest.approx((0.0, 0.0, 0.1, 0.05), abs=1e-6)
    (report,) = run(path, tmp_path, [-1.0, -1.0, 1.0, 1.0]).layers
    assert (report.features_written, report.straightened) == (2, 1)


def test_native_line_of_one_position_is_left_out_and_named(tmp_path: Path) -> None:
    lines = [[(1, 1), (2, 2)], [(3, 3)], [(4, 4), (5, 5)], None, [(6, 6), (7, 7)]]
    position = pa.struct([pa.field(axis, pa.float64(), nullable=False) for axis in "xy"])
    rows = [line and [{"x": float(x), "y": float(y)} for x, y in line] for line in lines]
    source = write_parquet(
        tmp_path / "sea.parquet",
        [],
        geometry=pa.array(rows, pa.list_(position)),
        types=["LineString"],
        column={"encoding": "linestring"},
    )
    (report,) = run(source, tmp_path).layers
    assert (report.features_written, report.unreadable) == (3, 1)
    assert [each.id for each in report.left_out] == [1]
    assert check_servable(describe(source)).ids == "1"
