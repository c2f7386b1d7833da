"""Into which pieces a layer is divided, written down for the processes that help."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow
import pyogrio
import pyproj
import shapely

from marinemap import __version__
from marinemap.extraction.layers.layer import PreparedLayer
from marinemap.extraction.request import SourceLayer
from marinemap.extraction.sources.source_files import fingerprint

_NAME = "plan.json"
# So many files and locks are looked at by all who help.
_MOST_PIECES = 256


@dataclass(frozen=True)
class Plan:
    """The pieces of one layer.

    Parameters
    ----------
    layer : int
        The layer's place among the request's.
    steps : int
        In how many steps the layer is read.
    digest : str
        Of all that a piece follows from: who finds another would make others.
    """

    layer: int
    steps: int
    digest: str

    @classmethod
    def of(cls, number: int, source: SourceLayer, mode: str, layer: PreparedLayer) -> Plan:
        """Return the plan of a layer, the same in each process that reads the same data."""
        return cls(number, layer.source.steps, _digest(source, mode, layer))

    @property
    def pieces(self) -> int:
        """How many there are."""
        return min(self.steps, _MOST_PIECES)

    def steps_of(self, piece: int) -> tuple[int, int]:
        """Return the first step of a piece, and the first behind it."""
        first, end = (math.ceil(self.steps * n / self.pieces) for n in (piece, piece + 1))
        return first, end

    def write(self, folder: Path) -> None:
        """Write the plan down, whole or not at all."""
        partial = folder / f"{uuid.uuid4()}.partial"
        partial.write_text(json.dumps(dataclasses.asdict(self)))
        partial.replace(folder / _NAME)


def find_plans(folder: Path) -> dict[Path, Plan]:
    """Return the plans of the layers that are being extracted, by their folders.

    Raises
    ------
    OSError
        If one is over just now.
    """
    found = {path.parent: _parsed(path.read_text()) for path in folder.glob(f"*/{_NAME}")}
    return {place: plan for place, plan in found.items() if plan}


def _parsed(text: str) -> Plan | None:
    try:
        return Plan(**json.loads(text))
    except TypeError:
        # Of another version, as while machines are upgraded one by one.
        return None


def _digest(source: SourceLayer, mode: str, layer: PreparedLayer) -> str:
    clipper, route = layer.clipper, layer.route
    told: list[Any] = [
        _versions(),
        fingerprint(source.path),
        (source.layer, source.fields, source.filter, mode, layer.source.steps),
        (route.name, route.area_name, route.output.to_wkt()),
        shapely.to_wkb(clipper.area).hex() if clipper else "",
    ]
    return hashlib.sha256(repr(told).encode()).hexdigest()


def _versions() -> list[str]:
    """Return what makes numbers, and differs between machines that were not upgraded together."""
    return [
        __version__,
        pyarrow.__version__,
        str(pyogrio.__gdal_version__),
        shapely.geos_version_string,
        pyproj.proj_version_str,
    ]
