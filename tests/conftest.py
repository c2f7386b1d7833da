"""What every room's tests share: real vector files made fresh, and whole running sites."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import shapely

from tests.postgresql import make_database, running_cluster
from tests.running_site import RunningSite, wait_for
from tests.storage_server import running_server

# Their tests run whole sites and workers, and wait for leases and rates; others compute.
_WAITING = ("acceptance", "browser", "deployment", "tasks", "transport")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mix the files of tests that wait with those that compute, where some run at once.

    One kind after the other, the processors would be idle in the one and too few in the other.
    """
    if not hasattr(config, "workerinput"):
        return
    of_file: dict[Path, list[pytest.Item]] = {}
    for item in items:
        of_file.setdefault(item.path, []).append(item)
    tests = Path(__file__).parent
    kinds = [
        [file for file in of_file if (file.relative_to(tests).parts[0] in _WAITING) == waits]
        for waits in (True, False)
    ]
    # What is half-way in its list comes where the half of all is over.
    places = {file: (n + 0.5) / len(kind) for kind in kinds for n, file in enumerate(kind)}
    items[:] = [item for file in sorted(of_file, key=places.__getitem__) for item in of_file[file]]


@pytest.fixture
def small_disk(tmp_path: Path, settings: Any) -> Iterator[Callable[[str], Path]]:
    """Put the site's files on a disk of a few hundred kilobytes."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    folder = tmp_path / "small"
    folder.mkdir()

    def mount(size: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
        if subprocess.run(command, capture_output=True).returncode:
            pytest.skip("nothing can be mounted here")
        settings.MARINEMAP_HOME = folder
        return folder

    yield mount
    subprocess.run(["umount", "--lazy", str(folder)], capture_output=True)


@pytest.fixture
def patient_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a page of features, a count of values and a search for zones take a minute.

    They end with what they have after a second, which a busy machine may stand still for.
    """
    monkeypatch.setattr("marinemap.extraction.pages.page._MOST_SECONDS", 60.0)
    monkeypatch.setattr("marinemap.extraction.layers.field_values._MOST_SECONDS", 60.0)
    monkeypatch.setattr("marinemap.extraction.reading.described_source.ZONE_SECONDS", 60.0)


@pytest.fixture
def patient_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait two minutes for what a storage or a database answers, not a second and a half."""
    from marinemap.jobs.storage.looking import trouble_of

    patient = partial(trouble_of, seconds=120.0)
    for room in ("jobs.storage.site", "jobs.watch", "metrics"):
        monkeypatch.setattr(f"marinemap.{room}.trouble_of", patient)
    monkeypatch.setattr("marinemap.jobs.health._ANSWER_WITHIN_SECONDS", 120.0)
    monkeypatch.setattr("marinemap.jobs.health._database._seconds", 120.0)


@pytest.fixture(scope="session")
def marine_gpkg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GeoPackage, EPSG:4326, of a small sea between 0 and 10 degrees east, 40 and 50 north.

    ``reefs``: 100 polygons, each 0.8 degrees wide, one in each cell of one degree, with a hole;
    ``coastline``: 10 lines from west to east; ``ports``: 100 points in the middle of the cells.
    """
    path = tmp_path_factory.mktemp("data") / "marine.gpkg"
    column, row = np.meshgrid(np.arange(10.0), np.arange(40.0, 50.0))
    x, y = column.ravel(), row.ravel()
    outer = shapely.box(x + 0.1, y + 0.1, x + 0.9, y + 0.9)
    hole = shapely.box(x + 0.4, y + 0.4, x + 0.6, y + 0.6)
    numbers = np.arange(100)
    _write(
        path,
        "reefs",
        "Polygon",
        shapely.difference(outer, hole),
        {
            "reef_id": numbers,
            "name": np.array([f"Récif {n} 珊瑚" for n in numbers], dtype=object),
            "habitat_class": np.array([f"class {n % 4}" for n in numbers], dtype=object),
            "depth_m": numbers / 10,
        },
    )
    lines = shapely.linestrings([[(0.0, y), (10.0, y)] for y in np.arange(40.5, 50.0)])
    _write(path, "coastline", "LineString", lines, {"line_id": np.arange(10)})
    points = shapely.points(x + 0.5, y + 0.5)
    _write(path, "ports", "Point", points, {"port_id": numbers})
    return path


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """The URL of a running PostgreSQL server."""
    with running_cluster() as cluster:
        yield cluster.url("postgres")


@pytest.fixture(scope="session")
def storage_server() -> Iterator[str]:
    """The address of an S3 server; a test has a bucket of its own there."""
    with running_server() as endpoint:
        yield endpoint


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def prepared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, marine_gpkg: Path
) -> RunningSite:
    """A site with a migrated database, static files and three layers, made once, to be copied."""
    home = tmp_path_factory.mktemp(f"prepared-{request.param}")
    url = None
    if request.param == "postgresql":
        url = make_database(request.getfixturevalue("postgresql_url"), "prepared")
    site = RunningSite(home, url)
    # At once: to start four commands takes longer than what they do.
    site.manage("shell", "--no-imports", "--command", _PREPARE.format(source=str(marine_gpkg)))
    return site


_PREPARE = """
from django.core.management import call_command
from marinemap.management.commands.web import collect_static
call_command("migrate", verbosity=0)
collect_static()
for layer in ("reefs", "coastline", "ports"):
    call_command("addlayer", layer, {source!r}, layer=layer)
"""


@pytest.fixture
def make_site(prepared: RunningSite, tmp_path: Path) -> Iterator[Callable[..., RunningSite]]:
    """Make sites with a database of their own and three layers; stop them at the end."""
    sites: list[RunningSite] = []

    def make(**settings: str) -> RunningSite:
        name = f"site_{len(sites)}"
        sites.append(_copied(prepared, tmp_path / name, name, **settings))
        return sites[-1]

    yield make
    for site in sites:
        site.stop()


@pytest.fixture(scope="module")
def running_site(
    prepared: RunningSite, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningSite]:
    """A site with a web server, a worker and a schedule, for all tests of a file.

    Each leaves a worker behind that is ready for the next one.
    """
    home = tmp_path_factory.mktemp("running") / "home"
    site = _copied(prepared, home, "running", MARINEMAP_EXTRACT_RATE="100/s")
    site.start_web()
    site.start_worker("-B")
    wait_for(lambda: site.health()["status"] == "ok", "a schedule that is followed")
    yield site
    site.stop()


def _copied(prepared: RunningSite, home: Path, name: str, **settings: str) -> RunningSite:
    shutil.copytree(prepared.home, home)
    url = prepared.environment.get("DATABASE_URL")
    if url:
        url = make_database(url, name, template="prepared")
    return RunningSite(home, url, **settings)


def _write(path: Path, layer: str, kind: str, geometries: object, fields: dict) -> None:
    pyogrio.raw.write(
        path,
        shapely.to_wkb(geometries),
        field_data=list(fields.values()),
        fields=list(fields),
        layer=layer,
        geometry_type=kind,
        crs="EPSG:4326",
        append=path.exists(),
    )
