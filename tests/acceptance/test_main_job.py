"""The main job, through real processes: ask, wait, download, unzip, compare."""

from __future__ import annotations

import json
import signal
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import fiona
import numpy as np
import pyproj
import pytest
import requests
import shapely
from shapely.geometry import shape

from tests.extraction.layers import write_layer
from tests.range_server import running_server
from tests.running_site import Client, RunningSite, wait_for
from tests.slow_source import held_open

MakeSite = Callable[..., RunningSite]

# Cuts through cells: its edges run across reefs, and one corner lies in a hole.
AREA = {
    "type": "Polygon",
    "coordinates": [[[1.5, 41.5], [6.2, 41.2], [7.8, 46.5], [3.3, 48.1], [1.5, 41.5]]],
}
_RESULTS_OF_JOBS = """
from django_celery_results.models import TaskResult
print(TaskResult.objects.exclude(task_name="marinemap.jobs.tasks.get_shps").count())
"""


def test_extract_holds_what_an_independent_computation_finds(
    running_site: RunningSite, marine_gpkg: Path, tmp_path: Path
) -> None:
    client = Client(running_site)
    job = client.submit(layers=["reefs", "coastline", "ports"], area=AREA, crs="EPSG:3857")
    info = client.wait(job)
    assert info["status"] == "successful", info
    archive = client.download(job, tmp_path)
    for layer in ("reefs", "coastline", "ports"):
        expected = _clipped(marine_gpkg, layer)
        found = _read(archive, layer)
        assert len(found) == len(expected) > 0
        # Edges that are straight in degrees bend in metres. The engine puts corners along those
        # that bend by more than a thousandth of their length, this test along all: on the
        # small squares here that leaves up to a hundred-thousandth of the area.
        assert _measure(found) == pytest.approx(_measure(expected), rel=1e-5)
    with zipfile.ZipFile(archive) as members:
        assert members.read("reefs.cpg").strip() == b"UTF-8"
        assert "EPSG:3857" in members.read("README.txt").decode()
    # A result of Celery's own is not fenced: one of a frozen run that woke ended the living one.
    told = running_site.manage("shell", "--no-imports", "--command", _RESULTS_OF_JOBS)
    assert told.split() == ["0"]


def test_job_waits_for_a_worker_and_runs_when_one_starts(running_site: RunningSite) -> None:
    running_site.signal("worker", signal.SIGTERM)
    client = Client(running_site)
    job = client.submit(layers=["reefs"], area=AREA)
    wait_for(lambda: running_site.health().get("workers") == 0, "a look that finds no worker")
    assert client.status(job)["status"] == "accepted"
    running_site.start_worker("-B")
    assert client.wait(job)["status"] == "successful"


# How jobs are kept, put off and seen by whom on each database is looked at elsewhere.
ON_SQLITE = pytest.mark.parametrize("prepared", ["sqlite"], indirect=True)


@ON_SQLITE
def test_job_whose_layer_is_on_a_server_that_stops_amid_it_is_done_later(
    make_site: MakeSite, tmp_path: Path
) -> None:
    with running_server(tmp_path) as server:
        # Its features lie beyond what is fetched first.
        x, y = (each.ravel() for each in np.meshgrid(np.arange(100) * 0.1, np.arange(100) * 0.1))
        squares = shapely.box(x, 40 + y, x + 0.05, 40 + y + 0.05)
        write_layer(server.folder / "far.fgb", squares, driver="FlatGeobuf")
        site = make_site(MARINEMAP_SOURCE_PREFIXES=f"{server.address}/")
        site.manage("addlayer", "far", f"{server.address}/far.fgb")
        site.start_web()
        site.start_worker()
        client = Client(site)
        server.fail("cut", beyond=600_000)
        job = client.submit(layers=["far"], area=[1, 41, 3, 43])
        told = wait_for(
            lambda: client.status(job) if "another try" in client.status(job)["message"] else None,
            "that the job is put off",
        )
        assert told["status"] == "accepted"
        assert "the server of far.fgb is away, silent, or ended its answer too soon" in str(told)
        server.mend()
        info = client.wait(job)
        assert info["status"] == "successful", info
        with zipfile.ZipFile(client.download(job, tmp_path)) as members:
            (report,) = json.loads(members.read("report.json"))["layers"]
    assert report["features_written"] == 400


@ON_SQLITE
def test_run_over_a_limit_is_told_before_and_ends_alone(make_site: MakeSite) -> None:
    site = make_site(MARINEMAP_MAX_RUN_FEATURES="5", MARINEMAP_EXTRACT_RATE="100/s")
    site.start_web()
    site.start_worker()
    client = Client(site)
    inputs = {"layers": ["reefs"], "area": AREA}
    notes = client.post_execution({"inputs": inputs}, process="estimate").json()["notes"]
    assert "over 5 features, the most that this site allows" in notes[0]
    info = client.wait(client.submit(**inputs))
    assert info["status"] == "failed"
    assert "has over 5 features, the most that this site allows one request" in info["message"]
    # The worker lives on, and does the next one.
    few = client.submit(layers=["reefs"], area=AREA, filter="reef_id < 0")
    assert client.wait(few)["status"] == "successful"


@ON_SQLITE
def test_run_that_hangs_in_a_step_is_ended_and_the_worker_goes_on(
    make_site: MakeSite, marine_gpkg: Path
) -> None:
    """Nothing interrupted it: one file system that was gone held the worker for ever."""
    site = make_site(MARINEMAP_MAX_RUN_SECONDS="4", MARINEMAP_EXTRACT_RATE="100/s")
    site.start_web()
    site.start_worker()
    client = Client(site)
    with held_open(marine_gpkg):
        job = client.submit(layers=["reefs"], area=AREA)
        info = client.wait(job)
        following = client.post_execution({"inputs": {"message": "x"}}, process="echo")
        assert client.wait(following.headers["Location"])["status"] == "successful"
    assert info["status"] == "failed"
    assert "took over 4 seconds, the most that this site allows" in info["message"]
    assert "MARINEMAP_MAX_RUN_SECONDS" in info["message"]
    assert "one step of it took too long" in info["message"]


@ON_SQLITE
def test_cancelled_run_that_hangs_in_a_step_frees_its_worker(
    make_site: MakeSite, marine_gpkg: Path
) -> None:
    # Without a schedule: what draws would open the file, too.
    site = make_site()
    site.start_web()
    site.start_worker()
    client = Client(site)
    with held_open(marine_gpkg) as is_awaited:
        job = client.submit(layers=["reefs"], area=AREA)
        wait_for(lambda: client.status(job)["status"] == "running", "the start of the job")
        wait_for(is_awaited, "the step that hangs")
        assert client.session.delete(job, timeout=120).ok
        following = client.post_execution({"inputs": {"message": "x"}}, process="echo")
        assert client.wait(following.headers["Location"])["status"] == "successful"
    assert client.status(job)["status"] == "dismissed"
    # The file is held for some time only: it would have ended then.
    assert "is cancelled and does not stop" in site.log("worker")


@ON_SQLITE
def test_geometries_come_through_the_queue_as_geometries(running_site: RunningSite) -> None:
    script = (
        "from marinemap.jobs.tasks import get_shps\n"
        "task = get_shps.delay('reefs')\n"
        "print(task.get(timeout=180) == get_shps('reefs'), task.status, task.ready())\n"
        "print(type(task.result[0]).__module__, len(task.result))\n"
    )
    told = running_site.manage("shell", "--no-imports", "--command", script)
    assert told.split() == ["True", "SUCCESS", "True", "shapely.geometry.polygon", "100"]


def test_fifth_job_of_a_burst_starts_no_sooner_than_the_rate_allows(make_site: MakeSite) -> None:
    site = make_site()
    site.start_web()
    site.start_worker()
    client = Client(site)
    jobs = [client.submit(layers=["ports"], area=AREA) for _ in range(5)]
    wait_for(lambda: client.status(jobs[3])["status"] == "successful", "the end of the burst")
    told = client.status(jobs[4])
    assert told["ahead"] == 0
    assert "Nobody is ahead; it starts in" in told["message"]
    wait_seconds = _seconds(told["created"], told["earliestStart"])
    assert 30 < wait_seconds < 65
    last = client.wait(jobs[4], seconds=300)
    # Four a minute: the fifth and the first are a whole window apart. The stamps are set after
    # the queue has handed a job out, on a busy machine long after; the first was made before.
    assert _seconds(client.status(jobs[0])["created"], last["started"]) > 59.5


def test_job_of_a_killed_worker_is_run_by_the_next(running_site: RunningSite) -> None:
    client = Client(running_site)
    answer = client.post_execution({"inputs": {"message": "hold", "pause": 3}}, process="echo")
    job = answer.headers["Location"]
    wait_for(lambda: client.status(job)["status"] == "running", "the start of the job")
    running_site.signal("worker", signal.SIGKILL)
    running_site.start_worker("-B")
    info = client.wait(job, seconds=240)
    assert info["status"] == "successful", info


@ON_SQLITE
def test_another_browser_does_not_see_the_job(running_site: RunningSite) -> None:
    owner, stranger = Client(running_site), Client(running_site)
    job = owner.submit(layers=["ports"], area=AREA)
    own = stranger.submit(layers=["ports"], area=AREA)
    assert stranger.session.get(job, timeout=120).status_code == 404
    assert stranger.session.delete(job, timeout=120).status_code == 404
    assert stranger.session.get(f"{job}/results", timeout=120).status_code == 404
    listed = stranger.session.get(f"{running_site.base}/api/jobs", timeout=120).json()["jobs"]
    assert [entry["jobID"] for entry in listed] == [own.rpartition("/")[2]]
    assert owner.wait(job)["status"] == "successful"


@ON_SQLITE
def test_client_without_cookies_reaches_its_job_by_its_address(running_site: RunningSite) -> None:
    body = {"inputs": {"layers": ["ports"], "area": AREA}}
    url = f"{running_site.base}/api/processes/extract/execution"
    job = requests.post(url, json=body, timeout=120).headers["Location"]
    assert requests.get(job, timeout=120).status_code == 200
    browser = {"User-Agent": "Mozilla/5.0"}
    assert requests.get(job, headers=browser, timeout=120).status_code == 404


def _seconds(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def _clipped(path: Path, layer: str) -> list[shapely.Geometry]:
    """Clip feature by feature with shapely, then reproject, without the engine."""
    area = shape(AREA)
    move = pyproj.Transformer.from_crs(4326, 3857, always_xy=True).transform
    found = []
    with fiona.open(path, layer=layer) as source:
        for feature in source:
            geometry = shape(feature.geometry)
            cut = geometry.intersection(area)
            if not cut.is_empty and cut.area + cut.length >= 0 and _same_kind(cut, geometry):
                dense = shapely.segmentize(cut, 0.001)
                found.append(shapely.transform(dense, move, interleaved=False))
    return found


def _same_kind(one: shapely.Geometry, other: shapely.Geometry) -> bool:
    return shapely.get_dimensions(one) == shapely.get_dimensions(other)


def _read(archive: Path, layer: str) -> list[shapely.Geometry]:
    with fiona.open(f"zip://{archive}!{layer}.shp") as source:
        assert source.crs.to_epsg() == 3857
        return [shape(feature.geometry) for feature in source]


def _measure(geometries: list[shapely.Geometry]) -> tuple[float, float, float]:
    east = sum(g.bounds[2] for g in geometries)
    return sum(g.area for g in geometries), sum(g.length for g in geometries), east
