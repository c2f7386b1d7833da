"""Uploaded zips of area files, unpacked under names of our own: shapefiles, and KMZ."""

from __future__ import annotations

import itertools
import lzma
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from marinemap.errors import RequestError
from marinemap.extraction.uploads.checks import xml_kind
from marinemap.sentences import say

_MAX_UNPACKED_BYTES = 100 * 2**20
_MAX_RATIO = 100
_MAX_MEMBERS = 20
# Pictures that a KMZ brings along are not unpacked.
_MAX_KMZ_MEMBERS = 1_000
_MAX_SHP_BYTES = 24 * 2**20
_MAX_PRJ_BYTES = 64 * 2**10
_SHAPEFILE_PARTS = {".shp", ".shx", ".dbf", ".prj", ".cpg"}
_CHUNK_BYTES = 1 << 16
# zipfile lets through what its libraries say of damaged bytes.
_DAMAGED = (
    *(zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError),
    *(zlib.error, lzma.LZMAError),
)
_PARTS = {".shx": say("the index"), ".dbf": say("the table"), ".prj": say("the CRS")}


def unzip_shapefile(path: Path, folder: Path, field: str) -> None:
    """Unpack a zipped shapefile under names of our own.

    Raises
    ------
    RequestError
        If it holds more than one shapefile, a link or a path that climbs, or more bytes than its
        size suggests.
    """
    with opened(path, field) as archive:
        every = [m for m in archive.infolist() if not is_beside_the_point(m)]
        members = [m for m in every if _is_wanted(m)]
        _check_members(every, members, field)
        check_overlaps(archive.infolist(), field)
        budget = _budget(path)
        for member in members:
            target = folder / f"area{Path(member.filename).suffix.lower()}"
            budget -= _unpack(archive, member, target, budget, field)
        _check_parts(folder, field)


def unzip_kml(path: Path, target: Path, field: str) -> None:
    """Unpack the document of a KMZ: its first KML file (OGC 12-007r2, annex C).

    Raises
    ------
    RequestError
        If it has too many files, or more bytes than its size suggests, or the document is no KML.
    """
    with opened(path, field) as archive:
        every = archive.infolist()
        if len(every) > _MAX_KMZ_MEMBERS:
            raise _too_many(len(every), _MAX_KMZ_MEMBERS, field)
        check_overlaps(every, field)
        document = next(m for m in every if Path(m.filename).suffix.lower() == ".kml")
        _unpack(archive, document, target, _budget(path), field)
    if xml_kind(target, field) != "kml":
        raise RequestError(
            say("the KMZ's document is no KML"), field=field, value=document.filename
        )


@contextmanager
def opened(path: Path, field: str) -> Iterator[zipfile.ZipFile]:
    """Open a zip, and refuse what turns out to be damaged or encrypted while it is read.

    Raises
    ------
    RequestError
    """
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except _DAMAGED as error:
        if isinstance(error, OSError) and error.errno is not None:
            # Of the disk; what the unpackers find has no number.
            raise
        raise RequestError(
            say("the zip is damaged or encrypted: {error}", error=error), field=field
        ) from error


def _budget(path: Path) -> int:
    """Return how many bytes a zip may unpack to."""
    return min(_MAX_UNPACKED_BYTES, _MAX_RATIO * path.stat().st_size)


def _too_many(count: int, most: int, field: str) -> RequestError:
    return RequestError(
        say("the zip holds {count} files; at most {most} are taken", count=count, most=most),
        field=field,
    )


def _is_wanted(member: zipfile.ZipInfo) -> bool:
    return Path(member.filename).suffix.lower() in _SHAPEFILE_PARTS


def is_beside_the_point(member: zipfile.ZipInfo) -> bool:
    """Tell whether it is a folder's own entry, or what macOS adds to all that it packs."""
    parts = member.filename.split("/")
    return member.is_dir() or "__MACOSX" in parts or parts[-1] == ".DS_Store"


def _check_members(every: list[zipfile.ZipInfo], wanted: list[zipfile.ZipInfo], field: str) -> None:
    if len(every) > _MAX_MEMBERS:
        raise _too_many(len(every), _MAX_MEMBERS, field)
    check_names(every, field)
    # With the folder: most programs pack the one in which the files lie.
    stems = {Path(member.filename).with_suffix("") for member in wanted}
    suffixes = [Path(member.filename).suffix.lower() for member in wanted]
    if len(stems) != 1 or len(set(suffixes)) != len(suffixes) or ".shp" not in suffixes:
        raise RequestError(say("the zip does not hold exactly one shapefile"), field=field)


def check_names(members: list[zipfile.ZipInfo], field: str) -> None:
    """Refuse links, and names that lead out of the zip.

    Raises
    ------
    RequestError
    """
    for member in members:
        name = member.filename
        climbs = name.startswith("/") or "\\" in name or ".." in name
        if climbs or stat.S_ISLNK(member.external_attr >> 16):
            raise RequestError(
                say(
                    "the zip holds links, or names that lead out of it; put the files of one "
                    "shapefile into it, as they are"
                ),
                field=field,
                value=name,
            )


def check_overlaps(members: list[zipfile.ZipInfo], field: str) -> None:
    """Refuse members that share bytes: Python 3.11.7's zipfile reads them (CVE-2024-0450)."""
    places = sorted((m.header_offset, m.compress_size) for m in members)
    for (start, size), (following, _) in itertools.pairwise(places):
        if start + size > following:
            raise RequestError(say("files in the zip overlap: it is damaged"), field=field)


def _check_parts(folder: Path, field: str) -> None:
    for suffix, what in _PARTS.items():
        if not (folder / f"area{suffix}").exists():
            raise RequestError(
                say(
                    "the zip holds no {suffix}, {what} of the shapefile; .shp, .shx, .dbf "
                    "and .prj belong together",
                    suffix=suffix,
                    what=what,
                ),
                field=field,
            )
    for suffix, most in ((".shp", _MAX_SHP_BYTES), (".prj", _MAX_PRJ_BYTES)):
        size = (folder / f"area{suffix}").stat().st_size
        if size > most:
            raise RequestError(
                say(
                    "the {suffix} in the zip has {size:,} bytes; for an area of at most "
                    "500,000 corners {most:,} are allowed",
                    suffix=suffix,
                    size=size,
                    most=most,
                ),
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
                    say(
                        "the zip unpacks to more than {ratio} times its size or {most:,} bytes",
                        ratio=_MAX_RATIO,
                        most=_MAX_UNPACKED_BYTES,
                    ),
                    field=field,
                )
            file.write(chunk)
    return count
