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
        Where the files go.
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
    as_text : frozenset of str
        Integer fields that the format must keep as text.
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
    as_text: frozenset[str] = frozenset()
    max_bytes: int = TWO_GB


class IntegersNeedText(Exception):
    """A column met integers that the format's readers would round; start again with it as text."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


class LayerWriter(Protocol):
    """Takes a layer's features, batch by batch."""

    def write(self, geometries: Any, attributes: Any) -> None:
        """Append features: WKB (pyarrow.BinaryArray, none null or empty) and their attributes."""

    def close(self) -> list[WrittenLayer]:
        """Finish the files and tell what they hold."""

    def abandon(self) -> None:
        """Let go of the files as they are, after a failure."""
