"""Damaged shapefiles as sources: a right answer or a named failure, never a crash."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
import shapely

from marinemap.errors import MarineMapError
from tests.extraction.layers import run, unpack, write_layer

BOXES = [shapely.box(x, y, x + 0.5, y + 0.5) for x in range(1, 8) for y in range(1, 8)]
MUTANTS = 150


@pytest.fixture
def shapefile(tmp_path: Path) -> Path:
    columns = {"number": pa.array(range(len(BOXES)), pa.int32()), "name": ["reef"] * len(BOXES)}
    source = write_layer(tmp_path / "sea.gpkg", BOXES, columns, kind="Polygon")
    return unpack(run(source, tmp_path)) / "sea.shp"


def survives(path: Path, folder: Path) -> str:
    """Extract from a damaged file; say whether it gave all features, fewer, or a failure."""
    try:
        result = run(path, folder)
    except MarineMapError as error:
        assert str(error)
        return "named failure"
    return "whole" if result.features_written == len(BOXES) else "fewer"


@pytest.mark.parametrize("percent", range(0, 100, 5))
def test_cut_shp_is_a_named_failure(shapefile: Path, tmp_path: Path, percent: int) -> None:
    data = shapefile.read_bytes()
    shapefile.write_bytes(data[: len(data) * percent // 100])
    assert survives(shapefile, tmp_path) == "named failure"


@pytest.mark.parametrize("suffix", [".dbf", ".shx"])
@pytest.mark.parametrize("percent", range(0, 100, 10))
def test_cut_companion_gives_no_fewer_features_in_silence(
    shapefile: Path, tmp_path: Path, suffix: str, percent: int
) -> None:
    target = shapefile.with_suffix(suffix)
    data = target.read_bytes()
    target.write_bytes(data[: len(data) * percent // 100])
    assert survives(shapefile, tmp_path) in ("named failure", "whole")


def test_flipped_bytes_never_crash(shapefile: Path, tmp_path: Path) -> None:
    chance = random.Random(4)
    whole = {part.name: part.read_bytes() for part in shapefile.parent.glob("sea.*")}
    seen: Counter[str] = Counter()
    for number in range(MUTANTS):
        folder = tmp_path / f"mutant-{number}"
        folder.mkdir()
        for name, data in whole.items():
            (folder / name).write_bytes(data)
        target = folder / chance.choice(["sea.shp", "sea.shx", "sea.dbf", "sea.prj"])
        data = bytearray(target.read_bytes())
        for _ in range(chance.choice([1, 4, 16])):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        target.write_bytes(data)
        seen[survives(folder / "sea.shp", folder)] += 1
        shutil.rmtree(folder)
    assert seen["whole"] and seen["named failure"], seen
