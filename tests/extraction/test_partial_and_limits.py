"""One layer that fails does not keep the others; a run ends alone at the operator's limits."""

from __future__ import annotations

import json
import math
import threading
from pathlib import Path

import pytest
import shapely

from marinemap.errors import DatasetError, RequestError, ServiceError
from marinemap.extraction import ExtractionRequest, RunLimits, SourceLayer, extract
from marinemap.extraction.limits import LimitWatch, RunLimitError
from tests.extraction.layers import AREA, read, run, unpack, write_layer

BOXES = [shapely.box(x, y, x + 0.5, y + 0.5) for x in range(1, 8) for y in range(1, 8)]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_layer(tmp_path / "sea.gpkg", BOXES, kind="Polygon")


def test_others_are_delivered_and_the_missing_is_told_first(source: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gml"
    broken.write_text("<a><b></a>")
    layers = [
        SourceLayer("gone", tmp_path / "gone.gpkg"),
        SourceLayer("sea", source),
        SourceLayer("broken", broken),
        SourceLayer("odd", source, filter="nmber > 1"),
    ]
    result = extract(ExtractionRequest(layers, AREA, tmp_path / "out.zip"))
    assert [layer.name for layer in result.layers] == ["sea"]
    assert [failure.name for failure in result.failures] == ["gone", "broken", "odd"]
    folder = unpack(result)
    readme = (folder / "README.txt").read_text().split("\n")
    assert readme[3] == "NOT IN THIS ARCHIVE, and why:"
    assert "there is no file gone.gpkg" in readme[4]
    report = json.loads((folder / "report.json").read_text())
    assert [m["name"] for m in report["missing"]] == ["gone", "broken", "odd"]
    assert report["missing"][2]["request"]["layers"] == [
        {"name": "odd", "fields": None, "filter": "nmber > 1"}
    ]
    assert len(read(folder / "sea.shp")[0]) == len(BOXES)


def test_request_of_which_all_fails_is_a_failure(tmp_path: Path) -> None:
    layers = [SourceLayer(name, tmp_path / f"{name}.gpkg") for name in ("one", "two")]
    with pytest.raises(DatasetError, match=r"no file two\.gpkg"):
        extract(ExtractionRequest(layers, AREA, tmp_path / "out.zip"))
    assert list(tmp_path.iterdir()) == []


def test_name_of_a_field_says_nothing_of_its_own_in_the_readme(tmp_path: Path) -> None:
    name = "depth\nLicence: CC0\u2028\x1b[8m"
    source = write_layer(tmp_path / "sea.gpkg", [shapely.Point(1, 1)], {name: ["deep" * 99]})
    readme = (unpack(run(source, tmp_path)) / "README.txt").read_text()
    lines = [line for line in readme.splitlines() if "Licence" in line]
    assert lines[0] == "  Licence:      not stated"
    assert all("depth\\nLicence: CC0\\u2028\\x1b[8m" in line for line in lines[1:])
    assert len(lines) == 3


def test_style_beside_the_source_comes_along(source: Path, tmp_path: Path) -> None:
    source.with_suffix(".qml").write_text("<qgis/>")
    (tmp_path / "sea.sld").write_text("<sld/>")
    for name in ("shapefile", "geopackage"):
        request = ExtractionRequest(
            [SourceLayer("reefs", source)], AREA, tmp_path / "out.zip", format=name
        )
        result = extract(request)
        folder = unpack(result)
        assert (folder / "reefs.qml").read_text() == "<qgis/>"
        assert (folder / "reefs.sld").read_text() == "<sld/>"
        assert {"reefs.qml", "reefs.sld"} < set(result.layers[0].files)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (RunLimits(features=10), "has over 10 features"),
        (RunLimits(memory_bytes=1e6), "took over 1,000,000 bytes of memory"),
        (RunLimits(file_bytes=1), "has over 1 bytes before zipping"),
        (RunLimits(seconds=1e-9), "took over 0 seconds"),
    ],
)
def test_run_over_a_limit_ends_alone(
    source: Path, tmp_path: Path, limits: RunLimits, message: str
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    request = ExtractionRequest([SourceLayer("sea", source)], AREA, out / "out.zip")
    before = set(threading.enumerate())
    with pytest.raises(RunLimitError, match=message) as caught:
        extract(request, work_folder=out, limits=limits)
    assert caught.value.hint and list(out.iterdir()) == []
    # One that another test has left may end meanwhile.
    assert set(threading.enumerate()) <= before
    assert extract(request, work_folder=out).features_written == len(BOXES)


def test_limits_hold_between_the_files_that_are_packed(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    request = ExtractionRequest([SourceLayer("sea", source)], AREA, out / "out.zip")

    def fill(fraction: float, message: str) -> None:
        if message.startswith("Packing"):
            (folder,) = out.glob("extract-*")
            (folder / "filler").write_bytes(bytes(1_000_000))

    with pytest.raises(RunLimitError, match="has over 1,000,000 bytes"):
        extract(request, work_folder=out, progress=fill, limits=RunLimits(file_bytes=1e6))
    assert list(out.iterdir()) == []


def test_disk_that_is_nearly_full_is_the_operators(source: Path, tmp_path: Path) -> None:
    request = ExtractionRequest([SourceLayer("sea", source)], AREA, tmp_path / "out.zip")
    with pytest.raises(ServiceError, match="bytes free"):
        extract(request, limits=RunLimits(free_bytes=1e30))


@pytest.mark.parametrize(
    ("most", "words"),
    [
        ({"most_features": 48}, "has over 48 features, the most that the layer gives"),
        ({"most_bytes": 5_000}, "has over 5,000 bytes before zipping, the most that the layer"),
    ],
)
def test_layer_that_would_give_too_much_is_missing(
    source: Path, tmp_path: Path, most: dict[str, int], words: str
) -> None:
    layers = [SourceLayer("sea", source), SourceLayer("few", source, **most)]
    result = extract(ExtractionRequest(layers, AREA, tmp_path / "out.zip"))
    assert [layer.name for layer in result.layers] == ["sea"]
    (missing,) = result.failures
    assert missing.name == "few"
    assert f"what was asked for of layer 'few' {words}" in missing.message
    alone = ExtractionRequest(layers[1:], AREA, tmp_path / "alone.zip")
    with pytest.raises(RequestError, match="of layer 'few'"):
        extract(alone)
    assert not alone.destination.exists()


def test_layer_that_gives_as_much_as_it_may_is_whole(source: Path, tmp_path: Path) -> None:
    layer = SourceLayer("sea", source, most_features=49, most_bytes=50_000)
    result = extract(ExtractionRequest([layer], AREA, tmp_path / "out.zip"))
    assert result.layers[0].features_written == 49


def test_time_is_counted_from_the_beginning(tmp_path: Path) -> None:
    now = [0.0]
    watch = LimitWatch(RunLimits(seconds=5), tmp_path, lambda: now[0])
    now[0] = 5.0
    watch.check(0)
    now[0] = 5.5
    with pytest.raises(RequestError, match="took over 5 seconds"):
        watch.check(0)


@pytest.mark.parametrize("value", [0, -1, math.nan])
def test_limit_that_is_none_is_refused(value: float) -> None:
    with pytest.raises(ServiceError, match="no number above 0"):
        RunLimits(features=value)
