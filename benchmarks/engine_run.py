"""One run of the engine, or of its floor, in a process of its own; prints seconds, count, area."""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyogrio
import pyproj
import shapely

from marinemap.extraction import Area, ExtractionRequest, SourceLayer, describe, extract, parse_crs
from marinemap.extraction.areas.grid import AreaGrid
from marinemap.extraction.extracts.archive import new_archive
from marinemap.extraction.formats import get_format
from marinemap.extraction.formats.plan import NO_DATE, WritePlan
from marinemap.extraction.reading.read import open_source


def run_engine(layer: Path, area: Any, destination: Path) -> float:
    """Extract with everything on: clip, verify, report, hash. Return the seconds it took."""
    request = ExtractionRequest(
        [SourceLayer("sites", layer)], Area(area, parse_crs("EPSG:4326"), {}), destination
    )
    begin = time.perf_counter()
    extract(request)
    return time.perf_counter() - begin


def run_floor(layer: Path, area: Any, destination: Path) -> float:
    """Read by the area's box, write as many features as the area holds, zip: nothing else.

    Which features those are is known beforehand and costs nothing here.
    """
    wanted = _known(layer, area)
    begin = time.perf_counter()
    dataset = describe(layer)
    # A grid of one cell tells only what touches the area's box.
    by_box = AreaGrid(shapely.box(*area.bounds), level=0).touches
    source = open_source(dataset, [area.bounds], near=by_box)
    plan = WritePlan(
        destination.parent, "floor", source.schema(), pyproj.CRS(4326), "Polygon", False, NO_DATE
    )
    writer = get_format("shapefile").writer(plan)
    with closing(source.batches()) as batches:
        for batch in batches:
            kept = pa.array(wanted[batch.attributes.column("site_id").to_numpy()])
            writer.write(batch.geometries.filter(kept), batch.attributes.filter(kept))
    written = writer.close()
    with new_archive(destination) as archive:
        for file in (file for one in written for file in one.files):
            archive.add(file)
    return time.perf_counter() - begin


def _known(layer: Path, area: Any) -> Any:
    """Return a flag for each feature of the layer, by its identifier.

    Found in a process of its own: the geometries of a whole layer would leave a heap so large
    that nothing after it asks the system for memory.
    """
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawned) as pool:
        return pool.submit(_touching, layer, area).result()


def _touching(layer: Path, area: Any) -> Any:
    shapely.prepare(area)
    columns = {"layer": "sites", "columns": ["site_id"], "use_pyarrow": True}
    with pyogrio.open_arrow(layer, bbox=area.bounds, **columns) as (meta, reader):
        wanted = np.zeros(pyogrio.read_info(layer)["features"], bool)
        for batch in reader:
            wkb = batch.column(meta["geometry_name"] or "geom").to_numpy(zero_copy_only=False)
            touches = shapely.intersects(area, shapely.from_wkb(wkb))
            wanted[batch.column("site_id").to_numpy()[touches]] = True
    return wanted


def own_peak_megabytes() -> float:
    """Return the most memory that this process has held, in MB."""
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def main() -> None:
    what, layer, area_file, destination = sys.argv[1:]
    area = shapely.from_geojson(Path(area_file).read_text())
    run = run_engine if what == "engine" else run_floor
    # A worker is warm: what is loaded on first use is no part of a request.
    run(Path(layer), shapely.box(0, 38, 0.05, 38.05), Path(destination))
    seconds = run(Path(layer), area, Path(destination))
    print(json.dumps({"seconds": seconds, "megabytes": own_peak_megabytes()}))


if __name__ == "__main__":
    main()
