"""One run of geopandas, for the environment that has it; prints seconds and megabytes."""

import json
import sys
import time
import warnings

import geopandas
import shapely


def main() -> None:
    warnings.simplefilter("ignore")
    layer, area_file, destination = sys.argv[1:]
    with open(area_file) as file:
        area = shapely.from_geojson(file.read())
    begin = time.perf_counter()
    frame = geopandas.read_file(layer, bbox=area.bounds)
    clipped = geopandas.clip(frame, area, keep_geom_type=True)
    clipped.to_file(destination)
    seconds = time.perf_counter() - begin
    with open("/proc/self/status") as status:
        (peak,) = (line for line in status if line.startswith("VmHWM"))
    megabytes = int(peak.split()[1]) / 1024
    print(json.dumps({"seconds": seconds, "megabytes": megabytes}))


if __name__ == "__main__":
    main()
