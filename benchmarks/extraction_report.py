"""The tables that the engine's benchmark prints, and what the figures are held against."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.targets import Target

_MOST_MEGABYTES = 350
# Relative: sums of a few hundred thousand areas, cut by different versions of GEOS.
_MEASURE_TOLERANCE = 1e-9
# What a run differs from the next on a machine that does something else besides.
_NOISE = 1.2


@dataclass(frozen=True)
class Figures:
    """What was measured of one tool: median seconds, highest memory, and what came out."""

    seconds: float
    megabytes: float
    features: int
    measure: float


@dataclass
class Results:
    """All that one run has measured: for each part the figures of each tool."""

    features: int
    parts: dict[str, Mapping[str, Figures]] = field(default_factory=dict)

    def add(self, part: str, figures: Mapping[str, Figures]) -> None:
        """Keep what a part has given."""
        self.parts[part] = figures

    def get(self, part: str, tool: str) -> Figures | None:
        """Return what was measured of a tool, if it was."""
        return self.parts.get(part, {}).get(tool)

    def seconds(self, part: str, tool: str) -> float | None:
        """Return the seconds that a tool took, if it was measured."""
        found = self.get(part, tool)
        return found.seconds if found else None

    def megabytes(self, part: str) -> float | None:
        """Return the engine's peak memory, if it was measured."""
        found = self.get(part, "engine")
        return found.megabytes if found else None

    def seconds_each(self, part: str) -> float | None:
        """Return the engine's seconds for each feature that came out, if measured."""
        found = self.get(part, "engine")
        return found.seconds / found.features if found else None


def format_figures(figures: Mapping[str, Figures]) -> str:
    """Return the tools of a part side by side, and where their results are not equal."""
    engine = figures["engine"]
    lines = [
        f"  {name:<10} {one.seconds:8.2f} s  {one.seconds / engine.seconds:7.2f} x engine  "
        f"{_megabytes(one)}  {one.features:>9,} features"
        for name, one in figures.items()
    ]
    peers = {name: one for name, one in figures.items() if name not in ("floor", "engine")}
    differing = [name for name, one in peers.items() if not _is_equal(one, engine)]
    lines += [f"  {name} DIFFERS: {peers[name]}; {engine}" for name in differing]
    if peers and not differing:
        lines.append(f"  equal in count and total size ({engine.measure:.9g})")
    return "\n".join(lines)


def _megabytes(one: Figures) -> str:
    return f"{'-':>9}" if math.isnan(one.megabytes) else f"{one.megabytes:6.0f} MB"


def _is_equal(one: Figures, other: Figures) -> bool:
    apart = abs(one.measure - other.measure)
    return one.features == other.features and apart <= _MEASURE_TOLERANCE * abs(other.measure)


def format_targets(results: Results) -> str:
    """Return each target with its ratio and whether it is met."""
    targets = [*_area_targets(results), *_growth_targets(results), *_kind_targets(results)]
    return "\n".join(target.describe() for target in targets)


def _area_targets(results: Results) -> list[Target]:
    seconds = results.seconds
    part = "complex, all peers" if "complex, all peers" in results.parts else "complex, sample"
    engine, simple = seconds(part, "engine"), seconds("simple", "engine")
    return [
        Target(f"{part}: ogr2ogr / engine", seconds(part, "ogr2ogr"), engine, at_least=60),
        Target(f"{part}: geopandas / engine", seconds(part, "geopandas"), engine, at_least=12),
        Target("simple: ogr2ogr / engine", seconds("simple", "ogr2ogr"), simple, at_least=5),
        Target("simple: engine / floor", simple, seconds("simple", "floor"), at_most=1.4),
        Target("complex: engine / floor", seconds("complex", "engine"),
               seconds("complex", "floor"), at_most=1.4),
        Target("simple: MB / 350 MB", results.megabytes("simple"), _MOST_MEGABYTES, at_most=1),
        Target("complex: MB / 350 MB", results.megabytes("complex"), _MOST_MEGABYTES, at_most=1),
    ]  # fmt: skip


def _growth_targets(results: Results) -> list[Target]:
    return [
        Target("5 x the features, as many in the area's box: seconds",
               results.seconds("growth, large", "engine"),
               results.seconds("growth, small", "engine"), at_most=_NOISE),
        Target("5 x the features, as many in the area's box: MB",
               results.megabytes("growth, large"), results.megabytes("growth, small"),
               at_most=1.1),
        Target("5 x the features, most in the area: seconds for each",
               results.seconds_each("memory, large"), results.seconds_each("memory, small"),
               at_most=_NOISE),
        Target("5 x the features, most in the area: MB",
               results.megabytes("memory, large"), results.megabytes("memory, small"),
               at_most=1.1),
    ]  # fmt: skip


def _kind_targets(results: Results) -> list[Target]:
    names = {
        "lines": "lines",
        "points": "points",
        "huge": "one polygon of 200,000 vertices",
        "small": "1,000 features, warm process",
    }
    return [
        Target(f"{name}: ogr2ogr / engine", results.seconds(part, "ogr2ogr"),
               results.seconds(part, "engine"), at_least=1)
        for part, name in names.items()
    ]  # fmt: skip
