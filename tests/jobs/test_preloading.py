"""An upgrade replaces the files beneath a worker that still runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyogrio
import shapely

from tests.extraction.parquet_files import squares, write_parquet

ROOT = Path(__file__).parents[2]
# What a worker is, up to its pool; and then runs, whose late imports are told.
RUNS = """
import sys
from pathlib import Path
import django
django.setup()
from celery.signals import worker_init
from marinemap.celery import app
from marinemap.extraction import FORMATS, ExtractionRequest, SourceLayer, extract
app.loader.import_default_modules()
worker_init.send(sender=None)
known = set(sys.modules)
for path, format_ in zip(sys.argv[1:], [*FORMATS] * 2):
    layer = SourceLayer("some", Path(path))
    area, made = (-10, -10, 50, 50), Path(path + ".zip")
    request = ExtractionRequest([layer], area, made, format=format_)
    assert extract(request).layers[0].features_written
print(sorted(name for name in set(sys.modules) - known if name.startswith("marinemap")))
"""


def _sources(folder: Path) -> list[Path]:
    found = [write_parquet(folder / "a.parquet", squares(4))]
    points = shapely.to_wkb(shapely.points([[1, 2], [3, 4]]))
    for name in ("b.geojson", "c.gpkg", "d.fgb", "e.shp"):
        pyogrio.raw.write(folder / name, points, [], [], geometry_type="Point", crs="EPSG:4326")
        found.append(folder / name)
    (folder / "f.csv").write_text("lon,lat\n1,2\n3,4\n")
    return [*found, folder / "f.csv"]


def test_run_of_a_worker_imports_nothing_more(tmp_path: Path) -> None:
    run = [sys.executable, "-c", RUNS, *map(str, _sources(tmp_path))]
    home = str(tmp_path / "home")
    environment = {"DJANGO_SETTINGS_MODULE": "marinemap.settings", "MARINEMAP_HOME": home}
    done = subprocess.run(run, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
