"""FlatGeobuf on a server: the same as here, from few ranges, and each fault by its name."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyogrio
import pytest
import shapely

from marinemap.errors import DatasetError, MarineMapError, UnavailableError
from marinemap.extraction import (
    Division,
    ExtractionRequest,
    Remote,
    SourceLayer,
    describe,
    estimate,
    extract,
    find_zones,
    help_extract,
)
from marinemap.extraction.flatgeobuf.index import PackedIndex
from marinemap.extraction.layers.servable import check_servable
from marinemap.extraction.pages.page import Wanted, read_page
from marinemap.extraction.sources.flatgeobuf_header import (
    NODE,
    feature_count,
    header_end,
    level_sizes,
)
from marinemap.extraction.sources.source_files import SourceChangedError, unchanged
from tests.extraction.parquet_files import squares
from tests.extraction.test_geoparquet_source import AREA, named
from tests.extraction.test_remote import FAULTS, in_order
from tests.range_server import RangeServer, running_server

# Their index has more nodes than are fetched with the header.
COUNT = 9_000
SMALL = [0.305, 0.305, 0.445, 0.445]
WHOLE = [-1, -1, 2, 2]
N3 = {"op": "=", "args": [{"property": "name"}, "n3"]}
MOMENTS = ("2024-01-01T12:00:00+05:30", "2024-06-01T12:00:00+05:30")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RangeServer]:
    with running_server(tmp_path_factory.mktemp("server")) as server:
        write(server.folder / "reefs.fgb", COUNT)
        yield server


@pytest.fixture
def server(running: RangeServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[RangeServer]:
    with in_order(running, monkeypatch):
        yield running


def write(path: Path, count: int, *, geometries: Any = None, **options: Any) -> Path:
    """Write squares, a hundredth of a degree apart, with numbers, names and moments."""
    found = geometries
    if found is None:
        found = squares(max(count, 4))[:count]
        found[3:4] = shapely.box(0.03, 0, 0.038, 0.008)
    columns = {**named(count), "seen": pa.array([MOMENTS[n % 2] for n in range(count)])}
    columns["seen"] = columns["seen"].cast(pa.timestamp("ms", "+05:30"))
    table = pa.table({**columns, "wkb": pa.array(shapely.to_wkb(found), pa.binary())})
    path.unlink(missing_ok=True)
    pyogrio.write_arrow(
        table,
        path,
        driver="FlatGeobuf",
        geometry_name="wkb",
        geometry_type=options.pop("geometry_type", "Polygon"),
        crs=options.pop("crs", "OGC:CRS84"),
        layer="coral",
        layer_options=options,
    )
    return path


def remote(server: RangeServer, name: str = "reefs.fgb") -> Remote:
    return Remote.parse(f"{server.address}/{name}")


def layer_of(path: Any, out: Path, area: Any = AREA, **options: Any) -> Any:
    layer = SourceLayer("reefs", path, **options.pop("choices", {}))
    request = ExtractionRequest([layer], area, out, **{"format": "geojson", **options})
    return extract(request).layers[0]


@pytest.mark.parametrize(
    ("area", "options"),
    [
        (SMALL, {}),
        (AREA, {"format": "shapefile"}),
        (AREA, {"crs": "EPSG:3857", "format": "geopackage"}),
        (WHOLE, {"format": "flatgeobuf"}),
        (SMALL, {"choices": {"fields": ["name"], "filter": N3}}),
        ([50, 50, 51, 51], {}),
    ],
    ids=["box", "polygon", "projected", "whole", "filtered", "nothing"],
)  # fmt: skip
def test_extract_is_that_of_the_file_here(
    server: RangeServer, tmp_path: Path, area: Any, options: dict[str, Any]
) -> None:
    here = tmp_path / "reefs.fgb"
    shutil.copy(server.folder / "reefs.fgb", here)
    known = layer_of(here, tmp_path / "here.zip", area, **options)
    found = layer_of(remote(server), tmp_path / "there.zip", area, **options)
    assert found.features_written == known.features_written
    assert (tmp_path / "there.zip").read_bytes() == (tmp_path / "here.zip").read_bytes()


def test_area_across_180_degrees_in_another_crs(server: RangeServer, tmp_path: Path) -> None:
    points = shapely.points(np.linspace(-2e7, 2e7, 5_000), np.linspace(-1e6, 1e6, 5_000))
    path = write(
        server.folder / "world.fgb", 5_000, geometries=points, crs="EPSG:3857",
        geometry_type="Point",
    )  # fmt: skip
    shutil.copy(path, tmp_path / "world.fgb")
    area = [170.0, -20.0, -170.0, 20.0]
    known = layer_of(tmp_path / "world.fgb", tmp_path / "here.zip", area)
    found = layer_of(remote(server, "world.fgb"), tmp_path / "there.zip", area)
    assert found.features_written == known.features_written > 100
    assert found.features_read < 1_000
    assert (tmp_path / "there.zip").read_bytes() == (tmp_path / "here.zip").read_bytes()


def test_little_of_the_file_is_fetched_for_a_small_area(server: RangeServer) -> None:
    size = (server.folder / "reefs.fgb").stat().st_size
    place = remote(server)
    dataset = describe(place)
    before = len(server.requests())
    found = PackedIndex(place).count([(0.305, 0.305, 0.445, 0.445)])
    assert 100 < found < 400
    page = read_page(dataset, "state", Wanted(limit=5, box=(0.31, 0.31, 0.32, 0.32)))
    assert sum(len(part.ids) for part in page.parts) == 4
    asked = [headers for _, headers in server.requests()[before:]]
    fetched = sum(_length(headers, size) for headers in asked)
    assert fetched < size / 3 and len(asked) < 20


def test_estimate_with_a_filter_takes_few_requests(server: RangeServer) -> None:
    write(server.folder / "large.fgb", 60_000)
    place = remote(server, "large.fgb")
    describe(place)
    before = len(server.requests())
    layer = SourceLayer("reefs", place, filter=N3)
    (found,) = estimate(ExtractionRequest([layer], WHOLE, Path("none.zip"), format="geojson"))
    assert found.features == pytest.approx(60_000 / 7, rel=0.5)
    assert len(server.requests()) - before < 60


def _length(headers: dict[str, str], size: int) -> int:
    first, last = headers["Range"].removeprefix("bytes=").split("-")
    return min(int(last), size - 1) - int(first) + 1


def test_described_as_here_and_paged_alike(server: RangeServer) -> None:
    here = describe(server.folder / "reefs.fgb")
    there = describe(remote(server), "coral")
    for one, other in zip((here, there), (there, here), strict=True):
        assert (one.layer, one.bounds, one.fields, one.crs, one.geometry_type) == (
            other.layer, other.bounds, other.fields, other.crs, other.geometry_type,
        )  # fmt: skip
    assert find_zones(there) == find_zones(here) == {"seen": "+05:30"}
    wishes = (Wanted(limit=5, box=(0.1, 0.1, 0.115, 0.115)), Wanted(limit=5, after=6_543))
    for wanted in wishes:
        pages = [read_page(dataset, "state", wanted) for dataset in (here, there)]
        ids = [[n for part in page.parts for n in part.ids.tolist()] for page in pages]
        assert ids[0] == ids[1] and ids[0]
    with pytest.raises(DatasetError, match="holds the layer 'coral', not 'sand'"):
        describe(remote(server), "sand")


@pytest.mark.parametrize("area", [SMALL, WHOLE])
def test_estimate_holds(server: RangeServer, tmp_path: Path, area: list[float]) -> None:
    place = remote(server)
    for choices in ({}, {"filter": N3}):
        layer = SourceLayer("reefs", place, **choices)
        (told,) = estimate(ExtractionRequest([layer], area, tmp_path / "unused.zip"))
        true = layer_of(place, tmp_path / "out.zip", area, choices=choices).features_written
        assert told.features_at_least <= true <= told.features_at_most
        assert abs(told.features - true) <= 0.15 * max(true, 1) + 10 or choices


@pytest.mark.parametrize(
    ("kind", "details", "error", "words"),
    [fault for fault in FAULTS if fault[0] in ("cut", "gzip", "shifted", "whole")],
)
def test_fault_has_its_name_and_leaves_no_archive(
    server: RangeServer,
    tmp_path: Path,
    kind: str,
    details: dict[str, Any],
    error: type[MarineMapError],
    words: str,
) -> None:
    place = remote(server)
    describe(place)
    server.fail(kind, after=3, **details)
    with pytest.raises(error, match=words.replace("reefs.parquet", "reefs.fgb")):
        layer_of(place, tmp_path / "out.zip", WHOLE)
    assert not list(tmp_path.iterdir())


def test_file_that_changes_amid_an_extract_is_read_again(
    server: RangeServer, tmp_path: Path
) -> None:
    server.fail("weak", after=6)
    assert layer_of(remote(server), tmp_path / "out.zip", WHOLE).features_written == COUNT


def test_pieces_of_others_are_of_the_same_state(server: RangeServer, tmp_path: Path) -> None:
    parts, made = tmp_path / "parts", list[int]()

    def ask(name: str) -> ExtractionRequest:
        layer = SourceLayer("reefs", remote(server))
        return ExtractionRequest([layer], WHOLE, tmp_path / name, format="geojson")

    def help_whole(pieces: int) -> None:
        made.append(help_extract(ask("helped.zip"), parts))

    extract(ask("alone.zip"))
    extract(ask("helped.zip"), division=Division(parts, 1, help_whole))
    assert made == [2]
    assert (tmp_path / "helped.zip").read_bytes() == (tmp_path / "alone.zip").read_bytes()


def doctored(
    server: RangeServer, name: str, change: Callable[[Any, Any, bytearray], None]
) -> Remote:
    """Return the file with its nodes, leaves or bytes changed."""
    data = bytearray((server.folder / "reefs.fgb").read_bytes())
    head = np.frombuffer(bytes(data[:4096]), np.uint8)
    begin, count = header_end(head), feature_count(head)
    total = sum(level_sizes(count, 16))
    nodes = np.frombuffer(data, NODE, total, begin)
    change(nodes, nodes[total - count :], memoryview(data)[begin + total * NODE.itemsize :])
    (server.folder / name).write_bytes(data)
    return remote(server, name)


def _shrink_inner(nodes: Any, leaves: Any, features: Any) -> None:
    nodes["box"][1] = nodes["box"][1] * [1, 1, 0.5, 0.5]


def _shrink_last_parent(nodes: Any, leaves: Any, features: Any) -> None:
    nodes["box"][len(nodes) - len(leaves) - 1] = [0.5, 0.5, 0.5001, 0.5001]


def _shrink_leaf(nodes: Any, leaves: Any, features: Any) -> None:
    leaves["box"][6_900, 2] = leaves["box"][6_900, 0]


def _lead_outside(nodes: Any, leaves: Any, features: Any) -> None:
    leaves["offset"][6_900] = 1 << 63


def _lead_back(nodes: Any, leaves: Any, features: Any) -> None:
    leaves["offset"][6_900] = leaves["offset"][6_000]


def _shift(nodes: Any, leaves: Any, features: Any) -> None:
    leaves["offset"][6_900] += 8


def _lengthen(nodes: Any, leaves: Any, features: Any) -> None:
    at = int(leaves["offset"][6_900])
    features[at : at + 4] = struct.pack("<I", 1 << 31)


def _break_feature(nodes: Any, leaves: Any, features: Any) -> None:
    at = int(leaves["offset"][6_900]) + 4
    features[at : at + 16] = b"\xff" * 16


def _no_extent(nodes: Any, leaves: Any, features: Any) -> None:
    nodes["box"][0] = np.nan


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_shrink_inner, "a box that does not hold those below it"),
        (_shrink_last_parent, "a box that does not hold those below it"),
        (_shrink_leaf, "a box that does not hold its feature"),
        (_lead_outside, "points outside of it"),
        (_lead_back, "points outside of it, or twice"),
        (_shift, "does not fit its features"),
        (_lengthen, "does not fit its features"),
        (_break_feature, "cannot be read|gives"),
        (_no_extent, "without an extent"),
    ],
)
def test_damaged_index_or_feature_has_its_name(
    server: RangeServer, tmp_path: Path, change: Any, words: str
) -> None:
    place = doctored(server, f"{change.__name__}.fgb", change)
    with pytest.raises(DatasetError, match=words):
        layer_of(place, tmp_path / "out.zip", WHOLE)
    assert not list(tmp_path.iterdir())
    with pytest.raises(DatasetError, match=words):
        check_servable(describe(place))


@pytest.mark.parametrize("size", [0, 11, 40, 30_000, 900_000, -1])
def test_cut_file_is_named(server: RangeServer, tmp_path: Path, size: int) -> None:
    whole = (server.folder / "reefs.fgb").read_bytes()
    (server.folder / f"cut{size}.fgb").write_bytes(whole[:size])
    with pytest.raises(DatasetError):
        layer_of(remote(server, f"cut{size}.fgb"), tmp_path / "out.zip", WHOLE)


def test_file_without_index_is_refused(server: RangeServer) -> None:
    write(server.folder / "plain.fgb", 10, SPATIAL_INDEX="NO")
    with pytest.raises(DatasetError, match="has no spatial index") as refused:
        describe(remote(server, "plain.fgb"))
    assert "SPATIAL_INDEX=YES" in refused.value.in_full


@pytest.mark.parametrize("count", [1, 17, 257])
def test_small_files_are_read(server: RangeServer, tmp_path: Path, count: int) -> None:
    write(server.folder / f"small{count}.fgb", count)
    found = layer_of(remote(server, f"small{count}.fgb"), tmp_path / "out.zip", WHOLE)
    assert found.features_written == count
    check_servable(describe(remote(server, f"small{count}.fgb")))


def test_moments_of_differing_zones_are_those_of_the_file_here(
    server: RangeServer, tmp_path: Path
) -> None:
    """Only who has read all of them knows what zone they are to be told in."""
    path = server.folder / "zones.fgb"
    moments = np.full(600, "2024-01-01T12:00:00", "datetime64[ms]")
    # As GDAL tells zones: 100 for UTC, and one more for each quarter of an hour.
    zones = np.where(np.arange(600) % 2, 104, 108)
    path.unlink(missing_ok=True)
    pyogrio.raw.write(
        path, shapely.to_wkb(shapely.points(np.arange(600) / 1000, 0.5)), [moments], ["seen"],
        gdal_tz_offsets={"seen": zones}, driver="FlatGeobuf", geometry_type="Point",
        crs="OGC:CRS84",
    )  # fmt: skip
    assert find_zones(describe(path)) == {"seen": "UTC"}
    shutil.copy(path, tmp_path / "zones.fgb")
    area = [0, 0, 0.05, 1]
    layer_of(tmp_path / "zones.fgb", tmp_path / "here.zip", area)
    layer_of(remote(server, "zones.fgb"), tmp_path / "there.zip", area)
    assert (tmp_path / "there.zip").read_bytes() == (tmp_path / "here.zip").read_bytes()


def test_server_that_is_away_is_told(server: RangeServer, tmp_path: Path) -> None:
    server.fail("status", status=503)
    with pytest.raises(UnavailableError, match="answers 503"):
        layer_of(remote(server), tmp_path / "out.zip")


def test_replaced_file_is_told(server: RangeServer) -> None:
    path = write(server.folder / "moving.fgb", 300)
    place = remote(server, "moving.fgb")
    with unchanged(place) as pinned:
        write(path, 400)
        with pytest.raises(SourceChangedError, match="moving.fgb was changed"):
            describe(pinned)
    assert describe(place).feature_count == 400
