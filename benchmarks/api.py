"""How fast the API answers beside pygeoapi, both with one process behind their own server.

``python -m benchmarks api [--seconds 3] [--rounds 3] [--features 1000000] [--only items status]``.
Each route is asked by wrk over eight connections, of one server and of the other in turn. The
ratio is that of answers a second; processor time is told as well, for it is steadier where
something else runs.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks import api_peer
from benchmarks.api_load import Load, has_wrk, measure
from benchmarks.api_site import JOBS, finish, make_geojson, make_points, multiply, submit
from benchmarks.drawings import wait_for_web
from benchmarks.jobs import Web, running_web
from benchmarks.machine import describe_load, describe_machine, read_program_version
from benchmarks.sites import BOX
from benchmarks.targets import Target

_CACHE = Path(__file__).resolve().parents[1] / "var" / "bench-packages"
_PEER_FEATURES = 1_081
# Holds more than a hundred of the peer's points.
_BBOX = (10.0, 33.0, 22.0, 43.0)
_JSON = {"Accept": "application/json"}


@dataclass(frozen=True)
class Route:
    """A route of both servers that answers the same question, and what the ratio must be.

    ``own`` gives the paths of one load: an answer that was asked for twice is kept.
    """

    name: str
    own: Callable[[], Sequence[str]]
    peer: str
    at_least: float | None
    headers: dict[str, str] = field(default_factory=dict)


def main() -> None:
    """Measure each route, and hold the ratios against what is wanted."""
    options = _options()
    if not has_wrk():
        sys.exit("wrk is not installed: apt-get install wrk")
    programs = api_peer.prepare(_CACHE)
    with tempfile.TemporaryDirectory(prefix="marinemap-api-", dir=options.folder) as name:
        folder = Path(name)
        print(*describe_machine(folder, ["django", "waitress", "pyogrio"]), sep="\n")
        print(f"{read_wrk_version()}; the peer: {api_peer.version_of(programs)}")
        points = make_geojson(folder / "points.geojson", _PEER_FEATURES)
        layers = {
            "sites": folder / "points.gpkg",
            "million": make_points(folder / "million.gpkg", options.features),
        }
        with (
            running_web(folder / "home", None, layers) as web,
            api_peer.running(programs, folder / "peer", points) as peer,
        ):
            wait_for_web(web.base)
            routes = prepare_routes(web, folder / "home", api_peer.one_job(peer), options.jobs)
            chosen = [at for at in routes if not options.only or at.name.split()[0] in options.only]
            targets = [_compare(route, web, peer, options) for route in chosen]
    print(f"\ntargets: answers a second beside pygeoapi's ({describe_load()})")
    print(*(target.describe() for target in targets if target.at_least), sep="\n")


def prepare_routes(web: Web, home: Path, peer_job: str, jobs: int) -> list[Route]:
    """Make the jobs that are asked for; return the routes."""
    database = home / "marinemap.sqlite3"
    done, waiting = submit(web.base), submit(web.base)
    finish(database, done)
    multiply(database, done, jobs)
    own_bbox = ",".join(f"{edge:g}" for edge in _BBOX)
    items = "/api/collections/million/items?limit=100&bbox="
    peer_items = f"/collections/sites/items?f=json&limit=100&bbox={own_bbox}"
    status, poll = f"/api/jobs/{done}", f"/api/jobs/{waiting}"
    known = {name: {"If-None-Match": _etag(web.base + name)} for name in (status, poll)}
    chance = random.Random(1)

    def another() -> list[str]:
        return [items + box for box in _boxes(chance)]

    return [
        Route("items, one bbox", lambda: [items + own_bbox], peer_items, 5),
        Route("items, another bbox each time", another, peer_items, 5),
        Route("status", lambda: [status], f"{peer_job}?f=json", 1.5),
        Route("status of a job that waits", lambda: [poll], f"{peer_job}?f=json", None),
        Route(
            "304 of a job that is done", lambda: [status], f"{peer_job}?f=json", 3, known[status]
        ),
        Route("304 of a job that waits", lambda: [poll], f"{peer_job}?f=json", 3, known[poll]),
        Route("landing", lambda: ["/api/"], "/?f=json", 1.5),
        Route("collections", lambda: ["/api/collections"], "/collections?f=json", 1.5),
        Route("process", lambda: ["/api/processes/echo"], "/processes/hello-world?f=json", 1.5),
    ]


def read_wrk_version() -> str:
    """Return which wrk it is; it tells its version with an error's exit code."""
    return read_program_version("sh", "-c", "wrk --version || true")


def _compare(route: Route, web: Web, peer: api_peer.Server, options: argparse.Namespace) -> Target:
    def of_own() -> Load:
        return measure(web.base, route.own(), web.pid, options.seconds, _JSON | route.headers)

    def of_peer() -> Load:
        return measure(peer.base, [route.peer], peer.pid, options.seconds, _JSON)

    # The first look reads the files.
    for address in (web.base + route.own()[0], peer.base + route.peer):
        urllib.request.urlopen(urllib.request.Request(address, headers=_JSON)).close()
    pairs = [(of_own(), of_peer()) for _ in range(options.rounds)]
    own, other = (_median([pair[at] for pair in pairs]) for at in (0, 1))
    print(
        f"  {route.name:<32} {own.rate:7.0f}/s {own.cpu_ms:6.2f} ms   pygeoapi "
        f"{other.rate:6.0f}/s {other.cpu_ms:6.2f} ms   {own.rate / other.rate:5.2f} x, "
        f"processor {other.cpu_ms / own.cpu_ms:5.2f} x",
        flush=True,
    )
    return Target(route.name, own.rate, other.rate, at_least=route.at_least)


def _median(loads: Sequence[Load]) -> Load:
    return Load(median(load.rate for load in loads), median(load.cpu_ms for load in loads))


def _boxes(chance: random.Random) -> list[str]:
    """Return boxes as a map asks for them that is moved about; each holds some 1,500 points."""
    west, south, east, north = BOX
    corners = [
        (chance.uniform(west, east - 1), chance.uniform(south, north - 1)) for _ in range(5_000)
    ]
    return [f"{x:.4f},{y:.4f},{x + 1:.4f},{y + 1:.4f}" for x, y in corners]


def _etag(address: str) -> str:
    with urllib.request.urlopen(urllib.request.Request(address, headers=_JSON)) as answer:
        return str(answer.headers["ETag"])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=sys.argv[0])
    parser.add_argument("--seconds", type=float, default=3, help="of each load, by default 3")
    parser.add_argument("--rounds", type=int, default=3, help="of both in turn, by default 3")
    parser.add_argument("--features", type=int, default=1_000_000, help="of the large layer")
    parser.add_argument("--jobs", type=int, default=JOBS, help="that the site has")
    parser.add_argument("--folder", default="/var/tmp", help="a folder on a disk")
    parser.add_argument("--only", nargs="+", help="routes by their first word, such as items")
    return parser.parse_args()


if __name__ == "__main__":
    main()
