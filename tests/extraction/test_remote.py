"""GeoParquet on a server: the same as here, from few ranges, and each fault by its name."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from marinemap.errors import DatasetError, MarineMapError, UnavailableError
from marinemap.extraction import (
    Division,
    ExtractionRequest,
    Prefix,
    Remote,
    SourceLayer,
    allow_prefixes,
    content_version,
    describe,
    estimate,
    extract,
    fingerprint,
    help_extract,
)
from marinemap.extraction.pages.page import Wanted, read_page
from marinemap.extraction.remote import ranges as ranges_module
from marinemap.extraction.remote import states
from marinemap.extraction.remote.answers import pause_seconds
from marinemap.extraction.remote.ranges import Ranges, reading
from marinemap.extraction.sources.source_files import SourceChangedError, one_state, unchanged
from tests import storage_server
from tests.extraction.parquet_files import squares, write_parquet
from tests.extraction.test_geoparquet_source import AREA, named
from tests.range_server import RangeServer, running_server

COUNT = 20_000
# A hundredth of the squares.
SMALL = [0.305, 0.305, 0.445, 0.445]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RangeServer]:
    with running_server(tmp_path_factory.mktemp("server")) as server:
        write_parquet(
            server.folder / "reefs.parquet",
            squares(COUNT),
            named(COUNT),
            boxes="double",
            group_rows=1_000,
        )
        yield server


@contextmanager
def in_order(running: RangeServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[RangeServer]:
    """Have a server in order, allowed, and asked again without a pause."""
    monkeypatch.setattr(ranges_module, "_PAUSES_SECONDS", (0.0, 0.0, 0.0))
    monkeypatch.setattr(states, "_KNOWN_SECONDS", 0.0)
    allow(running, "/")
    yield running
    running.mend()
    allow_prefixes([])


@pytest.fixture
def server(running: RangeServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[RangeServer]:
    with in_order(running, monkeypatch):
        yield running


def allow(server: RangeServer, *paths: str, seconds: float = 10.0) -> None:
    allow_prefixes([Prefix.parse(server.address + path) for path in paths], seconds)


def remote(server: RangeServer, name: str = "reefs.parquet") -> Remote:
    return Remote.parse(f"{server.address}/{name}")


def layer_of(path: Any, out: Path, area: Any = AREA) -> Any:
    request = ExtractionRequest([SourceLayer("reefs", path)], area, out, format="geojson")
    return extract(request).layers[0]


def test_extract_is_that_of_the_file_here(server: RangeServer, tmp_path: Path) -> None:
    here = tmp_path / "reefs.parquet"
    shutil.copy(server.folder / "reefs.parquet", here)
    known = layer_of(here, tmp_path / "here.zip", SMALL)
    before = len(server.requests())
    found = layer_of(remote(server), tmp_path / "there.zip", SMALL)
    asked = [headers for _, headers in server.requests()[before:]]
    assert known.features_written > 100
    assert (tmp_path / "there.zip").read_bytes() == (tmp_path / "here.zip").read_bytes()
    assert found.features_read == known.features_read
    assert len(asked) < 40
    assert all("Range" in headers for headers in asked)
    # All but the looks for the state.
    assert sum("If-Match" in headers for headers in asked) > len(asked) / 2


def test_little_of_the_file_is_fetched_for_a_small_area(server: RangeServer) -> None:
    with one_state(remote(server)) as place, reading(place) as _:
        size = place.mark.size if isinstance(place, Remote) and place.mark else 0
    before = len(server.requests())
    request = ExtractionRequest(
        [SourceLayer("reefs", remote(server))], [0.1, 0.1, 0.12, 0.12], Path("unused.zip")
    )
    assert estimate(request)[0].features > 0
    fetched = sum(_length(headers, size) for _, headers in server.requests()[before:])
    assert fetched < size


def _length(headers: dict[str, str], size: int) -> int:
    first, last = headers["Range"].removeprefix("bytes=").split("-")
    return min(int(last), size - 1) - int(first) + 1


def test_pages_are_those_of_the_file_here(server: RangeServer) -> None:
    here = describe(server.folder / "reefs.parquet")
    there = describe(remote(server))
    assert (there.bounds, there.fields, there.crs) == (here.bounds, here.fields, here.crs)
    for wanted in (Wanted(limit=5, box=(0.1, 0.1, 0.115, 0.115)), Wanted(limit=5, after=12_345)):
        pages = [read_page(dataset, "state", wanted) for dataset in (here, there)]
        ids = [[n for part in page.parts for n in part.ids.tolist()] for page in pages]
        assert ids[0] == ids[1] and ids[0]


def sent(to: str) -> dict[str, Any]:
    return {"status": 302, "headers": {"Location": to}}


FAULTS: list[tuple[str, dict[str, Any], type[MarineMapError], str]] = [
    ("status", {"status": 403}, DatasetError, r"does not let this site read it \(403\)"),
    ("status", {"status": 404}, DatasetError, "there is no file"),
    ("status", {"status": 418}, DatasetError, "answers 418"),
    ("status", {"status": 416}, SourceChangedError, "was changed"),
    ("status", {"status": 500}, UnavailableError, "answers 500"),
    ("status", {"status": 429, "headers": {"Retry-After": "0"}}, UnavailableError, "answers 429"),
    ("status", sent("/reefs.parquet"), DatasetError, "without end"),
    ("status", sent("http://127.0.0.1:1/x"), DatasetError, "may not read"),
    ("status", sent("http://[::1/x"), DatasetError, "may not read"),
    ("whole", {}, DatasetError, "whole files only"),
    ("gzip", {}, DatasetError, "compressed"),
    ("cut", {}, UnavailableError, "ended its answer too soon"),
    ("weak", {}, SourceChangedError, "was changed"),
    ("shifted", {}, DatasetError, "another range"),
    ("ok", {"range": "bytes 0-0/*"}, DatasetError, "another range"),
    ("unmarked", {}, DatasetError, "neither ETag nor Last-Modified"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "details", "error", "words"), FAULTS)
def test_fault_has_its_name_and_never_gives_less(
    server: RangeServer, kind: str, details: dict[str, Any], error: type[MarineMapError], words: str
) -> None:
    with reading(remote(server)) as ranges:
        server.fail(kind, **details)
        with pytest.raises(error, match=words):
            ranges.read(0, 1_000)


def test_connection_is_used_again_without_a_failed_try(server: RangeServer) -> None:
    before = len(server.requests())
    with reading(remote(server)) as ranges:
        for first in range(5):
            ranges.read(first, 100)
        assert ranges.requests == len(server.requests()) - before == 6


@pytest.mark.parametrize("kind", ["mute", "trickle", "trickling head", "continuing"])
def test_slow_server_is_waited_for_no_longer_than_allowed(server: RangeServer, kind: str) -> None:
    with reading(remote(server)) as ranges:
        ranges.tries, ranges.seconds = 1, 0.5
        # Of a connection that has been made so long may be waited as was said by then.
        ranges.close()
        server.fail(kind)
        begun = time.monotonic()
        with pytest.raises(UnavailableError, match="silent"):
            ranges.read(0, 1_000)
        # The server is mute for 60 s, and trickles for longer.
        assert 0.4 < time.monotonic() - begun < 50


@pytest.mark.parametrize(("kind", "details"), [("status", {"status": 503}), ("cut", {})])
def test_passing_fault_is_asked_again(
    server: RangeServer, tmp_path: Path, kind: str, details: dict[str, Any]
) -> None:
    known = (server.folder / "reefs.parquet").read_bytes()
    with reading(remote(server)) as ranges:
        server.fail(kind, times=2, **details)
        assert ranges.read(100, 5_000) == known[100:5_100]


def test_changed_file_is_told_and_read_anew(server: RangeServer, tmp_path: Path) -> None:
    path = server.folder / "moving.parquet"
    write_parquet(path, squares(200), named(200), boxes="double")
    place = remote(server, "moving.parquet")
    marks = [fingerprint(place), content_version(place)]
    with unchanged(place) as pinned:
        write_parquet(path, squares(300), named(300), boxes="double")
        with pytest.raises(SourceChangedError, match="moving.parquet was changed"):
            describe(pinned)
    assert layer_of(place, tmp_path / "new.zip", [-1, -1, 2, 2]).features_written == 299
    assert fingerprint(place) != marks[0] and content_version(place) != marks[1]


def test_fault_amid_an_extract_leaves_no_archive(server: RangeServer, tmp_path: Path) -> None:
    server.fail("cut", after=8)
    with pytest.raises(UnavailableError, match="too soon"):
        layer_of(remote(server), tmp_path / "out.zip", [-1, -1, 2, 2])
    assert not list(tmp_path.iterdir())


def test_file_that_changes_amid_an_extract_is_read_again(
    server: RangeServer, tmp_path: Path
) -> None:
    server.fail("weak", after=8)
    layer = layer_of(remote(server), tmp_path / "out.zip", [-1, -1, 2, 2])
    assert layer.features_written == COUNT - 1
    assert [headers.get("If-Match") for _, headers in server.requests()].count(None) > 8


def test_pieces_of_others_are_of_the_same_state(server: RangeServer, tmp_path: Path) -> None:
    path, parts, made = server.folder / "shared.parquet", tmp_path / "parts", list[int]()
    whole = [-1, -1, 2, 2]

    def write(count: int) -> None:
        write_parquet(path, squares(count), named(count), boxes="double")

    def ask(name: str) -> ExtractionRequest:
        layer = SourceLayer("reefs", remote(server, "shared.parquet"))
        return ExtractionRequest([layer], whole, tmp_path / name, format="geojson")

    def help_whole(pieces: int) -> None:
        made.append(help_extract(ask("helped.zip"), parts))

    def change_first(pieces: int) -> None:
        if len(made) == 1:
            write(500)
        help_whole(pieces)

    write(400)
    extract(ask("alone.zip"))
    extract(ask("helped.zip"), division=Division(parts, 1, help_whole))
    assert made == [4]
    assert (tmp_path / "helped.zip").read_bytes() == (tmp_path / "alone.zip").read_bytes()
    extract(ask("helped.zip"), division=Division(parts, 1, change_first))
    extract(ask("alone.zip"))
    # Of another state than the owner's they made none; then both had the new one.
    assert made == [4, 0, 5]
    assert (tmp_path / "helped.zip").read_bytes() == (tmp_path / "alone.zip").read_bytes()


@pytest.mark.parametrize("size", [0, 3, 11, 5_000])
def test_cut_file_is_named(server: RangeServer, size: int) -> None:
    whole = (server.folder / "reefs.parquet").read_bytes()
    (server.folder / f"cut{size}.parquet").write_bytes(whole[:size])
    with pytest.raises(DatasetError):
        describe(remote(server, f"cut{size}.parquet"))


def test_file_without_boxes_is_refused(server: RangeServer) -> None:
    write_parquet(server.folder / "plain.parquet", squares(10))
    with pytest.raises(DatasetError, match="keeps no boxes"):
        describe(remote(server, "plain.parquet"))


@pytest.mark.parametrize(
    "path",
    ["/other/reefs.parquet", "/maps", "/mapsreefs.parquet", "/maps/../reefs.parquet",
     "/maps/%2e%2e/reefs.parquet", "/maps/%252e%252e/reefs.parquet", "/maps/..%2freefs.parquet",
     "/maps/a%5c..%5creefs.parquet", "/maps/a b.parquet", "/maps/a%3fb.parquet"],
)  # fmt: skip
def test_nothing_is_asked_of_what_is_not_allowed(server: RangeServer, path: str) -> None:
    allow(server, "/maps/")
    before = len(server.requests())
    with pytest.raises(DatasetError):
        describe(Remote.parse(server.address + path))
    assert len(server.requests()) == before


def test_nothing_is_allowed_by_default(server: RangeServer) -> None:
    allow_prefixes([])
    with pytest.raises(DatasetError, match="may not read") as refused:
        describe(remote(server))
    assert "MARINEMAP_SOURCE_PREFIXES" in refused.value.in_full


def test_redirect_within_what_is_allowed_is_followed(server: RangeServer) -> None:
    server.fail("status", status=307, headers={"Location": "/reefs.parquet"}, times=1)
    with reading(remote(server, "maps/moved.parquet")) as ranges:
        mark = ranges.remote.mark
    assert mark is not None and mark.size == (server.folder / "reefs.parquet").stat().st_size


def test_password_and_signature_go_to_the_server_and_nowhere_else(server: RangeServer) -> None:
    secret = server.address.replace("//", "//maps:pass%2Fword@") + "/?sig=se-cret"
    prefix = Prefix.parse(secret)
    allow_prefixes([prefix], 10)
    describe(remote(server))
    path, headers = server.requests()[-1]
    assert path == "/reefs.parquet?sig=se-cret"
    assert headers["Authorization"] == "Basic bWFwczpwYXNzL3dvcmQ="
    server.fail("status", status=403)
    with pytest.raises(DatasetError) as refused:
        fingerprint(remote(server))
    assert "secret" not in repr((prefix, refused.value, refused.value.in_full)).replace("-", "")
    for address in (secret, f"{server.address}/a.parquet?sig=s", "https://u@h/a.parquet"):
        with pytest.raises(DatasetError) as refused:
            Remote.parse(address)
        assert "sig" not in refused.value.message.replace("signature", "")


def test_object_of_a_bucket_is_read_with_a_signature(
    running: RangeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(states, "_KNOWN_SECONDS", 0.0)
    here = running.folder / "reefs.parquet"
    with storage_server.running_server() as endpoint:
        bucket = storage_server.make_bucket(endpoint, "maps")
        bucket.upload_file(str(here), "maps", "layers/reefs.parquet")
        keys = f"{storage_server.ACCESS_KEY}:{storage_server.SECRET_KEY}"
        allow_prefixes([Prefix.parse(f"s3://{keys}@maps/layers/?endpoint={endpoint}")])
        place = Remote.parse("s3://maps/layers/reefs.parquet")
        assert layer_of(place, tmp_path / "there.zip", SMALL).features_written > 100
        for wrong, words in (("gone.parquet", "no file"), ("../x.parquet", "no address")):
            with pytest.raises(DatasetError, match=words):
                describe(Remote.parse(f"s3://maps/layers/{wrong}"))
        allow_prefixes([Prefix.parse(f"s3://other:key@maps/layers/?endpoint={endpoint}")])
        with pytest.raises(DatasetError, match="does not let this site read it"):
            fingerprint(place)
    layer_of(here, tmp_path / "here.zip", SMALL)
    assert (tmp_path / "there.zip").read_bytes() == (tmp_path / "here.zip").read_bytes()


def test_server_that_is_away_is_asked_by_few(
    server: RangeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else every page of its layers holds a thread until it is given up."""
    monkeypatch.setattr(states, "_KNOWN_SECONDS", 60.0)
    monkeypatch.setattr(states, "_AWAY_TIMES", 2)
    server.fail("status", status=503)
    place = remote(server, "away.parquet")
    asked = []
    for _ in range(3):
        with pytest.raises(UnavailableError, match="answers 503"):
            fingerprint(place)
        asked.append(len(server.requests()))
    assert len(set(asked)) == 1
    server.mend()
    # A run looks by itself.
    with pytest.raises(DatasetError, match="no file"), unchanged(place):
        pass


def test_prefix_that_cannot_be_read_is_not_repeated() -> None:
    for prefix in (
        "https://maps:pa/ss@host/",
        "ftp://host/",
        "https://host/maps",
        "https://host/../",
    ):
        with pytest.raises(ValueError) as refused:
            Prefix.parse(prefix)
        assert "pa" not in str(refused.value).replace("path", "")


def test_page_of_a_slow_server_ends(server: RangeServer) -> None:
    place = remote(server)
    with one_state(place) as pinned:
        assert isinstance(pinned, Remote)
        late = pinned.until(time.monotonic() - 1)
        with pytest.raises(UnavailableError, match="longer than anybody waits"):
            Ranges(late, 10).read(0, 10)


def test_server_says_how_long_it_wants_to_be_left_alone() -> None:
    class Answer:
        def __init__(self, **headers: str) -> None:
            self.headers = headers

    def pause(**headers: str) -> float | None:
        return pause_seconds(Answer(**{k.replace("_", "-"): v for k, v in headers.items()}), 10)  # type: ignore[arg-type] # reads headers alone

    date = "Sun, 22 Nov 2026 12:00:00 GMT"
    assert pause(Retry_After="3") == 3
    assert pause(Retry_After="99999999") == 10
    assert pause(Retry_After="Sun, 22 Nov 2026 12:00:04 GMT", Date=date) == 4
    assert pause(Retry_After="soon") is None
    assert pause() is None
