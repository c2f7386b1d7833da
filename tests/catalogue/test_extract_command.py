"""``manage.py extract``: the engine from the shell."""

from __future__ import annotations

import json
import os
import re
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
from django.db import connection

from marinemap.catalogue import plain
from marinemap.catalogue.models import Layer
from marinemap.catalogue.registration import register

ROOT = Path(__file__).parents[2]
AREA = {"type": "Polygon", "coordinates": [[[0, 40], [5, 40], [5, 45], [0, 45], [0, 40]]]}


def run(*args: Any, **options: Any) -> str:
    out = StringIO()
    call_command("extract", *args, stdout=out, **options)
    return out.getvalue()


def manage(
    *command: str,
    home: Path,
    options: tuple[str, ...] = (),
    variables: dict[str, str] | None = None,
    code: int | None = 0,
) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own, on the settings that manage.py picks for it."""
    ours = ("MARINEMAP_", "DJANGO_", "CELERY_", "DATABASE_URL")
    clean = {name: text for name, text in os.environ.items() if not name.startswith(ours)}
    done = subprocess.run(
        [sys.executable, *options, "manage.py", *command],
        cwd=ROOT,
        env=clean | {"MARINEMAP_HOME": str(home)} | (variables or {}),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert code in (None, done.returncode), done.stderr
    return done


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
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "ports: 25 features, EPSG:3857" in done.stdout
    assert "100%" in done.stderr
    assert count(tmp_path / "ports.zip", "ports.shp") == 25


def test_file_starts_neither_django_nor_celery(marine_gpkg: Path, tmp_path: Path) -> None:
    """To import them took longer than a small extract."""
    done = manage(
        *("extract", str(marine_gpkg), "--layer", "ports", "--area=0,40,5,45"),
        *("--out", str(tmp_path / "ports.zip")),
        home=tmp_path / "home",
        options=("-X", "importtime"),
    )
    told = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    packages = {line.rpartition("|")[2].strip().partition(".")[0] for line in told}
    assert "pyogrio" in packages
    assert (
        packages & {"celery", "kombu", "sqlalchemy", "django_celery_beat", "csp", "botocore"}
        == set()
    )
    # Of Django the errors of settings alone.
    for part in (
        "django.db",
        "django.urls",
        "django.core.validators",
        "django.core.management",
        "marinemap.catalogue",
    ):
        assert part not in done.stderr
    assert count(tmp_path / "ports.zip", "ports.shp") == 25


@pytest.mark.parametrize(
    ("arguments", "variables", "reason"),
    [
        (["gone.gpkg"], {}, "CommandError: source: there is no file gone.gpkg"),
        (["--layer", "prots"], {}, "Did you mean 'ports'"),
        (["--layer", "ports", "--dry"], {}, "25 features"),
        (["--layer", "ports", "--dry-run"], {"MARINEMAP_HOEM": "/"}, "Did you mean MARINEMAP_HOME"),
        (["--layer", "ports", "--colour"], {}, "unrecognized arguments: --colour"),
        (["--help"], {}, "--settings"),
        (["--layer", "ports", "--dry-run", "-v", "2"], {}, "25 features"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_file_is_answered_as_a_layer_is(
    marine_gpkg: Path, tmp_path: Path, arguments: list[str], variables: dict[str, str], reason: str
) -> None:
    """A file's extract does without Django; what it does not know is Django's to answer."""
    source = [] if arguments[0].endswith(".gpkg") else [str(marine_gpkg)]
    done = manage(
        "extract",
        *(*source, *arguments, "--area=0,40,5,45"),
        home=tmp_path / "home",
        variables=variables,
        code=None,
    )
    assert reason in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("more", [[], ["-v", "2"]], ids=["alone", "by Django"])
@pytest.mark.parametrize("area", ["-10,40,5,45", "-.5,40,5,45"])
def test_bounds_may_begin_in_the_west(
    marine_gpkg: Path, tmp_path: Path, area: str, more: list[str]
) -> None:
    asked = ["--layer", "ports", "--area", area, "--dry-run", *more]
    done = manage("extract", str(marine_gpkg), *asked, home=tmp_path / "home")
    assert "25 features" in done.stdout


def test_layer_of_the_catalogue_is_extracted_without_django(
    marine_gpkg: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    manage("migrate", "--verbosity", "0", home=home)
    manage("addlayer", "ports", str(marine_gpkg), "--layer", "ports", home=home)
    ask = ("extract", "ports", "--area=0,40,5,45", "--dry-run")
    done = manage(*ask, home=home, options=("-X", "importtime"))
    assert "ports: 25 features" in done.stdout
    assert "django.db" not in done.stderr and "marinemap.catalogue.plain" in done.stderr
    # What that cannot tell is told by the catalogue.
    for words, reason in (
        (["port"], "no layer 'port'; the catalogue has 'ports'"),
        (["ports", "--layer", "ports"], "'ports' is a layer of the catalogue"),
    ):
        told = manage("extract", *words, "--area=0,40,5,45", "--dry-run", home=home, code=1)
        assert reason in told.stderr


@pytest.mark.django_db(transaction=True)
def test_layer_is_the_same_with_and_without_django(marine_gpkg: Path, home: Path) -> None:
    register("reefs", marine_gpkg, "reefs")
    Layer.objects.update(title="Récifs", licence="CC0", attribution="who's, \\")
    is_sqlite = connection.vendor == "sqlite"
    expected = Layer.objects.get().to_source() if is_sqlite else None
    assert plain.find_source(connection.settings_dict, "reefs") == expected
    for change in ({"is_published": False}, {"is_published": True, "version": ""}):
        Layer.objects.update(**change)
        assert plain.find_source(connection.settings_dict, "reefs") is None
    away = {**connection.settings_dict, "NAME": home / "none ? #.sqlite3"}
    assert plain.find_source(away, "reefs") is None


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
        ({"out": None}, "--out, or ask for a --dry-run"),
        ({"mode": "cut"}, "mode: .*clip, intersects, within"),
        ({"format": "gpkg"}, "Did you mean 'geopackage'"),
        ({"format": "kml", "crs": "EPSG:3857"}, "always longitude, latitude"),
        ({"fields": "nmae"}, "Did you mean 'name'"),
        ({"fields": "name,name"}, "listed twice"),
        ({"filter": "dept_m > 1"}, "Did you mean 'depth_m'"),
        ({"filter": "{"}, "not CQL2 JSON"),
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


def test_choices_of_the_shell_are_heeded(reefs: Layer, tmp_path: Path) -> None:
    run(
        "reefs",
        *("--area", "0,40,1.5,41.5", "--mode", "intersects", "--format", "geojson"),
        *("--fields", "name,reef_id", "--filter", "depth_m > 0.5"),
        out=tmp_path / "reefs.zip",
    )
    with zipfile.ZipFile(tmp_path / "reefs.zip") as opened:
        features = json.loads(opened.read("reefs.geojson"))["features"]
    assert [feature["properties"] for feature in features] == [
        {"reef_id": number, "name": f"Récif {number} 珊瑚"} for number in (10, 11)
    ]
    eastmost = max(x for x, _ in features[1]["geometry"]["coordinates"][0])
    assert eastmost == pytest.approx(1.9)


def test_filter_may_be_json_and_fields_may_be_none(reefs: Layer, tmp_path: Path) -> None:
    text = json.dumps({"op": "=", "args": [{"property": "reef_id"}, 11]})
    told = run("reefs", area="0,40,5,45", filter=text, fields="", out=tmp_path / "reefs.zip")
    assert "reefs: 1 feature," in told


@pytest.mark.parametrize("wanted", [True, False])
def test_full_copy_may_be_left_out(tmp_path: Path, wanted: bool) -> None:
    source = tmp_path / "long.geojson"
    point = {"type": "Point", "coordinates": [1, 41]}
    feature = {"type": "Feature", "properties": {"text": "x" * 300}, "geometry": point}
    source.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    option = "--full-copy" if wanted else "--no-full-copy"
    run(source, option, area="0,40,5,45", out=tmp_path / "long.zip")
    with zipfile.ZipFile(tmp_path / "long.zip") as opened:
        assert ("long.gpkg" in opened.namelist()) == wanted


def test_dry_run_tells_the_count_and_what_would_be_lost_and_makes_nothing(
    reefs: Layer, tmp_path: Path
) -> None:
    before = sorted(tmp_path.rglob("*"))
    told = run("reefs", "--dry-run", area="0,40,5,45")
    assert re.match(r"reefs: (about )?\d+ features", told)
    assert "bytes before zipping" in told
    assert "'habitat_class' would be named 'habitat_cl'." in told
    assert "No feature" in run("reefs", "--dry-run", area="0,40,0.05,40.05")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--fields", "nmae"], "Did you mean 'name'"),
        (["--filter", "dept_m > 1"], "Did you mean 'depth_m'"),
        (["--crs", "EPSG:999999"], "there is no CRS"),
        (["--crs", "EPSG:3851"], "made for longitude 160"),
    ],
)
def test_dry_run_refuses_what_the_extract_would_refuse(
    reefs: Layer, options: list[str], reason: str
) -> None:
    with pytest.raises(CommandError, match=reason):
        run("reefs", "--dry-run", *options, area="0,40,5,45")
