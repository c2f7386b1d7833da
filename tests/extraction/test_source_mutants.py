"""Damaged sources of six formats: what the file still says, or a named failure; never less.

The oracle is fiona, whose GDAL is another one, reading the same damaged file feature by feature.
"""

from __future__ import annotations

import random
import re
import warnings
import zipfile
from collections import Counter
from pathlib import Path

import fiona
import numpy as np
import pyarrow as pa
import pyproj
import pytest
import shapely
from fiona.errors import FionaError
from shapely.geometry import shape

from marinemap.errors import DatasetError, RequestError
from marinemap.extraction import ExtractionRequest, SourceLayer, extract
from tests.extraction.layers import unpack, write_layer
from tests.extraction.s57_cell import write_chart
from tests.extraction.sizes import MUTANTS

# Wider than the data, so that every feature passes as it is.
AREA = [-20.0, -20.0, 20.0, 20.0]
POINTS = [shapely.Point(x / 7, y / 7) for x in range(8) for y in range(8)]
SUFFIXES = [".gpkg", ".fgb", ".geojson", ".gml", ".csv", ".000"]
DRIVERS = {".gpkg": "GPKG", ".fgb": "FlatGeobuf", ".geojson": "GeoJSON", ".gml": "GML"}
EACH = max(6, MUTANTS // len(SUFFIXES))
FORMATS = ["shapefile", "geopackage", "geojson", "csv"]


def write_whole(folder: Path, suffix: str) -> Path:
    path = folder / f"sea{suffix}"
    if suffix == ".000":
        return write_chart(path)
    if suffix == ".csv":
        rows = (f'"{point.wkt}",{i},name {i}\n' for i, point in enumerate(POINTS))
        path.write_text("WKT,number,name\n" + "".join(rows))
        path.with_suffix(".prj").write_text(pyproj.CRS(4326).to_wkt("WKT1_ESRI"))
        return path
    columns = {
        "number": pa.array(range(len(POINTS)), pa.int32()),
        "name": [f"récif {i}" for i in range(len(POINTS))],
    }
    return write_layer(path, POINTS, columns, kind="Point", driver=DRIVERS[suffix])


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Return bytes cut, flipped, blanked, doubled, or with two parts changed over."""
    changed = bytearray(data)
    a, b = sorted(chance.sample(range(1, len(data)), 2))
    match chance.randrange(5):
        case 0:
            del changed[a:]
        case 1:
            for _ in range(chance.choice([1, 1, 4, 16])):
                changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
        case 2:
            changed[a : min(b, a + 64)] = bytes(min(b, a + 64) - a)
        case 3:
            changed[a:a] = changed[a : min(b, a + 512)]
        case _:
            del changed[a : min(b, a + 512)]
    return bytes(changed)


def expected(path: Path, layer: str | None) -> int | None:
    """Return how many features another GDAL finds in the area; None where it cannot tell."""
    if path.suffix == ".csv" and has_quote_within_a_cell(path):
        # RFC 4180 has none: fiona's GDAL reads on to the next one, the engine's takes it as it is.
        return None
    box = shapely.box(*AREA)
    found = 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with fiona.open(path, layer=layer) as source:
                for feature in source:
                    geometry = shape(feature.geometry) if feature.geometry else None
                    if (
                        geometry is not None
                        and np.isfinite(shapely.get_coordinates(geometry)).all()
                    ):
                        found += bool(geometry.intersects(box))
    except (FionaError, ValueError, AttributeError, KeyError, OSError, shapely.errors.ShapelyError):
        return None
    return found


def has_quote_within_a_cell(path: Path) -> bool:
    cells = re.split(r"[,\n]", path.read_text(errors="replace"))
    return any('"' in cell and not re.fullmatch(r'"[^"]*"', cell) for cell in cells)


def outcome(path: Path, layer: str | None, folder: Path, name: str) -> str:
    request = ExtractionRequest(
        [SourceLayer("sea", path, layer)], AREA, folder / "out.zip", format=name, full_copy=False
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = extract(request, work_folder=folder)
    except (DatasetError, RequestError) as error:
        assert "sea" in str(error) or "crs" in str(error), "the failure names the file"
        assert not (folder / "out.zip").exists()
        return "named failure"
    names = zipfile.ZipFile(result.archive).namelist()
    assert len(names) == len({each.lower() for each in names})
    other = expected(path, layer)
    written = result.features_written
    if other is not None:
        assert written == other, f"{written} features were written where {other} can be read"
    assert count(unpack(result)) == written
    return "as the file says"


def count(folder: Path) -> int:
    """Count what an independent reader finds in an unpacked extract."""
    found = 0
    for path in folder.iterdir():
        if path.suffix in (".shp", ".gpkg", ".csv") or path.name == "sea.geojson":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with fiona.open(path) as source:
                    found += sum(1 for _ in source)
    return found


# What fiona cannot decode of its own messages is no failure of the engine.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.fuzz
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_damaged_source_gives_what_it_says_or_a_named_failure(
    tmp_path_factory: pytest.TempPathFactory, suffix: str
) -> None:
    whole = write_whole(tmp_path_factory.mktemp("whole"), suffix)
    layer = "SOUNDG" if suffix == ".000" else None
    chance = random.Random(suffix)
    seen: Counter[str] = Counter()
    for number in range(EACH):
        folder = tmp_path_factory.mktemp(f"mutant{suffix[1:]}")
        path = folder / whole.name
        path.write_bytes(mutated(whole.read_bytes(), chance))
        if suffix == ".csv":
            path.with_suffix(".prj").write_bytes(whole.with_suffix(".prj").read_bytes())
        try:
            seen[outcome(path, layer, folder, FORMATS[number % len(FORMATS)])] += 1
        except Exception as error:
            error.add_note(f"mutant {number} of {suffix}: {path}")
            raise
    print(f"\n{EACH} damaged sources {suffix}: {dict(seen)}")
    assert seen["named failure"] > 0
