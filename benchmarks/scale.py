"""What more workers bring: many small jobs, and one huge one shared among them.

``python -m benchmarks scale [--only shares,many,huge,needs] [--workers 1,2,4,8] [--jobs 100]``.
First which share of a large extract can be divided at all. Then a whole site on SQLite and, where
it is installed, on PostgreSQL; the rate is lifted. Beside each stands a floor: the engine alone,
without site, queue and database, by as many processes. The model (``benchmarks/scale_model.py``)
is fitted to what few workers did, and says what the most would; at last what it says of needs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import shapely

from benchmarks.choices import several_of
from benchmarks.jobs import databases
from benchmarks.machine import describe_load, describe_machine
from benchmarks.scale_model import Demand, fit, simulate
from benchmarks.scale_needs import Prices, find_needs
from benchmarks.scale_profile import measure_steps
from benchmarks.scale_site import SMALL_AREA, Took, run_site
from benchmarks.sites import complex_area, make_layer
from marinemap.extraction import ExtractionRequest, SourceLayer, extract

_SMALL_FEATURES, _HUGE_FEATURES = 1_000, 1_000_000
_HUGE_CRS = "EPSG:3035"
_WITHIN = 0.15


def main() -> None:
    """Measure each part on each database, then hold the model against the most workers."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="marinemap-scale-") as folder:
        home = Path(folder)
        # PostgreSQL has a user of its own.
        home.chmod(0o755)
        print(*describe_machine(home, ["celery", "django"]), sep="\n", flush=True)
        for part in options.only:
            _PARTS[part](home / part, options)


def measure_shares(home: Path, options: argparse.Namespace) -> None:
    """Tell which share of a large extract can be divided, and the bound that follows."""
    home.mkdir(mode=0o755)
    layer = make_layer(home / "layer.gpkg", options.features)
    print(f"\nshares: seconds of processor for {options.features:,} polygons, a rugged area")
    for form, crs in (("shapefile", None), ("geopackage", None), ("shapefile", _HUGE_CRS)):
        folder = home / f"{form}-{crs}"
        folder.mkdir()
        found = measure_steps(layer, folder, form, crs)
        steps = ", ".join(f"{name} {seconds:.2f}" for name, seconds in found.seconds.items())
        print(f"  {form}, {crs or 'its own CRS'}: {steps}")
        print(f"    {found.share:.0%} can be divided: at most {found.bound:.1f} times", flush=True)


def tell_needs(home: Path, options: argparse.Namespace) -> None:
    """Tell what rates of requests need by the model; nothing is measured."""
    print(
        "\nneeds: an hour, workers of a core each, cores busy; GB kept, GB a month; dollars a month"
    )
    for needs in find_needs():
        cores, stored, sent = needs.dollars(Prices())
        print(
            f"  {needs.per_hour:>7,}: {needs.workers}, {needs.busy_cores:.2f}; "
            f"{needs.stored_gigabytes:,.1f}, {needs.sent_gigabytes_a_month:,.0f}; "
            f"cores {cores:,.0f}, disks {stored:,.1f}, lines {sent:,.0f}",
            flush=True,
        )


def measure_many(home: Path, options: argparse.Namespace) -> None:
    """Measure many small jobs by each number of workers."""
    home.mkdir(mode=0o755)
    layer = make_layer(home / "layer.gpkg", _SMALL_FEATURES)
    print(f"\nmany: {options.jobs} extracts of {_SMALL_FEATURES:,} features, jobs a minute")
    order = {"layers": ["sites"], "area": SMALL_AREA}
    for name, url in _chosen(home, options):
        floor, took = {}, {}
        for n in options.workers:
            # In turn, for others may be at work on the same machine.
            floor[n] = _floor(layer, home, n, options.jobs, options.rounds)
            orders = [order] * options.jobs
            took[n] = run_site(home / f"{name}-{n}", url, layer, n, orders, {}, options.rounds)
        _tell(f"{name}: engine alone", floor, options.jobs)
        _tell(name, took, options.jobs)
        _hold_model(name, took, floor, options.jobs)


def measure_huge(home: Path, options: argparse.Namespace) -> None:
    """Measure one huge request by each number of workers."""
    home.mkdir(mode=0o755)
    layer = make_layer(home / "layer.gpkg", options.features)
    area = json.loads(shapely.to_geojson(complex_area()))
    order = {"layers": ["sites"], "area": area, "crs": _HUGE_CRS}
    print(f"\nhuge: one extract of {options.features:,} polygons in {_HUGE_CRS}, seconds")
    request = ExtractionRequest(
        [SourceLayer("sites", layer)], area, home / "alone.zip", crs=_HUGE_CRS
    )
    alone = min((_timed(request) for _ in range(options.rounds)), key=lambda one: one.seconds)
    print(f"  engine alone: {_words(alone)}, {describe_load()}", flush=True)
    for name, url in _chosen(home, options):
        for n in options.workers:
            shared = {"MARINEMAP_SPLIT_WORKERS": str(n - 1)}
            folder = home / f"{name}-{n}"
            took = run_site(folder, url, layer, n, [order], shared, options.rounds)
            print(f"  {name}, {n} workers: {_words(took)}, {describe_load()}", flush=True)


def _chosen(home: Path, options: argparse.Namespace) -> Iterator[tuple[str, str | None]]:
    return (each for each in databases(home) if options.database in (None, each[0].lower()))


def _timed(request: ExtractionRequest) -> Took:
    begin, used = time.perf_counter(), time.process_time()
    extract(request)
    return Took(time.perf_counter() - begin, time.process_time() - used)


def _words(took: Took) -> str:
    return f"{took.seconds:.2f} s, {took.processor_seconds:.2f} s of processor"


def _tell(name: str, took: dict[int, Took], jobs: int) -> None:
    rates = ", ".join(f"{n}: {60 * jobs / one.seconds:,.0f}" for n, one in took.items())
    each = took[min(took)].processor_seconds / jobs
    print(
        f"  {name}: {rates}; {1000 * each:.0f} ms of processor a job, {describe_load()}", flush=True
    )


def _hold_model(name: str, took: dict[int, Took], floor: dict[int, Took], jobs: int) -> None:
    """Fit the model to all but the most workers, and let it say what those would do.

    How many cores there were is what the engine alone had of them in the same minutes. Of SQLite it
    says nothing: who waits for its lock sleeps before it looks again, and by how much a crowd of
    more workers leaves the lock idle cannot be told from fewer.
    """
    if name == "SQLite":
        print(f"  {name}: no model of its lock; what was not measured is not said", flush=True)
        return
    most = max(took)
    known = {n: one.seconds for n, one in took.items() if n != most}
    if not known:
        return
    cores = {n: one.processor_seconds / one.seconds for n, one in floor.items()}
    computing = took[min(took)].processor_seconds / jobs
    demand = fit(known, computing, cores, jobs)
    said, was = simulate(demand, most, cores[most], jobs), took[most].seconds
    error = said / was - 1
    verdict = "met" if abs(error) <= _WITHIN else "MISSED"
    had = ", ".join(f"{n}: {number:.2f}" for n, number in cores.items())
    print(f"  {name}, the model: {_demand_words(demand)}; cores to be had: {had}")
    print(
        f"  {name}, {most} workers: {60 * jobs / said:,.0f} a minute said, {60 * jobs / was:,.0f} "
        f"measured, {error:+.0%} of the time, within {_WITHIN:.0%}: {verdict}",
        flush=True,
    )


def _demand_words(demand: Demand) -> str:
    parts = {name: 1000 * getattr(demand, name) for name in ("computing", "waiting")}
    told = ", ".join(f"{name} {milliseconds:.0f}" for name, milliseconds in parts.items())
    return f"{told} ms a job, on {demand.width:g} cores"


_FLOOR = """
import json, sys, time
from pathlib import Path
from marinemap.extraction import ExtractionRequest, SourceLayer, extract

layer, target, count, area = sys.argv[1:]
source = SourceLayer("sites", Path(layer))
request = ExtractionRequest([source], json.loads(area), Path(target))
extract(request)
print("ready", flush=True)
for _ in sys.stdin:
    used = time.process_time()
    for _ in range(int(count)):
        extract(request)
    print(time.process_time() - used, flush=True)
"""


def _floor(layer: Path, home: Path, processes: int, jobs: int, rounds: int) -> Took:
    """Run the same extracts by so many processes that know of nothing else; the fastest counts."""
    started = []
    for number in range(processes):
        count = jobs // processes + (number < jobs % processes)
        target = home / f"floor-{number}.zip"
        command = [sys.executable, "-c", _FLOOR, str(layer), str(target), str(count)]
        pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen([*command, json.dumps(SMALL_AREA)], **pipes))
    for process in started:
        process.stdout.readline()
    took = [_floor_round(started) for _ in range(rounds)]
    for process in started:
        process.communicate()
    return min(took, key=lambda one: one.seconds)


def _floor_round(started: list[Any]) -> Took:
    begin = time.perf_counter()
    for process in started:
        process.stdin.write("go\n")
        process.stdin.flush()
    used = [float(process.stdout.readline()) for process in started]
    return Took(time.perf_counter() - begin, sum(used))


_PARTS = {"shares": measure_shares, "many": measure_many, "huge": measure_huge, "needs": tell_needs}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=sys.argv[0])
    parser.add_argument("--only", type=several_of(_PARTS), default=list(_PARTS), metavar="PART,...")
    parser.add_argument("--workers", type=_numbers, default=[1, 2, 4, 8], metavar="N,...")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], help="this one only")
    parser.add_argument("--jobs", type=int, default=100, help="small ones, by default 100")
    parser.add_argument("--features", type=int, default=_HUGE_FEATURES, help="of the huge one")
    parser.add_argument("--rounds", type=int, default=3, help="the fastest counts, by default of 3")
    return parser.parse_args()


def _numbers(text: str) -> list[int]:
    return sorted(int(number) for number in text.split(","))
