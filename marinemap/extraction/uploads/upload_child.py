"""The script that reads an uploaded area file apart from everything; see ``sandbox.py``.

It is run by its path and imports nothing of ours, so that it starts in a third of a second. All of
GDAL's drivers but four are switched off in its environment.
"""

from __future__ import annotations

import json
import resource
import runpy
import sys
from pathlib import Path
from typing import Any

import pyogrio

_CPU_SECONDS = 5
# Of its own, beside some 60 MB of libraries: no more than 300 MB in all.
_MEMORY_BYTES = 224 * 2**20
MAX_FEATURES = 10_000
# 500,000 corners in rings of three need less.
_MAX_WKB_BYTES = 12 * 2**20


def limit() -> None:
    """Set the limits of this process: they cannot be raised again."""
    lower(resource.RLIMIT_CPU, _CPU_SECONDS)
    lower(resource.RLIMIT_DATA, _MEMORY_BYTES)
    lower(resource.RLIMIT_FSIZE, 0)
    lower(resource.RLIMIT_CORE, 0)


def lower(kind: int, most: int) -> None:
    """Set a limit, where there is no lower one already: who started it may have less itself."""
    hard = resource.getrlimit(kind)[1]
    allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (allowed, allowed))


def shut_in(folder: Path) -> None:
    """See no file but those of a folder and of the libraries, and no other process or machine."""
    walls = runpy.run_path(str(Path(__file__).parents[1] / "sandbox/walls.py"))
    own = {Path(place).resolve() for place in (sys.prefix, sys.base_prefix)}
    system = [Path(place) for place in ("/usr", "/lib", "/lib64")]
    walls["see_only"]([folder, *sorted(own), *system])
    walls["refuse_calls"]()


def _read(path: Path) -> dict[str, Any]:
    found: list[bytes] = []
    crses: set[str | None] = set()
    # The table of a shapefile is not read, but the names of its fields are; any bytes are letters
    # of this encoding.
    encoding = "ISO-8859-1" if path.suffix == ".shp" else None
    for layer, kind in pyogrio.list_layers(path):
        # Tables and points hold no area; a track's points would count as features.
        if kind is None or "Point" in kind:
            continue
        meta, _, wkb, _ = pyogrio.raw.read(
            path,
            layer=layer,
            columns=[],
            max_features=MAX_FEATURES + 1,
            force_2d=True,
            encoding=encoding,
        )
        present = [geometry for geometry in wkb if geometry is not None]
        found += present
        crses |= {meta["crs"]} if present else set()
        if len(found) > MAX_FEATURES:
            return {"error": f"it holds more than {MAX_FEATURES:,} features"}
        if sum(len(geometry) for geometry in found) > _MAX_WKB_BYTES:
            return {"error": "its outlines have more than 500,000 corners"}
    if len(crses) > 1:
        return {"error": "its layers are in different CRSs; keep one layer"}
    return {"crs": next(iter(crses), None), "wkb": [geometry.hex() for geometry in found]}


def _main() -> None:
    limit()
    path = Path(sys.argv[1])
    shut_in(path.parent)
    try:
        answer = _read(path)
    except MemoryError:
        answer = {"error": f"reading it needs more than {_MEMORY_BYTES >> 20} MiB of memory"}
    except UnboundLocalError:
        # What pyogrio 0.13 fails by where GDAL's words for a damaged CRS are no UTF-8.
        answer = {"error": "its CRS (of a shapefile: its .prj) is damaged"}
    except Exception as error:
        # Whoever sent the file is not told where it lies.
        answer = {"error": str(error).replace(f"{path.parent}/", "")}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    _main()
