"""What an uploaded area file must be before any library looks at it."""

from __future__ import annotations

import itertools
import json
import stat
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from marinemap.errors import RequestError

MAX_UPLOAD_BYTES = 20 * 2**20
_MAX_UNPACKED_BYTES = 100 * 2**20
_MAX_RATIO = 100
_MAX_MEMBERS = 20
_MAX_JSON_DEPTH = 16
# An area of 500,000 corners has two and a half million. Python makes an object of a hundred bytes
# from a handful of marks: 20 MiB of them took 500 MB.
_MAX_JSON_MARKS = 3_000_000
_MAX_SHP_BYTES = 24 * 2**20
_MAX_PRJ_BYTES = 64 * 2**10
_SHAPEFILE_PARTS = {".shp", ".shx", ".dbf", ".prj", ".cpg"}
_CHUNK_BYTES = 1 << 16
# What GDAL and QGIS write by default says no more than RFC 7946 does.
_CRS84 = {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}
_ACCEPTED = "a zipped shapefile, GeoPackage, KML, GPX or GeoJSON"


def kind_of(path: Path, field: str) -> str:
    """Tell by its first bytes what a file is: ``zip``, ``gpkg``, ``geojson``, ``kml`` or ``gpx``.

    The name says nothing: GDAL's virtual formats come under any.

    Raises
    ------
    RequestError
        If it is too large or none of these.
    """
    size = path.stat().st_size
    if size > MAX_UPLOAD_BYTES:
        raise RequestError(
            f"the file has {size:,} bytes; at most {MAX_UPLOAD_BYTES:,} are taken", field=field
        )
    with path.open("rb") as file:
        head = file.read(4_096)
    if head.startswith(b"PK\x03\x04"):
        return "zip"
    if head.startswith(b"SQLite format 3\x00"):
        return "gpkg"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith((b"{", b"[")):
        return "geojson"
    if text.startswith(b"<"):
        return _xml_kind(path, field)
    raise RequestError(f"the file is not {_ACCEPTED}", field=field)


def read_geojson(path: Path, field: str) -> Any:
    """Parse a GeoJSON file, refusing what is nested without end and what names a CRS.

    Raises
    ------
    RequestError
        If it is not JSON, is nested too deep, or holds a ``crs`` member.
    """
    data = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    marks = len(data) - len(data.translate(None, delete=b"[]{},:"))
    if marks > _MAX_JSON_MARKS:
        raise RequestError(
            f"the JSON has {marks:,} brackets, commas and colons; an area of the most corners, "
            f"500,000, needs fewer than {_MAX_JSON_MARKS:,}",
            field=field,
        )
    if _depth(data) > _MAX_JSON_DEPTH:
        raise RequestError(f"the JSON is nested more than {_MAX_JSON_DEPTH} deep", field=field)
    try:
        value = json.loads(data)
    except (ValueError, UnicodeDecodeError) as error:
        raise RequestError(f"the file is not JSON: {error}", field=field) from error
    if isinstance(value, dict) and value.pop("crs", _CRS84) != _CRS84:
        # A crs member may be a link, which GDAL would fetch; RFC 7946 has none.
        raise RequestError(
            "the GeoJSON has a 'crs' member; RFC 7946 allows longitude, latitude only",
            field=field,
            hint="Save it in EPSG:4326 without 'crs'.",
        )
    return value


def unzip_shapefile(path: Path, folder: Path, field: str) -> None:
    """Unpack a zipped shapefile under names of our own.

    Raises
    ------
    RequestError
        If it holds more than one shapefile, anything that is not flat and plain, or more bytes
        than its size suggests.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if _is_wanted(m)]
            _check_members(archive.infolist(), members, field)
            budget = min(_MAX_UNPACKED_BYTES, _MAX_RATIO * path.stat().st_size)
            for member in members:
                target = folder / f"area{Path(member.filename).suffix.lower()}"
                budget -= _unpack(archive, member, target, budget, field)
        _check_parts(folder, field)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise RequestError(f"the zip is damaged or encrypted: {error}", field=field) from error


def _xml_kind(path: Path, field: str) -> str:
    data = path.read_bytes()
    lowered = data.lower()
    if b"<!doctype" in lowered or b"<!entity" in lowered or b"\x00" in data:
        raise RequestError("XML with a DOCTYPE, entities or UTF-16 is not taken", field=field)
    head = lowered[:4_096]
    for kind in ("kml", "gpx"):
        if b"<" + kind.encode() in head:
            return kind
    raise RequestError(f"the file is not {_ACCEPTED}", field=field)


def _depth(data: bytes) -> int:
    """Return how deep brackets nest, without parsing: a bound, for strings may hold some too."""
    brackets = np.frombuffer(data.translate(None, delete=_NOT_BRACKETS), np.uint8)
    steps = np.where(np.isin(brackets, list(b"[{")), 1, -1)
    return int(steps.cumsum().max(initial=0))


_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def _is_wanted(member: zipfile.ZipInfo) -> bool:
    return Path(member.filename).suffix.lower() in _SHAPEFILE_PARTS


def _check_members(every: list[zipfile.ZipInfo], wanted: list[zipfile.ZipInfo], field: str) -> None:
    if len(every) > _MAX_MEMBERS:
        raise RequestError(
            f"the zip holds {len(every)} files; at most {_MAX_MEMBERS} are taken", field=field
        )
    for member in every:
        odd = "/" in member.filename or "\\" in member.filename or ".." in member.filename
        if odd or stat.S_ISLNK(member.external_attr >> 16):
            raise RequestError(
                "the zip holds folders or links; put the files of one shapefile into it, flat",
                field=field,
                value=member.filename,
            )
    stems = {Path(member.filename).stem for member in wanted}
    suffixes = [Path(member.filename).suffix.lower() for member in wanted]
    if len(stems) != 1 or len(set(suffixes)) != len(suffixes) or ".shp" not in suffixes:
        raise RequestError("the zip does not hold exactly one shapefile", field=field)
    _check_overlaps(every, field)


def _check_overlaps(members: list[zipfile.ZipInfo], field: str) -> None:
    """Refuse members that share bytes: Python 3.11.7's zipfile reads them (CVE-2024-0450)."""
    places = sorted((m.header_offset, m.compress_size) for m in members)
    for (start, size), (following, _) in itertools.pairwise(places):
        if start + size > following:
            raise RequestError("files in the zip overlap: it is damaged", field=field)


def _check_parts(folder: Path, field: str) -> None:
    for suffix, what in ((".shx", "the index"), (".dbf", "the table"), (".prj", "the CRS")):
        if not (folder / f"area{suffix}").exists():
            raise RequestError(
                f"the zip holds no {suffix}, {what} of the shapefile; .shp, .shx, .dbf and .prj "
                "belong together",
                field=field,
            )
    for suffix, most in ((".shp", _MAX_SHP_BYTES), (".prj", _MAX_PRJ_BYTES)):
        size = (folder / f"area{suffix}").stat().st_size
        if size > most:
            raise RequestError(
                f"the {suffix} in the zip has {size:,} bytes; for an area of at most 500,000 "
                f"corners {most:,} are allowed",
                field=field,
            )


def _unpack(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, budget: int, field: str
) -> int:
    count = 0
    with archive.open(member) as source, target.open("wb") as file:
        while chunk := source.read(_CHUNK_BYTES):
            count += len(chunk)
            if count > budget:
                raise RequestError(
                    f"the zip unpacks to more than {_MAX_RATIO} times its size or "
                    f"{_MAX_UNPACKED_BYTES:,} bytes",
                    field=field,
                )
            file.write(chunk)
    return count
