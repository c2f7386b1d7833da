"""How much memory a run takes at its peak, for layers whose features are large.

    python -m benchmarks memory
    python -m benchmarks memory --kinds texts,fields

Each layer is extracted as a shapefile, in another CRS, in a process of its own, verification, full
copy and zip included. The most that a run may take is 400 MB where no feature has more than 50 MB.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyogrio
import shapely

from benchmarks.choices import several_of
from benchmarks.engine_run import own_peak_megabytes
from benchmarks.machine import describe_load, describe_machine
from benchmarks.targets import Target
from marinemap.extraction import ExtractionRequest, SourceLayer, extract

MOST_MEGABYTES = 400
_MEGABYTE = 1 << 20
_AREA = [0.0, 40.0, 20.0, 60.0]
_CRS = "EPSG:3035"

# Geometries, and columns by their names.
Made = tuple[list[Any], dict[str, Any]]


def vertices() -> Made:
    """Return 40 polygons of 200,000 corners, 122 MB of coordinates."""
    places = np.random.default_rng(0).uniform([5, 45], [15, 55], (40, 2))
    return [shapely.Point(at).buffer(1, quad_segs=50_000) for at in places], {}


def rows() -> Made:
    """Return 40 features with a text of 5 MB each."""
    return _points(40), {"text": [_text(number, 5) for number in range(40)]}


def texts() -> Made:
    """Return 200 features with a text of 1 MB each."""
    return _points(200), {"text": [_text(number, 1) for number in range(200)]}


def fields() -> Made:
    """Return 20,000 features with 300 fields, of which 45 do not fit a shapefile."""
    count = 20_000
    return _points(count), {f"field_{n}": np.arange(count) * n for n in range(300)}


KINDS: dict[str, Callable[[], Made]] = {
    "vertices": vertices,
    "rows": rows,
    "texts": texts,
    "fields": fields,
}


def peak_megabytes(kind: str, folder: Path) -> float:
    """Return what a process takes at its peak that extracts a layer of a kind."""
    layer = folder / f"{kind}.gpkg"
    for part in ("make", "run"):
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.memory", "--child", part, kind, str(layer)],
            check=True,
            capture_output=True,
            text=True,
        )
    return float(json.loads(done.stdout)["megabytes"])


def _points(count: int) -> list[Any]:
    made: Any = shapely.points(np.random.default_rng(0).uniform([5, 45], [15, 55], (count, 2)))
    return list(made)


def _text(number: int, megabytes: int) -> str:
    return f"{number:08d}" * (megabytes * _MEGABYTE // 8)


def _make(kind: str, layer: Path) -> None:
    geometries, columns = KINDS[kind]()
    wkb = pa.array(shapely.to_wkb(np.array(geometries, object)), pa.binary())
    table = pa.table({"number": np.arange(len(geometries)), **columns, "geom_": wkb})
    pyogrio.write_arrow(
        table,
        layer,
        driver="GPKG",
        geometry_name="geom_",
        geometry_type="Polygon" if kind == "vertices" else "Point",
        crs="EPSG:4326",
    )


def _run(layer: Path) -> None:
    source = SourceLayer("sea", layer)
    extract(ExtractionRequest([source], _AREA, layer.with_suffix(".zip"), crs=_CRS))
    print(json.dumps({"megabytes": own_peak_megabytes()}))


def main() -> None:
    """Print the peak of each kind beside what is allowed."""
    options = _options()
    if options.child:
        part, kind, layer = options.child
        _make(kind, Path(layer)) if part == "make" else _run(Path(layer))
        return
    print(*describe_machine(Path.cwd(), ("pyogrio", "pyarrow", "shapely")), sep="\n")
    print("\nMB at the peak, as a share of 400")
    for kind in options.kinds:
        with tempfile.TemporaryDirectory() as folder:
            peak = peak_megabytes(kind, Path(folder))
        words = f"{kind}: {(KINDS[kind].__doc__ or '').removeprefix('Return ')} {peak:.0f} MB"
        print(Target(words, peak, MOST_MEGABYTES, at_most=1).describe(), flush=True)
    print(describe_load())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks memory", description=__doc__)
    parser.add_argument("--kinds", type=several_of(KINDS, "kind"), default=list(KINDS))
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
