"""Each file stands in an archive once, whatever the format and whatever it loses."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
import shapely

from marinemap.errors import ServiceError
from marinemap.extraction import FORMATS, ExtractionRequest, SourceLayer, extract
from marinemap.extraction.extracts.archive import new_archive
from marinemap.extraction.reading.read import Source
from tests.extraction.layers import read, run, unpack, write_layer

BOX = shapely.box(1, 1, 2, 2)
LOSSY = {
    "note": ["x" * 300],
    "when": pa.array([datetime(2026, 1, 2, 3, 4, tzinfo=UTC)]),
    "large": pa.array([2**60], pa.int64()),
    "day": pa.array([10_000], pa.date32()),
}


@pytest.mark.parametrize("name", FORMATS)
def test_lossy_extract_has_each_member_once(tmp_path: Path, name: str) -> None:
    source = write_layer(tmp_path / "source.gpkg", [BOX], LOSSY, kind="Polygon")
    result = run(source, tmp_path, format=name)
    names = zipfile.ZipFile(result.archive).namelist()
    assert len(names) == len({each.lower() for each in names})
    assert len(set(result.layers[0].files)) == len(result.layers[0].files)
    assert set(result.layers[0].files) < set(names)


@pytest.mark.parametrize("name", FORMATS)
def test_files_can_be_unpacked_on_windows_and_named_in_a_shell(tmp_path: Path, name: str) -> None:
    source = write_layer(tmp_path / "source.gpkg", [BOX], kind="Polygon")
    given = ["CON", "nul", "Com1", "con-1", "-rf", "_rf"]
    layers = [SourceLayer(each, source) for each in given]
    result = extract(ExtractionRequest(layers, [0, 0, 9, 9], tmp_path / "a.zip", format=name))
    assert len(result.layers) == len(given)
    members = zipfile.ZipFile(result.archive).namelist()
    stems = {member.partition(".")[0].lower() for member in members}
    assert stems >= {"con-2", "nul-1", "com1-1", "con-1", "_rf-1", "_rf"}
    assert not stems & {"con", "nul", "com1", "-rf"}


def test_archive_refuses_a_second_member_of_a_name(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match=r"Readme\.TXT"), new_archive(tmp_path / "a.zip") as zip_:
        zip_.add_text("README.txt", "one")
        zip_.add_text("Readme.TXT", "two")
    assert list(tmp_path.iterdir()) == []


def test_columns_of_large_integers_take_one_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = []
    true_batches = Source.batches

    def counted(self: Source) -> object:
        passes.append(self.name)
        return true_batches(self)

    monkeypatch.setattr(Source, "batches", counted)
    large = {f"id_{i}": pa.array([2**60 + i, None, -(2**63)], pa.int64()) for i in range(30)}
    small = {"small": pa.array([1, None, 3], pa.int64())}
    source = write_layer(tmp_path / "source.gpkg", [BOX] * 3, large | small, kind="Polygon")
    folder = unpack(run(source, tmp_path, full_copy=False))
    assert len(passes) == 1
    _, columns = read(folder / "sea.shp")
    for i in range(30):
        assert columns[f"id_{i}"] == [str(2**60 + i), None, str(-(2**63))]
    assert columns["small"][::2] == [1, 3]
