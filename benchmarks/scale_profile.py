"""Which share of a large extract can be divided: the processor time of each of its steps."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyproj

from benchmarks.sites import complex_area
from marinemap.extraction import Area, SourceLayer, parse_crs
from marinemap.extraction.extracts.archive import new_archive
from marinemap.extraction.extracts.verify import verify
from marinemap.extraction.formats import get_format
from marinemap.extraction.formats.plan import NO_DATE, WritePlan
from marinemap.extraction.layers.kept import Keeper
from marinemap.extraction.layers.layer import prepare
from marinemap.extraction.projection.reproject import Reprojection

# What several processes can do at once; the others follow the order of all features.
DIVISIBLE = ("read", "keep")


class Profile:
    """Seconds of processor by the steps of one extract, one step after the other."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Count what the block takes, in all threads."""
        begin = time.process_time()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.process_time() - begin

    @property
    def share(self) -> float:
        """Which share can be divided, 0 to 1."""
        return sum(self.seconds[name] for name in DIVISIBLE) / sum(self.seconds.values())

    @property
    def bound(self) -> float:
        """How much faster any number of workers can be than one (Amdahl, AFIPS 1967)."""
        return 1 / (1 - self.share)


def measure_steps(path: Path, folder: Path, form: str, crs: str | None) -> Profile:
    """Extract a layer of sites to the complex area, step by step.

    Parameters
    ----------
    path : Path
    folder : Path
        Empty; the files are left in it.
    form : str
        A format's id.
    crs : str, optional
        The output CRS; the layer's own by default.
    """
    profile = Profile()
    area = Area(complex_area(), parse_crs("EPSG:4326"), {})
    with profile.step("prepare"):
        output = pyproj.CRS(crs) if crs else None
        layer = prepare(SourceLayer("sites", path), area, output=output)
        count = layer.source.steps
    crs_written, schema = layer.route.output, layer.selection.schema
    plan = WritePlan(folder, "sites", schema, crs_written, "Polygon", False, NO_DATE)
    writer = get_format(form).writer(plan)
    keeper = Keeper(layer, Reprojection(layer.route))
    batches = layer.source.take_steps(0, count)
    while True:
        with profile.step("read"):
            batch = next(batches, None)
        if batch is None:
            break
        with profile.step("keep"):
            kept = keeper.keep(batch)
        with profile.step("write"):
            writer.write(kept.geometries, kept.attributes)
    with profile.step("write"):
        written = writer.close()
    with profile.step("verify"):
        for one in written:
            verify(one)
    with profile.step("pack"), new_archive(folder / "sites.zip") as archive:
        for one in written:
            for name, member in one.members.items():
                archive.add(member, name=name)
    return profile
