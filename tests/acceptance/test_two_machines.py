"""Two machines, as two network namespaces: one helps the other, and goes from the network."""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import shapely

from marinemap.extraction import ExtractionRequest, SourceLayer, extract
from marinemap.extraction.sharing.pieces import Claim, Pieces
from tests.extraction.layers import write_layer
from tests.lossy_proxy import LossyProxy
from tests.running_site import Client, RunningSite, wait_for

# Of points: three pieces, of which the first is small.
FEATURES = 60_000
AREA = [0.0, 40.0, 10.0, 50.0]
# Others may run the same at once.
_NETWORK = f"10.{200 + os.getpid() % 50}.{os.getpid() // 50 % 250}"
OURS, THEIRS = f"{_NETWORK}.1", f"{_NETWORK}.2"


@dataclass(frozen=True)
class Machine:
    """A machine of the tests' own, with one cable to this one."""

    name: str
    cable: str

    def unplug(self) -> None:
        """Cut it off, without a word to anybody."""
        _ip("link", "set", self.cable, "down")


@pytest.fixture
def machine() -> Iterator[Machine]:
    """Another machine, where this user may make one."""
    name, cable = f"marinemap-{os.getpid()}", f"mm{os.getpid()}"
    if os.geteuid() or _ip("netns", "add", name, check=False):
        pytest.skip("no right to make network namespaces")
    try:
        _ip("link", "add", cable, "type", "veth", "peer", "name", "cable", "netns", name)
        _ip("address", "add", f"{OURS}/30", "dev", cable)
        _ip("link", "set", cable, "up")
        _ip("-netns", name, "address", "add", f"{THEIRS}/30", "dev", "cable")
        _ip("-netns", name, "link", "set", "cable", "up")
        yield Machine(name, cable)
    finally:
        _ip("netns", "delete", name)


def _ip(*arguments: str, check: bool = True) -> int:
    return subprocess.run(["ip", *arguments], capture_output=True, check=check).returncode


@pytest.fixture
def points(tmp_path: Path) -> Path:
    random = np.random.default_rng(5)
    places = shapely.points(*(random.uniform(0, 10, (2, FEATURES)) + [[0], [40]]))
    columns = {"number": pa.array(range(FEATURES))}
    return write_layer(tmp_path / "points.gpkg", places, columns, kind="Point")


@pytest.mark.parametrize("prepared", ["postgresql"], indirect=True)
def test_machine_that_goes_amid_its_piece_costs_no_more(
    machine: Machine, points: Path, make_site: Callable[..., RunningSite], tmp_path: Path
) -> None:
    settings = {"MARINEMAP_SPLIT_WORKERS": "1", "MARINEMAP_SPLIT_FEATURES": "1"}
    site = make_site(**settings, MARINEMAP_EXTRACT_RATE="unlimited")
    url = site.environment["DATABASE_URL"]
    port = int(url.rpartition(":")[2].partition("/")[0])
    network = LossyProxy(port, OURS)
    address = url.replace(f"127.0.0.1:{port}", f"{OURS}:{network.port}")
    try:
        site.manage("addlayer", "points", points)
        site.start_web()
        site.start_worker("-Q", "celery")
        site.start_worker_in(machine.name, address, "-Q", "parts")
        client = Client(site)
        job = client.submit(layers=["points"], area=AREA)
        folder, claim = hold_a_piece(site.home)
        # The run waits for what is held here; the other machine makes pieces from the last on.
        wait_for(lambda: list(folder.glob("*.arrow")), "a piece made elsewhere")
        machine.unplug()
        claim.release()
        assert client.wait(job)["status"] == "successful"
        assert geometries(client.download(job, tmp_path)) == geometries(alone(points, tmp_path))
    finally:
        network.close()


def hold_a_piece(home: Path) -> tuple[Path, Claim]:
    """Claim the next piece of the running job that nobody has begun; return where it lies."""

    def claim() -> tuple[Path, Claim] | None:
        for plan in home.glob("work/*/files/pieces/*/plan.json"):
            pieces = Pieces(plan.parent)
            for number in range(json.loads(plan.read_text())["steps"] - 1):
                if claim := pieces.claim(number):
                    return plan.parent, claim
        return None

    return wait_for(claim, "a piece to hold")


def alone(points: Path, folder: Path) -> Path:
    request = ExtractionRequest([SourceLayer("points", points)], AREA, folder / "alone.zip")
    return extract(request).archive


def geometries(path: Path) -> dict[str, bytes]:
    """Return the members of an archive that do not tell when they were made."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith((".shp", ".shx", ".prj"))]
        return {name: archive.read(name) for name in names}
