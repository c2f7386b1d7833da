"""Each file of each format of sources, cut: all features all the same, or a named failure."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import shapely

from marinemap.errors import DatasetError
from marinemap.extraction import check_servable, describe, parts_of
from tests.extraction.layers import run, write_layer

DRIVERS = {
    ".tab": "MapInfo File",
    ".mif": "MapInfo File",
    ".gdb": "OpenFileGDB",
    ".shp": "ESRI Shapefile",
    ".gpx": "by hand",
    ".kml": "LIBKML",
    ".geojsonl": "GeoJSONSeq",
    ".ndjson": "GeoJSONSeq",
    ".geojson": "GeoJSON",
    ".gml": "GML",
    ".fgb": "FlatGeobuf",
    ".gpkg": "GPKG",
}
# They have more than one block of many features.
IN_BLOCKS = [".tab", ".gdb", ".fgb", ".gpkg"]
WORLD = [-180.0, -90.0, 180.0, 90.0]
POINTS = [shapely.Point(x / 7, y / 7) for x, y in np.ndindex(8, 8)]
MANY = [shapely.Point(x / 70, y / 70) for x, y in np.ndindex(80, 80)]


def write_points(folder: Path, suffix: str, points: list[shapely.Point]) -> Path:
    if suffix == ".gpx":
        return write_gpx(folder / "sea.gpx", points)
    names = pa.array([f"récif {number}" for number in range(len(points))])
    fields = {"number": pa.array(range(len(points)), pa.int32()), "name": names}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return write_layer(
            folder / f"sea{suffix}", points, fields, kind="Point", driver=DRIVERS[suffix]
        )


def write_gpx(path: Path, points: list[shapely.Point]) -> Path:
    each = (f'<wpt lat="{p.y}" lon="{p.x}"><name>récif</name></wpt>\n' for p in points)
    space = "http://www.topografix.com/GPX/1/1"
    path.write_text(f'<gpx version="1.1" creator="us" xmlns="{space}">\n{"".join(each)}</gpx>\n')
    return path


def layer_of(source: Path) -> str | None:
    return "waypoints" if source.suffix == ".gpx" else None


def check_all_or_nothing(source: Path, folder: Path, count: int) -> bool:
    """Tell whether all features came; a failure that is named is the other thing that may be."""
    try:
        dataset = describe(source, layer_of(source))
        check_servable(dataset)
        result = run(dataset.file, folder, WORLD, format="csv", layer=dataset.layer)
    except DatasetError:
        return False
    (report,) = result.layers
    assert report.features_written + report.unreadable == count
    return True


def cut(data: bytes, share: float) -> bytes:
    """Cut a file, not between two lines: of a file of lines nobody could tell."""
    return data[: int(len(data) * share)].rstrip(b"}\n")


def parts_to_cut(source: Path) -> list[Path]:
    """Return the files of a source; of a geodatabase the layer's own, for there are many."""
    if source.suffix == ".gdb":
        return sorted(source.glob("a00000009.*"))
    return parts_of(source)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("suffix", "points", "share"),
    [
        *(pytest.param(suffix, POINTS, 0.6, id=f"{suffix}-few") for suffix in DRIVERS),
        *(pytest.param(suffix, MANY, 0.97, id=f"{suffix}-many") for suffix in IN_BLOCKS),
    ],
)
def test_cut_part_of_a_source_is_no_smaller_layer(
    tmp_path: Path, suffix: str, points: list[shapely.Point], share: float
) -> None:
    whole = write_points(tmp_path, suffix, points)
    assert check_all_or_nothing(whole, tmp_path, len(points))
    for part in parts_to_cut(whole):
        data = part.read_bytes()
        part.write_bytes(cut(data, share))
        check_all_or_nothing(whole, tmp_path, len(points))
        part.write_bytes(data)


@pytest.mark.parametrize("kept", [0, 1, 40])
def test_interchange_cut_between_two_objects_is_refused(tmp_path: Path, kept: int) -> None:
    source = write_points(tmp_path, ".mif", POINTS)
    head, objects = source.read_text().split("Data\n", 1)
    each = [f"Point {one}" for one in objects.split("Point ")[1:]]
    source.write_text(f"{head}Data\n\n{''.join(each[:kept])}")
    with pytest.raises(DatasetError, match=f"has {kept} objects for 64 rows"):
        check_servable(describe(source))


def test_deleted_row_of_a_mapinfo_table_is_no_damage(tmp_path: Path) -> None:
    source = write_points(tmp_path, ".tab", POINTS)
    table, ids = (bytearray(source.with_suffix(each).read_bytes()) for each in (".dat", ".id"))
    header, row = (int.from_bytes(table[at : at + 2], "little") for at in (8, 10))
    table[header + 5 * row] = ord("*")
    ids[5 * 4 : 6 * 4] = bytes(4)
    source.with_suffix(".dat").write_bytes(table)
    source.with_suffix(".id").write_bytes(ids)
    check_servable(describe(source))
    assert run(source, tmp_path, WORLD, format="csv").features_written == 63


def test_objects_of_an_interchange_of_all_kinds_are_counted(tmp_path: Path) -> None:
    source = tmp_path / "sea.mif"
    kinds = [
        "Point 1 2\n",
        "Line 0 0 1 1\n",
        "Pline Multiple 2\n2\n0 0\n1 1\n2\n2 2\n3 3\n",
        "Region 1\n4\n0 0\n1 0\n1 1\n0 0\n",
        "Arc 0 0 2 2 0 90\n",
        'Text\n"Point 5 5"\n0 0 1 1\n',
        "Rect 0 0 2 1\n",
        "Ellipse 0 0 2 1\n",
        "none\n",
        "Multipoint 2\n1 1\n2 2\n",
        "Collection 2\nRegion 1\n4\n0 0\n1 0\n1 1\n0 0\nMultipoint 2\n1 1\n2 2\n",
    ]
    head = 'Version 650\nDelimiter ","\nCoordSys Earth Projection 1, 104\nColumns 1\n  n Integer\n'
    source.write_text(f"{head}Data\n\n{''.join(kinds)}")
    source.with_suffix(".mid").write_text("".join(f"{n}\n" for n in range(len(kinds))))
    check_servable(describe(source))
    (report,) = run(source, tmp_path, WORLD, format="csv").layers
    assert (report.features_written, report.without_position) == (10, 1)
