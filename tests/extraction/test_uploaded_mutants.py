"""Damaged shapefiles as uploaded areas: the area that the file says, or a named refusal."""

from __future__ import annotations

import random
import zipfile
from collections import Counter
from pathlib import Path

import pytest
import shapely

from marinemap.errors import RequestError
from marinemap.extraction import read_area_file
from tests.extraction.layers import write_layer
from tests.extraction.plain_shapefile import read_rows
from tests.extraction.sizes import MUTANTS

PARTS = (".shp", ".shx", ".dbf", ".prj", ".cpg")
# Apart from one another, so that none is joined with its neighbour.
SQUARES = [shapely.box(x, y, x + 0.5, y + 0.5) for x in range(3) for y in range(3)]
# What a flipped bit may leave: a sound file of another outline or unit, judged as any area.
OF_THE_OUTLINE = ("coordinate", "off the globe", "a geometry in the file is broken", "to degrees")
FLIPS = MUTANTS or 20
STEP = 1 if MUTANTS else 25


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The parts of a sound shapefile, by suffix."""
    path = tmp_path_factory.mktemp("whole") / "sea.shp"
    write_layer(path, SQUARES, driver="ESRI Shapefile")
    path.with_suffix(".cpg").write_text("UTF-8")
    return {suffix: path.with_suffix(suffix).read_bytes() for suffix in PARTS}


def outcome(parts: dict[str, bytes], whole: dict[str, bytes], folder: Path) -> str:
    """Read a zip of these parts as an area; say ``correct``, or what was refused."""
    upload = folder / "upload"
    with zipfile.ZipFile(upload, "w") as archive:
        for suffix, data in parts.items():
            archive.writestr(f"sea{suffix}", data)
            (folder / f"sea{suffix}").write_bytes(data)
    try:
        area = read_area_file(upload)
    except RequestError as error:
        assert any(word in str(error) for word in (*PARTS, *OF_THE_OUTLINE)), str(error)
        return "named failure"
    if parts[".prj"] != whole[".prj"]:
        # A flipped digit makes another CRS, a flipped letter only another name.
        return "taken"
    outlines = [shapely.Polygon(row.outline) for row in read_rows(folder / "sea.shp")]
    if area.notes:
        assert not all(outline.is_valid for outline in outlines)
        return "repaired, with a note"
    assert shapely.equals(area.geometry, shapely.union_all(outlines))
    return "correct"


@pytest.mark.fuzz
@pytest.mark.parametrize("suffix", PARTS)
def test_part_cut_at_each_percent_is_refused_by_name(
    whole: dict[str, bytes], tmp_path: Path, suffix: str
) -> None:
    data = whole[suffix]
    seen: Counter[str] = Counter()
    for percent in range(0, 100, STEP):
        seen[outcome({**whole, suffix: data[: len(data) * percent // 100]}, whole, tmp_path)] += 1
    print(f"\n{suffix} cut at each percent, as an area: {dict(seen)}")
    assert list(seen) == ["named failure"]


@pytest.mark.fuzz
@pytest.mark.parametrize("suffix", PARTS)
def test_flipped_bytes_are_the_area_or_a_named_failure(
    whole: dict[str, bytes], tmp_path: Path, suffix: str
) -> None:
    chance = random.Random(suffix)
    seen: Counter[str] = Counter()
    for number in range(FLIPS // len(PARTS)):
        data = bytearray(whole[suffix])
        for _ in range(chance.choice([1, 1, 4])):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        try:
            seen[outcome({**whole, suffix: bytes(data)}, whole, tmp_path)] += 1
        except AssertionError as error:
            changed = [i for i, byte in enumerate(whole[suffix]) if data[i] != byte]
            raise AssertionError(f"{suffix} number {number}, bytes {changed}") from error
    print(f"\n{suffix} with flipped bytes, as an area: {dict(seen)}")
