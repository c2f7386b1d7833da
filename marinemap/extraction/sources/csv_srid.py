"""The CRS that PostGIS writes into each geometry of a CSV, which GDAL reads past, or not at all."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pyproj
from pyproj.exceptions import CRSError

from marinemap.errors import DatasetError
from marinemap.extraction.sources.source import with_suffixes
from marinemap.sentences import say

# EWKT and EWKB (PostGIS, "ST_AsEWKT", "ST_AsEWKB"): of the latter a bit of the type says that a
# number of a CRS follows.
_TEXT = re.compile(r"\s*SRID=(\d+);", re.IGNORECASE)
_BINARY = re.compile(r"(00|01)([0-9A-F]{8})([0-9A-F]{8})", re.IGNORECASE)
_HAS_SRID = 0x20000000


def epsg_of(path: Path) -> int | None:
    """Return the EPSG code that the .prj beside a CSV states, if any."""
    prj = next(iter(with_suffixes(".prj")(path)[1:]), None)
    if prj is None:
        return None
    try:
        return pyproj.CRS.from_user_input(prj.read_text(errors="replace").strip()).to_epsg()
    except CRSError:
        return None


def check_srid(path: Path, number: int, geometry: str, epsg: int | None) -> None:
    """Refuse a geometry in PostGIS' own notation whose CRS is not that of the .prj, or unread.

    Raises
    ------
    DatasetError
    """
    text = _TEXT.match(geometry)
    srid = int(text[1]) if text else _srid_of(geometry)
    if srid is None or (text is None and srid == epsg):
        return
    hint = say(
        "State that CRS in a .prj beside the file, by the line EPSG:{srid}, "
        "for all its geometries.",
        srid=srid,
    )
    if text:
        hint = say(
            "Write plain well-known text (ST_AsText), and EPSG:{srid} into a .prj beside the file.",
            srid=srid,
        )
    raise DatasetError(
        say(
            "line {number:,} of {name} has a geometry with a CRS of its own, SRID {srid}",
            number=number,
            name=path.name,
            srid=srid,
        ),
        field="crs",
        value=srid,
        hint=hint,
    )


def _srid_of(geometry: str) -> int | None:
    found = _BINARY.match(geometry)
    if found is None:
        return None
    order = "<" if found[1] == "01" else ">"
    kind, srid = struct.unpack(f"{order}II", bytes.fromhex(found[2] + found[3]))
    return int(srid) if kind & _HAS_SRID else None
