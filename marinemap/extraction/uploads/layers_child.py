"""The script that lists the layers of an uploaded file apart from everything; see ``sandbox.py``.

It is run by its path and imports nothing of ours.
"""

from __future__ import annotations

import json
import resource
import runpy
import sys
import warnings
from pathlib import Path

import pyogrio

_CPU_SECONDS = 60
# GDAL holds a GeoJSON of some hundred megabytes while it lists its one layer.
_MEMORY_BYTES = 2 * 2**30


def _main() -> None:
    apart = runpy.run_path(str(Path(__file__).with_name("upload_child.py")))
    apart["lower"](resource.RLIMIT_CPU, _CPU_SECONDS)
    apart["lower"](resource.RLIMIT_DATA, _MEMORY_BYTES)
    apart["lower"](resource.RLIMIT_FSIZE, 0)
    apart["lower"](resource.RLIMIT_CORE, 0)
    path = Path(sys.argv[1])
    apart["shut_in"](path.parent)
    warnings.simplefilter("ignore")
    answer: dict[str, object]
    try:
        answer = {"layers": [list(map(str, pair)) for pair in _layers(path)]}
    except MemoryError:
        return
    except Exception as error:
        # Whoever sent the file is not told where it lies.
        answer = {"error": str(error).replace(f"{path.parent}/", "")}
    json.dump(answer, sys.stdout)


def _layers(path: Path) -> list[tuple[object, object]]:
    return [(name, kind or "") for name, kind in pyogrio.list_layers(path)]


if __name__ == "__main__":
    _main()
