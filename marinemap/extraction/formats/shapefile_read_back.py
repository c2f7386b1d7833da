"""Read back a shapefile: every record's place and type, and what another GDAL finds in it."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from marinemap.errors import ServiceError
from marinemap.extraction.formats.read_back import Found, check_has_geometry, look, opened
from marinemap.extraction.formats.written import WrittenLayer

_SHP_HEADER_BYTES = 100
_SHX_ENTRY_BYTES = 8
_NULL_SHAPE = 0
# The record's header comes before its type.
_TYPE_AT = 8
_ROWS_AT_ONCE = 16_384


def read_back(written: WrittenLayer) -> Found:
    """Look at every record of a shapefile, and return what fiona finds.

    Raises
    ------
    ServiceError
        If a length, a count or a geometry differs from what was written.
    """
    _check_shapefile(written.path, written.features)
    with opened(written) as source:
        found = look(source, written)
        if found.features:
            check_has_geometry(written, found.features - 1, source[found.features - 1])
    # A table without columns is not allowed in DBF, so FID is added.
    return found if written.fields else Found(found.features, [], found.bounds)


def _check_shapefile(path: Path, features: int) -> None:
    """Compare the lengths in the headers with the files, and look at the type of each record."""
    found = path.stat().st_size
    with path.open("rb") as file:
        stated = struct.unpack(">I", file.read(_SHP_HEADER_BYTES)[24:28])[0] * 2
    if stated != found:
        raise ServiceError(f"{path.name} has {found:,} bytes; its header says {stated:,}")
    listed = path.with_suffix(".shx").stat().st_size - _SHP_HEADER_BYTES
    if listed != features * _SHX_ENTRY_BYTES:
        listed //= _SHX_ENTRY_BYTES
        raise ServiceError(f"{path.stem}.shx lists {listed:,} of {features:,} features")
    _check_records(path, found)
    _check_table(path.with_suffix(".dbf"), features)


def _check_records(path: Path, size: int) -> None:
    """Follow the records through the file, by their places in the .shx, some at a time."""
    end = _SHP_HEADER_BYTES
    missing = 0
    with path.open("rb") as records, path.with_suffix(".shx").open("rb") as index:
        index.seek(_SHP_HEADER_BYTES)
        while entries := index.read(_ROWS_AT_ONCE * _SHX_ENTRY_BYTES):
            places, lengths = np.frombuffer(entries, ">i4").reshape(-1, 2).T.astype(np.int64) * 2
            follows = np.concatenate([[end], places + _TYPE_AT + lengths])
            if (follows[:-1] != places).any() or follows[-1] > size:
                raise ServiceError(f"{path.stem}.shx does not match the records of {path.name}")
            records.seek(end)
            data = np.frombuffer(records.read(follows[-1] - end), np.uint8)
            missing += int((data[places - end + _TYPE_AT] == _NULL_SHAPE).sum())
            end = int(follows[-1])
    if end != size:
        raise ServiceError(f"{path.stem}.shx does not match the records of {path.name}")
    if missing:
        raise ServiceError(f"{path.name} holds {missing:,} features without geometry")


def _check_table(path: Path, features: int) -> None:
    with path.open("rb") as file:
        head = file.read(12)
    count, header, record = struct.unpack("<IHH", head[4:12])
    expected = header + count * record + 1
    found = path.stat().st_size
    if (count, expected) != (features, found):
        raise ServiceError(
            f"{path.name} states {count:,} rows in {expected:,} bytes; {features:,} rows were "
            f"written in {found:,}"
        )
