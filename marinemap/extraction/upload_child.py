"""The child process that reads an uploaded area file; run as a module, never imported.

It is started without network where bubblewrap is installed, with limits on time, memory and file
size, and with all of GDAL's drivers but four switched off.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any

import pyogrio

_SECONDS = 10
_MEMORY_BYTES = 2 * 2**30
_MAX_FEATURES = 10_000


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = {"crs": None, "wkb": []}
    for layer, _ in pyogrio.list_layers(path):
        meta, _, wkb, _ = pyogrio.raw.read(
            path, layer=layer, columns=[], max_features=_MAX_FEATURES, force_2d=True
        )
        found["crs"] = found["crs"] or meta["crs"]
        found["wkb"] += [geometry.hex() for geometry in wkb if geometry is not None]
    return found


def _main() -> None:
    _limit()
    try:
        answer = _read(Path(sys.argv[1]))
    except Exception as error:
        answer = {"error": str(error)}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    _main()
