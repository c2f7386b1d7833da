"""Read the area that an uploaded file holds, in a process of its own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import shapely

from marinemap.extraction import read_area_file
from marinemap.processes.apart import call_apart


@dataclass(frozen=True)
class FoundArea:
    """What a file held: a GeoJSON geometry in degrees as text, repaired, and what is said of it."""

    geometry: str
    bounds: list[float]
    corners: int
    area_km2: float
    notes: list[str]


def read_uploaded_area(path: Path, folder: Path) -> FoundArea:
    """Return the area that a file holds.

    Parameters
    ----------
    path : Path
        See :func:`marinemap.extraction.read_area_file` for the formats.
    folder : Path
        Where it is unpacked; the caller removes what is left there.

    Raises
    ------
    RequestError
        If it holds no area, or reading it takes more time or memory than one request may.
    UnavailableError
        If others are being looked at and it was not its turn in time.
    """
    return call_apart(_read, path, folder)


def _read(path: Path, folder: Path) -> FoundArea:
    area = read_area_file(path, field="file", work_folder=folder)
    mapping = shapely.geometry.mapping(area.geometry)
    return FoundArea(
        geometry=json.dumps(mapping, separators=(",", ":")),
        bounds=list(area.bounds_4326),
        corners=int(shapely.get_num_coordinates(area.geometry)),
        area_km2=area.area_m2 / 1e6,
        notes=list(area.notes),
    )
