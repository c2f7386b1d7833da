"""A table of PostGIS as a source, beside the GeoPackage of the same data.

``python -m benchmarks postgis [--features 1000000] [--rounds 3] [--areas simple,complex]``. A
PostgreSQL of its own as initdb leaves it; the table has a primary key and an index on its
geometries. Each run is a process of its own that has made one small request before, with
everything on: clip, verify, report, zip. The table is to take at most 1.5 times as long, and ten
times its rows no more memory.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
import pyproj
import shapely

from benchmarks.broker_servers import run_postgresql
from benchmarks.choices import several_of
from benchmarks.engine_run import own_peak_megabytes
from benchmarks.machine import describe_load, describe_machine
from benchmarks.sites import complex_area, make_layer, simple_area, sites
from benchmarks.targets import Target
from marinemap.extraction import (
    Area,
    ExtractionRequest,
    Server,
    SourceLayer,
    Table,
    allow_servers,
    extract,
)

_AREAS: dict[str, Callable[[], Any]] = {"simple": simple_area, "complex": complex_area}
_MOST_SECONDS, _MOST_GROWTH = 1.5, 1.2
_CREATE = """
    CREATE TABLE sites (
        geom geometry(Polygon, 4326), site_id bigint PRIMARY KEY, name text,
        habitat_class text, depth_mean_m double precision, rank integer, surveyed date)"""


def main() -> None:
    """Print seconds and memory of both, and what they are held against."""
    options = _options()
    if options.child:
        _run(*options.child)
        return
    with tempfile.TemporaryDirectory(prefix="marinemap-postgis-") as folder:
        home = Path(folder)
        # PostgreSQL has a user of its own.
        home.chmod(0o755)
        print(*describe_machine(home, ["psycopg", "pyogrio", "pyarrow"]), sep="\n", flush=True)
        with run_postgresql(home / "postgresql") as port:
            _measure(home, f"postgresql://postgres@127.0.0.1:{port}", options)
    print(f"\n{describe_load()} at the end")


def _measure(home: Path, server: str, options: argparse.Namespace) -> None:
    peaks = {}
    for features in (options.features // 10, options.features):
        layer = make_layer(home / f"sites-{features}.gpkg", features)
        table = _fill(server, features)
        for name in options.areas:
            peaks[name, features] = _compare(home, name, layer, table, options.rounds)
        layer.unlink()
    for name in options.areas:
        few, many = (peaks[name, each] for each in (options.features // 10, options.features))
        text = f"{name}: memory of ten times the rows / of these"
        print(Target(text, many, few, at_most=_MOST_GROWTH).describe())


def _fill(server: str, features: int) -> str:
    """Make a database with the same polygons; return the table's address."""
    database = f"sites_{features}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{database}"')
    url = f"{server}/{database}"
    begin = time.monotonic()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION postgis")
        connection.execute(_CREATE)
        with connection.cursor() as cursor, cursor.copy("COPY sites FROM STDIN") as copy:
            for batch in sites(features):
                copy.write(_lines(batch))
        connection.execute("CREATE INDEX ON sites USING gist (geom)")
        connection.execute("VACUUM ANALYZE sites")
    print(f"\n{database}: filled in {time.monotonic() - begin:.0f} s", flush=True)
    return f"{url}?table=public.sites"


def _lines(batch: Any) -> str:
    """Return features as COPY reads them, their geometries as hexadecimal EWKB."""
    geometries = shapely.from_wkb(batch.column("geom").to_numpy(zero_copy_only=False))
    ewkb = shapely.to_wkb(shapely.set_srid(geometries, 4326), hex=True, include_srid=True)
    columns = [column.to_pylist() for column in batch.columns[1:]]
    rows = zip(ewkb, *columns, strict=True)
    return "".join("\t".join(map(str, row)) + "\n" for row in rows)


def _compare(home: Path, area: str, layer: Path, table: str, rounds: int) -> float:
    """Run both in turn, so that a busy moment strikes them alike; return the table's peak, MB."""
    sources = {"GeoPackage": str(layer), "table": table}
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in sources}
    for _ in range(rounds):
        for name, source in sources.items():
            runs[name].append(_run_apart(home, area, source))
    print(f"{area}, medians of {rounds}, {describe_load()}")
    seconds = {name: median(run["seconds"] for run in found) for name, found in runs.items()}
    megabytes = {name: median(run["megabytes"] for run in found) for name, found in runs.items()}
    for name in sources:
        print(f"  {name:<12} {seconds[name]:8.2f} s {megabytes[name]:8.0f} MB")
    ratio = Target(
        f"{area}: table / GeoPackage",
        seconds["table"],
        seconds["GeoPackage"],
        at_most=_MOST_SECONDS,
    )
    print(ratio.describe(), flush=True)
    return megabytes["table"]


def _run_apart(home: Path, area: str, source: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.postgis", "--child", area, source]
    done = subprocess.run(
        [*command, str(home / "out.zip")], check=True, stdout=subprocess.PIPE, text=True
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _run(area: str, source: str, destination: str) -> None:
    """Extract twice, a small area first; print the second's seconds and the peak."""
    found: Path | Table = Path(source)
    if source.startswith("postgresql:"):
        allow_servers([Server.parse(source.partition("?")[0])], seconds=3600)
        found = Table.parse(source)
    for polygon in (shapely.box(0, 38, 0.05, 38.05), _AREAS[area]()):
        begin = time.perf_counter()
        wanted = Area(polygon, pyproj.CRS(4326), {})
        extract(ExtractionRequest([SourceLayer("sites", found)], wanted, Path(destination)))
        seconds = time.perf_counter() - begin
    print(json.dumps({"seconds": seconds, "megabytes": own_peak_megabytes()}))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks postgis", description=__doc__)
    parser.add_argument("--features", type=int, default=1_000_000, help="by default 1,000,000")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--areas", type=several_of(_AREAS, "area"), default=list(_AREAS))
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
