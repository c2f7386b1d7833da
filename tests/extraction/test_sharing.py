"""One extraction by several processes: the same bytes, whoever made which piece of a layer."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely

from marinemap.extraction import (
    Division,
    ExtractionRequest,
    SourceLayer,
    extract,
    help_extract,
)
from marinemap.extraction.limits import RunLimitError, RunLimits
from marinemap.extraction.sharing.pieces import Pieces
from tests.extraction.layers import write_layer
from tests.running_site import PROJECT

# A spatial index gives keys by the ten thousand: so many are two pieces, and a third of few.
FEATURES = 41_000
AREA = {"type": "Polygon", "coordinates": [[[0, 40], [9.9, 40.3], [6.1, 49.8], [0.2, 49], [0, 40]]]}


class Stop(Exception):
    """Whoever helps was told to stop."""


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GeoPackage of polygons, many across the area's edge, with a text too long to keep."""
    random = np.random.default_rng(3)
    x, y = random.uniform(0, 10, (2, FEATURES))
    size = random.uniform(0.001, 0.05, FEATURES)
    names = [f"square {n}" + "é" * 300 * (n == 40_990) for n in range(FEATURES)]
    return write_layer(
        tmp_path_factory.mktemp("sharing") / "squares.gpkg",
        shapely.box(x, y + 40, x + size, y + 40 + size),
        {"number": pa.array(range(FEATURES)), "name": pa.array(names), "x": pa.array(x)},
        kind="Polygon",
    )


@pytest.fixture
def ask(squares: Path, tmp_path: Path) -> Callable[..., ExtractionRequest]:
    """Return a request for the squares, and first for a few of them where that is wanted."""

    def make(name: str, *, few: bool = False, **request: Any) -> ExtractionRequest:
        first = [SourceLayer("few", squares, filter="number < 10", fields=["x"])] if few else []
        layers = [*first, SourceLayer("squares", squares)]
        return ExtractionRequest(layers, AREA, tmp_path / f"{name}.zip", **request)

    return make


def shared(request: ExtractionRequest, call: Callable[[int], None]) -> bytes:
    """Extract with help; return the archive."""
    assert request.destination is not None
    folder = parts_of(request)
    extract(request, division=Division(folder, 1, call))
    assert list(folder.iterdir()) == [], "pieces are left over"
    return request.destination.read_bytes()


def alone(request: ExtractionRequest) -> bytes:
    """Extract without help; return the archive."""
    assert request.destination is not None
    extract(request)
    return request.destination.read_bytes()


def parts_of(request: ExtractionRequest) -> Path:
    assert request.destination is not None
    return request.destination.parent / "parts"


# Each takes the same batches from the same place; the shapefile has a GeoPackage beside it.
@pytest.mark.parametrize("form", ["shapefile", "geoparquet"])
def test_bytes_are_the_same_whoever_made_the_pieces(
    ask: Callable[..., ExtractionRequest], form: str
) -> None:
    crs = "EPSG:3035" if form == "shapefile" else None
    plain, divided = (ask(name, few=True, format=form, crs=crs) for name in ("plain", "divided"))
    made: list[int] = []

    def help_whole(pieces: int) -> None:
        made.append(help_extract(divided, parts_of(divided)))

    assert shared(divided, help_whole) == alone(plain)
    # Two layers of as many pieces; all were made by who helped.
    assert made == [2, 2]


def test_what_others_leave_is_made_here(ask: Callable[..., ExtractionRequest]) -> None:
    plain, divided = ask("plain"), ask("divided")
    seen: list[str] = []

    def stop_amid_the_second_piece() -> None:
        seen.append("batch")
        # The last piece has four batches, of 8,192 features each, which the next is as large as.
        if len(seen) % 6 == 0:
            raise Stop

    def help_somewhat(pieces: int) -> None:
        with pytest.raises(Stop):
            help_extract(divided, parts_of(divided), stop_amid_the_second_piece)
        (folder,) = parts_of(divided).iterdir()
        assert sorted(path.name for path in folder.glob("*.arrow")) == ["1.arrow"]
        assert list(folder.glob("*.partial")) == []

    assert shared(divided, help_somewhat) == alone(plain)


KILLED_AMID_A_PIECE = """
import os, signal, sys
from pathlib import Path
from marinemap.extraction import ExtractionRequest, SourceLayer, help_extract

source, folder = Path(sys.argv[1]), Path(sys.argv[2])
seen = []

def die_amid_a_piece():
    seen.append("batch")
    if len(seen) == 3:
        os.kill(os.getpid(), signal.SIGKILL)

request = ExtractionRequest([SourceLayer("squares", source)], __AREA__)
help_extract(request, folder, die_amid_a_piece)
"""


def test_killed_helper_costs_its_piece_only(
    ask: Callable[..., ExtractionRequest], squares: Path
) -> None:
    plain, divided = ask("plain"), ask("divided")
    left: list[set[str]] = []

    def help_and_die(pieces: int) -> None:
        code = KILLED_AMID_A_PIECE.replace("__AREA__", repr(AREA))
        command = [sys.executable, "-c", code, str(squares), str(parts_of(divided))]
        done = subprocess.run(command, cwd=PROJECT, timeout=600, check=False)
        assert done.returncode == -signal.SIGKILL
        left.append({path.suffix for path in parts_of(divided).glob("*/*")})

    assert shared(divided, help_and_die) == alone(plain)
    # What it had begun was there when it died, and is gone.
    assert left[0] == {".json", ".lock", ".partial"}


def test_piece_that_another_makes_is_waited_for(ask: Callable[..., ExtractionRequest]) -> None:
    plain, divided = ask("plain"), ask("divided")
    helpers: list[threading.Thread] = []
    has_begun, may_go_on = threading.Event(), threading.Event()

    def stay_until_asked() -> None:
        has_begun.set()
        assert may_go_on.wait(600)

    def begin_to_help(pieces: int) -> None:
        has_begun.clear()
        may_go_on.clear()
        work = (divided, parts_of(divided), stay_until_asked)
        helpers.append(threading.Thread(target=help_extract, args=work, daemon=True))
        helpers[-1].start()
        assert has_begun.wait(600)

    def go_on_when_waited_for(fraction: float, message: str) -> None:
        # Told a few times while nothing is written: the piece is another's.
        told.append(fraction)
        if len(told) >= 3 and told[-3] == told[-1]:
            may_go_on.set()

    told: list[float] = []
    assert divided.destination is not None
    division = Division(parts_of(divided), 1, begin_to_help)
    extract(divided, division=division, progress=go_on_when_waited_for)
    for helper in helpers:
        helper.join(600)
    assert divided.destination.read_bytes() == alone(plain)


def test_waiting_can_be_stopped(ask: Callable[..., ExtractionRequest]) -> None:
    divided = ask("divided")

    def hold_the_first_piece(pieces: int) -> None:
        (folder,) = parts_of(divided).iterdir()
        held.append(Pieces(folder).claim(0))

    def stop(fraction: float, message: str) -> None:
        raise Stop

    held: list[Any] = []
    with pytest.raises(Stop):
        extract(
            divided, division=Division(parts_of(divided), 1, hold_the_first_piece), progress=stop
        )
    held[0].release()
    assert divided.destination is not None
    assert not divided.destination.exists()
    assert list(parts_of(divided).iterdir()) == []


def test_silent_maker_is_not_waited_for(
    ask: Callable[..., ExtractionRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, divided = ask("plain"), ask("divided")
    # As a process that is stopped, or whose machine is gone from the network: 20 s else.
    monkeypatch.setattr("marinemap.extraction.sharing.owner._SILENT_SECONDS", 0.2)
    held: list[Any] = []

    def hold_all(pieces: int) -> None:
        (folder,) = parts_of(divided).iterdir()
        held.extend(Pieces(folder).claim(number) for number in range(pieces))

    assert shared(divided, hold_all) == alone(plain)
    for claim in held:
        claim.release()


def test_piece_that_is_cut_off_is_made_again(ask: Callable[..., ExtractionRequest]) -> None:
    plain, divided = ask("plain"), ask("divided")

    def help_and_lose(pieces: int) -> None:
        help_extract(divided, parts_of(divided))
        for path in parts_of(divided).glob("*/*.arrow"):
            os.truncate(path, path.stat().st_size * 2 // 3)

    assert shared(divided, help_and_lose) == alone(plain)


def test_who_would_make_other_pieces_makes_none(ask: Callable[..., ExtractionRequest]) -> None:
    plain, divided = ask("plain"), ask("divided")
    others = [
        ask("other", mode="intersects"),
        ask("other", crs="EPSG:3035"),
        dataclasses.replace(divided, area=[0, 40, 10, 49]),
        dataclasses.replace(divided, layers=ask("other", few=True).layers),
    ]
    made: list[int] = []

    def help_with_another(pieces: int) -> None:
        made.extend(help_extract(other, parts_of(divided)) for other in others)

    assert shared(divided, help_with_another) == alone(plain)
    assert made == [0, 0, 0, 0]


def test_help_takes_no_more_room_than_the_result_may(
    ask: Callable[..., ExtractionRequest],
) -> None:
    plain, divided = ask("plain"), ask("divided")

    def help_within(pieces: int) -> None:
        with pytest.raises(RunLimitError, match="before zipping"):
            help_extract(divided, parts_of(divided), limits=RunLimits(file_bytes=1))

    assert shared(divided, help_within) == alone(plain)


def test_small_layer_is_not_shared(ask: Callable[..., ExtractionRequest]) -> None:
    divided = ask("divided")
    division = Division(parts_of(divided), FEATURES, pytest.fail)
    extract(divided, division=division)
    assert not parts_of(divided).exists()


def test_source_that_changes_is_read_again(
    ask: Callable[..., ExtractionRequest], squares: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own.gpkg"
    shutil.copy(squares, own)
    layers = [SourceLayer("squares", own)]
    plain, divided = (
        dataclasses.replace(ask(name), layers=layers) for name in ("plain", "divided")
    )
    calls: list[int] = []

    def change(pieces: int) -> None:
        help_extract(divided, parts_of(divided))
        if not calls:
            os.utime(own, ns=(1, 1))
        calls.append(pieces)

    assert shared(divided, change) == alone(plain)
    assert calls == [2, 2]
