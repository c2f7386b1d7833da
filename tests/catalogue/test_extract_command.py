"""``manage.py extract``: the engine from the shell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from io import StringIO
from pathlib import Path
from typing import Any

import fiona
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from marinemap.catalogue.models import Layer

ROOT = Path(__file__).parents[2]
AREA = {"type": "Polygon", "coordinates": [[[0, 40], [5, 40], [5, 45], [0, 45], [0, 40]]]}


def run(*args: Any, **options: Any) -> str:
    out = StringIO()
    call_command("extract", *args, stdout=out, **options)
    return out.getvalue()


def count(archive: Path, name: str) -> int:
    folder = archive.with_suffix("")
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
    with fiona.open(folder / name) as source:
        return len(source)


@pytest.mark.parametrize("url", ["postgresql://nobody@127.0.0.1:1/none", "sqlite:////nowhere/x.db"])
def test_file_needs_no_database(marine_gpkg: Path, tmp_path: Path, url: str) -> None:
    area = tmp_path / "area.geojson"
    area.write_text(json.dumps(AREA))
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "manage.py", "extract", str(marine_gpkg)]
        + ["--layer", "ports", "--area", str(area), "--crs", "EPSG:3857"]
        + ["--out", str(tmp_path / "ports.zip")],
        cwd=ROOT,
        env={
            **os.environ,
            "DATABASE_URL": url,
            "MARINEMAP_HOME": str(tmp_path / "home"),
            "DJANGO_SETTINGS_MODULE": "marinemap.settings",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "ports: 25 features, EPSG:3857" in done.stdout
    assert "100%" in done.stderr
    assert count(tmp_path / "ports.zip", "ports.shp") == 25


def test_layer_of_the_catalogue_is_found_by_its_id(reefs: Layer, tmp_path: Path) -> None:
    told = run("reefs", area="0,40,5,45", out=tmp_path / "reefs.zip")
    assert "reefs: 25 features, EPSG:4326" in told
    assert count(tmp_path / "reefs.zip", "reefs.shp") == 25


def test_notes_are_told(marine_gpkg: Path, tmp_path: Path) -> None:
    bow_tie = tmp_path / "bow.json"
    corners = [[0, 40], [2, 42], [2, 40], [0, 42], [0, 40]]
    bow_tie.write_text(json.dumps({"type": "Polygon", "coordinates": [corners]}))
    told = run(marine_gpkg, layer="ports", area=str(bow_tie), out=tmp_path / "x.zip")
    assert "repaired" in told


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"source": "reef"}, "no layer 'reef'; the catalogue has 'reefs'"),
        ({"source": "gone.gpkg"}, "there is no file gone.gpkg"),
        ({"layer": "reef"}, "Did you mean 'reefs'"),
        ({"layer": None}, "holds 3 layers"),
        ({"area": "gone.geojson"}, "cannot read gone.geojson"),
        ({"area": "0,45,5,40"}, "south must be below north"),
        ({"area": "0,40,5"}, "cannot read 0,40,5"),
        ({"area": str(ROOT / "pyproject.toml")}, "is not GeoJSON"),
        ({"crs": "EPSG:999999"}, "there is no CRS EPSG:999999"),
        ({"crs": "mercator"}, "EPSG:3857"),
        ({"out": ROOT}, "is a folder"),
        ({"out": ROOT / "no" / "such" / "x.zip"}, "there is no folder"),
    ],
    ids=lambda value: (
        " ".join(f"{k}={str(v)[-14:]}" for k, v in value.items()) if isinstance(value, dict) else ""
    ),
)
def test_bad_option_is_refused_with_the_reason(
    reefs: Layer, marine_gpkg: Path, tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    options = {"layer": "reefs", "area": "0,40,5,45", "out": tmp_path / "x.zip", "crs": None}
    options |= change
    source = options.pop("source", marine_gpkg)
    with pytest.raises(CommandError, match=reason):
        run(source, **options)
    assert list(tmp_path.glob("*.zip")) == []


@pytest.mark.django_db
def test_extract_command_names_a_bad_number(marine_gpkg, tmp_path):
    from django.core.management import call_command
    from django.core.management.base import CommandError

    with pytest.raises(CommandError):
        call_command(
            "extract", str(marine_gpkg), layer="ports", area="1.2.3,4,5,6", out=tmp_path / "a.zip"
        )
