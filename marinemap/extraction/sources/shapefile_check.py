"""Whether a shapefile is whole: GDAL reads a damaged one without a word, with features missing."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from marinemap.errors import DatasetError
from marinemap.extraction.sources.source import damaged, of_other_length
from marinemap.extraction.sources.table_check import check_table, check_values
from marinemap.extraction.sources.table_encoding import check_encoding
from marinemap.sentences import say

HEADER_BYTES = 100
_FILE_CODE = 9994
# Shape types (Esri, ShapefileTechnical Description, 1998, page 4): with Z ten more, with M twenty.
NULL, POINT, _POLYLINE, _POLYGON, MULTIPOINT, MULTIPATCH = 0, 1, 3, 5, 8, 31
_BASES = (POINT, _POLYLINE, _POLYGON, MULTIPOINT)
_TYPES = {NULL, MULTIPATCH, *(base + more for base in _BASES for more in (0, 10, 20))}

Array = np.ndarray[Any, Any]


def check_headers(path: Path) -> None:
    """Compare the lengths that the files of a shapefile state with what they are.

    Raises
    ------
    DatasetError
        If one is missing, cut or damaged; the file and what is wrong are named.
    """
    shx, dbf = (companion(path, suffix) for suffix in (".shx", ".dbf"))
    for part in (path, shx):
        stated, found = _stated_length(part), part.stat().st_size
        if stated != found:
            raise of_other_length(part, found, stated)
    if file_type(path) not in _TYPES:
        raise damaged(
            path, say("is of shape type {type}, which there is not", type=file_type(path))
        )
    check_table(dbf, (shx.stat().st_size - HEADER_BYTES) // 8)
    check_encoding(path)


def check_rows(path: Path) -> None:
    """Look whether the values in a shapefile's table are of their columns' types.

    Raises
    ------
    DatasetError
        If one is not.
    """
    check_values(companion(path, ".dbf"))


def _header(path: Path) -> bytes:
    with path.open("rb") as file:
        head = file.read(HEADER_BYTES)
    if len(head) < HEADER_BYTES or struct.unpack(">i", head[:4])[0] != _FILE_CODE:
        raise DatasetError(
            say("{name} has no shapefile header", name=path.name), field="source", value=path.name
        )
    return head


def _stated_length(path: Path) -> int:
    # Bytes 24-27: the length in 16-bit words, big-endian.
    return int(struct.unpack(">I", _header(path)[24:28])[0]) * 2


def file_type(path: Path) -> int:
    """Return the type that all records of a shapefile have."""
    return int(struct.unpack("<i", _header(path)[32:36])[0])


def file_box(path: Path) -> Array:
    """Return the extent that a shapefile states."""
    return np.frombuffer(_header(path)[36:68], "<f8")


def companion(path: Path, suffix: str) -> Path:
    """Return the part of a shapefile that has a suffix, in small letters or large ones.

    Raises
    ------
    DatasetError
        If there is none.
    """
    for candidate in (path.with_suffix(suffix), path.with_suffix(suffix.upper())):
        if candidate.exists():
            return candidate
    raise DatasetError(
        say(
            "{name} has no {suffix} beside it: a shapefile is .shp, .shx and .dbf together",
            name=path.name,
            suffix=suffix,
        ),
        field="source",
        value=path.name,
        hint=say("Put the {suffix} of the same name beside it.", suffix=suffix),
    )
