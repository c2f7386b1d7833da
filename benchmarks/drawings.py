"""What the drawing of a large layer costs, and what its tiles and dear estimates cost the site.

``python -m benchmarks drawings [--features 1000000] [--picture docs/images/drawing-million.jpg]``.
A site on SQLite with a layer of polygons of 21 corners: it is drawn as beside the worker, then each
zoom's tiles are asked for, then 50 of the dearest valid estimates are sent at once while others ask
how the site is.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pmtiles.reader import MmapSource, all_tiles
from pmtiles.tile import zxy_to_tileid

from benchmarks.dear_areas import comb, wave
from benchmarks.drawing_picture import make_picture
from benchmarks.jobs import manage, running_web
from benchmarks.machine import describe_machine
from benchmarks.processes import bound, processor_seconds
from benchmarks.sites import make_layer

_LAYER = "sites"
_FIRST_SECONDS, _ALL_SECONDS, _MOST_GB = 30, 240, 1.0
_MOST_SHARE, _MOST_TILE_BYTES = 0.5, 250_000
_TILE_SECONDS, _TILE_MB = 0.1, 50
_TILES_A_ZOOM, _ESTIMATES = 20, 50
_OTHER_SECONDS = 1.0
_CORNERS = 40_000
_READY_SECONDS = 120


@dataclass(frozen=True)
class Cost:
    """What a process used: seconds that passed, seconds of processor, most memory."""

    first_seconds: float
    seconds: float
    processor_seconds: float
    peak_gb: float


def main() -> None:
    """Print the figures against those that are wanted."""
    parser = argparse.ArgumentParser(prog=sys.argv[0])
    parser.add_argument("--features", type=int, default=1_000_000)
    parser.add_argument("--picture", type=Path, help="where a picture of four zooms goes (JPEG)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="marinemap-drawings-") as folder:
        print(*describe_machine(Path(folder), ["numpy", "pmtiles"]), sep="\n")
        layer = make_layer(Path(folder) / "layer.gpkg", options.features)
        home = Path(folder) / "home"
        with running_web(home, None, {_LAYER: layer}) as web:
            base, environment = web.base, web.environment
            wait_for_web(base)
            cost = draw(home, environment)
            (archive,) = (home / "drawings").glob("*[!w].pmtiles")
            report_drawing(cost, archive, layer)
            report_tiles(base, archive)
            report_estimates(base)
        if options.picture:
            make_picture(archive, options.picture)


def wait_for_web(base: str) -> None:
    """Wait until the web server answers."""
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(urllib.error.URLError):
            fetch(f"{base}/healthz")
            return
        time.sleep(0.1)
    raise SystemExit(f"the web server did not answer within {_READY_SECONDS} s")


def draw(home: Path, environment: dict[str, str]) -> Cost:
    """Draw the layer of a site in a process of its own; return what it cost."""
    begun = time.monotonic()
    command = manage("drawlayers")
    process = subprocess.Popen(bound(command), env=environment, stdout=subprocess.DEVNULL)
    first = 0.0
    while True:
        ended, _, used = os.wait4(process.pid, os.WNOHANG)
        if not first and any((home / "drawings").glob("*.pmtiles")):
            first = time.monotonic() - begun
        if ended:
            break
        time.sleep(0.1)
    # Popen does not know that it was waited for.
    process.returncode = 0
    took = time.monotonic() - begun
    return Cost(first, took, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6)


def report_drawing(cost: Cost, archive: Path, layer: Path) -> None:
    """Print what the drawing cost and how large it is."""
    with archive.open("rb") as file:
        sizes = [len(content) for _, content in all_tiles(MmapSource(file))]
    size, source = archive.stat().st_size, layer.stat().st_size
    print(f"\n  drawing: {cost.processor_seconds:.0f} s of processor, {len(sizes):,} tiles")
    tell("first picture of the low zooms, s", cost.first_seconds, _FIRST_SECONDS)
    tell("all of it, s", cost.seconds, _ALL_SECONDS)
    tell("memory of the process, GB", cost.peak_gb, _MOST_GB)
    tell(f"archive of {size / 1e6:.0f} MB / source", size / source, _MOST_SHARE)
    tell("largest tile, kB compressed", max(sizes) / 1e3, _MOST_TILE_BYTES / 1e3)


def report_tiles(base: str, archive: Path) -> None:
    """Print what the dearest tile of some of each zoom cost the web server."""
    web = web_server()
    with archive.open("rb") as file:
        places = sorted((place for place, _ in all_tiles(MmapSource(file))), key=_number)
    chosen = []
    for _, group in itertools.groupby(places, key=lambda place: place[0]):
        of_zoom = list(group)
        chosen += of_zoom[:: max(1, len(of_zoom) // _TILES_A_ZOOM)]
    fetch(f"{base}/api/collections/{_LAYER}")
    before_mb, dearest = memory_mb(web), 0.0
    for zoom, column, row in chosen:
        begun = processor_seconds(web)
        fetch(f"{base}/api/collections/{_LAYER}/tiles/WebMercatorQuad/{zoom}/{row}/{column}")
        dearest = max(dearest, processor_seconds(web) - begun)
    print(f"\n  {len(chosen)} tiles asked for, at all zooms")
    tell("dearest tile, s of the web server's processor", dearest, _TILE_SECONDS)
    tell("memory that the web server took for all, MB", memory_mb(web) - before_mb, _TILE_MB)


def report_estimates(base: str) -> None:
    """Print how long others waited while 50 of the dearest estimates came at once."""
    rings = [kind(_CORNERS)[0].tolist() for kind in (comb, wave)]
    areas = [{"type": "Polygon", "coordinates": [[*ring, ring[0]]]} for ring in rings]
    bodies = [json.dumps({"inputs": {"layers": [_LAYER], "area": area}}).encode() for area in areas]
    address = f"{base}/api/processes/estimate/execution"
    answers: Counter[int] = Counter()

    def ask(body: bytes) -> None:
        answers[fetch(address, body)] += 1

    threads = [
        threading.Thread(target=ask, args=[body])
        for _, body in zip(range(_ESTIMATES), itertools.cycle(bodies), strict=False)
    ]
    web = web_server()
    begun, used = time.monotonic(), processor_seconds(web)
    for thread in threads:
        thread.start()
    slowest = 0.0
    while any(thread.is_alive() for thread in threads):
        for path in ("/healthz", f"/api/collections/{_LAYER}", "/api/jobs"):
            slowest = max(slowest, _timed(lambda path=path: fetch(base + path)))
        time.sleep(0.05)
    print(f"\n  {_ESTIMATES} dear estimates at once: {dict(answers)} in ", end="")
    each = (processor_seconds(web) - used) / _ESTIMATES
    print(f"{time.monotonic() - begun:.0f} s, {each:.2f} s of the web server's processor each")
    tell("slowest answer to somebody else, s", slowest, _OTHER_SECONDS)


def fetch(address: str, body: bytes | None = None) -> int:
    """Read an answer to its end; return its status."""
    headers = {"Content-Type": "application/json"} if body else {}
    try:
        with urllib.request.urlopen(
            urllib.request.Request(address, body, headers), timeout=300
        ) as answer:
            content = answer.read()
            if answer.headers.get("Content-Encoding") == "gzip":
                gzip.decompress(content)
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def tell(what: str, value: float, at_most: float) -> None:
    """Print a figure, and whether it is as small as it is wanted."""
    print(f"  {what:<52} {value:8.2f}  <= {at_most:<6g} {'met' if value <= at_most else 'MISSED'}")


def web_server() -> int:
    """Return the process id of the web server that this process has started."""
    for children in Path("/proc/self/task").glob("*/children"):
        for process in map(int, children.read_text().split()):
            if b"\0web\0" in Path(f"/proc/{process}/cmdline").read_bytes():
                return process
    raise SystemExit("the web server has ended")


def memory_mb(process: int) -> float:
    """Return the most memory that a process has had."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1e3


def _timed(call: Callable[[], object]) -> float:
    begun = time.monotonic()
    call()
    return time.monotonic() - begun


def _number(place: tuple[int, int, int]) -> int:
    return int(zxy_to_tileid(*place))
