"""What a format needs to know before the first feature comes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Protocol

import pyproj

from marinemap.extraction.formats.written import WrittenLayer

# A .shp or .dbf of more than 2 GB is refused by Esri's software and by GDAL before 3.1.
TWO_GB = 2**31 - 1
# Stands where no time is given: the earliest that a zip and a DBF both can state.
NO_DATE = date(1980, 1, 1)


@dataclass(frozen=True)
class WritePlan:
    """One layer to be written.

    Parameters
    ----------
    folder : Path
        Where the files go: empty, and for this layer alone.
    name : str
        Names the files, without a suffix.
    schema : pyarrow.Schema
        Of the attributes.
    crs : pyproj.CRS
        Of the geometries, whose coordinates are x before y.
    geometry_type : str
        As the source declares it: ``Point``, ``MultiLineString`` ..., ``Unknown``.
    has_z : bool
        Whether heights are kept.
    made_on : date
        Stands in the header of formats that have a place for it.
    max_bytes : int
        The most that one file may hold where the format has a limit.
    """

    folder: Path
    name: str
    schema: Any
    crs: pyproj.CRS
    geometry_type: str
    has_z: bool
    made_on: date
    max_bytes: int = TWO_GB


class LayerWriter(Protocol):
    """Takes a layer's features, batch by batch; all that is in its folder then is the result."""

    def write(self, geometries: Any, attributes: Any) -> None:
        """Append features: WKB (pyarrow.BinaryArray, none null or empty) and their attributes."""

    def close(self) -> list[WrittenLayer]:
        """Finish the files and tell what they hold."""

    def abandon(self) -> None:
        """Let go of the files as they are, after a failure."""
