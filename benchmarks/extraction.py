"""Measure the engine against ogr2ogr, geopandas and its floor, in one run.

    python -m benchmarks.extraction --features 1000000 --rounds 3 --slow-peers

The floor is the same layer read by the area's box, and the features that the area holds written
and zipped, without clipping, verifying or hashing. Peers that take minutes run once, and only
with ``--slow-peers``. Everything is kept in a folder that the next run finds again.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely

from benchmarks.sites import complex_area, make_layer, simple_area

_HERE = Path(__file__).parent
# Relative: sums of a few hundred thousand areas, added in different orders.
_AREA_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Run:
    """One measured run: wall-clock seconds, peak memory, and what came out."""

    seconds: float
    megabytes: float
    features: int
    area: float


@dataclass(frozen=True)
class Peer:
    """A tool: its name, how it is run, and how slow it is."""

    name: str
    run: Any
    is_slow: bool = False


def main() -> None:
    """Print a table of medians and ratios for each area."""
    options = _options()
    folder = Path(options.folder)
    folder.mkdir(parents=True, exist_ok=True)
    layer = make_layer(folder / f"sites-{options.features}.gpkg", options.features)
    print(f"{_machine()}; {options.features:,} polygons of 21 vertices, {options.rounds} rounds")
    for name, area in (("simple", simple_area()), ("complex", complex_area())):
        area_file = folder / f"{name}.geojson"
        area_file.write_text(shapely.to_geojson(area))
        print(f"\n{name} area of {shapely.get_num_coordinates(area):,} vertices")
        _compare(_peers(folder), layer, area_file, options)


def _compare(peers: list[Peer], layer: Path, area_file: Path, options: Any) -> None:
    """Run all peers in turn, round by round, so that a busy moment strikes them alike."""
    found: dict[str, list[Run]] = {}
    for number in range(options.rounds):
        for peer in peers:
            slow = peer.is_slow and area_file.stem == "complex"
            if not slow or (options.slow_peers and number == 0):
                found.setdefault(peer.name, []).append(_run(peer, layer, area_file))
    engine = statistics.median(run.seconds for run in found["engine"])
    for name, runs in found.items():
        seconds = statistics.median(run.seconds for run in runs)
        megabytes = max(run.megabytes for run in runs)
        print(
            f"  {name:<10} {seconds:8.2f} s  {seconds / engine:7.2f} x engine  "
            f"{megabytes:6.0f} MB  {runs[0].features:>9,} features"
        )
    _check_equal(found)


def _check_equal(found: dict[str, list[Run]]) -> None:
    engine = found["engine"][0]
    for name, runs in found.items():
        run = runs[0]
        if name != "floor" and (
            run.features != engine.features
            or abs(run.area - engine.area) > _AREA_TOLERANCE * engine.area
        ):
            print(f"  {name} DIFFERS: {run.features:,} features, area {run.area!r}; {engine}")


def _run(peer: Peer, layer: Path, area_file: Path) -> Run:
    with tempfile.TemporaryDirectory(dir=layer.parent) as folder:
        seconds, megabytes, result = peer.run(layer, area_file, Path(folder))
        _, _, wkb, _ = pyogrio.raw.read(result, columns=[])
        areas = shapely.area(shapely.from_wkb(wkb))
        return Run(seconds, megabytes, len(areas), float(np.sort(areas).sum()))


def _peers(folder: Path) -> list[Peer]:
    peers = [Peer("floor", _python("floor")), Peer("engine", _python("engine"))]
    if shutil.which("ogr2ogr") and shutil.which("zip"):
        peers.append(Peer("ogr2ogr", _run_ogr2ogr, is_slow=True))
    else:
        print("ogr2ogr or zip is not installed: left out (apt-get install gdal-bin zip)")
    python = _geopandas_python(folder)
    if python:
        peers.append(Peer("geopandas", lambda *where: _run_geopandas(python, *where), True))
    return peers


def _python(what: str) -> Any:
    def run(layer: Path, area_file: Path, folder: Path) -> tuple[float, float, str]:
        result = folder / f"{what}.zip"
        command = [sys.executable, "-m", "benchmarks.engine_run", what]
        answer = _answer([*command, str(layer), str(area_file), str(result)])
        return answer["seconds"], answer["megabytes"], f"/vsizip/{result}"

    return run


def _run_geopandas(
    python: Path, layer: Path, area_file: Path, folder: Path
) -> tuple[float, float, str]:
    script = _HERE / "geopandas_run.py"
    result = folder / "sites.shp"
    answer = _answer([str(python), str(script), str(layer), str(area_file), str(result)])
    begin = time.perf_counter()
    _zip(folder)
    seconds = answer["seconds"] + time.perf_counter() - begin
    return seconds, answer["megabytes"], str(result)


def _run_ogr2ogr(layer: Path, area_file: Path, folder: Path) -> tuple[float, float, str]:
    result = folder / "sites.shp"
    begin = time.perf_counter()
    command = ["ogr2ogr", "-nlt", "POLYGON", str(result), "-clipsrc", str(area_file), str(layer)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    status = process.wait()
    _zip(folder)
    seconds = time.perf_counter() - begin
    if status:
        raise SystemExit(f"ogr2ogr ended with {status}")
    return seconds, math.nan, str(result)


def _zip(folder: Path) -> None:
    files = [file.name for file in folder.iterdir()]
    subprocess.run(["zip", "-q", "sites.zip", *files], cwd=folder, check=True)


def _answer(command: list[str]) -> dict[str, float]:
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=_HERE.parent)
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


def _geopandas_python(folder: Path) -> Path | None:
    """Return the Python of an environment with geopandas, made on first use."""
    place = folder / "geopandas"
    python = place / "bin" / "python"
    try:
        if not python.exists():
            venv.create(place, with_pip=True)
        pins = _HERE / "geopandas-requirements.txt"
        install = [str(python), "-m", "pip", "install", "-q", "-r", str(pins)]
        subprocess.run(install, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"geopandas cannot be installed: left out ({error})")
        return None
    return python


def _machine() -> str:
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--features", type=int, default=int(os.environ.get("BENCH_FEATURES", "1000000"))
    )
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("BENCH_ROUNDS", "3")))
    parser.add_argument("--slow-peers", action="store_true")
    parser.add_argument("--folder", default=str(Path(tempfile.gettempdir()) / "marinemap-bench"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
