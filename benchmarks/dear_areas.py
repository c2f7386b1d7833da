"""What the dearest areas cost as their corners grow: a curve for each kind.

    python -m benchmarks dear_areas
    python -m benchmarks dear_areas --kinds comb,spiral --corners 1000,10000

Each area is parsed, brought into a projection that bends its edges, and cut with squares of 5 km
that are spread over it. Each figure is processor time; the exponent says how it grew on the last
step (1 is linear). ``held`` is the most processor time for which no other thread came
to run.
"""

from __future__ import annotations

import argparse
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from benchmarks.choices import several_of
from benchmarks.machine import describe_load, describe_machine
from marinemap.errors import RequestError
from marinemap.extraction import parse_area, parse_crs
from marinemap.extraction.areas.clip import Clipper
from marinemap.extraction.areas.near import area_near, route_to
from marinemap.extraction.geometry.wkb import to_column

_CRS = "EPSG:3035"
_BOUNDS = (3.0e6, 2.0e6, 5.5e6, 3.6e6)
_FEATURES, _SIDE_METRES = 1_000, 5_000
_LOOK_SECONDS = 0.005

Array = np.ndarray[Any, Any]


def comb(corners: int) -> list[Array]:
    """Return a ring with thin upright teeth of five degrees."""
    x = np.linspace(0, 10, corners)
    y = np.where(np.arange(corners) % 2 == 0, 45.1, 50.0)
    return [np.vstack([np.column_stack([x, y]), [[11, 44.5], [-1, 44.5]]])]


def wave(corners: int) -> list[Array]:
    """Return a ring with one long side that swings and jitters."""
    x = np.linspace(0, 10, corners)
    y = 48 + 2 * np.sin(40 * x) + 1e-3 * np.random.default_rng(0).random(corners)
    return [np.vstack([np.column_stack([x, y]), [[10, 40], [0, 40]]])]


def spiral(corners: int) -> list[Array]:
    """Return a ring that winds fifty times."""
    turns = np.linspace(0, 100 * np.pi, corners // 2)
    radius = 0.05 + 4 * turns / turns[-1]
    ways = np.column_stack([np.cos(turns), np.sin(turns)])
    inner, outer = radius[:, None] * ways, (radius[:, None] + 0.03) * ways
    return [np.vstack([inner, outer[::-1]]) + [5, 48]]


def holes(corners: int) -> list[Array]:
    """Return a square with so many square holes."""
    shell = np.array([[0, 42], [10, 42], [10, 52], [0, 52.0]])
    return [shell, *(_squares(corners)[:, ::-1])]


def strip(corners: int) -> list[Array]:
    """Return a long narrow ring, as a zone along a coast."""
    y = np.linspace(40, 55, corners // 2)
    x = 8 + 0.2 * np.sin(3 * y) + 1e-4 * np.random.default_rng(0).random(len(y))
    return [np.vstack([np.column_stack([x, y]), np.column_stack([x + 0.4, y])[::-1]])]


KINDS: dict[str, Callable[[int], list[Array]]] = {
    "comb": comb,
    "wave": wave,
    "spiral": spiral,
    "holes": holes,
    "strip": strip,
}


def _squares(corners: int) -> Array:
    side = math.isqrt(corners // 4)
    places = 0.2 + np.mgrid[0:side, 0:side].reshape(2, -1).T * (9.6 / side) + [0, 42]
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * (4.8 / side)
    squares: Array = places[:, None] + square
    return squares


class Watch(threading.Thread):
    """Notes how long the thread that starts it worked, at most, while this one could not run.

    Of its processor time: on a machine with other work to do, the clock would tell of that.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.longest_seconds = 0.0
        self._clock = time.pthread_getcpuclockid(threading.get_ident())
        self._ended = threading.Event()

    def run(self) -> None:
        """Look at the other's clock again and again."""
        last = time.clock_gettime(self._clock)
        while not self._ended.wait(_LOOK_SECONDS):
            now = time.clock_gettime(self._clock)
            self.longest_seconds = max(self.longest_seconds, now - last)
            last = now

    def end(self) -> None:
        """Stop looking."""
        self._ended.set()
        self.join()


@dataclass
class Curve:
    """Processor seconds of each step for one number of corners."""

    steps: dict[str, float] = field(default_factory=dict)
    held_seconds: float = 0.0
    refused: str = ""

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step."""
        watch = Watch()
        watch.start()
        begin = time.process_time()
        try:
            yield
        finally:
            self.steps[name] = time.process_time() - begin
            watch.end()
            self.held_seconds = max(self.held_seconds, watch.longest_seconds)


def measured(rings: list[Array]) -> Curve:
    """Take an area through the engine."""
    closed = [[*ring.tolist(), ring[0].tolist()] for ring in rings]
    curve = Curve()
    try:
        with curve.step("parse"):
            area = parse_area({"type": "Polygon", "coordinates": closed})
        with curve.step("bend"):
            near = area_near(area, route_to(area, parse_crs(_CRS), None, _BOUNDS), _BOUNDS)
        with curve.step("index"):
            clipper = Clipper(near)
        column = _features(near)
        with curve.step("cut"):
            clipper.clip(column)
    except RequestError as error:
        curve.refused = str(error)
    return curve


def _features(area: Any) -> Any:
    minx, miny, maxx, maxy = area.bounds
    places = np.random.default_rng(1).uniform([minx, miny], [maxx, maxy], (_FEATURES, 2))
    squares: Any = shapely.box(*places.T, *(places + _SIDE_METRES).T)
    return to_column(squares)


def main() -> None:
    """Print a curve for each kind."""
    options = _options()
    print(*describe_machine(Path.cwd(), ("shapely", "numpy")), sep="\n")
    steps = ("parse", "bend", "index", "cut")
    print(f"\n{'':8} {'corners':>8}", *(f"{s:>8}" for s in steps), f"{'held':>8} {'exponent':>9}")
    for kind in options.kinds:
        before: tuple[int, float] | None = None
        for corners in options.corners:
            curve = measured(KINDS[kind](corners))
            if curve.refused:
                print(f"{kind:8} {corners:8,} refused: {curve.refused}")
                break
            total = sum(curve.steps.values())
            grown = "" if before is None else f"{_exponent(before, (corners, total)):9.2f}"
            seconds = (f"{curve.steps[step]:8.2f}" for step in steps)
            print(f"{kind:8} {corners:8,}", *seconds, f"{curve.held_seconds:8.2f} {grown}")
            sys.stdout.flush()
            before = corners, total
    print(describe_load())


def _exponent(before: tuple[int, float], after: tuple[int, float]) -> float:
    return math.log(after[1] / before[1]) / math.log(after[0] / before[0])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks dear_areas", description=__doc__)
    parser.add_argument("--kinds", type=several_of(KINDS, "kind"), default=list(KINDS))
    parser.add_argument(
        "--corners",
        type=lambda text: [int(part) for part in text.split(",")],
        default=[1_000, 10_000, 100_000],
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
