"""Give inputs to the engine in a process of its own, and tell what became of each.

``python -m tests.extraction.refusal`` reads a kind and a path from each line and answers with a
line of JSON. The time counts from where the engine is imported, as it is in a worker; the memory
is the most that was resident meanwhile, of this process and of any child so far.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

from marinemap.errors import DatasetError, RequestError
from marinemap.extraction import (
    ExtractionRequest,
    SourceLayer,
    extract,
    parse_area,
    parse_crs,
    read_area_file,
    read_geometries,
)

AREA = [0.0, 0.0, 10.0, 10.0]


def _extract(path: Path) -> None:
    source = path / "sea.shp" if path.is_dir() else path
    extract(ExtractionRequest([SourceLayer("sea", source)], AREA, path.parent / "out.zip"))


def _request(path: Path) -> None:
    """Ask for a layer as a text file says: its name, the file, the layer within it."""
    name, source, layer = json.loads(path.read_text())
    asked = SourceLayer(name, Path(source), layer)
    extract(ExtractionRequest([asked], AREA, path.parent / "out.zip"))


KINDS = {
    "file": read_area_file,
    "area": lambda path: parse_area(json.loads(path.read_text())),
    "crs": lambda path: parse_crs(path.read_text()),
    "source": _extract,
    "geometries": lambda path: read_geometries(SourceLayer("sea", path), max_vertices=1000),
    "request": _request,
}


def outcome(kind: str, path: Path) -> dict[str, Any]:
    """Return the error's class and words, or ``accepted``."""
    try:
        KINDS[kind](path)
    except (RequestError, DatasetError) as error:
        return {"error": type(error).__name__, "message": str(error)}
    return {"error": None, "message": "accepted"}


def peak_mb() -> float:
    """Return the most memory that this process had resident since the last call, in MB."""
    # The figure of getrusage is inherited from the process that started this one.
    lines = Path("/proc/self/status").read_text().splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM"))
    # proc(5): five sets the peak back to what is resident now.
    Path("/proc/self/clear_refs").write_text("5")
    return int(peak) * 1024 / 1e6


def _main() -> None:
    for line in sys.stdin:
        kind, path = line.rstrip("\n").split("\t")
        begun = time.monotonic()
        found = outcome(kind, Path(path))
        found["seconds"] = time.monotonic() - begun
        found["peak_mb"] = peak_mb()
        found["child_mb"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    _main()
