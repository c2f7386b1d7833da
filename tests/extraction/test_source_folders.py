"""The folder of a source is an operator's: whoever reads there changes nothing in it."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
import shapely

from marinemap.errors import DatasetError, MarineMapError
from marinemap.extraction import (
    ExtractionRequest,
    SourceLayer,
    check_servable,
    content_version,
    describe,
    estimate,
    extract,
    list_layers,
)
from marinemap.extraction.tiles import draw
from tests.extraction.layers import AREA, write_layer
from tests.extraction.parquet_files import write_parquet
from tests.extraction.s57_cell import write_chart

POINTS = [shapely.Point(x, x) for x in range(1, 5)]
MOMENTS = ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05+05:00", None, None]
DRIVERS = {
    "sea.gpkg": "GPKG",
    "sea.shp": "ESRI Shapefile",
    "sea.gdb": "OpenFileGDB",
    "sea.tab": "MapInfo File",
    "sea.fgb": "FlatGeobuf",
    "sea.geojson": "GeoJSON",
    "sea.kml": "KML",
}


def gml(path: Path) -> Path:
    """Write a GML without the schema that GDAL puts beside it: few come with one."""
    plain = path.with_name("plain.gml")
    write_layer(plain, POINTS, {"moment": MOMENTS}, kind="Point", driver="GML")
    plain.with_suffix(".xsd").unlink()
    return plain.rename(path)


def compressed(path: Path) -> None:
    plain = gml(path.with_suffix(""))
    path.write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()


def csv(path: Path) -> None:
    path.write_text("lon,lat\n1,2\n3,4\n")


def of_driver(path: Path) -> Path:
    return write_layer(path, POINTS, kind="Point", driver=DRIVERS[path.name])


WRITERS: dict[str, Callable[[Path], object]] = {
    **dict.fromkeys(DRIVERS, of_driver),
    "sea.parquet": lambda path: write_parquet(path, POINTS, types=("Point",)),
    "sea.000": write_chart,
    "sea.csv": csv,
    "a&b=50% ä+?#.gml": gml,
    "sea.dat": gml,
    "sea.gml.gz": compressed,
}


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file()
    }


@pytest.mark.parametrize("name", WRITERS)
def test_folder_of_a_source_is_as_before(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "theirs & ours? 50%"
    folder.mkdir()
    WRITERS[name](folder / name)
    before = hashes(folder)
    for each in list_layers(folder / name):
        assert hashes(folder) == before
        read_in_every_way(folder / name, each, tmp_path)
        assert hashes(folder) == before


def read_in_every_way(path: Path, name: str, folder: Path) -> None:
    layer = SourceLayer("sea", path, layer=name)
    request = ExtractionRequest([layer], AREA, folder / "out.zip")
    try:
        check_servable(describe(path, name))
    except MarineMapError:
        # A chart has layers that are no map layers; they were opened all the same.
        return
    estimate(request)
    extract(request)
    draw(layer, folder / "out.pmtiles", work_folder=folder)


def test_schema_beside_a_gml_belongs_to_it(tmp_path: Path) -> None:
    source = gml(tmp_path / "sea.gml")
    before = content_version(source)
    source.with_suffix(".gfs").write_text("<GMLFeatureClassList/>")
    assert content_version(source) != before


def test_file_that_is_no_gml_is_refused_by_its_name_alone(tmp_path: Path) -> None:
    source = tmp_path / "no sea.gml"
    source.write_text("none")
    with pytest.raises(DatasetError, match=r"^source: no sea\.gml cannot .*: 'no sea\.gml' not"):
        list_layers(source)
