"""The CRS that a source states for its positions: one on Earth, or none that can be served."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pyproj
from pyproj.exceptions import CRSError

from marinemap.errors import DatasetError, quote
from marinemap.extraction.dataset import Bounds
from marinemap.extraction.place import Place
from marinemap.extraction.projection.crs import is_on_earth
from marinemap.extraction.sources import source_format_of
from marinemap.sentences import say

# Longitudes may be counted on across 180 degrees.
_MOST_EAST, _POLE = 540.0, 90.0
# A code, WKT or PROJJSON. No name, of which PROJ takes one that is like it, and none of PROJ's own
# strings, which may name files.
_WORDS = re.compile(
    r"\w+:[\w.]+|urn:ogc:def:crs:\S+|https?://www\.opengis\.net/\S+|[A-Za-z_]+\s*\[.*\]|\{.*\}",
    re.DOTALL,
)
_LONGEST = 100_000


def in_prj(path: Path) -> tuple[str, ...]:
    """Return what the .prj beside a file states in words other than Esri's, which GDAL knows."""
    parts = source_format_of(path).parts(path)
    prj = next((part for part in parts if part.suffix.lower() == ".prj"), None)
    if prj is None:
        return ()
    with prj.open(encoding="utf-8-sig", errors="replace") as file:
        text = file.read(_LONGEST).strip()
    return (text,) if _WORDS.fullmatch(text) else ()


def first_known(stated: tuple[str, ...], bounds: Bounds | None, path: Place, name: str) -> str:
    """Return the first of what is stated that is known; an authority's code where there is one.

    Raises
    ------
    DatasetError
        If there is none, or its positions are none on a map of Earth; or if it is in degrees and
        all of the layer (``bounds``, in it) lies beyond any.
    """
    text, crs = next(filter(None, map(_known, stated)), ("", None))
    if crs is None or crs.is_engineering:
        raise DatasetError(
            say(
                "layer '{name}' of {file} has no CRS, so nobody can tell where it lies",
                name=name,
                file=path.name,
            ),
            field="crs",
            value=name,
            hint=say(
                "Add the CRS to the data, for example with ogr2ogr -a_srs EPSG:4326 (for "
                "a shapefile or a CSV: a .prj beside it with a line such as EPSG:4326)."
            ),
        )
    if crs.is_geocentric or crs.type_name == "Vertical CRS":
        raise DatasetError(
            say(
                "the CRS of layer '{name}' of {file} ('{crs}') is a {type_name}: "
                "its positions are none on a map",
                name=name,
                file=path.name,
                crs=quote(crs.name),
                type_name=crs.type_name,
            ),
            field="crs",
            value=name,
            hint=say("Bring the data to a geographic or projected CRS, such as EPSG:4326."),
        )
    if not is_on_earth(crs):
        raise DatasetError(
            say(
                "the CRS of layer '{name}' of {file} ('{crs}') cannot be brought "
                "to degrees on Earth: it is damaged, or of another planet",
                name=name,
                file=path.name,
                crs=quote(crs.name),
            ),
            field="crs",
            value=name,
        )
    _check_degrees(crs, bounds, path, name)
    authority = crs.to_authority(min_confidence=100)
    return ":".join(authority) if authority else text


def _check_degrees(crs: pyproj.CRS, bounds: Bounds | None, path: Place, name: str) -> None:
    """Refuse a layer in degrees all of which lies beyond any: they are metres, or the like."""
    if bounds is None or not crs.is_geographic:
        return
    unit = math.degrees(crs.axis_info[0].unit_conversion_factor)
    west, south, east, north = (each * unit for each in bounds)
    if west <= _MOST_EAST and east >= -_MOST_EAST and south <= _POLE and north >= -_POLE:
        return
    raise DatasetError(
        say(
            "layer '{name}' of {file} is said to be in degrees ({crs}), but reaches from "
            "{west:,.0f}, {south:,.0f} to {east:,.0f}, {north:,.0f}",
            name=name,
            file=path.name,
            crs=quote(crs.name),
            west=bounds[0],
            south=bounds[1],
            east=bounds[2],
            north=bounds[3],
        ),
        field="crs",
        value=name,
        hint=say("State the CRS that the positions are in, such as that of a map in metres."),
    )


def _known(stated: str) -> tuple[str, pyproj.CRS] | None:
    try:
        return stated, pyproj.CRS.from_user_input(stated)
    except CRSError:
        return None
