"""Measure the engine against ogr2ogr, geopandas, PostGIS and its floor, in one run.

    python -m benchmarks.extraction --rounds 3
    python -m benchmarks.extraction --only complex --slow-peers
    python -m benchmarks.extraction --only lines,points,huge,small

The floor is the same layer read by the area's box, and the features that the area holds written
and zipped, without clipping, verifying or hashing. The complex area keeps peers busy for minutes:
they get a smaller sample of the layer, and all of it only with ``--slow-peers``, once. Everything
is kept in a folder that the next run finds again.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import shapely

from benchmarks.choices import several_of
from benchmarks.extraction_layers import (
    make_coast,
    make_grown_layer,
    make_soundings,
    make_tracks,
)
from benchmarks.extraction_peers import Run, Runner, find_peers, measure
from benchmarks.extraction_report import Figures, Results, format_figures, format_targets
from benchmarks.machine import describe_load, describe_machine, read_program_version
from benchmarks.sites import complex_area, make_layer, simple_area, small_area

_OWN = ("floor", "engine")
_PEERS = ("ogr2ogr", "geopandas", "PostGIS")
_GROWTH = 5
# A request this small takes so little that a moment's noise is half of it.
_SMALL_ROUNDS = 5


@dataclass
class Bench:
    """One run of the benchmark: its options, its tools and what it has measured."""

    options: argparse.Namespace
    folder: Path
    peers: dict[str, Runner]
    results: Results

    def compare(self, part: str, layer: Path, area: Any, names: Sequence[str], rounds: int) -> None:
        """Run tools in turn, round by round, so that a busy moment strikes them alike."""
        area_file = self.folder / f"{part.partition(',')[0]}.geojson"
        area_file.write_text(shapely.to_geojson(area))
        names = [name for name in names if name in self.peers]
        runs: dict[str, list[Run]] = {name: [] for name in names}
        for _ in range(rounds):
            for name in names:
                runs[name].append(measure(self.peers[name], layer, area_file))
        figures = {name: _figures(found) for name, found in runs.items()}
        self.results.add(part, figures)
        vertices = f"area of {shapely.get_num_coordinates(area):,} vertices"
        print(f"\n{part}: {layer.name}, {vertices}, rounds: {rounds}, {describe_load()}")
        print(format_figures(figures), flush=True)

    def sites(self, features: int) -> Path:
        """Return the layer of so many polygons."""
        return make_layer(self.folder / f"sites-{features}.gpkg", features)


def main() -> None:
    """Measure each part, then print what each figure is held against."""
    options = _options()
    folder = Path(options.folder)
    folder.mkdir(parents=True, exist_ok=True)
    packages = ("pyogrio", "shapely", "pyarrow", "fiona", "isal")
    print(*describe_machine(folder, packages), sep="\n")
    bench = Bench(options, folder, find_peers(folder), Results(options.features))
    if "ogr2ogr" in bench.peers:
        print(read_program_version("ogr2ogr", "--version"))
    for part in options.only:
        _PARTS[part](bench)
    print(f"\ntargets\n{format_targets(bench.results)}")


def _measure_simple(bench: Bench) -> None:
    layer = bench.sites(bench.options.features)
    bench.compare("simple", layer, simple_area(), [*_OWN, *_PEERS], bench.options.rounds)


def _measure_complex(bench: Bench) -> None:
    area, options = complex_area(), bench.options
    bench.compare("complex", bench.sites(options.features), area, _OWN, options.rounds)
    if options.slow_peers:
        layer = bench.sites(options.features)
        bench.compare("complex, all peers", layer, area, ["engine", *_PEERS], 1)
    else:
        sample = bench.sites(options.sample)
        bench.compare("complex, sample", sample, area, ["engine", *_PEERS], 1)


def _measure_growth(bench: Bench) -> None:
    features = bench.options.features
    grown = bench.folder / f"sites-{features}-in-{_GROWTH * features}.gpkg"
    make_grown_layer(grown, features, _GROWTH * features)
    rounds = bench.options.rounds
    for part, area in (("growth", simple_area()), ("memory", complex_area())):
        bench.compare(f"{part}, small", bench.sites(features), area, ["engine"], rounds)
        bench.compare(f"{part}, large", grown, area, ["engine"], rounds)


def _measure_lines(bench: Bench) -> None:
    count = bench.options.features // 5
    layer = make_tracks(bench.folder / f"tracks-{count}.gpkg", count)
    bench.compare("lines", layer, simple_area(), ["engine", "ogr2ogr"], bench.options.rounds)


def _measure_points(bench: Bench) -> None:
    count = bench.options.features
    layer = make_soundings(bench.folder / f"soundings-{count}.gpkg", count)
    bench.compare("points", layer, simple_area(), ["engine", "ogr2ogr"], bench.options.rounds)


def _measure_huge(bench: Bench) -> None:
    layer = make_coast(bench.folder / "coast.gpkg")
    bench.compare("huge", layer, complex_area(), ["engine", "ogr2ogr"], bench.options.rounds)


def _measure_small(bench: Bench) -> None:
    layer, area = bench.sites(bench.options.features), small_area()
    bench.compare("small", layer, area, ["engine", "ogr2ogr"], _SMALL_ROUNDS)


_PARTS: dict[str, Callable[[Bench], None]] = {
    "simple": _measure_simple,
    "complex": _measure_complex,
    "growth": _measure_growth,
    "lines": _measure_lines,
    "points": _measure_points,
    "huge": _measure_huge,
    "small": _measure_small,
}


def _figures(runs: Sequence[Run]) -> Figures:
    return Figures(
        statistics.median(run.seconds for run in runs),
        max(run.megabytes for run in runs),
        runs[0].features,
        runs[0].measure,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    features = int(os.environ.get("BENCH_FEATURES", "1000000"))
    parser.add_argument("--features", type=int, default=features)
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("BENCH_ROUNDS", "3")))
    parser.add_argument("--only", type=several_of(_PARTS), default=list(_PARTS), metavar="PART,...")
    parser.add_argument("--sample", type=int, default=100_000, help="for peers on the complex area")
    parser.add_argument("--slow-peers", action="store_true", help="all features for them, once")
    parser.add_argument("--folder", default=str(Path(tempfile.gettempdir()) / "marinemap-bench"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
