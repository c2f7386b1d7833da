"""What an uploaded area file must be before any library looks at it."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from marinemap.errors import RequestError
from marinemap.extraction.geometry.refused_text import why_no_geometry
from marinemap.extraction.json_objects import each_once
from marinemap.extraction.projection.crs import CRS84
from marinemap.sentences import say

MAX_UPLOAD_BYTES = 20 * 2**20
_MAX_JSON_DEPTH = 16
# An area of 500,000 corners has two and a half million. Python makes an object of a hundred bytes
# from a handful of marks: 20 MiB of them took 500 MB.
_MAX_JSON_MARKS = 3_000_000
# What programs write (GDAL and QGIS the first, GeoServer the fifth) and what says no more than
# RFC 7946 does: positions are x before y in GeoJSON 1.0 of 2008 as well (2.1.1).
_DEGREES = (
    "urn:ogc:def:crs:OGC:1.3:CRS84",
    "urn:ogc:def:crs:OGC::CRS84",
    "OGC:CRS84",
    "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
    "urn:ogc:def:crs:EPSG::4326",
    "EPSG:4326",
)
_SAYS_DEGREES = [None, *({"type": "name", "properties": {"name": name}} for name in _DEGREES)]
_ACCEPTED = say("a zipped shapefile, GeoPackage, KML, KMZ, GPX, GeoJSON or WKT of polygons")
# With the number of an EPSG code before it, as PostGIS writes it.
_WKT = re.compile(
    rb"\s*(?:SRID\s*=\s*(\d{1,9})\s*;)?\s*(?:MULTI)?(?:POLYGON|GEOMETRYCOLLECTION)\b", re.I
)
# GEOS walks down by calling itself.
_MAX_WKT_DEPTH = 8


def kind_of(path: Path, field: str) -> str:
    """Tell by its content what a file is: ``zip`` (of a shapefile), ``gpkg``, ``geojson``,
    ``kml``, ``kmz``, ``gpx`` or ``wkt``.

    The name says nothing: GDAL's virtual formats come under any.

    Raises
    ------
    RequestError
        If it is too large or none of these.
    """
    size = path.stat().st_size
    if size > MAX_UPLOAD_BYTES:
        raise RequestError(
            say(
                "the file has {size:,} bytes; at most {most:,} are taken",
                size=size,
                most=MAX_UPLOAD_BYTES,
            ),
            field=field,
        )
    with path.open("rb") as file:
        head = file.read(4_096)
    if head.startswith(b"PK\x03\x04"):
        return "kmz" if _holds_kml(path) else "zip"
    if head.startswith(b"SQLite format 3\x00"):
        return "gpkg"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith((b"{", b"[")):
        return "geojson"
    if text.startswith(b"<"):
        return xml_kind(path, field)
    if _WKT.match(text):
        return "wkt"
    raise RequestError(say("the file is not {accepted}", accepted=_ACCEPTED), field=field)


def read_geojson(path: Path, field: str) -> Any:
    """Parse a GeoJSON file, refusing what is nested without end and what names a CRS.

    Raises
    ------
    RequestError
        If it is not JSON, is nested too deep, or holds a ``crs`` member.
    """
    try:
        # Not as bytes: those would be kept beside their text until all is parsed.
        value = json.loads(_json_text(path, field), object_pairs_hook=each_once(field))
    except (ValueError, UnicodeDecodeError) as error:
        raise RequestError(
            say("the file is not JSON: {error}", error=error), field=field
        ) from error
    if isinstance(value, dict) and value.pop("crs", None) not in _SAYS_DEGREES:
        # A crs member may be a link, which GDAL would fetch; RFC 7946 has none.
        raise RequestError(
            say("the GeoJSON has a 'crs' member; RFC 7946 allows longitude, latitude only"),
            field=field,
            hint=say("Save it in EPSG:4326 without 'crs'."),
        )
    return value


def _json_text(path: Path, field: str) -> str:
    data = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    marks = len(data) - len(data.translate(None, delete=b"[]{},:"))
    if marks > _MAX_JSON_MARKS:
        raise RequestError(
            say(
                "the JSON has {marks:,} brackets, commas and colons; an area of the most "
                "corners, 500,000, needs fewer than {most:,}",
                marks=marks,
                most=_MAX_JSON_MARKS,
            ),
            field=field,
        )
    if _depth(data) > _MAX_JSON_DEPTH:
        raise RequestError(
            say("the JSON is nested more than {most} deep", most=_MAX_JSON_DEPTH),
            field=field,
        )
    return data.decode(json.detect_encoding(data), "surrogatepass")


def read_wkt(path: Path, field: str) -> tuple[Any, str]:
    """Return the geometry of a text as shapely has it, and its CRS: degrees unless it says one.

    Raises
    ------
    RequestError
        If it is no WKT (OGC 06-103r4), or nested too deep.
    """
    data = path.read_bytes().removeprefix(b"\xef\xbb\xbf").strip()
    found = _WKT.match(data)
    number = found[1] if found else None
    text = data.partition(b";")[2] if number else data
    if _depth(text.translate(_AS_JSON)) > _MAX_WKT_DEPTH:
        raise RequestError(
            say("the WKT is nested more than {most} deep", most=_MAX_WKT_DEPTH),
            field=field,
        )
    try:
        with np.errstate(invalid="ignore"):
            geometry = shapely.force_2d(shapely.from_wkt(text.decode("ascii")))
    except (shapely.errors.ShapelyError, UnicodeDecodeError) as error:
        raise RequestError(
            say("the file is not WKT: {error}", error=why_no_geometry(error)),
            field=field,
            hint=say("Write POLYGON ((5 42, 10 42, 10 45, 5 42)), longitude first."),
        ) from error
    return geometry, f"EPSG:{int(number)}" if number else CRS84


def _holds_kml(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            suffixes = {Path(name).suffix.lower() for name in archive.namelist()}
    except (zipfile.BadZipFile, NotImplementedError, OSError):
        # Whoever unpacks it says what is wrong.
        return False
    return ".kml" in suffixes and ".shp" not in suffixes


def xml_kind(path: Path, field: str) -> str:
    """Tell whether a file is ``kml`` or ``gpx``.

    Raises
    ------
    RequestError
        If it is neither, or has what could lead elsewhere.
    """
    data = path.read_bytes()
    lowered = data.lower()
    if b"<!doctype" in lowered or b"<!entity" in lowered or b"\x00" in data:
        raise RequestError(say("XML with a DOCTYPE, entities or UTF-16 is not taken"), field=field)
    head = lowered[:4_096]
    for kind in ("kml", "gpx"):
        if b"<" + kind.encode() in head:
            return kind
    raise RequestError(say("the file is not {accepted}", accepted=_ACCEPTED), field=field)


def _depth(data: bytes) -> int:
    """Return how deep brackets nest, without parsing: a bound, for strings may hold some too."""
    brackets = np.frombuffer(data.translate(None, delete=_NOT_BRACKETS), np.uint8)
    steps = np.where(np.isin(brackets, list(b"[{")), 1, -1)
    return int(steps.cumsum().max(initial=0))


_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_AS_JSON = bytes.maketrans(b"()", b"[]")
