"""The same request on the same data gives the same bytes, whoever asks, where and when."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
import shapely

from marinemap.extraction import FORMATS
from tests.extraction.layers import write_layer

REPOSITORY = Path(__file__).parents[2]
CODE = """
import hashlib, json, sys
from datetime import UTC, datetime
from pathlib import Path
from marinemap.extraction import FORMATS, ExtractionRequest, SourceLayer, extract

source, folder, made_at = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
made_at = datetime.fromisoformat(made_at) if made_at else None
area = {"type": "Polygon", "coordinates": [[[0, 0], [9.3, 0.1], [5, 8.7], [0, 0]]]}
found = {}
for name in FORMATS:
    layers = [SourceLayer("sea", source), SourceLayer("again", source, fields=["name"])]
    path = folder / f"{name}.zip"
    extract(
        ExtractionRequest(layers, area, path, format=name, made_at=made_at), work_folder=folder
    )
    found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
print(json.dumps(found))
"""
# Another order of sets, another zone, another language, fewer threads.
ELSEWHERE = {
    "PYTHONHASHSEED": "7",
    "TZ": "Pacific/Auckland",
    "LC_ALL": "C",
    "OMP_NUM_THREADS": "1",
    "GDAL_NUM_THREADS": "1",
}


def digests(source: Path, folder: Path, made_at: str, **environment: str) -> dict[str, str]:
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(source), str(folder), made_at],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("made_at", ["", "2026-11-21T13:05:00+01:00"], ids=["no time", "a time"])
def test_another_process_place_and_hour_give_the_same_bytes(tmp_path: Path, made_at: str) -> None:
    boxes = [shapely.box(x, y, x + 0.5, y + 0.5) for x in range(10) for y in range(10)]
    columns = {
        "number": pa.array(range(100), pa.int64()),
        "name": [f"récif {n}" * (n % 40) for n in range(100)],
        "day": pa.array(range(100), pa.date32()),
    }
    source = write_layer(tmp_path / "source.gpkg", boxes, columns, kind="Polygon")
    here = digests(source, tmp_path / "here", made_at, PYTHONHASHSEED="1", TZ="UTC")
    (tmp_path / "moved").mkdir()
    copy = shutil.copyfile(source, tmp_path / "moved" / "source.gpkg")
    os.utime(copy, (1, 1))
    there = digests(copy, tmp_path / "there", made_at, **ELSEWHERE)
    assert set(here) == set(FORMATS)
    assert here == there
