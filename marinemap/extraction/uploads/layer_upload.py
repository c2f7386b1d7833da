"""A file of layers that was uploaded: what it is, unpacked, and the layers that it holds."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyogrio

from marinemap.errors import DatasetError, RequestError, quote
from marinemap.extraction.reading.layer_names import FoundLayer, found_layer
from marinemap.extraction.sandbox.runner import run_confined
from marinemap.extraction.sources.shapefile_check import check_headers
from marinemap.extraction.uploads.zips import (
    check_names,
    check_overlaps,
    is_beside_the_point,
    opened,
)

_CHILD = Path(__file__).with_name("layers_child.py")
_SECONDS = 90
# By how a file begins; its name says nothing, for GDAL's virtual formats come under any.
_BEGINNINGS = {
    b"PK\x03\x04": ".zip",
    b"SQLite format 3\x00": ".gpkg",
    b"fgb\x03": ".fgb",
    b"{": ".geojson",
}
_DRIVERS = {".shp": "ESRI Shapefile", ".gpkg": "GPKG", ".fgb": "FlatGeobuf", ".geojson": "GeoJSON"}
_SHAPEFILE = (".shp", ".shx", ".dbf", ".prj", ".cpg")
_ACCEPTED = "a zipped shapefile, GeoPackage, FlatGeobuf or GeoJSON, one of these zipped as well"
_MOST_MEMBERS = 1_000
_MOST_DATASETS = 100
_CHUNK_BYTES = 1 << 20
_MOST_STEM = 60
_FIELD = "file"


def unpack_layers(path: Path, name: str, folder: Path, most_bytes: int) -> list[Path]:
    """Return the datasets of an uploaded file, under suffixes that tell what they are.

    Parameters
    ----------
    path : Path
        The file, which stays.
    name : str
        What it was called; datasets are named after it, or after a zip's members.
    folder : Path
        Empty, on the same disk; whoever calls this removes what is left of a file that was refused.
    most_bytes : int
        To which a zip may unpack.

    Raises
    ------
    RequestError
        If it is none of the formats that are taken, or damaged, or a zip with links, names that
        lead out of it, or more bytes.
    OSError
        If the disk has no room, or cannot be written.
    """
    suffix = _suffix_of(path)
    if suffix != ".zip":
        target = folder / f"{_plain(Path(name).stem)}{suffix}"
        # The same file under another name, so that nothing is copied.
        target.hardlink_to(path)
        return [target]
    return _unzip(path, folder, most_bytes)


def look_apart(path: Path) -> list[FoundLayer]:
    """Return the layers of a dataset that :func:`unpack_layers` gave, read where it can do no harm.

    In a child process with limits on time and memory, which has no network and sees the dataset's
    folder only, by the one driver of its format.

    Raises
    ------
    RequestError
        If it is damaged, or takes more time or memory.
    """
    if path.suffix == ".shp":
        _check_shapefile(path)
    skipped = sorted(set(pyogrio.list_drivers()) - {_DRIVERS[path.suffix]})
    done = run_confined(
        ["-P", str(_CHILD), f"{{folder}}/{path.name}"],
        path.parent,
        {"GDAL_SKIP": ",".join(skipped), "PROJ_NETWORK": "OFF", "CPL_LOG": os.devnull},
        seconds=_SECONDS,
    )
    try:
        answer = json.loads(done.said)
    except ValueError as error:
        raise _refused(
            f"{path.name} could not be opened within a minute and 2 GB of memory; it may be damaged"
        ) from error
    if "error" in answer:
        raise _refused(f"{path.name} cannot be read as vector data: {quote(answer['error'])}")
    return [found_layer(layer, kind) for layer, kind in answer["layers"]]


def _refused(message: str, value: object = None) -> RequestError:
    return RequestError(message, field=_FIELD, value=value)


def _suffix_of(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(4_096).removeprefix(b"\xef\xbb\xbf")
    head = head if head.startswith(b"fgb") else head.lstrip()
    found = next((s for beginning, s in _BEGINNINGS.items() if head.startswith(beginning)), None)
    if found is None:
        raise _refused(f"the file is not {_ACCEPTED}")
    return found


def _plain(stem: str) -> str:
    """Return a name without what a path, a shell or GDAL takes for something else."""
    plain = re.sub(r"[^\w-]+", "_", stem).strip("_")
    # Of letters that take several bytes a name has room for fewer.
    return plain.encode()[:_MOST_STEM].decode(errors="ignore") or "data"


def _check_shapefile(path: Path) -> None:
    for suffix in (".shx", ".dbf", ".prj"):
        if not path.with_suffix(suffix).exists():
            raise _refused(
                f"the zip holds no {path.stem}{suffix}; .shp, .shx, .dbf and .prj belong together"
            )
    try:
        check_headers(path)
    except DatasetError as error:
        raise _refused(error.message, error.value) from error


def _unzip(path: Path, folder: Path, most_bytes: int) -> list[Path]:
    with opened(path, _FIELD) as archive:
        members = [each for each in archive.infolist() if not is_beside_the_point(each)]
        if len(members) > _MOST_MEMBERS:
            raise _refused(f"the zip holds {len(members)} files; at most {_MOST_MEMBERS} are taken")
        check_names(members, _FIELD)
        check_overlaps(archive.infolist(), _FIELD)
        datasets = _datasets(members)
        _check_size([part for parts in datasets for part in parts], folder, most_bytes)
        return list(_unpacked(archive, datasets, folder, most_bytes))


def _datasets(members: Sequence[zipfile.ZipInfo]) -> list[list[zipfile.ZipInfo]]:
    """Return the members that belong together, those of a dataset's own suffix first."""
    by_stem: dict[str, list[zipfile.ZipInfo]] = {}
    alone = []
    for member in members:
        suffix = _member_suffix(member)
        if suffix in _SHAPEFILE:
            by_stem.setdefault(member.filename[: -len(suffix)].lower(), []).append(member)
        elif suffix in (".gpkg", ".fgb", ".geojson"):
            alone.append([member])
    whole = [parts for parts in by_stem.values() if any(_member_suffix(p) == ".shp" for p in parts)]
    found = alone + whole
    if not 1 <= len(found) <= _MOST_DATASETS:
        raise _refused(
            f"the zip holds {len(found)} shapefiles, GeoPackages, FlatGeobufs and GeoJSON files; "
            f"one to {_MOST_DATASETS} are taken"
        )
    return found


def _member_suffix(member: zipfile.ZipInfo) -> str:
    suffix = Path(member.filename).suffix.lower()
    return ".geojson" if suffix == ".json" else suffix


def _check_size(members: Sequence[zipfile.ZipInfo], folder: Path, most_bytes: int) -> None:
    size = sum(member.file_size for member in members)
    if size > most_bytes:
        raise _refused(f"the zip unpacks to {size:,} bytes; at most {most_bytes:,} are taken")
    if size > shutil.disk_usage(folder).free // 2:
        raise OSError(errno.ENOSPC, f"the zip unpacks to {size:,} bytes", str(folder))


def _unpacked(
    archive: zipfile.ZipFile,
    datasets: Sequence[Sequence[zipfile.ZipInfo]],
    folder: Path,
    most_bytes: int,
) -> Iterator[Path]:
    left = most_bytes
    for number, parts in enumerate(datasets, 1):
        # Of its own: members of two folders may have one name.
        own = folder / str(number)
        own.mkdir()
        stem = _plain(Path(parts[0].filename).stem)
        names = [_member_suffix(part) for part in parts]
        if len(set(names)) < len(names):
            raise _refused(f"the zip holds two files {stem}{_first_twice(names)}, in any case")
        for part in parts:
            left -= _unpack(archive, part, own / f"{stem}{_member_suffix(part)}", left)
        yield _sound(own, stem)


def _first_twice(names: Sequence[str]) -> str:
    return next(name for name in names if names.count(name) > 1)


def _sound(folder: Path, stem: str) -> Path:
    """Return the dataset in a folder; that its content is what its suffix says was not told yet."""
    path = next(file for file in folder.iterdir() if file.suffix in _DRIVERS)
    if path.suffix != ".shp" and _suffix_of(path) != path.suffix:
        raise _refused(f"{path.name} in the zip is no {_DRIVERS[path.suffix]}")
    return path


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, most: int) -> int:
    count = 0
    with archive.open(member) as source, target.open("xb") as file:
        while chunk := source.read(_CHUNK_BYTES):
            count += len(chunk)
            # What it said of its size need not be true.
            if count > most:
                raise _refused(f"{target.name} in the zip has more bytes than may be unpacked")
            file.write(chunk)
    return count
