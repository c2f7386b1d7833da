"""What the engine is compared with: its floor, ogr2ogr, geopandas and PostGIS, each with zip."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely

_HERE = Path(__file__).parent
_POSTGIS = "BENCH_POSTGIS"
_DIMENSIONS = {"Point": 0, "LineString": 1, "Polygon": 2}

# Takes the layer, the area's file and an empty folder; returns the seconds, the megabytes at the
# highest and what was made.
Runner = Callable[[Path, Path, Path], tuple[float, float, str]]


@dataclass(frozen=True)
class Run:
    """One measured run: wall-clock seconds, peak memory, and what came out.

    ``measure`` is the total area of polygons, the length of lines, the sum of x of points.
    """

    seconds: float
    megabytes: float
    features: int
    measure: float


def measure(runner: Runner, layer: Path, area_file: Path) -> Run:
    """Run a peer once and look at what it has made."""
    with tempfile.TemporaryDirectory(dir=layer.parent) as folder:
        seconds, megabytes, result = runner(layer, area_file, Path(folder))
        _, _, wkb, _ = pyogrio.raw.read(result, columns=[])
        geometries = shapely.from_wkb(wkb)
        return Run(seconds, megabytes, len(geometries), _total(geometries))


def _total(geometries: Any) -> float:
    dimension = shapely.get_dimensions(geometries).max(initial=0)
    size = {0: shapely.get_x, 1: shapely.length, 2: shapely.area}[int(dimension)]
    # Sorted, so that tools that keep another order come to the same sum.
    return float(np.sort(size(geometries)).sum())


def find_peers(folder: Path) -> dict[str, Runner]:
    """Return the tools that are installed; a line is printed for each that is not."""
    peers: dict[str, Runner] = {"floor": _python("floor"), "engine": _python("engine")}
    if shutil.which("ogr2ogr") and shutil.which("zip"):
        peers["ogr2ogr"] = _run_ogr2ogr
    else:
        print("ogr2ogr or zip is not installed: left out (apt-get install gdal-bin zip)")
    python = _geopandas_python(folder)
    if python:
        peers["geopandas"] = lambda *where: _run_geopandas(python, *where)
    if _has_postgis():
        peers["PostGIS"] = _run_postgis
    return peers


def _python(what: str) -> Runner:
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
    kind = pyogrio.read_info(layer)["geometry_type"].upper()
    # Without -spat it reads the whole layer for a small area.
    box = map(str, shapely.from_geojson(area_file.read_text()).bounds)
    clip = ["-spat", *box, "-clipsrc", str(area_file)]
    command = ["ogr2ogr", "-nlt", kind, str(result), *clip, str(layer)]
    begin = time.perf_counter()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    _zip(folder)
    return time.perf_counter() - begin, math.nan, str(result)


def _run_postgis(layer: Path, area_file: Path, folder: Path) -> tuple[float, float, str]:
    """Clip in SQL and write with ogr2ogr; loading the layer is not counted."""
    source = f"PG:{os.environ[_POSTGIS]}"
    load = ["ogr2ogr", "-f", "PostgreSQL", source, str(layer), "-nln", "bench_sites"]
    subprocess.run([*load, "-overwrite", "-lco", "GEOMETRY_NAME=geom"], check=True)
    kind = pyogrio.read_info(layer)["geometry_type"]
    area = f"ST_SetSRID(ST_GeomFromGeoJSON('{area_file.read_text()}'), 4326)"
    clipped = (
        "SELECT site_id, name, habitat_class, depth_mean_m, rank, surveyed, "
        "CASE WHEN ST_CoveredBy(geom, area) THEN geom ELSE ST_CollectionExtract("
        f"ST_Intersection(geom, area), {_DIMENSIONS[kind] + 1}) END AS geom "
        f"FROM bench_sites, (SELECT {area} AS area) AS chosen WHERE ST_Intersects(geom, area)"
    )
    result = folder / "sites.shp"
    query = folder / "query.sql"
    query.write_text(clipped)
    write = ["ogr2ogr", "-nlt", kind.upper(), str(result), source, "-sql", f"@{query}"]
    begin = time.perf_counter()
    subprocess.run(write, check=True, stderr=subprocess.DEVNULL)
    query.unlink()
    _zip(folder)
    return time.perf_counter() - begin, math.nan, str(result)


def _has_postgis() -> bool:
    if _POSTGIS not in os.environ:
        print(f"PostGIS is left out: name a database that has it in {_POSTGIS}, as a URL")
    return _POSTGIS in os.environ


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
