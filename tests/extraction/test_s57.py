"""Nautical charts as sources: object classes as layers, soundings with depth, national letters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from marinemap.errors import DatasetError
from marinemap.extraction import (
    ExtractionRequest,
    SourceLayer,
    Wanted,
    attributes_schema,
    compile_filter,
    describe,
    extract,
    fingerprint,
    list_layers,
    read_one,
    read_page,
)
from tests.extraction.layers import read, unpack
from tests.extraction.s57_cell import write_chart

AREA = [0.0, 0.0, 4.0, 2.4]


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    return write_chart(tmp_path / "XX123456.000")


def test_each_object_class_is_a_layer(chart: Path) -> None:
    assert {"BOYLAT", "DEPARE", "SOUNDG"} < set(list_layers(chart))
    assert describe(chart, "SOUNDG").geometry_type == "3D Point"
    with pytest.raises(DatasetError, match="it is a table"):
        describe(chart, "DSID")


@pytest.mark.parametrize("name", ["shapefile", "geopackage", "filegdb"])
def test_chart_is_cut_to_an_area(chart: Path, tmp_path: Path, name: str) -> None:
    layers = [SourceLayer(c.lower(), chart, c) for c in ("BOYLAT", "DEPARE", "SOUNDG")]
    request = ExtractionRequest(layers, AREA, tmp_path / "out.zip", format=name)
    result = extract(request)
    assert [layer.features_written for layer in result.layers] == [1, 1, 2]
    folder = unpack(result)
    suffix = {"shapefile": "shp", "geopackage": "gpkg", "filegdb": "gdb"}[name]
    geometries, columns = read(folder / f"soundg.{suffix}")
    assert sorted(columns["DEPTH"]) == [5.5, 7.0]
    assert sorted(point.z for point in geometries) == [5.5, 7.0]
    _, columns = read(folder / f"boylat.{suffix}")
    assert (columns["OBJNAM"], columns["NOBJNM"]) == (["Récif Sud"], ["南礁"])
    (depare,) = folder.glob(f"depare*.{suffix}")
    polygons, columns = read(depare)
    assert (columns["DRVAL1"], columns["DRVAL2"]) == ([5.0], [20.0])
    assert polygons[0].area == pytest.approx(2 * 1.4, rel=1e-7)


def test_objects_say_which_they_belong_to(chart: Path, tmp_path: Path) -> None:
    layers = [SourceLayer(c.lower(), chart, c) for c in ("BOYLAT", "DEPARE")]
    request = ExtractionRequest(layers, AREA, tmp_path / "out.zip", format="geoparquet")
    folder = unpack(extract(request))
    buoy, area = (pq.read_table(folder / f"{n}.parquet").to_pylist() for n in ("boylat", "depare"))
    # Agency, number and subdivision of the object (S-57 part 3, 4.3).
    assert [row["LNAM"] for row in (*buoy, *area)] == ["021C000000020001", "021C000000010001"]
    assert [(row["LNAM_REFS"], row["FFPT_RIND"]) for row in buoy] == [(["021C000000010001"], [3])]
    assert [(row["LNAM_REFS"], row["FFPT_RIND"]) for row in area] == [(None, None)]


@pytest.mark.parametrize("percent", [5, 50, 95, 99])
def test_chart_that_is_cut_off_is_named(chart: Path, tmp_path: Path, percent: int) -> None:
    data = chart.read_bytes()
    chart.write_bytes(data[: len(data) * percent // 100])
    request = ExtractionRequest(
        [SourceLayer("soundg", chart, "SOUNDG")], AREA, tmp_path / "out.zip"
    )
    with pytest.raises(DatasetError, match=r"XX123456\.000"):
        extract(request)


def test_update_of_a_chart_changes_its_mark(chart: Path) -> None:
    before = fingerprint(chart)
    chart.with_suffix(".001").write_bytes(chart.read_bytes())
    assert fingerprint(chart) != before


def test_each_sounding_is_found_by_its_own_id(chart: Path) -> None:
    """GDAL gives all soundings of a record the record's."""
    soundings, mark = describe(chart, "SOUNDG"), fingerprint(chart)

    def depths(**wanted: Any) -> dict[int, float]:
        parts = read_page(soundings, mark, Wanted(**wanted)).parts
        found = [zip(part.ids, part.attributes["DEPTH"].to_pylist(), strict=True) for part in parts]
        return {int(number): depth for each in found for number, depth in each}

    whole = depths(limit=10)
    assert sorted(whole.values()) == [5.5, 7.0, 12.0]
    for number, depth in whole.items():
        one = read_one(soundings, number)
        assert one is not None and one.attributes["DEPTH"].to_pylist() == [depth]
    assert read_one(soundings, 3) is None and read_one(soundings, -1) is None
    east = depths(limit=10, box=(2.0, 1.0, 3.0, 3.0))
    assert east == {n: depth for n, depth in whole.items() if depth > 6}
    deep = compile_filter("DEPTH <> 7", attributes_schema(soundings))
    assert depths(limit=10, filters=[deep]) == {n: d for n, d in whole.items() if d != 7}
    first = read_page(soundings, mark, Wanted(limit=2, box=(1.0, 1.0, 3.0, 3.0)))
    rest = depths(limit=2, box=(1.0, 1.0, 3.0, 3.0), after=first.next_after)
    assert list(rest) == [n for n in whole if n not in first.parts[0].ids]
