"""Clients that others wrote, against a running site: each lists, reads, filters, pages, runs."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import requests
import shapely
from owslib.ogcapi.features import Features
from owslib.ogcapi.processes import Processes

from tests.running_site import PROJECT, RunningSite

COUNT = 2_500
CLIENTS = PROJECT / "tests/clients"
# In an environment of its own, which make test makes.
CUIMAN = CLIENTS / "cuiman/bin/python"


# One site for all: each asks what the others leave as it is, and no database answers otherwise.
pytestmark = pytest.mark.parametrize("prepared", ["sqlite"], indirect=True)


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A layer of more than two pages, in metres."""
    path = tmp_path_factory.mktemp("grid") / "grid.gpkg"
    numbers = np.arange(COUNT)
    x, y = 500_000 + numbers % 50 * 1000, 5_000_000 + numbers // 50 * 1000
    pyogrio.raw.write(
        path,
        shapely.to_wkb(shapely.points(x.astype(float), y.astype(float))),
        field_data=[numbers, np.array([f"point {n}" for n in numbers], object)],
        fields=["n", "name"],
        geometry_type="Point",
        crs="EPSG:32631",
    )
    return path


@pytest.fixture(scope="module")
def site(prepared: RunningSite, grid: Path) -> Iterator[RunningSite]:
    """A site with that layer, whose worker starts what is asked for at once."""
    home = grid.parent / "home"
    shutil.copytree(prepared.home, home)
    site = RunningSite(home, MARINEMAP_EXTRACT_RATE="600/m")
    site.manage("addlayer", "grid", grid)
    site.start_web()
    yield site
    site.stop()


def test_gdal_lists_reads_pages_and_filters(site: RunningSite, grid: Path) -> None:
    source = f"OAPIF:{site.base}/api"
    assert {"grid", "reefs"} <= {name for name, _ in pyogrio.list_layers(source)}
    info = pyogrio.read_info(source, layer="grid")
    assert (list(info["fields"]), info["crs"]) == (["n", "name"], "EPSG:32631")
    read, own = (pyogrio.raw.read(path, layer="grid", columns=["n"]) for path in (source, grid))
    assert sorted(read[3][0]) == sorted(own[3][0])
    order = np.argsort(read[3][0])
    # What was asked for in the layer's own CRS is what the file holds.
    assert np.array_equal(shapely.from_wkb(read[2])[order], shapely.from_wkb(own[2]))
    box = (500_500, 5_000_500, 510_500, 5_010_500)
    assert len(pyogrio.raw.read(source, layer="grid", bbox=box)[2]) == 100
    found = pyogrio.raw.read(source, layer="grid", where="name = 'point 77'", columns=["n"])
    assert list(found[3][0]) == [77]


def test_owslib_reads_features_and_runs_processes(site: RunningSite) -> None:
    features = Features(f"{site.base}/api/")
    assert {"grid", "reefs"} <= set(features.feature_collections())
    page = features.collection_items("grid", limit=7, bbox=[3, 45, 3.1, 45.2])
    assert page["numberReturned"] == 7
    assert set(features.collection_queryables("grid")["properties"]) == {"n", "name", "geometry"}
    alone = features.collection_item("grid", str(page["features"][0]["id"]))
    assert alone["properties"] == page["features"][0]["properties"]
    processes = Processes(f"{site.base}/api/")
    assert {each["id"] for each in processes.processes()} == {"echo", "estimate", "extract"}
    assert "message" in processes.process("echo")["inputs"]
    done = processes.execute("echo", inputs={"message": "hello"}, async_=False)
    assert done == {"message": "hello", "pause": 0}
    job: dict[str, Any] = processes.execute("echo", inputs={"message": "hello"}, async_=True)
    assert job["status"] == "accepted"


# They ask the API and no database.
def test_clients_of_browsers_list_read_filter_and_page(site: RunningSite) -> None:
    if not (CLIENTS / "node_modules").is_dir():
        pytest.skip("the clients are not installed; `make test` does so")
    found = _ask_by_node("ogc_client.mjs", site)
    assert found["title"] == "MarineMap"
    assert {"grid", "reefs"} <= set(found["layers"])
    assert set(found["queryables"]) == {"n", "name", "geometry"}
    assert {"application/geo+json", "text/csv"} <= set(found["formats"])
    # It counts pages by offset.
    assert found["numbers"] == list(range(6))
    assert found["alone"] == {"n": 0, "name": "point 0"}
    found = _ask_by_node("ogcapi_js.mjs", site)
    assert {"grid", "reefs"} <= set(found["layers"])
    assert found["filtered"] == ["point 77"]
    assert (found["first"], found["next"], found["alone"]) == (2, 2, True)


def _ask_by_node(script: str, site: RunningSite) -> dict[str, Any]:
    node = shutil.which("node") or PROJECT / ".venv/bin/node"
    done = subprocess.run(
        [node, CLIENTS / script, f"{site.base}/api", "grid"],
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_curl_asks_as_the_page_for_people_shows(site: RunningSite) -> None:
    page = requests.get(f"{site.base}/api/openapi.html", timeout=120)
    assert "/api/processes/{processId}/execution" in page.text
    answer = subprocess.run(
        [
            "curl",
            "--silent",
            "--header",
            "Content-Type: application/json",
            "--data",
            '{"inputs": {"message": "hi"}, "outputs": {"message": {}}}',
            f"{site.base}/api/processes/echo/execution",
        ],
        capture_output=True,
        timeout=240,
        check=True,
    )
    assert answer.stdout == b"hi"


def test_jobs_of_a_client_without_cookies_are_listed_on_a_site_for_one_machine(
    site: RunningSite,
) -> None:
    answer = requests.post(
        f"{site.base}/api/processes/echo/execution",
        json={"inputs": {"message": "a"}},
        headers={"Prefer": "respond-async"},
        timeout=120,
    )
    listed = requests.get(f"{site.base}/api/jobs", timeout=120).json()["jobs"]
    assert answer.json()["jobID"] in [job["jobID"] for job in listed]


@pytest.mark.skipif(not CUIMAN.exists(), reason="make test installs cuiman")
def test_cuiman_lists_describes_runs_and_cancels(site: RunningSite, tmp_path: Path) -> None:
    site.start_worker()
    script = str(CLIENTS / "cuiman_client.py")
    done = subprocess.run(
        [str(CUIMAN), script, f"{site.base}/api"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["processes"] == ["echo", "estimate", "extract"]
    assert {"layers", "area", "format"} <= set(told["inputs"])
    assert (told["status"], told["dismissed"]) == ("successful", "dismissed")
    assert told["jobs"] == sorted(told["made"])
    # It reads JSON only, and the job is its own, by a cookie: it learns where the zip is.
    archive = told["results"]["archive"]
    assert archive["type"] == "application/zip"
    assert archive["href"] == f"{site.base}/api/jobs/{told['made'][0]}/results/archive"
