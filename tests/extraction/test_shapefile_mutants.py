"""Damaged shapefiles as sources: what the file says, or a named failure; never less, no crash.

The oracle is a reader of a few lines that shares nothing with the engine. Where a flipped bit
makes another sound file (a coordinate within its box, a letter of a text), the extract must hold
what that file now says.
"""

from __future__ import annotations

import random
import shutil
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyproj
import pytest
import shapely

from marinemap.errors import DatasetError, RequestError
from tests.extraction.layers import read, run, unpack, write_layer
from tests.extraction.plain_shapefile import PlainRow, read_rows
from tests.extraction.sizes import MUTANTS

PARTS = (".shp", ".shx", ".dbf", ".prj", ".cpg")
# Wider than the data, so that every feature passes as it is.
AREA = [-1.0, -1.0, 12.0, 12.0]
HOLE = shapely.box(3, 3, 4, 4)
POLYGONS = [
    shapely.box(1, 1, 9, 9).difference(HOLE),
    shapely.union(shapely.box(0, 0, 1, 0.5), shapely.box(5, 0, 6, 0.5)),
    *(shapely.box(x, y, x + 0.5, y + 0.5) for x in range(1, 6) for y in range(1, 6)),
]
NAMES = [f"récif {number} 珊瑚" for number in range(len(POLYGONS))]
FLIPS = MUTANTS or 150
STEP = 1 if MUTANTS else 4


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The parts of a sound shapefile, by suffix."""
    folder = tmp_path_factory.mktemp("whole")
    columns = {
        "number": pa.array(range(len(POLYGONS)), pa.int32()),
        "name": NAMES,
        "depth": pa.array([n / 7 for n in range(len(POLYGONS))]),
    }
    source = write_layer(folder / "a.gpkg", POLYGONS, columns, kind="MultiPolygon")
    path = unpack(run(source, folder)) / "sea.shp"
    return {suffix: path.with_suffix(suffix).read_bytes() for suffix in PARTS}


def outcome(parts: dict[str, bytes], folder: Path) -> str:
    """Extract from a shapefile of these parts; say ``correct``, or what was refused."""
    folder.mkdir()
    for suffix, data in parts.items():
        (folder / f"sea{suffix}").write_bytes(data)
    before = sorted(path.name for path in folder.iterdir())
    try:
        result = run(folder / "sea.shp", folder, AREA, full_copy=False)
    except (DatasetError, RequestError) as error:
        assert "sea" in str(error), "the failure names the file"
        assert sorted(path.name for path in folder.iterdir()) == before, "nothing is left over"
        return "named failure"
    made = unpack(result) / "sea.shp"
    crs = pyproj.CRS.from_wkt(made.with_suffix(".prj").read_text())
    if not crs.equals(pyproj.CRS(4326), ignore_axis_order=True):
        # A flipped digit makes another CRS, in which the features lie elsewhere.
        return "another CRS"
    (report,) = result.layers
    passed_over = [each.id for each in report.left_out]
    rows = read_rows(folder / "sea.shp", passed_over)
    check_same(made, rows)
    assert result.features_written + report.without_position + report.unreadable == len(rows)
    return f"correct{' but for what cannot be read' if passed_over else ''}"


def check_same(path: Path, expected: list[PlainRow]) -> None:
    geometries, columns = read(path)
    (number, text, depth) = list(columns)
    present = [row for row in expected if row.corners]
    assert len(geometries) == len(present)
    for index, row in enumerate(present):
        found = sorted(tuple(xy) for xy in shapely.get_coordinates(geometries[index]).tolist())
        assert found == row.corners
        texts = list(row.texts.values())
        assert as_number(texts[0]) == columns[number][index]
        assert texts[1].decode() == (columns[text][index] or "")
        assert as_number(texts[2]) == pytest.approx(columns[depth][index], rel=1e-14, nan_ok=True)


def as_number(text: bytes) -> float | None:
    return float(text) if text.strip(b"*") else None


@pytest.mark.fuzz
@pytest.mark.parametrize("suffix", PARTS)
def test_part_cut_at_each_percent_is_correct_or_a_named_failure(
    whole: dict[str, bytes], tmp_path: Path, suffix: str
) -> None:
    seen: Counter[str] = Counter()
    data = whole[suffix]
    for percent in range(0, 100, STEP):
        cut = {**whole, suffix: data[: len(data) * percent // 100]}
        seen[outcome(cut, tmp_path / f"{percent}")] += 1
    print(f"\n{suffix} cut at each percent, as a source: {dict(seen)}")
    # Of a .dbf only the mark at its end may go; of a CRS or an encoding nothing.
    assert seen["correct"] == 0
    shutil.rmtree(tmp_path)


@pytest.mark.fuzz
@pytest.mark.parametrize("suffix", PARTS)
def test_flipped_bytes_are_correct_or_a_named_failure(
    whole: dict[str, bytes], tmp_path: Path, suffix: str
) -> None:
    chance = random.Random(suffix)
    seen: Counter[str] = Counter()
    for number in range(FLIPS // len(PARTS)):
        data = bytearray(whole[suffix])
        for _ in range(chance.choice([1, 1, 4, 16])):
            # One bit, or a byte that is anything.
            place, bit = chance.randrange(len(data)), 1 << chance.randrange(8)
            data[place] = data[place] ^ bit if chance.random() < 0.5 else chance.randrange(256)
        try:
            seen[outcome({**whole, suffix: bytes(data)}, tmp_path / f"{number}")] += 1
        except AssertionError as error:
            changed = [i for i, b in enumerate(whole[suffix]) if data[i] != b]
            raise AssertionError(f"{suffix} number {number}, bytes {changed}") from error
    print(f"\n{suffix} with flipped bytes, as a source: {dict(seen)}")
    assert seen["named failure"]
    shutil.rmtree(tmp_path)


@pytest.mark.parametrize("suffix", [".shx", ".dbf"])
def test_shapefile_without_a_part_is_refused_by_name(
    whole: dict[str, bytes], tmp_path: Path, suffix: str
) -> None:
    for name, data in whole.items():
        (tmp_path / f"sea{name}").write_bytes(data)
    (tmp_path / f"sea{suffix}").unlink()
    with pytest.raises(DatasetError, match=f"no {suffix} beside it"):
        run(tmp_path / "sea.shp", tmp_path)
